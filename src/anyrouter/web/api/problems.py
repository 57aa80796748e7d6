"""Refusals as replies: the envelope of the path's dialect, and the headers that go with a code.

Those of the control plane have the members of RFC 9457 beside the OpenAI envelope, so that clients of either kind find theirs. What
may not be seen is refused byte for byte as what never was: nothing in an envelope tells one request from another.
"""

import msgspec
from starlette.responses import Response
from starlette.types import Scope

from anyrouter.core.errors import Denied
from anyrouter.policy.endpoints import ENDPOINTS, Endpoint
from anyrouter.relay.reply_head import refusal_lines
from anyrouter.web.api.replies import ErrorDetail, ErrorReply, ProblemReply
from anyrouter.web.api.visit import visit_of
from anyrouter.wire.failure import render_failure

JSON_TYPE, PROBLEM_TYPE = "application/json", "application/problem+json"
_OTHER_DIALECTS = frozenset({"anthropic", "gemini"})


def reply_to(scope: Scope, denied: Denied) -> Response:
    """The refusal of a request as its route's clients understand it; of one without a route, as all do but those of other dialects."""
    visit, row = visit_of(scope), find_row(scope)
    if visit.dialect in _OTHER_DIALECTS or (row is not None and not row.is_control):
        return reply_denied(denied, visit.dialect, visit.request_id)
    body = msgspec.json.encode(describe_problem(denied))
    media_type = PROBLEM_TYPE if _accepts_problems(scope) else JSON_TYPE
    return Response(body, status_code=denied.http_status, media_type=media_type, headers=_headers_of(denied))


def reply_denied(denied: Denied, dialect: str, request_id: str) -> Response:
    """The refusal in a dialect: status, envelope, WWW-Authenticate and Retry-After."""
    body = render(denied, dialect, request_id)
    return Response(body, status_code=denied.http_status, media_type=JSON_TYPE, headers=_headers_of(denied))


def render(denied: Denied, dialect: str, request_id: str) -> bytes:
    """The envelope. The OpenAI one holds no request id."""
    if dialect in _OTHER_DIALECTS:
        return render_failure(dialect, denied, request_id)
    return msgspec.json.encode(ErrorReply(error=_describe(denied)))


def describe_problem(denied: Denied) -> ProblemReply:
    """The refusal with the members of RFC 9457; its type is a name, and no address to be asked."""
    return ProblemReply(
        type=f"urn:anyrouter:error:{denied.code}",
        title=denied.code.replace("_", " ").capitalize(),
        status=denied.http_status,
        detail=denied.message,
        error=_describe(denied),
    )


def find_row(scope: Scope) -> Endpoint | None:
    """The row of the route that was found for the request, if one was."""
    return ENDPOINTS.get(getattr(scope.get("route"), "name", ""))


def header_list(lines: bytes) -> list[tuple[bytes, bytes]]:
    """A block of header lines in ASGI's form."""
    pairs = (line.split(b": ", 1) for line in lines.split(b"\r\n") if line)
    return [(name.lower(), value) for name, value in pairs]


def _headers_of(denied: Denied) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in header_list(refusal_lines(denied))}


def _describe(denied: Denied) -> ErrorDetail:
    return ErrorDetail(message=denied.message, type=denied.type, code=denied.code, param=denied.param, metadata=dict(denied.metadata))


def _accepts_problems(scope: Scope) -> bool:
    """Whether the client names the media type: a wildcard is what clients send that know nothing of it."""
    for name, value in scope["headers"]:
        if name != b"accept":
            continue
        for entry in value.decode("latin-1").lower().split(","):
            kind, *parameters = (part.strip() for part in entry.split(";"))
            if kind == PROBLEM_TYPE and not any(part.replace(" ", "").rstrip(".0") == "q=" for part in parameters):
                return True
    return False
