"""The OpenAPI 3.1 document: FastAPI says what parameters there are, the replies' own types say the rest.

Made when it is first asked for, and kept: it costs tens of milliseconds, which a start need not pay.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from anyrouter.core.errors import CODES, Denied
from anyrouter.policy.endpoints import ENDPOINTS, Endpoint
from anyrouter.web.api.gemini_schemas import GeminiErrorReply
from anyrouter.web.api.inference_documents import INFERENCE, DocumentedInference
from anyrouter.web.api.openapi_changes import HEADERS as CHANGE_HEADERS
from anyrouter.web.api.openapi_changes import list_headers, list_parameters, list_statuses
from anyrouter.web.api.ports import ApiPorts
from anyrouter.web.api.problems import JSON_TYPE, PROBLEM_TYPE, describe_problem
from anyrouter.web.api.replies import AnthropicErrorReply, ErrorReply, ProblemReply
from anyrouter.web.api.routes import Documented, Routes
from anyrouter.wire.translation.gemini.failure import error_object

PATH = "openapi.json"
TITLE = "AnyRouter"
ABOUT = """One address and one key for every provider of language models.

Send the key as `Authorization: Bearer ar-…` or as `x-api-key`. What is below `/api/v1` is also served below `/v1`; a trailing slash
means nothing; HEAD is answered wherever GET is. OPTIONS tells what a path takes. No CORS headers are sent: keys do not belong into
pages.

What changes something takes an `Idempotency-Key`, so that it can be repeated after a reply was lost, and a PATCH an `If-Match`, so that
nobody's change is overwritten unseen. Errors there are problems of RFC 9457 too, as `application/problem+json` for who accepts that."""
_REF = "#/components/schemas/{name}"
_MODEL_PARAMETER = {
    "name": "model",
    "in": "path",
    "required": True,
    "description": "A model's name; its slash may be written as %2F",
    "schema": {"type": "string", "minLength": 1, "examples": ["gemini-2.5-flash"]},
}
_ALT_PARAMETER = {
    "name": "alt",
    "in": "query",
    "required": False,
    "description": "`sse` for server-sent events",
    "schema": {"type": "string", "enum": ["sse", "json"]},
}
_KEYED: list[dict[str, list[str]]] = [{"bearer": []}, {"apiKey": []}]
_STATUSES: Mapping[int, tuple[str, str]] = {
    400: ("BadRequest", "A parameter or the body cannot be read, or two different keys were sent."),
    401: ("Unauthorized", "The key: absent, malformed, unknown, expired or disabled. Never for trouble of the gateway's own."),
    402: ("PaymentRequired", "A budget or the credits do not suffice."),
    403: ("Forbidden", "The key is good and may not do this."),
    404: ("NotFound", "It is not there, or this key may not see it."),
    405: ("MethodNotAllowed", "The path takes other methods: see Allow."),
    408: ("RequestTimeout", "The request was not complete in time."),
    409: ("Conflict", "It contradicts what is there, such as a name that is taken."),
    412: ("PreconditionFailed", "It was changed meanwhile: it has another ETag than If-Match says."),
    413: ("TooLarge", "The body, or the context, is too large."),
    415: ("UnsupportedMediaType", "The body is not JSON."),
    422: ("Unprocessable", "The request can be read and makes no sense."),
    429: ("TooManyRequests", "A limit was met; metadata says whose. Retry-After is never earlier than the limit frees."),
    500: ("InternalError", "The gateway's own fault."),
    502: ("UpstreamError", "An upstream failed; metadata says how."),
    503: ("Unavailable", "Storage, or every upstream, cannot be used now."),
    504: ("UpstreamTimeout", "An upstream did not answer in time."),
}
_READING = (400, 401, 403, 429, 503)
_CHANGING_BY_BODY = (408, 409, 413, 415)
_INFERENCE = (400, 401, 402, 403, 404, 408, 413, 415, 422, 429, 500, 502, 503, 504)


class OpenApiRoutes:
    """The route that serves the document of all other routes."""

    def __init__(self, ports: ApiPorts, routes: Routes) -> None:
        self._ports, self._routes = ports, routes
        self._encoded: bytes | None = None

    def add_to(self, routes: Routes) -> None:
        """Put the route on."""
        routes.get(PATH, self.show_document, DOCUMENT)

    async def show_document(self, request: Request) -> Response:  # noqa: ARG002 -- FastAPI's form of a handler
        """GET /openapi.json."""
        if self._encoded is None:
            self._encoded = msgspec.json.encode(build_document(self._routes, self._ports.version, self._ports.public_url))
        return Response(self._encoded, media_type="application/json", headers={"cache-control": "public, max-age=300"})


DOCUMENT = Documented(
    summary="Show this document",
    text="OpenAPI 3.1.",
    tag="Health",
    reply=None,
    example=None,
    content={"application/json": {"schema": {"type": "object"}}},
)


def build_document(routes: Routes, version: str, public_url: str | None) -> dict[str, Any]:
    """The whole document."""
    api_routes = [route for route in routes.router.routes if isinstance(route, APIRoute) and route.include_in_schema]
    document: dict[str, Any] = get_openapi(
        title=TITLE,
        version=version,
        description=ABOUT,
        openapi_version="3.1.0",
        routes=api_routes,
        servers=[{"url": (public_url or "").rstrip("/") or "/"}],
    )
    for name, documented in routes.documented.items():
        row = ENDPOINTS[name]
        operation = document["paths"][row.public_path][row.method.lower()]
        operation["security"] = _security(row)
        operation["responses"] = {str(documented.status): _success(row, documented), **_refusals(_statuses(row, documented), _family(row))}
        operation["parameters"] = [*operation.get("parameters", []), *list_parameters(row)]
        if documented.request is not None:
            operation["requestBody"] = _describe_body(documented.request, documented.request_example, is_array=documented.takes_many)
        _note_scope(operation, row)
    for path, inference in INFERENCE.items():
        document["paths"][ENDPOINTS[path].public_path] = {"post": _describe_inference(ENDPOINTS[path], inference)}
    document["components"] = {
        "schemas": _schemas(routes.documented.values()),
        "responses": dict(_responses()),
        "headers": {**_HEADERS, **CHANGE_HEADERS},
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer", "description": "An AnyRouter key: ar-…"},
            "apiKey": {
                "type": "apiKey",
                "in": "header",
                "name": "x-api-key",
                "description": "The same key, as Anthropic's clients send it",
            },
            "geminiKey": {
                "type": "apiKey",
                "in": "header",
                "name": "x-goog-api-key",
                "description": "The same key, as Gemini's clients send it",
            },
            "metricsToken": {"type": "http", "scheme": "bearer", "description": "server.metrics_token"},
        },
    }
    return document


def _schemas(documented: Iterable[Documented]) -> dict[str, Any]:
    described = [shown for one in documented for shown in (one.request, one.reply)]
    types: dict[type[msgspec.Struct], None] = dict.fromkeys(
        shown for shown in (*described, *(reply for _, reply, _ in _ENVELOPES)) if shown is not None
    )
    for inference in INFERENCE.values():
        types |= {inference.request: None, inference.reply: None}
    schemas = msgspec.json.schema_components(types, ref_template=_REF)[1]
    _open_decimals(schemas)
    return schemas


def _open_decimals(schema: Any) -> None:
    """Say of decimals what is true of those that are read: they are numbers, or texts."""
    if isinstance(schema, list):
        for inner in schema:
            _open_decimals(inner)
    elif isinstance(schema, dict):
        if schema.get("type") == "string" and schema.get("format") == "decimal":
            schema["type"] = ["number", "string"]
        for inner in schema.values():
            _open_decimals(inner)


def _success(row: Endpoint, documented: Documented) -> dict[str, Any]:
    content = dict(documented.content)
    if documented.reply is not None:
        schema = {"$ref": _REF.format(name=documented.reply.__name__)}
        content = {"application/json": {"schema": schema, "example": documented.example}, **content}
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in (*_HEADERS, *list_headers(row))}
    return {"description": documented.summary, "content": content, "headers": headers}


def _security(row: Endpoint) -> list[dict[str, list[str]]]:
    if row.path == "metrics":
        return [{}, {"metricsToken": []}]
    if row.dialect == "gemini":
        return [*_KEYED, {"geminiKey": []}]
    return [{}, *_KEYED] if row.is_public else _KEYED


def _note_scope(operation: dict[str, Any], row: Endpoint) -> None:
    if row.scope is not None:
        operation["description"] = f"{operation['description']}\n\nNeeds the scope `{row.scope}`."
        operation["x-required-scope"] = row.scope


def _statuses(row: Endpoint, documented: Documented) -> tuple[int, ...]:
    path = row.path
    if row.changes_by is not None:
        with_body = () if documented.request is None else _CHANGING_BY_BODY
        statuses = {*_READING, *with_body, *list_statuses(row), *((404,) if documented.can_miss else ())}
        return tuple(statuses - {401, 403} if row.is_public else statuses)
    if path in {"health", "livez", PATH}:
        return ()
    if path == "readyz":
        return (503,)
    if path == "metrics":
        return (401, 403)
    return (*_READING, *((404,) if documented.can_miss else ()))


def _family(row: Endpoint) -> str:
    """Whose form a row's refusals have."""
    return "control" if row.is_control else row.dialect


def _refusals(statuses: Iterable[int], family: str) -> dict[str, Any]:
    prefix = _PREFIXES.get(family, "")
    return {str(status): {"$ref": f"#/components/responses/{prefix}{_STATUSES[status][0]}"} for status in sorted(statuses)}


def _describe_body(request: type[msgspec.Struct], example: Any, *, is_array: bool = False) -> dict[str, Any]:
    schema: dict[str, Any] = {"$ref": _REF.format(name=request.__name__)}
    if is_array:
        schema = {"type": "array", "items": schema}
    return {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}


def _describe_inference(row: Endpoint, inference: DocumentedInference) -> dict[str, Any]:
    schema: dict[str, Any] = {"$ref": _REF.format(name=inference.reply.__name__)}
    example: Any = inference.reply_example
    if inference.is_array:
        schema, example = {"type": "array", "items": schema}, [example]
    content: dict[str, Any] = {"application/json": {"schema": schema, "example": example}}
    if inference.can_stream:
        content["text/event-stream"] = {"schema": {"type": "string", "description": "The dialect's events, one for each of the upstream's"}}
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in _HEADERS}
    operation: dict[str, Any] = {
        "operationId": "post_" + row.path.replace("/", "_"),
        "summary": inference.summary,
        "description": inference.text,
        "tags": ["Inference"],
        "security": _security(row),
        "requestBody": _describe_body(inference.request, inference.request_example),
        "responses": {
            "200": {"description": inference.summary, "content": content, "headers": headers},
            **_refusals(_INFERENCE, row.dialect),
        },
    }
    if "{model}" in row.public_path:
        operation["parameters"] = [_MODEL_PARAMETER, *([_ALT_PARAMETER] if inference.can_stream else [])]
    _note_scope(operation, row)
    return operation


def _responses() -> Iterable[tuple[str, dict[str, Any]]]:
    for status, (name, text) in _STATUSES.items():
        codes = [code for code, facts in CODES.items() if facts.status == status]
        described = f"{text} Codes: {', '.join(codes)}."
        for prefix, reply, make_example in _ENVELOPES:
            schema = {"$ref": _REF.format(name=reply.__name__)}
            media = {"schema": schema, "example": make_example(codes[0])}
            kinds = (JSON_TYPE, PROBLEM_TYPE) if reply is ProblemReply else (JSON_TYPE,)
            yield prefix + name, {"description": described, "content": dict.fromkeys(kinds, media)}


def _openai_example(code: str) -> dict[str, Any]:
    said = "What went wrong, and what to do."
    return {"error": {"message": said, "type": CODES[code].type, "code": code, "param": None, "metadata": {}}}


def _problem_example(code: str) -> dict[str, Any]:
    example: dict[str, Any] = msgspec.to_builtins(describe_problem(Denied(code=code, message="What went wrong, and what to do.")))
    return example


def _anthropic_example(_code: str) -> dict[str, Any]:
    said = "What went wrong, and what to do."
    return {"type": "error", "error": {"type": "invalid_request_error", "message": said}, "request_id": _REQUEST_ID}


def _gemini_example(code: str) -> dict[str, Any]:
    return {"error": error_object(Denied(code=code, message="What went wrong, and what to do."), _REQUEST_ID)}


_REQUEST_ID = "req-0192f0c4a7e8a1b2c3d4e5f60718"
_PREFIXES = {"control": "Control", "anthropic": "Anthropic", "gemini": "Gemini"}
_ENVELOPES: tuple[tuple[str, type[msgspec.Struct], Callable[[str], dict[str, Any]]], ...] = (
    ("", ErrorReply, _openai_example),
    (_PREFIXES["control"], ProblemReply, _problem_example),
    (_PREFIXES["anthropic"], AnthropicErrorReply, _anthropic_example),
    (_PREFIXES["gemini"], GeminiErrorReply, _gemini_example),
)
_HEADERS: dict[str, Any] = {
    "X-Request-Id": {"description": "Of every reply; tell it to the operator", "schema": {"type": "string"}},
    "X-RateLimit-Limit": {"description": "Requests per minute", "schema": {"type": "integer"}},
    "X-RateLimit-Remaining": {"description": "Requests left now", "schema": {"type": "integer"}},
    "X-RateLimit-Reset": {"description": "Unix seconds at which more is free", "schema": {"type": "integer"}},
}
