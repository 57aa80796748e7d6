"""Organisations, members and invitations for people and for programs: what is shown of them. A token's digest never is."""

from datetime import datetime
from typing import Any

from anyrouter.cli.output import print_json, print_pairs
from anyrouter.control.members import member_facts
from anyrouter.control.organisations import organisation_facts
from anyrouter.core.tenancy import Invitation, Member, Organisation

COLUMNS = ("ID", "NAME", "STATE", "KEYS LIVE AT MOST", "CREDITS", "CREATED")
MEMBER_COLUMNS = ("EMAIL", "ROLE", "NAME", "SINCE", "ID")
INVITATION_COLUMNS = ("EMAIL", "ROLE", "EXPIRES", "ID")


def organisation_object(organisation: Organisation) -> dict[str, Any]:
    """The organisation for programs."""
    return {"id": organisation.id, **organisation_facts(organisation), "created_at": rfc3339(organisation.created_at)}


def organisation_row(organisation: Organisation) -> tuple[object, ...]:
    """The organisation as a row under `COLUMNS`."""
    lifetime_s = organisation.max_key_lifetime_s
    return (
        organisation.id,
        organisation.name,
        "active" if organisation.is_active else "disabled",
        None if lifetime_s is None else f"{lifetime_s:,} s",
        organisation.credit_mode.value,
        f"{organisation.created_at:%Y-%m-%d %H:%M} UTC",
    )


def print_organisation(organisation: Organisation, *, as_json: bool) -> None:
    """The organisation as one JSON document, or as facts, a line each."""
    if as_json:
        print_json({"data": organisation_object(organisation)})
    else:
        print_pairs(zip((name.lower() for name in COLUMNS), organisation_row(organisation), strict=True))


def member_object(member: Member) -> dict[str, Any]:
    """The member for programs."""
    return {"id": member.id, **member_facts(member), "created_at": rfc3339(member.created_at)}


def member_row(member: Member) -> tuple[object, ...]:
    """The member as a row under `MEMBER_COLUMNS`."""
    return (member.email, member.role.value, member.name, f"{member.created_at:%Y-%m-%d}", member.id)


def invitation_object(invitation: Invitation) -> dict[str, Any]:
    """The invitation for programs."""
    return {
        "id": invitation.id,
        "email": invitation.email,
        "role": invitation.role.value,
        "created_at": rfc3339(invitation.created_at),
        "expires_at": rfc3339(invitation.expires_at),
    }


def invitation_row(invitation: Invitation) -> tuple[object, ...]:
    """The invitation as a row under `INVITATION_COLUMNS`."""
    return (invitation.email, invitation.role.value, f"{invitation.expires_at:%Y-%m-%d %H:%M} UTC", invitation.id)


def rfc3339(moment: datetime) -> str:
    """A time for programs."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
