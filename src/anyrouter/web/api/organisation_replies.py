"""Requests and replies about an organisation and its people, as types: their schemas are what /openapi.json says."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from anyrouter.web.api.replies import Moment

RoleName = Annotated[
    Literal["owner", "admin", "developer", "billing", "viewer"],
    Meta(
        description="owner: everything; admin: everything but what concerns owners; developer: keys and credentials of sandboxes, "
        "own keys elsewhere; billing: credits and usage; viewer: reads"
    ),
]
Lifetime = Annotated[int, Meta(description="Seconds that new keys live at most; null: as long as they say")]
Email = Annotated[str, Meta(description="An e-mail address; kept in lower case")]


class OrganisationChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to be different."""

    name: str | UnsetType = UNSET
    max_key_lifetime_s: Lifetime | UnsetType | None = UNSET


class OrganisationItem(msgspec.Struct, kw_only=True):
    """An organisation."""

    id: str
    name: str
    created_at: Moment
    max_key_lifetime_s: Lifetime | None
    credit_mode: Literal["metered", "prepaid"]
    workspace_id: str


class OrganisationReply(msgspec.Struct, kw_only=True):
    """The organisation."""

    data: OrganisationItem


class MemberChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to be different."""

    name: str | UnsetType = UNSET
    role: RoleName | UnsetType = UNSET


class MemberItem(msgspec.Struct, kw_only=True):
    """A person in the organisation."""

    id: str
    email: str
    name: str
    role: RoleName
    created_at: Moment


class MemberReply(msgspec.Struct, kw_only=True):
    """One member."""

    data: MemberItem


class MembersReply(msgspec.Struct, kw_only=True):
    """Members, oldest first. `next_cursor` is null on the last page."""

    data: list[MemberItem]
    next_cursor: str | None


class InvitationCreation(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An invitation to be made."""

    email: Email
    role: RoleName


class InvitationItem(msgspec.Struct, kw_only=True):
    """An offer of membership, for one person and one use."""

    id: str
    email: str
    role: RoleName
    created_at: Moment
    expires_at: Moment


class NewInvitationReply(msgspec.Struct, kw_only=True):
    """A new invitation. `token` is its text, in this reply and nowhere else ever; null when the reply is given again."""

    data: InvitationItem
    token: str | None


class InvitationsReply(msgspec.Struct, kw_only=True):
    """Invitations that can be accepted, oldest first. `next_cursor` is null on the last page."""

    data: list[InvitationItem]
    next_cursor: str | None
