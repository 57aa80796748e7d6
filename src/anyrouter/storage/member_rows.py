"""Members and invitations as rows and back, and what both stores refuse: one meaning for every store, the one in memory included."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from anyrouter.control.audit import find_differences, make_event
from anyrouter.control.key_facts import key_facts
from anyrouter.core.apikey import ApiKey
from anyrouter.core.audit import AuditEvent
from anyrouter.core.errors import Denied
from anyrouter.core.tenancy import Invitation, Member, Role
from anyrouter.storage.records import from_ms, to_ms

# What `update_member` and a new beginning of a member never change.
FIXED_MEMBER_COLUMNS = frozenset({"id", "organisation_id", "email", "created_at_ms"})
NO_MEMBER = Denied(code="not_found", message="There is no such member.")
CHANGED_MEMBER = Denied(code="etag_mismatch", message="The member was changed meanwhile. Read it again, then repeat the change.")
KNOWN_ADDRESS = Denied(code="duplicate_name", param="email", message="email: somebody with this address is a member already.")
LAST_OWNER = Denied(
    code="unprocessable",
    message="This is the organisation's last owner: nobody could manage its owners any more. Make somebody else an owner first.",
)
NO_INVITATION = Denied(code="not_found", message="There is no such invitation.")
ENDED_INVITATION = Denied(code="unprocessable", message="This invitation was used or revoked meanwhile. Ask for a new one.")


def member_to_row(member: Member) -> dict[str, Any]:
    """The row of `members`."""
    return {
        "id": member.id,
        "organisation_id": member.organisation_id,
        "email": member.email,
        "name": member.name,
        "role": member.role.value,
        "is_active": member.is_active,
        "created_at_ms": to_ms(member.created_at),
        "version": member.version,
    }


def row_to_member(row: Mapping[Any, Any]) -> Member:
    """The member of a row of `members`."""
    return Member(
        id=row["id"],
        organisation_id=row["organisation_id"],
        email=row["email"],
        name=row["name"],
        role=Role(row["role"]),
        is_active=row["is_active"],
        created_at=from_ms(row["created_at_ms"]),
        version=row["version"],
    )


def loses_links(before: Member, after: Member) -> bool:
    """Whether somebody who could make links for others may do so no more, or for fewer: those of before are worth nothing then.

    A link does not say who made it, so that all of the organisation's end. Who waits for one asks again.
    """
    could = before.is_active and before.role in {Role.OWNER, Role.ADMIN}
    return could and (not after.is_active or (after.role is not before.role and after.role is not Role.OWNER))


def invitation_to_row(invitation: Invitation) -> dict[str, Any]:
    """The row of `invitations`."""
    return {
        "id": invitation.id,
        "organisation_id": invitation.organisation_id,
        "email": invitation.email,
        "role": invitation.role.value,
        "digest": invitation.digest,
        "created_at_ms": to_ms(invitation.created_at),
        "expires_at_ms": to_ms(invitation.expires_at),
        "creator_id": invitation.creator_id,
        "accepted_at_ms": _optional_ms(invitation.accepted_at),
        "revoked_at_ms": _optional_ms(invitation.revoked_at),
    }


def row_to_invitation(row: Mapping[Any, Any]) -> Invitation:
    """The invitation of a row of `invitations`."""
    return Invitation(
        id=row["id"],
        organisation_id=row["organisation_id"],
        email=row["email"],
        role=Role(row["role"]),
        digest=bytes(row["digest"]),
        created_at=from_ms(row["created_at_ms"]),
        expires_at=from_ms(row["expires_at_ms"]),
        creator_id=row["creator_id"],
        accepted_at=_optional_time(row["accepted_at_ms"]),
        revoked_at=_optional_time(row["revoked_at_ms"]),
    )


def end_key(key: ApiKey, event: AuditEvent) -> tuple[ApiKey, AuditEvent]:
    """A personal key as it is after its member's end, which `event` tells, and the event of its own."""
    ended = replace(key, deleted_at=event.at, updated_at=event.at, version=key.version + 1)
    before, after = find_differences(key_facts(key), key_facts(ended))
    return ended, make_event(
        event.actor,
        key.organisation_id,
        "key.delete",
        event.at,
        target_id=key.id,
        target_label=key.label,
        environment=key.environment,
        before=before,
        after=after,
    )


def _optional_ms(moment: datetime | None) -> int | None:
    return None if moment is None else to_ms(moment)


def _optional_time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_ms(milliseconds)
