"""/byok: tenants' own credentials at providers, for keys with `admin:byok`. A key works in its own environment."""

from typing import Annotated, Any

import msgspec
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from anyrouter.control.credential_rows import describe_credential
from anyrouter.core.byok import ProviderCredential
from anyrouter.core.errors import ClientError, Denied
from anyrouter.web.api import byok_documents as documents
from anyrouter.web.api.bodies import read_body
from anyrouter.web.api.byok_replies import (
    CredentialChange,
    CredentialCreation,
    CredentialItem,
    CredentialReply,
    CredentialsReply,
    TestItem,
    TestReply,
)
from anyrouter.web.api.changes import actor_of, etag, if_match, rights_of
from anyrouter.web.api.ports import ApiPorts
from anyrouter.web.api.preset_replies import DeletedReply
from anyrouter.web.api.routes import Routes, json_reply
from anyrouter.web.api.times import rfc3339
from anyrouter.web.api.visit import principal_of

_CREATED = 201
_NAMES = {"disabled": "is_disabled", "allowed_models": "models", "allowed_api_key_hashes": "allowed_keys"}  # the API's to the record's
_PLACES = {"provider", "key", "environment", "workspace_id", "allowed_user_ids"}  # no fields of the record

Environment = Annotated[str | None, Query(description="Only this environment's, by its slug", max_length=16)]
Provider = Annotated[str | None, Query(description="Only this provider's, by its id", max_length=64)]
Limit = Annotated[int, Query(description="Rows of a page", ge=1, le=1000)]
Offset = Annotated[int, Query(description="How many to leave out, as OpenRouter's clients ask for pages", ge=0, le=1_000_000)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before", max_length=64)]


class ByokRoutes:
    """The routes over provider credentials."""

    def __init__(self, ports: ApiPorts) -> None:
        self._credentials, self._clock = ports.credentials, ports.clock

    def add_to(self, routes: Routes) -> None:
        """Put the routes on."""
        routes.get("byok", self.list_credentials, documents.CREDENTIALS)
        routes.change("POST byok", self.create_credential, documents.CREATE)
        routes.get("byok/{id}", self.show_credential, documents.CREDENTIAL)
        routes.change("PATCH byok/{id}", self.change_credential, documents.CHANGE)
        routes.change("DELETE byok/{id}", self.delete_credential, documents.DELETE)
        routes.change("POST byok/{id}/test", self.test_credential, documents.TEST)

    async def list_credentials(
        self,
        request: Request,
        *,
        environment: Environment = None,
        provider: Provider = None,
        limit: Limit = 100,
        offset: Offset = 0,
        cursor: Cursor = None,
    ) -> Response:
        """GET /byok."""
        found = await self._credentials.list(rights_of(request), _organisation(request), environment=environment, provider=provider)
        ids = [row.id for row in found]
        start = offset if cursor is None else ids.index(cursor) + 1 if cursor in ids else len(ids)
        page = found[start : start + limit]
        cursor = page[-1].id if page and start + limit < len(found) else None
        return json_reply(CredentialsReply(data=[self._describe(row) for row in page], total_count=len(found), next_cursor=cursor))

    async def show_credential(self, request: Request, id: str) -> Response:  # noqa: A002 -- the public name
        """GET /byok/{id}."""
        return self._reply(await self._credentials.show(rights_of(request), _organisation(request), id))

    async def create_credential(self, request: Request) -> Response:
        """POST /byok."""
        said = await read_body(request, CredentialCreation)
        organisation_id = _organisation(request)
        if said.workspace_id not in {None, organisation_id}:
            raise ClientError(Denied(code="not_found", param="workspace_id", message="There is no such workspace."))
        own = principal_of(request.scope).environment.slug
        credential = await self._credentials.create(
            actor_of(request),
            rights_of(request),
            organisation_id,
            environment=own if said.environment is None else said.environment,
            provider=said.provider,
            key=said.key,
            fields=_read_fields(said),
        )
        return self._reply(credential, status=_CREATED)

    async def change_credential(self, request: Request, id: str) -> Response:  # noqa: A002 -- the public name
        """PATCH /byok/{id}."""
        said = await read_body(request, CredentialChange)
        changed = await self._credentials.change(
            actor_of(request),
            rights_of(request),
            _organisation(request),
            id,
            _read_fields(said),
            key=None if said.key is msgspec.UNSET else said.key,
            version=if_match(request),
        )
        return self._reply(changed)

    async def delete_credential(self, request: Request, id: str) -> Response:  # noqa: A002 -- the public name
        """DELETE /byok/{id}."""
        place = (actor_of(request), rights_of(request), _organisation(request), id)
        await self._credentials.delete(*place, version=if_match(request))
        return json_reply(DeletedReply(deleted=True))

    async def test_credential(self, request: Request, id: str) -> Response:  # noqa: A002 -- the public name
        """POST /byok/{id}/test."""
        probed = await self._credentials.test(actor_of(request), rights_of(request), _organisation(request), id)
        item = TestItem(ok=probed.is_ok, status=probed.status, latency_ms=probed.latency_ms, message=probed.message)
        return json_reply(TestReply(data=item))

    def _reply(self, credential: ProviderCredential, *, status: int = 200) -> Response:
        return json_reply(CredentialReply(data=self._describe(credential)), status=status, headers={"etag": etag(credential.version)})

    def _describe(self, credential: ProviderCredential) -> CredentialItem:
        shown = describe_credential(credential, self._clock())
        until = credential.quarantined_until
        return CredentialItem(
            **shown,
            id=credential.id,
            quarantined_until=None if until is None else rfc3339(until),
            quarantine_reason=credential.quarantine_reason,
            version=credential.version,
            created_at=rfc3339(credential.created_at),
            updated_at=rfc3339(credential.updated_at),
            allowed_models=shown["models"],
            allowed_api_key_hashes=shown["allowed_keys"],
            allowed_user_ids=None,
            declared_region=credential.region,
            declared_zdr=shown["zdr"],
            is_byok_only=credential.always_use,
            is_required=credential.always_use,
            workspace_id=credential.organisation_id,
        )


def _read_fields(said: CredentialCreation | CredentialChange) -> dict[str, Any]:
    """What is said of the record, by the record's names. OpenRouter's name of a field may stand for ours, not beside it."""
    fields: dict[str, Any] = {}
    for name in said.__struct_fields__:
        value = getattr(said, name)
        is_said = value is not msgspec.UNSET and (value is not None or isinstance(said, CredentialChange))
        if name in _PLACES or not is_said:
            continue
        field = _NAMES.get(name, name)
        if field in fields:
            message = f"{name}: it is said twice, as {field} too. Leave one of them out."
            raise ClientError(Denied(code="invalid_parameter", param=name, message=message))
        fields[field] = value
    if "zdr" in fields:
        zdr = fields.pop("zdr")
        fields["is_retaining"] = None if zdr is None else not zdr
    return fields


def _organisation(request: Request) -> str:
    return principal_of(request.scope).key.organisation_id
