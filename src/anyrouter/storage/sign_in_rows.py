"""How members sign in as rows and back, and what both stores refuse: one meaning for every store, the one in memory included."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from anyrouter.core.errors import Denied
from anyrouter.core.sign_in import Identity, Passkey, Password, SecondFactor, Session, SignInLink, SignInMethod
from anyrouter.storage.credential_rows import row_to_seal, seal_to_row
from anyrouter.storage.records import from_ms, to_ms

HAS_OWNER = Denied(code="not_found", message="The organisation has an owner: sign in, or ask an owner for an invitation.")
NO_IDENTITY = Denied(code="not_found", message="You are not bound to this account of the sign-on provider any more.")
USED_LINK = Denied(code="not_found", message="This link was used, or replaced by a newer one. Ask for a new one.")
NO_PASSKEY = Denied(code="not_found", message="There is no such passkey; it may have been removed.")
KNOWN_PASSKEY = Denied(code="duplicate_name", message="This passkey is registered already. Use it to sign in, or register another one.")
BOUND_IDENTITY = Denied(
    code="duplicate_name", message="This sign-on identity belongs to a member of the organisation already. Ask an owner to look into it."
)


def session_to_row(session: Session) -> dict[str, Any]:
    """The row of `sessions`."""
    return {
        "id": session.id,
        "organisation_id": session.organisation_id,
        "member_id": session.member_id,
        "digest": session.digest,
        "method": session.method.value,
        "created_at_ms": to_ms(session.created_at),
        "last_seen_at_ms": to_ms(session.last_seen_at),
        "confirmed_at_ms": to_ms(session.confirmed_at),
        "expires_at_ms": to_ms(session.expires_at),
        "address": session.address,
        "user_agent": session.user_agent,
        "ended_at_ms": _optional_ms(session.ended_at),
    }


def row_to_session(row: Mapping[Any, Any]) -> Session:
    """The session of a row of `sessions`."""
    return Session(
        id=row["id"],
        organisation_id=row["organisation_id"],
        member_id=row["member_id"],
        digest=bytes(row["digest"]),
        method=SignInMethod(row["method"]),
        created_at=from_ms(row["created_at_ms"]),
        last_seen_at=from_ms(row["last_seen_at_ms"]),
        confirmed_at=from_ms(row["confirmed_at_ms"]),
        expires_at=from_ms(row["expires_at_ms"]),
        address=row["address"],
        user_agent=row["user_agent"],
        ended_at=_optional_time(row["ended_at_ms"]),
    )


def password_to_row(password: Password) -> dict[str, Any]:
    """The row of `passwords`."""
    return {
        "member_id": password.member_id,
        "organisation_id": password.organisation_id,
        "hash": password.hash,
        "changed_at_ms": to_ms(password.changed_at),
    }


def row_to_password(row: Mapping[Any, Any]) -> Password:
    """The password of a row of `passwords`."""
    return Password(
        member_id=row["member_id"], organisation_id=row["organisation_id"], hash=row["hash"], changed_at=from_ms(row["changed_at_ms"])
    )


def factor_to_row(factor: SecondFactor) -> dict[str, Any]:
    """The row of `second_factors`."""
    return {
        "member_id": factor.member_id,
        "organisation_id": factor.organisation_id,
        **seal_to_row(factor.sealed),
        "created_at_ms": to_ms(factor.created_at),
        "confirmed_at_ms": _optional_ms(factor.confirmed_at),
        "last_step": factor.last_step,
        "recovery": codes_to_text(factor.recovery),
    }


def row_to_factor(row: Mapping[Any, Any]) -> SecondFactor:
    """The second factor of a row of `second_factors`."""
    return SecondFactor(
        member_id=row["member_id"],
        organisation_id=row["organisation_id"],
        sealed=row_to_seal(row),
        created_at=from_ms(row["created_at_ms"]),
        confirmed_at=_optional_time(row["confirmed_at_ms"]),
        last_step=row["last_step"],
        recovery=text_to_codes(row["recovery"]),
    )


def codes_to_text(digests: tuple[bytes, ...]) -> str:
    """A row's column of recovery codes."""
    return json.dumps([digest.hex() for digest in digests])


def text_to_codes(text: str) -> tuple[bytes, ...]:
    """The digests in a row's column of recovery codes."""
    return tuple(bytes.fromhex(digest) for digest in json.loads(text))


def passkey_to_row(passkey: Passkey) -> dict[str, Any]:
    """The row of `passkeys`."""
    return {
        "id": passkey.id,
        "organisation_id": passkey.organisation_id,
        "member_id": passkey.member_id,
        "credential_id": passkey.credential_id,
        "public_key": passkey.public_key,
        "name": passkey.name,
        "created_at_ms": to_ms(passkey.created_at),
        "sign_count": passkey.sign_count,
        "last_used_at_ms": _optional_ms(passkey.last_used_at),
    }


def row_to_passkey(row: Mapping[Any, Any]) -> Passkey:
    """The passkey of a row of `passkeys`."""
    return Passkey(
        id=row["id"],
        organisation_id=row["organisation_id"],
        member_id=row["member_id"],
        credential_id=bytes(row["credential_id"]),
        public_key=bytes(row["public_key"]),
        name=row["name"],
        created_at=from_ms(row["created_at_ms"]),
        sign_count=row["sign_count"],
        last_used_at=_optional_time(row["last_used_at_ms"]),
    )


def link_to_row(link: SignInLink) -> dict[str, Any]:
    """The row of `sign_in_links`."""
    return {
        "id": link.id,
        "organisation_id": link.organisation_id,
        "member_id": link.member_id,
        "digest": link.digest,
        "created_at_ms": to_ms(link.created_at),
        "expires_at_ms": to_ms(link.expires_at),
        "used_at_ms": _optional_ms(link.used_at),
    }


def row_to_link(row: Mapping[Any, Any]) -> SignInLink:
    """The link of a row of `sign_in_links`."""
    return SignInLink(
        id=row["id"],
        organisation_id=row["organisation_id"],
        member_id=row["member_id"],
        digest=bytes(row["digest"]),
        created_at=from_ms(row["created_at_ms"]),
        expires_at=from_ms(row["expires_at_ms"]),
        used_at=_optional_time(row["used_at_ms"]),
    )


def identity_to_row(identity: Identity) -> dict[str, Any]:
    """The row of `identities`."""
    return {
        "organisation_id": identity.organisation_id,
        "issuer": identity.issuer,
        "subject": identity.subject,
        "member_id": identity.member_id,
        "created_at_ms": to_ms(identity.created_at),
    }


def row_to_identity(row: Mapping[Any, Any]) -> Identity:
    """The identity of a row of `identities`."""
    return Identity(
        organisation_id=row["organisation_id"],
        issuer=row["issuer"],
        subject=row["subject"],
        member_id=row["member_id"],
        created_at=from_ms(row["created_at_ms"]),
    )


def _optional_ms(moment: datetime | None) -> int | None:
    return None if moment is None else to_ms(moment)


def _optional_time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_ms(milliseconds)
