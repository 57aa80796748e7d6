"""A member and what it signs in with, for stores to keep; and the event of a change."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from anyrouter.control.audit import make_event
from anyrouter.control.stores import AuditFilter
from anyrouter.core.audit import OPERATOR, AuditEvent
from anyrouter.core.byok import Sealed
from anyrouter.core.sign_in import Identity, Passkey, Password, SecondFactor, Session, SignInLink, SignInMethod
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Environment, EnvironmentKind, Member, Organisation, Role
from anyrouter.storage.memory import MemoryStorage
from anyrouter.storage.opening import Storage

AnyStorage = Storage | MemoryStorage
ORG = DEFAULT_ORGANISATION_ID
NOW = datetime(2026, 3, 4, 5, 6, 7, 89_000, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
OWNER = Member(id="mem_1", organisation_id=ORG, email="ada@example.org", name="Ada Ü", role=Role.OWNER, created_at=NOW)
BOB = replace(OWNER, id="mem_2", email="bob@example.org", name="Bob", role=Role.DEVELOPER, created_at=NOW + timedelta(seconds=1))
OTHER = Organisation(id="org_other", name="Other", created_at=NOW)
PASSWORD = Password(member_id=OWNER.id, organisation_id=ORG, hash="$argon2id$first", changed_at=LATER)
LINK = SignInLink(
    id="sil_1", organisation_id=ORG, member_id=OWNER.id, digest=bytes(range(32)), created_at=NOW, expires_at=NOW + timedelta(days=1)
)
SEALED = Sealed(kek_id="kek_1", wrapped_key=b"\0wrapped\xff", nonce=bytes(12), ciphertext=b"\xffcipher\0")
FACTOR = SecondFactor(member_id=OWNER.id, organisation_id=ORG, sealed=SEALED, created_at=NOW)
PASSKEY = Passkey(
    id="pky_1",
    organisation_id=ORG,
    member_id=OWNER.id,
    credential_id=b"\0credential\xff",
    public_key=b"\xffpublic\0",
    name="Ada's 'key'",
    created_at=NOW,
)
IDENTITY = Identity(organisation_id=ORG, issuer="https://id.example.org", subject="0815", member_id=OWNER.id, created_at=NOW)


def session_of(member: Member = OWNER, session_id: str = "ses_1", **fields: Any) -> Session:
    """A session; fields by name."""
    return Session(
        **{
            "id": session_id,
            "organisation_id": member.organisation_id,
            "member_id": member.id,
            "digest": b"digest of " + session_id.encode(),
            "method": SignInMethod.PASSWORD,
            "created_at": NOW,
            "last_seen_at": NOW,
            "confirmed_at": NOW,
            "expires_at": NOW + timedelta(days=7),
            **fields,
        }
    )


def event(action: str = "x.y", organisation_id: str = ORG, **fields: Any) -> AuditEvent:
    """The event of a change, an hour after everything began."""
    return make_event(OPERATOR, organisation_id, action, LATER, **fields)


BROKEN = replace(event("broken"), after={"x": object()})  # cannot be written to the log


async def list_actions(storage: AnyStorage, pattern: str | None = None) -> list[str]:
    """What the log says was done, the oldest first."""
    found = await storage.audit.list_events(AuditFilter(organisation_id=ORG, action=pattern, limit=1000))
    return [link.event.action for link in reversed(found)]


async def add_organisation(storage: AnyStorage, organisation: Organisation = OTHER) -> None:
    """An organisation with an environment, and without members."""
    environment = Environment(
        id=f"env_{organisation.id}", organisation_id=organisation.id, slug="live", name="Live", kind=EnvironmentKind.LIVE
    )
    await storage.organisations.add_organisation(organisation, [environment], event(organisation_id=organisation.id))
