"""What the OpenAPI document says of the routes over an organisation and its people."""

from typing import Any

from anyrouter.web.api.organisation_replies import (
    InvitationCreation,
    InvitationsReply,
    MemberChange,
    MemberReply,
    MembersReply,
    NewInvitationReply,
    OrganisationChange,
    OrganisationReply,
)
from anyrouter.web.api.preset_replies import DeletedReply
from anyrouter.web.api.routes import Documented

TAG = "Organisation"

_ORGANISATION: dict[str, Any] = {
    "id": "org_default",
    "name": "Default",
    "created_at": "2026-11-24T12:00:00.000Z",
    "max_key_lifetime_s": 7_776_000,
    "credit_mode": "metered",
    "workspace_id": "org_default",
}
_MEMBER: dict[str, Any] = {
    "id": "mem_0192f0c4a7e87a1b8c3d4e5f60718293",
    "email": "ada@example.org",
    "name": "Ada",
    "role": "developer",
    "created_at": "2026-11-24T12:00:00.000Z",
}
_INVITATION: dict[str, Any] = {
    "id": "ivt_0192f0c4a7e87a1b8c3d4e5f60718293",
    "email": "ada@example.org",
    "role": "developer",
    "created_at": "2026-11-24T12:00:00.000Z",
    "expires_at": "2026-12-01T12:00:00.000Z",
}

ORGANISATION = Documented(
    summary="Show the organisation", text="The one that the key is of.", tag=TAG, reply=OrganisationReply, example={"data": _ORGANISATION}
)
CHANGE = Documented(
    summary="Change the organisation",
    text="Its name, or how long keys live at most that are made, or whose expiry is changed, from now on.",
    tag=TAG,
    reply=OrganisationReply,
    example={"data": _ORGANISATION},
    request=OrganisationChange,
    request_example={"max_key_lifetime_s": 7_776_000},
)
MEMBERS = Documented(
    summary="List members",
    text="All that are active, oldest first.",
    tag=TAG,
    reply=MembersReply,
    example={"data": [_MEMBER], "next_cursor": None},
)
CHANGE_MEMBER = Documented(
    summary="Change a member",
    text="Name or role. Personal keys do no more than the new role allows, within a second. Only an owner makes and changes owners, and "
    "the last one stays: 422.",
    tag=TAG,
    reply=MemberReply,
    example={"data": _MEMBER},
    request=MemberChange,
    request_example={"role": "viewer"},
    can_miss=True,
)
REMOVE_MEMBER = Documented(
    summary="Remove a member",
    text="Personal keys end in the same moment; keys that the member made for programs stay. Only an owner removes owners, and the last "
    "one stays: 422.",
    tag=TAG,
    reply=DeletedReply,
    example={"deleted": True},
    can_miss=True,
)
INVITATIONS = Documented(
    summary="List invitations",
    text="All that can still be accepted, oldest first.",
    tag=TAG,
    reply=InvitationsReply,
    example={"data": [_INVITATION], "next_cursor": None},
)
INVITE = Documented(
    summary="Invite somebody",
    text="For seven days and one use, by whoever has the address. The token's text is in this reply and nowhere else ever. Nobody invites "
    "to a role above their own.",
    tag=TAG,
    reply=NewInvitationReply,
    example={"data": _INVITATION, "token": "inv_" + "0" * 43},
    request=InvitationCreation,
    request_example={"email": "ada@example.org", "role": "developer"},
    status=201,
    shown_once=("token",),
)
REVOKE_INVITATION = Documented(
    summary="Revoke an invitation",
    text="Nobody accepts it any more.",
    tag=TAG,
    reply=DeletedReply,
    example={"deleted": True},
    can_miss=True,
)
