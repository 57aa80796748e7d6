"""The tables of how members sign in. The law is that of `storage.schema`. Of tokens and codes only digests are here."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, PrimaryKeyConstraint, String, Table, Text, text

from anyrouter.storage.schema import Id, metadata

sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation_id", Id, ForeignKey("organisations.id"), nullable=False),
    Column("member_id", Id, ForeignKey("members.id"), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("method", String(16), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("last_seen_at_ms", BigInteger, nullable=False),
    Column("confirmed_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("address", Text, nullable=False, server_default=""),
    Column("user_agent", Text, nullable=False, server_default=""),
    Column("ended_at_ms", BigInteger),
)
Index("ix_sessions_digest", sessions.c.digest, unique=True)
Index("ix_sessions_member_id", sessions.c.member_id)
Index("ix_sessions_expires_at_ms", sessions.c.expires_at_ms)

passwords = Table(
    "passwords",
    metadata,
    Column("member_id", Id, ForeignKey("members.id"), primary_key=True),
    Column("organisation_id", Id, nullable=False),
    Column("hash", Text, nullable=False),
    Column("changed_at_ms", BigInteger, nullable=False),
)

# The secret is never here but sealed (`core.byok.Sealed`); `recovery` is a JSON list of digests in hexadecimal.
second_factors = Table(
    "second_factors",
    metadata,
    Column("member_id", Id, ForeignKey("members.id"), primary_key=True),
    Column("organisation_id", Id, nullable=False),
    Column("seal_format", Integer, nullable=False),
    Column("kek_id", Id, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("confirmed_at_ms", BigInteger),
    Column("last_step", BigInteger, nullable=False, server_default=text("0")),
    Column("recovery", Text, nullable=False, server_default="[]"),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation_id", Id, nullable=False),
    Column("member_id", Id, ForeignKey("members.id"), nullable=False),
    Column("credential_id", LargeBinary, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("sign_count", BigInteger, nullable=False, server_default=text("0")),
    Column("last_used_at_ms", BigInteger),
)
Index("ix_passkeys_credential_id", passkeys.c.credential_id, unique=True)
Index("ix_passkeys_member_id", passkeys.c.member_id)

sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation_id", Id, nullable=False),
    Column("member_id", Id, ForeignKey("members.id"), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("used_at_ms", BigInteger),
)
Index("ix_sign_in_links_digest", sign_in_links.c.digest, unique=True)
Index("ix_sign_in_links_member_id", sign_in_links.c.member_id)

identities = Table(
    "identities",
    metadata,
    Column("organisation_id", Id, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("member_id", Id, ForeignKey("members.id"), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("issuer", "subject", "organisation_id", name="pk_identities"),
)
Index("ix_identities_member_id", identities.c.member_id)
