"""The models as Gemini's clients ask for them and read them: GET /v1beta/models and what hangs on it.

The shape is Google's (https://ai.google.dev/api/models, read on 2026-11-24; what `google-genai` 3.4 reads of it): a model's name is
`models/` and its id, and what is not known is absent. Which models there are is decided as for GET /models.
"""

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from anyrouter.core.errors import ClientError, Denied
from anyrouter.policy.endpoints import GEMINI_METHODS
from anyrouter.policy.route import Upstream, find_way
from anyrouter.web.api import gemini_documents as documents
from anyrouter.web.api.catalogue import no_model
from anyrouter.web.api.gemini_schemas import GeminiModel, GeminiModelsReply
from anyrouter.web.api.ports import ApiPorts
from anyrouter.web.api.reach import Reach, ReachableModel
from anyrouter.web.api.routes import Routes, json_reply
from anyrouter.web.api.visit import visit_of

USUAL_PAGE, MAX_PAGE = 50, 1000
_PREFIX = "models/"
_GENERATE = "generateContent"

PageSize = Annotated[
    int,
    Query(
        alias="pageSize",
        description=f"At most so many models; {USUAL_PAGE} when 0 or absent, never more than {MAX_PAGE}",
        ge=0,
        le=2**31 - 1,
    ),
]
PageToken = Annotated[str, Query(alias="pageToken", description="The last reply's nextPageToken: go on behind it", max_length=300)]


class GeminiModelRoutes:
    """The routes. A page's token is the id of its last model, so that models which come and go do not shift the next page."""

    def __init__(self, ports: ApiPorts, reach: Reach) -> None:
        self._ports, self._reach = ports, reach

    def add_to(self, routes: Routes) -> None:
        """Put the routes on."""
        public = self._ports.is_catalogue_public
        routes.get("v1beta/models", self.list_models, documents.MODELS, is_optional=public)
        routes.get("v1beta/models/{model}", self.show_model, documents.MODEL, is_optional=public)

    async def list_models(self, request: Request, *, page_size: PageSize = 0, page_token: PageToken = "") -> Response:
        """GET /v1beta/models."""
        found = self._reach.list(visit_of(request.scope).principal)
        begin = _find_begin(found, page_token)
        end = begin + min(page_size or USUAL_PAGE, MAX_PAGE)
        page = found[begin:end]
        asked: dict[int, bool] = {}
        reply = GeminiModelsReply(models=[_describe(row, asked) for row in page])
        if end < len(found):
            reply.next_page_token = page[-1].model.id
        return json_reply(reply)

    async def show_model(self, request: Request, model: str) -> Response:
        """GET /v1beta/models/{model}."""
        found = self._reach.find(visit_of(request.scope).principal, model)
        if found is None:
            raise ClientError(no_model())
        return json_reply(_describe(found, {}))


def _find_begin(found: tuple[ReachableModel, ...], token: str) -> int:
    if not token:
        return 0
    for number, row in enumerate(found):
        if row.model.id == token:
            return number + 1
    raise ClientError(
        Denied(code="invalid_parameter", param="pageToken", message="pageToken is not one of this list, or its model is gone. Begin anew.")
    )


def _describe(row: ReachableModel, asked: dict[int, bool]) -> GeminiModel:
    """The model's row. `asked` keeps which upstreams can be asked for a chat."""
    model = row.model
    is_chat = model.category == "text" or "text" in (model.output_modalities or ())
    described = GeminiModel(
        name=_PREFIX + (model.id if model.variant is None else f"{model.id}:{model.variant}"),
        display_name=model.name,
        supported_generation_methods=list(GEMINI_METHODS) if is_chat and any(_can_chat(one, asked) for one in row.upstreams) else [],
    )
    if model.description is not None:
        described.description = model.description
    if model.context_length is not None:
        described.input_token_limit = model.context_length
    if model.max_output_tokens is not None:
        described.output_token_limit = model.max_output_tokens
    if model.capabilities is not None:
        described.thinking = "reasoning" in model.capabilities
    return described


def _can_chat(upstream: Upstream, asked: dict[int, bool]) -> bool:
    found = asked.get(id(upstream))
    if found is None:
        found = asked[id(upstream)] = find_way(upstream, _GENERATE) is not None
    return found
