"""How long requests took by key and by app, a table; and an index by key that has all sums by day. Frozen, as the others.

How long requests took was not counted by key and app before.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
_INDEX = "ix_usage_daily_rotation_group"
_COSTS = ["organisation_id", "rotation_group", "day", "cost_nanousd", "upstream_cost_nanousd"]
_OTHERS = ["requests", "errors", "input_tokens", "output_tokens", "reasoning_tokens", "cache_read_tokens"]


def upgrade() -> None:
    """Make the table, and the index anew."""
    op.create_table(
        "client_latencies",
        sa.Column("unit", sa.String(8), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("organisation_id", _ID, primary_key=True),
        sa.Column("split", sa.String(8), primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("environment", sa.String(16), primary_key=True),
        sa.Column("counts", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.drop_index(_INDEX, "usage_daily")
    op.create_index(_INDEX, "usage_daily", [*_COSTS, *_OTHERS])


def downgrade() -> None:
    """Drop the table, and have the index as it was."""
    op.drop_table("client_latencies")
    op.drop_index(_INDEX, "usage_daily")
    op.create_index(_INDEX, "usage_daily", _COSTS)
