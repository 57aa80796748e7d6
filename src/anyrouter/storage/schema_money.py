"""The tables of tenants' credentials and of money. The law is that of `storage.schema`."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from anyrouter.core.latency import BUCKETS
from anyrouter.storage.schema import Id, metadata

# A secret is never here but sealed (`core.byok.Sealed`).
provider_credentials = Table(
    "provider_credentials",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation_id", Id, ForeignKey("organisations.id"), nullable=False),
    Column("environment_id", Id, ForeignKey("environments.id"), nullable=False),
    Column("environment", String(16), nullable=False),
    Column("provider", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("secret_label", String(32), nullable=False),
    Column("host", Text, nullable=False),
    Column("base_url", Text),
    Column("variables", Text, nullable=False, server_default="{}"),
    Column("region", String(64)),
    Column("models", Text),
    Column("allowed_keys", Text),
    Column("is_fallback", Boolean, nullable=False, server_default=false()),
    Column("always_use", Boolean, nullable=False, server_default=false()),
    Column("sort_order", Integer, nullable=False, server_default=text("0")),
    Column("weight", Integer, nullable=False, server_default=text("1")),
    Column("is_disabled", Boolean, nullable=False, server_default=false()),
    Column("is_retaining", Boolean),
    Column("quarantined_until_ms", BigInteger),
    Column("quarantine_reason", String(64)),
    Column("creator_id", Id),
    Column("seal_format", Integer, nullable=False),
    Column("kek_id", Id, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("seal_version", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
    UniqueConstraint("environment_id", "provider", "name", name="uq_provider_credentials_environment_id_provider_name"),
)
Index("ix_provider_credentials_organisation_id", provider_credentials.c.organisation_id)

budgets = Table(
    "budgets",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation_id", Id, ForeignKey("organisations.id"), nullable=False),
    Column("owner", String(16), nullable=False),
    Column("owner_id", Id, nullable=False),
    Column("limit_nanousd", BigInteger, nullable=False),
    Column("period", String(16), nullable=False),
    Column("models", Text),
    Column("name", Text, nullable=False, server_default=""),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
)
Index("ix_budgets_organisation_id_owner_id", budgets.c.organisation_id, budgets.c.owner_id)

credit_transactions = Table(
    "credit_transactions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation_id", Id, ForeignKey("organisations.id"), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("amount_nanousd", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("actor_label", Text, nullable=False, server_default=""),
)
Index("ix_credit_transactions_organisation_id_at", credit_transactions.c.organisation_id, credit_transactions.c.at_ms)

# What was used, by hour (hours since 1970-01-01 UTC) and app, as `usage_daily` is by day. Retention deletes the oldest hours.
usage_hourly = Table(
    "usage_hourly",
    metadata,
    Column("organisation_id", Id, primary_key=True),
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("model", Text, primary_key=True),
    Column("provider", Text, primary_key=True),
    Column("environment_id", Id, primary_key=True),
    Column("api_key_id", Id, primary_key=True),
    Column("rotation_group", Id, primary_key=True),
    Column("app", Text, primary_key=True),
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
Index("ix_usage_hourly_hour", usage_hourly.c.hour)
Index("ix_usage_hourly_rotation_group", usage_hourly.c.organisation_id, usage_hourly.c.rotation_group, usage_hourly.c.hour)


def _make_model_table(name: str, time: str) -> Table:
    return Table(
        name,
        metadata,
        Column("organisation_id", Id, primary_key=True),
        Column(time, Integer, primary_key=True, autoincrement=False),
        Column("model", Text, primary_key=True),
        Column("provider", Text, primary_key=True),
        Column("environment_id", Id, primary_key=True),
        Column("environment", String(16), nullable=False),
        Column("requests", BigInteger, nullable=False),
        Column("errors", BigInteger, nullable=False),
        Column("input_tokens", BigInteger, nullable=False),
        Column("output_tokens", BigInteger, nullable=False),
        Column("reasoning_tokens", BigInteger, nullable=False),
        Column("cache_read_tokens", BigInteger, nullable=False),
        Column("cost_nanousd", BigInteger, nullable=False),
        Column("upstream_cost_nanousd", BigInteger, nullable=False),
        *(Column(f"latency_{number:02}", BigInteger, nullable=False, server_default=text("0")) for number in range(BUCKETS)),
        *(Column(f"ttft_{number:02}", BigInteger, nullable=False, server_default=text("0")) for number in range(BUCKETS)),
        sqlite_with_rowid=False,
    )


# What was used and how long it took, by model and hour or day (`storage.usage_model_rows`): as the tables above, without keys and apps.
# Counts are by the buckets of `core.latency`. A row is what its key leads to, since many are read in the order of time. Retention deletes
# the oldest hours; days are kept.
usage_model_hourly = _make_model_table("usage_model_hourly", "hour")
usage_model_daily = _make_model_table("usage_model_daily", "day")
Index("ix_usage_model_hourly_hour", usage_model_hourly.c.hour)

# What was used, by day and app (`storage.usage_app_rows`): as `usage_hourly`, without keys. Retention deletes the oldest days when their
# hours go.
usage_app_daily = Table(
    "usage_app_daily",
    metadata,
    Column("organisation_id", Id, primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("app", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("provider", Text, primary_key=True),
    Column("environment_id", Id, primary_key=True),
    Column("environment", String(16), nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cache_read_tokens", BigInteger, nullable=False),
    Column("cost_nanousd", BigInteger, nullable=False),
    Column("upstream_cost_nanousd", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_usage_app_daily_day", usage_app_daily.c.day)

# How long requests took, by key and by app, for each hour and day since 1970 (`storage.client_latencies`, which has the law of `counts`).
# Retention deletes the oldest.
client_latencies = Table(
    "client_latencies",
    metadata,
    Column("unit", String(8), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("organisation_id", Id, primary_key=True),
    Column("split", String(8), primary_key=True),
    Column("value", Text, primary_key=True),
    Column("environment", String(16), primary_key=True),
    Column("counts", Text, nullable=False),
    sqlite_with_rowid=False,
)
