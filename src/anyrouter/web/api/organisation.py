"""/org: the organisation of a key with `admin:org`, its members and invitations."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from anyrouter.core.tenancy import Invitation, Member, Organisation, Role
from anyrouter.web.api import organisation_documents as documents
from anyrouter.web.api.bodies import read_body
from anyrouter.web.api.changes import actor_of, etag, if_match, rights_of
from anyrouter.web.api.organisation_replies import (
    InvitationCreation,
    InvitationItem,
    InvitationsReply,
    MemberChange,
    MemberItem,
    MemberReply,
    MembersReply,
    NewInvitationReply,
    OrganisationChange,
    OrganisationItem,
    OrganisationReply,
)
from anyrouter.web.api.ports import ApiPorts
from anyrouter.web.api.preset_replies import DeletedReply
from anyrouter.web.api.routes import Routes, json_reply
from anyrouter.web.api.times import rfc3339
from anyrouter.web.api.visit import principal_of

_CREATED = 201
RowT = TypeVar("RowT", Member, Invitation)

Limit = Annotated[int, Query(description="Rows of a page", ge=1, le=1000)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before", max_length=64)]


class OrganisationRoutes:
    """The routes over an organisation and its people."""

    def __init__(self, ports: ApiPorts) -> None:
        self._organisations, self._members = ports.organisations, ports.members

    def add_to(self, routes: Routes) -> None:
        """Put the routes on."""
        routes.get("org", self.show, documents.ORGANISATION)
        routes.change("PATCH org", self.change, documents.CHANGE)
        routes.get("org/members", self.list_members, documents.MEMBERS)
        routes.change("PATCH org/members/{id}", self.change_member, documents.CHANGE_MEMBER)
        routes.change("DELETE org/members/{id}", self.remove_member, documents.REMOVE_MEMBER)
        routes.get("org/invitations", self.list_invitations, documents.INVITATIONS)
        routes.change("POST org/invitations", self.invite, documents.INVITE)
        routes.change("DELETE org/invitations/{id}", self.revoke_invitation, documents.REVOKE_INVITATION)

    async def show(self, request: Request) -> Response:
        """GET /org."""
        return _reply(await self._organisations.show(rights_of(request), _organisation(request)))

    async def change(self, request: Request) -> Response:
        """PATCH /org."""
        changes = _said(await read_body(request, OrganisationChange))
        return _reply(await self._organisations.change(*_place(request), changes, version=if_match(request)))

    async def list_members(self, request: Request, *, limit: Limit = 100, cursor: Cursor = None) -> Response:
        """GET /org/members."""
        found = await self._members.list(rights_of(request), _organisation(request))
        page, next_cursor = _take_page(found, limit, cursor)
        return json_reply(MembersReply(data=[describe_member(row) for row in page], next_cursor=next_cursor))

    async def change_member(self, request: Request, id: str) -> Response:  # noqa: A002 -- the public name
        """PATCH /org/members/{id}."""
        changes = _said(await read_body(request, MemberChange))
        if "role" in changes:
            changes["role"] = Role(changes["role"])
        member = await self._members.change(*_place(request), id, changes, version=if_match(request))
        return json_reply(MemberReply(data=describe_member(member)), headers={"etag": etag(member.version)})

    async def remove_member(self, request: Request, id: str) -> Response:  # noqa: A002 -- the public name
        """DELETE /org/members/{id}."""
        await self._members.remove(*_place(request), id, version=if_match(request))
        return json_reply(DeletedReply(deleted=True))

    async def list_invitations(self, request: Request, *, limit: Limit = 100, cursor: Cursor = None) -> Response:
        """GET /org/invitations."""
        found = await self._members.list_invitations(rights_of(request), _organisation(request))
        page, next_cursor = _take_page(found, limit, cursor)
        return json_reply(InvitationsReply(data=[describe_invitation(row) for row in page], next_cursor=next_cursor))

    async def invite(self, request: Request) -> Response:
        """POST /org/invitations."""
        said = await read_body(request, InvitationCreation)
        invitation, token = await self._members.invite(*_place(request), email=said.email, role=Role(said.role))
        return json_reply(NewInvitationReply(data=describe_invitation(invitation), token=token), status=_CREATED)

    async def revoke_invitation(self, request: Request, id: str) -> Response:  # noqa: A002 -- the public name
        """DELETE /org/invitations/{id}."""
        await self._members.revoke_invitation(*_place(request), id)
        return json_reply(DeletedReply(deleted=True))


def describe_member(member: Member) -> MemberItem:
    """A member as the reader sees it."""
    return MemberItem(id=member.id, email=member.email, name=member.name, role=member.role.value, created_at=rfc3339(member.created_at))


def describe_invitation(invitation: Invitation) -> InvitationItem:
    """An invitation as the reader sees it."""
    return InvitationItem(
        id=invitation.id,
        email=invitation.email,
        role=invitation.role.value,
        created_at=rfc3339(invitation.created_at),
        expires_at=rfc3339(invitation.expires_at),
    )


def _reply(organisation: Organisation) -> Response:
    item = OrganisationItem(
        id=organisation.id,
        name=organisation.name,
        created_at=rfc3339(organisation.created_at),
        max_key_lifetime_s=organisation.max_key_lifetime_s,
        credit_mode=organisation.credit_mode.value,
        workspace_id=organisation.id,
    )
    return json_reply(OrganisationReply(data=item), headers={"etag": etag(organisation.version)})


def _take_page(rows: Sequence[RowT], limit: int, cursor: str | None) -> tuple[Sequence[RowT], str | None]:
    ids = [row.id for row in rows]
    start = 0 if cursor is None else ids.index(cursor) + 1 if cursor in ids else len(ids)
    page = rows[start : start + limit]
    return page, page[-1].id if start + limit < len(rows) else None


def _said(body: msgspec.Struct) -> dict[str, Any]:
    return {name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not msgspec.UNSET}


def _place(request: Request) -> tuple[Any, Any, str]:
    return actor_of(request), rights_of(request), _organisation(request)


def _organisation(request: Request) -> str:
    return principal_of(request.scope).key.organisation_id
