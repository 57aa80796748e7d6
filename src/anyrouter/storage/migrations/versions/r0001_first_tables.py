"""The first tables. Frozen: what `anyrouter.storage.schema` says later is none of this revision's business."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")


def upgrade() -> None:
    """From an empty database."""
    _create_tenancy()
    _create_keys()
    _create_ledger()
    _create_usage()


def downgrade() -> None:
    """To an empty database."""
    for table in ("usage_daily", "ledger", "api_keys", "environments", "organisations", "pepper_fingerprints", "latest_epoch"):
        op.drop_table(table)


def _create_tenancy() -> None:
    op.create_table(
        "latest_epoch",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "pepper_fingerprints",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "organisations",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("epoch", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_organisations_epoch", "organisations", ["epoch"])
    op.create_table(
        "environments",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("organisation_id", _ID, sa.ForeignKey("organisations.id"), nullable=False),
        sa.Column("slug", sa.String(16), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("rate_limit_rpm", sa.Integer),
        sa.UniqueConstraint("organisation_id", "slug", name="uq_environments_organisation_id_slug"),
    )


def _create_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("organisation_id", _ID, sa.ForeignKey("organisations.id"), nullable=False),
        sa.Column("environment_id", _ID, sa.ForeignKey("environments.id"), nullable=False),
        sa.Column("environment", sa.String(16), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("label", sa.String(32), nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("pepper_version", sa.Integer, nullable=False),
        sa.Column("rotation_group", _ID, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("models", sa.Text),
        sa.Column("endpoints", sa.Text),
        sa.Column("providers", sa.Text),
        sa.Column("allowed_ips", sa.Text),
        sa.Column("rate_limit_rpm", sa.BigInteger),
        sa.Column("not_before_ms", sa.BigInteger),
        sa.Column("expires_at_ms", sa.BigInteger),
        sa.Column("is_disabled", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger, nullable=False),
        sa.Column("deleted_at_ms", sa.BigInteger),
        sa.Column("last_used_at_ms", sa.BigInteger),
        sa.Column("last_used_ip", _ID),
        sa.Column("last_used_user_agent", sa.Text),
    )
    op.create_index("ix_api_keys_digest", "api_keys", ["digest"], unique=True)
    op.create_index("ix_api_keys_organisation_id_environment_created", "api_keys", ["organisation_id", "environment", "created_at_ms"])
    op.create_index(
        "ix_api_keys_environment_id_name",
        "api_keys",
        ["environment_id", "name"],
        unique=True,
        sqlite_where=sa.text("deleted_at_ms IS NULL"),
        postgresql_where=sa.text("deleted_at_ms IS NULL"),
    )


def _create_ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("generation_id", _ID, primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("organisation_id", _ID, nullable=False),
        sa.Column("environment_id", _ID, nullable=False),
        sa.Column("environment", sa.String(16), nullable=False),
        sa.Column("api_key_id", _ID, nullable=False),
        sa.Column("rotation_group", _ID, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("request_id", _ID, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("upstream_model", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("upstream", sa.Text, nullable=False),
        sa.Column("upstream_id", sa.Text),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("error_code", sa.Text),
        sa.Column("finish_reason", sa.Text),
        sa.Column("native_finish_reason", sa.Text),
        sa.Column("is_streamed", sa.Boolean, nullable=False),
        sa.Column("is_byok", sa.Boolean, nullable=False),
        sa.Column("is_price_unknown", sa.Boolean, nullable=False),
        sa.Column("estimated_input_tokens", sa.BigInteger, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger, nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger, nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger, nullable=False),
        sa.Column("usage_source", sa.String(16), nullable=False),
        sa.Column("cost_nanousd", sa.BigInteger, nullable=False),
        sa.Column("routing_fee_nanousd", sa.BigInteger, nullable=False),
        sa.Column("upstream_cost_nanousd", sa.BigInteger, nullable=False),
        sa.Column("shadow_cost_nanousd", sa.BigInteger, nullable=False),
        sa.Column("latency_ms", sa.BigInteger, nullable=False),
        sa.Column("ttft_ms", sa.BigInteger),
        sa.Column("generation_ms", sa.BigInteger, nullable=False),
        sa.Column("overhead_us", sa.BigInteger, nullable=False),
        sa.Column("trace_id", sa.Text),
        sa.Column("app_title", sa.Text),
        sa.Column("http_referer", sa.Text),
        sa.Column("user_agent", sa.Text),
        sa.Column("attempts", sa.Text, nullable=False),
    )
    op.create_index("ix_ledger_organisation_id_created", "ledger", ["organisation_id", "created_at_ms", "generation_id"])
    op.create_index("ix_ledger_upstream_id", "ledger", ["upstream_id"])


def _create_usage() -> None:
    op.create_table(
        "usage_daily",
        sa.Column("organisation_id", _ID, primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("environment_id", _ID, primary_key=True),
        sa.Column("api_key_id", _ID, primary_key=True),
        sa.Column("rotation_group", _ID, primary_key=True),
        sa.Column("environment", sa.String(16), nullable=False),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("errors", sa.BigInteger, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger, nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger, nullable=False),
        sa.Column("cost_nanousd", sa.BigInteger, nullable=False),
        sa.Column("upstream_cost_nanousd", sa.BigInteger, nullable=False),
    )
    op.create_index(
        "ix_usage_daily_rotation_group",
        "usage_daily",
        ["organisation_id", "rotation_group", "day", "cost_nanousd", "upstream_cost_nanousd"],
    )
