"""The tables, the same in SQLite and PostgreSQL.

Compatibility law: a change here comes with a migration of the next number in `migrations/versions/` and a new `HEAD_REVISION`;
revisions are numbers of four digits, so that an older program recognises a newer database and refuses it.

Times are integer Unix milliseconds, days are days since 1970-01-01 UTC, money is nano-USD, lists are JSON texts. Rows of the
ledger have no foreign keys: they outlive what they name, and they are written on every request. The tables of people, money and the
audit log are in `schema_people`, `schema_money` and `schema_sign_in`.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)

HEAD_REVISION = "0007"

metadata = MetaData()

# Identifiers are compared byte by byte, which is how they sort by time.
Id = String(64).with_variant(String(64, collation="C"), "postgresql")

# Alembic's own table, with Alembic's column: read without importing Alembic.
alembic_version = Table(
    "alembic_version",
    metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

# One row. Every change of configuration takes the next number here and leaves it with its organisation. The row's lock makes
# changes commit in the order of their numbers, so whoever has seen number n has missed nothing before it.
latest_epoch = Table(
    "latest_epoch",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
)

# Which pepper the keys' digests were made with: a database used with another pepper is noticed.
pepper_fingerprints = Table(
    "pepper_fingerprints",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("fingerprint", LargeBinary, nullable=False),
)

organisations = Table(
    "organisations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("is_active", Boolean, nullable=False, server_default=true()),
    Column("epoch", BigInteger, nullable=False, server_default=text("0"), index=True),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("max_key_lifetime_s", BigInteger),
    Column("credit_mode", String(16), nullable=False, server_default="metered"),
    Column("monthly_grant_nanousd", BigInteger, nullable=False, server_default=text("0")),
    Column("version", Integer, nullable=False, server_default=text("1")),
)

environments = Table(
    "environments",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation_id", Id, ForeignKey("organisations.id"), nullable=False),
    Column("slug", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("is_active", Boolean, nullable=False, server_default=true()),
    Column("rate_limit_rpm", Integer),
    Column("rate_limit_tpm", BigInteger),
    Column("concurrency", Integer),
    Column("budget_policy", String(16)),
    Column("is_managed", Boolean, nullable=False, server_default=false()),
    Column("deleted_at_ms", BigInteger),
    Column("version", Integer, nullable=False, server_default=text("1")),
    UniqueConstraint("organisation_id", "slug", name="uq_environments_organisation_id_slug"),
)

# What requests get that they do not say themselves. `members` is a JSON object.
presets = Table(
    "presets",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation_id", Id, ForeignKey("organisations.id"), nullable=False),
    Column("environment_id", Id, ForeignKey("environments.id"), nullable=False),
    Column("slug", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("dialect", String(16), nullable=False),
    Column("system_prompt", Text),
    Column("members", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    UniqueConstraint("environment_id", "slug", name="uq_presets_environment_id_slug"),
)
Index("ix_presets_organisation_id", presets.c.organisation_id)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation_id", Id, ForeignKey("organisations.id"), nullable=False),
    Column("environment_id", Id, ForeignKey("environments.id"), nullable=False),
    Column("environment", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("label", String(32), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("pepper_version", Integer, nullable=False),
    Column("rotation_group", Id, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("models", Text),
    Column("endpoints", Text),
    Column("providers", Text),
    Column("allowed_ips", Text),
    Column("rate_limit_rpm", BigInteger),
    Column("not_before_ms", BigInteger),
    Column("expires_at_ms", BigInteger),
    Column("is_disabled", Boolean, nullable=False, server_default=false()),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("deleted_at_ms", BigInteger),
    Column("last_used_at_ms", BigInteger),
    Column("last_used_ip", Id),
    Column("last_used_user_agent", Text),
    Column("regions", Text),
    Column("rate_limit_tpm", BigInteger),
    Column("rate_limit_rpd", BigInteger),
    Column("concurrency", Integer),
    Column("limit_nanousd", BigInteger),
    Column("limit_reset", String(16), nullable=False, server_default="total"),
    Column("budget_policy", String(16)),
    Column("kind", String(16), nullable=False, server_default="service"),
    Column("member_id", Id),
    Column("creator_id", Id),
    Column("tags", Text, nullable=False, server_default="[]"),
    Column("rotated_from", Id),
    Column("superseded_by", Id),
    Column("grace_s", Integer),
    Column("version", Integer, nullable=False, server_default=text("1")),
)
Index("ix_api_keys_member_id", api_keys.c.member_id)
Index("ix_api_keys_rotation_group", api_keys.c.rotation_group)
Index("ix_api_keys_digest", api_keys.c.digest, unique=True)
# Graces that wait for a first use are few, and looked for often.
Index(
    "ix_api_keys_grace_s",
    api_keys.c.grace_s,
    sqlite_where=api_keys.c.grace_s.is_not(None),
    postgresql_where=api_keys.c.grace_s.is_not(None),
)
Index("ix_api_keys_organisation_id_environment_created", api_keys.c.organisation_id, api_keys.c.environment, api_keys.c.created_at_ms)
Index(
    "ix_api_keys_environment_id_name",
    api_keys.c.environment_id,
    api_keys.c.name,
    unique=True,
    sqlite_where=api_keys.c.deleted_at_ms.is_(None),
    postgresql_where=api_keys.c.deleted_at_ms.is_(None),
)

ledger = Table(
    "ledger",
    metadata,
    Column("generation_id", Id, primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("organisation_id", Id, nullable=False),
    Column("environment_id", Id, nullable=False),
    Column("environment", String(16), nullable=False),
    Column("api_key_id", Id, nullable=False),
    Column("rotation_group", Id, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("request_id", Id, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("upstream_model", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("upstream", Text, nullable=False),
    Column("upstream_id", Text),
    Column("state", String(16), nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("error_code", Text),
    Column("finish_reason", Text),
    Column("native_finish_reason", Text),
    Column("is_streamed", Boolean, nullable=False),
    Column("is_byok", Boolean, nullable=False),
    Column("is_price_unknown", Boolean, nullable=False),
    Column("estimated_input_tokens", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cache_read_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("usage_source", String(16), nullable=False),
    Column("cost_nanousd", BigInteger, nullable=False),
    Column("routing_fee_nanousd", BigInteger, nullable=False),
    Column("upstream_cost_nanousd", BigInteger, nullable=False),
    Column("shadow_cost_nanousd", BigInteger, nullable=False),
    Column("latency_ms", BigInteger, nullable=False),
    Column("ttft_ms", BigInteger),
    Column("generation_ms", BigInteger, nullable=False),
    Column("overhead_us", BigInteger, nullable=False),
    Column("trace_id", Text),
    Column("app_title", Text),
    Column("http_referer", Text),
    Column("user_agent", Text),
    Column("attempts", Text, nullable=False),
)
Index("ix_ledger_organisation_id_created", ledger.c.organisation_id, ledger.c.created_at_ms, ledger.c.generation_id)
Index("ix_ledger_upstream_id", ledger.c.upstream_id)
# Most requests have no trace id: they cost nothing here.
Index(
    "ix_ledger_trace_id",
    ledger.c.trace_id,
    sqlite_where=ledger.c.trace_id.is_not(None),
    postgresql_where=ledger.c.trace_id.is_not(None),
)

# What was used, by day: written in the transaction of the entries it counts, and kept when retention deletes them.
# The key's order is that of `/activity`'s usual groups, which are then read without sorting.
usage_daily = Table(
    "usage_daily",
    metadata,
    Column("organisation_id", Id, primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("model", Text, primary_key=True),
    Column("provider", Text, primary_key=True),
    Column("environment_id", Id, primary_key=True),
    Column("api_key_id", Id, primary_key=True),
    Column("rotation_group", Id, primary_key=True),
    Column("environment", String(16), nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cache_read_tokens", BigInteger, nullable=False),
    Column("cost_nanousd", BigInteger, nullable=False),
    Column("upstream_cost_nanousd", BigInteger, nullable=False),
)
# It covers the sums: the rows of one key are far apart, one for each day and model.
Index(
    "ix_usage_daily_rotation_group",
    usage_daily.c.organisation_id,
    usage_daily.c.rotation_group,
    usage_daily.c.day,
    usage_daily.c.cost_nanousd,
    usage_daily.c.upstream_cost_nanousd,
    usage_daily.c.requests,
    usage_daily.c.errors,
    usage_daily.c.input_tokens,
    usage_daily.c.output_tokens,
    usage_daily.c.reasoning_tokens,
    usage_daily.c.cache_read_tokens,
)
