"""People, credentials, money and the audit log. Frozen: what `anyrouter.storage.schema` says later is none of this revision's business."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
_TABLES = (
    "usage_hourly",
    "credit_transactions",
    "budgets",
    "provider_credentials",
    "notices",
    "webhook_deliveries",
    "webhooks",
    "idempotent_replies",
    "audit_events",
    "audit_heads",
    "invitations",
    "members",
)


def upgrade() -> None:
    """Add tables and columns; nothing that is there changes."""
    _add_columns()
    _create_people()
    _create_audit_rules()
    _create_messages()
    _create_money()
    _fill_hours()


def downgrade() -> None:
    """Drop them, and all that they hold."""
    for table in _TABLES:
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION IF EXISTS refuse_audit_change()")
    op.drop_index("ix_ledger_trace_id", "ledger")
    for index in ("ix_api_keys_member_id", "ix_api_keys_rotation_group", "ix_api_keys_grace_s"):
        op.drop_index(index, "api_keys")
    for table, columns in _ADDED.items():
        for column in reversed(columns):
            op.drop_column(table, column.name)


_ADDED = {
    "organisations": (
        sa.Column("max_key_lifetime_s", sa.BigInteger),
        sa.Column("credit_mode", sa.String(16), nullable=False, server_default="metered"),
        sa.Column("monthly_grant_nanousd", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("1")),
    ),
    "environments": (
        sa.Column("rate_limit_tpm", sa.BigInteger),
        sa.Column("concurrency", sa.Integer),
        sa.Column("budget_policy", sa.String(16)),
        sa.Column("is_managed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("deleted_at_ms", sa.BigInteger),
        sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("1")),
    ),
    "api_keys": (
        sa.Column("regions", sa.Text),
        sa.Column("rate_limit_tpm", sa.BigInteger),
        sa.Column("rate_limit_rpd", sa.BigInteger),
        sa.Column("concurrency", sa.Integer),
        sa.Column("limit_nanousd", sa.BigInteger),
        sa.Column("limit_reset", sa.String(16), nullable=False, server_default="total"),
        sa.Column("budget_policy", sa.String(16)),
        sa.Column("kind", sa.String(16), nullable=False, server_default="service"),
        sa.Column("member_id", _ID),
        sa.Column("creator_id", _ID),
        sa.Column("tags", sa.Text, nullable=False, server_default="[]"),
        sa.Column("rotated_from", _ID),
        sa.Column("superseded_by", _ID),
        sa.Column("grace_s", sa.Integer),
        sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("1")),
    ),
}


def _add_columns() -> None:
    for table, columns in _ADDED.items():
        for column in columns:
            op.add_column(table, column._copy())  # noqa: SLF001 -- a column belongs to one table
    op.create_index("ix_api_keys_member_id", "api_keys", ["member_id"])
    op.create_index("ix_api_keys_rotation_group", "api_keys", ["rotation_group"])
    op.create_index(
        "ix_api_keys_grace_s",
        "api_keys",
        ["grace_s"],
        sqlite_where=sa.text("grace_s IS NOT NULL"),
        postgresql_where=sa.text("grace_s IS NOT NULL"),
    )
    op.create_index(
        "ix_ledger_trace_id",
        "ledger",
        ["trace_id"],
        sqlite_where=sa.text("trace_id IS NOT NULL"),
        postgresql_where=sa.text("trace_id IS NOT NULL"),
    )


def _create_people() -> None:
    op.create_table(
        "members",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("organisation_id", _ID, sa.ForeignKey("organisations.id"), nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("1")),
        sa.UniqueConstraint("organisation_id", "email", name="uq_members_organisation_id_email"),
    )
    op.create_table(
        "invitations",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("organisation_id", _ID, sa.ForeignKey("organisations.id"), nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger, nullable=False),
        sa.Column("creator_id", _ID),
        sa.Column("accepted_at_ms", sa.BigInteger),
        sa.Column("revoked_at_ms", sa.BigInteger),
    )
    op.create_index("ix_invitations_digest", "invitations", ["digest"], unique=True)
    op.create_index("ix_invitations_organisation_id", "invitations", ["organisation_id"])
    op.create_table(
        "audit_heads",
        sa.Column("organisation_id", _ID, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "audit_events",
        sa.Column("organisation_id", _ID, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("id", _ID, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("actor_kind", sa.String(16), nullable=False),
        sa.Column("actor_id", _ID),
        sa.Column("actor_label", sa.Text, nullable=False),
        sa.Column("address", sa.Text),
        sa.Column("user_agent", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.Column("trace_id", sa.Text),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("target_id", _ID),
        sa.Column("target_label", sa.Text, nullable=False),
        sa.Column("environment", sa.String(16)),
        sa.Column("is_denied", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("code", sa.String(64)),
        sa.Column("before", sa.Text, nullable=False),
        sa.Column("after", sa.Text, nullable=False),
        sa.Column("previous", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "number", name="pk_audit_events"),
    )
    op.create_index("ix_audit_events_target_id", "audit_events", ["target_id"])


def _create_audit_rules() -> None:
    """The database itself refuses to change or delete what was written."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER audit_events_no_{verb} BEFORE {verb.upper()} ON audit_events BEGIN "
                f"SELECT RAISE(ABORT, 'the audit log is only added to'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log is only added to'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_events_only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()"
    )


def _create_messages() -> None:
    op.create_table(
        "idempotent_replies",
        sa.Column("principal_id", _ID, nullable=False),
        sa.Column("idempotency_key", sa.Text, nullable=False),
        sa.Column("organisation_id", _ID, nullable=False),
        sa.Column("request_digest", sa.LargeBinary, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("status", sa.SmallInteger),
        sa.Column("headers", sa.Text),
        sa.Column("body", sa.LargeBinary),
        sa.PrimaryKeyConstraint("principal_id", "idempotency_key", name="pk_idempotent_replies"),
    )
    op.create_index("ix_idempotent_replies_created_at_ms", "idempotent_replies", ["created_at_ms"])
    op.create_table(
        "webhooks",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("organisation_id", _ID, sa.ForeignKey("organisations.id"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("events", sa.Text, nullable=False),
        sa.Column("seal_format", sa.Integer, nullable=False),
        sa.Column("kek_id", _ID, nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
        sa.Column("nonce", sa.LargeBinary, nullable=False),
        sa.Column("ciphertext", sa.LargeBinary, nullable=False),
        sa.Column("seal_version", sa.Integer, nullable=False),
        sa.Column("is_disabled", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("after_number", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("1")),
    )
    op.create_index("ix_webhooks_organisation_id", "webhooks", ["organisation_id"])
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("webhook_id", _ID, nullable=False),
        sa.Column("organisation_id", _ID, nullable=False),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("next_at_ms", sa.BigInteger),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("status", sa.SmallInteger),
        sa.Column("delivered_at_ms", sa.BigInteger),
    )
    op.create_index("ix_webhook_deliveries_next_at_ms", "webhook_deliveries", ["next_at_ms"])
    op.create_index("ix_webhook_deliveries_webhook_id_next_at_ms", "webhook_deliveries", ["webhook_id", "next_at_ms"])
    op.create_index("ix_webhook_deliveries_created_at_ms", "webhook_deliveries", ["created_at_ms"])
    op.create_table(
        "notices",
        sa.Column("organisation_id", _ID, nullable=False),
        sa.Column("subject_id", _ID, nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "subject_id", "kind", name="pk_notices"),
    )


def _create_money() -> None:
    _create_credentials()
    _create_budgets()
    _create_hours()


def _create_credentials() -> None:
    op.create_table(
        "provider_credentials",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("organisation_id", _ID, sa.ForeignKey("organisations.id"), nullable=False),
        sa.Column("environment_id", _ID, sa.ForeignKey("environments.id"), nullable=False),
        sa.Column("environment", sa.String(16), nullable=False),
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("secret_label", sa.String(32), nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("base_url", sa.Text),
        sa.Column("variables", sa.Text, nullable=False, server_default="{}"),
        sa.Column("region", sa.String(64)),
        sa.Column("models", sa.Text),
        sa.Column("allowed_keys", sa.Text),
        sa.Column("is_fallback", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("always_use", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("sort_order", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("weight", sa.Integer, nullable=False, server_default=sa.text("1")),
        sa.Column("is_disabled", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("is_retaining", sa.Boolean),
        sa.Column("quarantined_until_ms", sa.BigInteger),
        sa.Column("quarantine_reason", sa.String(64)),
        sa.Column("creator_id", _ID),
        sa.Column("seal_format", sa.Integer, nullable=False),
        sa.Column("kek_id", _ID, nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
        sa.Column("nonce", sa.LargeBinary, nullable=False),
        sa.Column("ciphertext", sa.LargeBinary, nullable=False),
        sa.Column("seal_version", sa.Integer, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("1")),
        sa.UniqueConstraint("environment_id", "provider", "name", name="uq_provider_credentials_environment_id_provider_name"),
    )
    op.create_index("ix_provider_credentials_organisation_id", "provider_credentials", ["organisation_id"])


def _create_budgets() -> None:
    op.create_table(
        "budgets",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("organisation_id", _ID, sa.ForeignKey("organisations.id"), nullable=False),
        sa.Column("owner", sa.String(16), nullable=False),
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("limit_nanousd", sa.BigInteger, nullable=False),
        sa.Column("period", sa.String(16), nullable=False),
        sa.Column("models", sa.Text),
        sa.Column("name", sa.Text, nullable=False, server_default=""),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("1")),
    )
    op.create_index("ix_budgets_organisation_id_owner_id", "budgets", ["organisation_id", "owner_id"])
    op.create_table(
        "credit_transactions",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("organisation_id", _ID, sa.ForeignKey("organisations.id"), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("amount_nanousd", sa.BigInteger, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("note", sa.Text, nullable=False, server_default=""),
        sa.Column("actor_label", sa.Text, nullable=False, server_default=""),
    )
    op.create_index("ix_credit_transactions_organisation_id_at", "credit_transactions", ["organisation_id", "at_ms"])


def _create_hours() -> None:
    op.create_table(
        "usage_hourly",
        sa.Column("organisation_id", _ID, primary_key=True),
        sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("environment_id", _ID, primary_key=True),
        sa.Column("api_key_id", _ID, primary_key=True),
        sa.Column("rotation_group", _ID, primary_key=True),
        sa.Column("app", sa.Text, primary_key=True),
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
    op.create_index("ix_usage_hourly_hour", "usage_hourly", ["hour"])
    op.create_index("ix_usage_hourly_rotation_group", "usage_hourly", ["organisation_id", "rotation_group", "hour"])


def _fill_hours() -> None:
    """What the ledger still has is counted by hour, too."""
    op.execute(
        """
        INSERT INTO usage_hourly (
            organisation_id, hour, model, provider, environment_id, api_key_id, rotation_group, app, environment,
            requests, errors,
            input_tokens, output_tokens, reasoning_tokens, cache_read_tokens, cost_nanousd, upstream_cost_nanousd
        )
        SELECT
            organisation_id, created_at_ms / 3600000, model, provider, environment_id, api_key_id, rotation_group,
            substr(coalesce(app_title, http_referer, ''), 1, 64), environment,
            count(*), sum(CASE WHEN state IN ('failed', 'interrupted') THEN 1 ELSE 0 END),
            sum(input_tokens), sum(output_tokens), sum(reasoning_tokens), sum(cache_read_tokens),
            sum(cost_nanousd), sum(upstream_cost_nanousd)
        FROM ledger
        GROUP BY
            organisation_id, created_at_ms / 3600000, model, provider, environment_id, api_key_id, rotation_group,
            substr(coalesce(app_title, http_referer, ''), 1, 64), environment
        """
    )
