"""What was used and how long it took by hour and model, and by day and model: small tables. Frozen, as the others.

Sums are made of those there are. How long requests took was not counted before.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
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
_COUNTS = (*(f"latency_{number:02}" for number in range(50)), *(f"ttft_{number:02}" for number in range(50)))


def upgrade() -> None:
    """Replace the table of latencies, which nothing was ever written to."""
    op.drop_table("latency_hourly")
    _create("usage_model_hourly", "hour", "usage_hourly")
    _create("usage_model_daily", "day", "usage_daily")
    op.create_index("ix_usage_model_hourly_hour", "usage_model_hourly", ["hour"])


def downgrade() -> None:
    """Drop them, and have the table of latencies again, empty."""
    op.drop_table("usage_model_daily")
    op.drop_table("usage_model_hourly")
    op.create_table(
        "latency_hourly",
        sa.Column("organisation_id", _ID, primary_key=True),
        sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("measure", sa.String(8), primary_key=True),
        sa.Column("bucket", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("environment_id", _ID, primary_key=True),
        sa.Column("environment", sa.String(16), nullable=False),
        sa.Column("requests", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_latency_hourly_hour", "latency_hourly", ["hour"])


def _create(table: str, time: str, source: str) -> None:
    op.create_table(
        table,
        sa.Column("organisation_id", _ID, primary_key=True),
        sa.Column(time, sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("environment_id", _ID, primary_key=True),
        sa.Column("environment", sa.String(16), nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _SUMS),
        *(sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0")) for name in _COUNTS),
        sqlite_with_rowid=False,
    )
    names = f"organisation_id, {time}, model, provider, environment_id"
    op.execute(
        f"INSERT INTO {table} ({names}, environment, {', '.join(_SUMS)}) "  # noqa: S608 -- constants
        f"SELECT {names}, min(environment), {', '.join(f'sum({name})' for name in _SUMS)} FROM {source} GROUP BY {names}"
    )
