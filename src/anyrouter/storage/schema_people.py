"""The tables of people, of what was done, and of what is told to whom. The law is that of `storage.schema`.

The audit log is only ever added to: the database itself refuses to change or delete its rows.
"""

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    false,
    text,
    true,
)

from anyrouter.storage.schema import Id, metadata

members = Table(
    "members",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation_id", Id, ForeignKey("organisations.id"), nullable=False),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("is_active", Boolean, nullable=False, server_default=true()),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
    UniqueConstraint("organisation_id", "email", name="uq_members_organisation_id_email"),
)
Index("ix_members_email", members.c.email)

invitations = Table(
    "invitations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation_id", Id, ForeignKey("organisations.id"), nullable=False),
    Column("email", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("creator_id", Id),
    Column("accepted_at_ms", BigInteger),
    Column("revoked_at_ms", BigInteger),
)
Index("ix_invitations_digest", invitations.c.digest, unique=True)
Index("ix_invitations_organisation_id", invitations.c.organisation_id)

# The last link of each organisation's chain. Its row's lock puts the events of processes that write at once one behind the other.
audit_heads = Table(
    "audit_heads",
    metadata,
    Column("organisation_id", Id, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

# `before` and `after` are JSON objects without secrets.
audit_events = Table(
    "audit_events",
    metadata,
    Column("organisation_id", Id, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("id", Id, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor_kind", String(16), nullable=False),
    Column("actor_id", Id),
    Column("actor_label", Text, nullable=False),
    Column("address", Text),
    Column("user_agent", Text),
    Column("request_id", Text),
    Column("trace_id", Text),
    Column("action", String(64), nullable=False),
    Column("target_id", Id),
    Column("target_label", Text, nullable=False),
    Column("environment", String(16)),
    Column("is_denied", Boolean, nullable=False, server_default=false()),
    Column("code", String(64)),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("organisation_id", "number", name="pk_audit_events"),
)
Index("ix_audit_events_target_id", audit_events.c.target_id)

APPEND_ONLY_SQLITE = tuple(
    f"CREATE TRIGGER audit_events_no_{verb} BEFORE {verb.upper()} ON audit_events BEGIN "
    f"SELECT RAISE(ABORT, 'the audit log is only added to'); END"
    for verb in ("update", "delete")
)
APPEND_ONLY_POSTGRESQL = (
    (
        "CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log is only added to'; END $$"
    ),
    (
        "CREATE TRIGGER audit_events_only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()"
    ),
)
for _dialect, _statements in (("sqlite", APPEND_ONLY_SQLITE), ("postgresql", APPEND_ONLY_POSTGRESQL)):
    for _statement in _statements:
        event.listen(audit_events, "after_create", DDL(_statement).execute_if(dialect=_dialect))  # type: ignore[no-untyped-call]
event.listen(
    audit_events,
    "after_drop",
    DDL("DROP FUNCTION IF EXISTS refuse_audit_change()").execute_if(dialect="postgresql"),  # type: ignore[no-untyped-call]
)

# Replies to changes that were asked for with an Idempotency-Key; `status` null while the first request is under way.
idempotent_replies = Table(
    "idempotent_replies",
    metadata,
    Column("principal_id", Id, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("organisation_id", Id, nullable=False),
    Column("request_digest", LargeBinary, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("status", SmallInteger),
    Column("headers", Text),
    Column("body", LargeBinary),
    PrimaryKeyConstraint("principal_id", "idempotency_key", name="pk_idempotent_replies"),
)
Index("ix_idempotent_replies_created_at_ms", idempotent_replies.c.created_at_ms)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation_id", Id, ForeignKey("organisations.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("events", Text, nullable=False),
    Column("seal_format", Integer, nullable=False),
    Column("kek_id", Id, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("seal_version", Integer, nullable=False),
    Column("is_disabled", Boolean, nullable=False, server_default=false()),
    Column("after_number", BigInteger, nullable=False, server_default=text("0")),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
)
Index("ix_webhooks_organisation_id", webhooks.c.organisation_id)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("webhook_id", Id, nullable=False),
    Column("organisation_id", Id, nullable=False),
    Column("event", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("next_at_ms", BigInteger),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("status", SmallInteger),
    Column("delivered_at_ms", BigInteger),
)
Index("ix_webhook_deliveries_next_at_ms", webhook_deliveries.c.next_at_ms)
Index("ix_webhook_deliveries_webhook_id_next_at_ms", webhook_deliveries.c.webhook_id, webhook_deliveries.c.next_at_ms)
Index("ix_webhook_deliveries_created_at_ms", webhook_deliveries.c.created_at_ms)

# What was told once and is not to be told again: that a key expires, that a budget is nearly spent.
notices = Table(
    "notices",
    metadata,
    Column("organisation_id", Id, nullable=False),
    Column("subject_id", Id, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("organisation_id", "subject_id", "kind", name="pk_notices"),
)
