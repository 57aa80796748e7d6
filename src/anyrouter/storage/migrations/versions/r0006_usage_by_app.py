"""What was used by day and app: a small table. Frozen, as the others. Its sums are made of those by hour and app."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
_SUMS = (
    "requests",
    "errors",
    "input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cache_read_tokens",
    "cost_nanousd",
    "upstream_cost_nanousd",
)
_NAMES = "app, model, provider, environment_id"


def upgrade() -> None:
    """Make it, with the sums of the hours that there are."""
    op.create_table(
        "usage_app_daily",
        sa.Column("organisation_id", _ID, primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("app", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("environment_id", _ID, primary_key=True),
        sa.Column("environment", sa.String(16), nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _SUMS),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_usage_app_daily_day", "usage_app_daily", ["day"])
    op.execute(
        f"INSERT INTO usage_app_daily (organisation_id, day, {_NAMES}, environment, {', '.join(_SUMS)}) "  # noqa: S608 -- constants
        f"SELECT organisation_id, hour / 24, {_NAMES}, min(environment), {', '.join(f'sum({name})' for name in _SUMS)} "
        f"FROM usage_hourly GROUP BY organisation_id, hour / 24, {_NAMES}"
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("usage_app_daily")
