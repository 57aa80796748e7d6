"""The outermost ASGI layer of the reading API: one form of each path, the headers of every reply, the end of every exception.

Routing reads `scope["path"]` and nothing that a client can spell differently, such as Host (CVE-2026-48710).
"""

import re
import traceback
from collections.abc import Mapping

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anyrouter.core.errors import Denied
from anyrouter.core.ids import new_request_id
from anyrouter.policy.authorize import expiry_notice
from anyrouter.policy.endpoints import GEMINI_VERSIONS
from anyrouter.relay.call import read_facts
from anyrouter.relay.reply_head import limit_lines
from anyrouter.web.api.access import join_headers
from anyrouter.web.api.errors import no_path
from anyrouter.web.api.ports import ApiPorts
from anyrouter.web.api.problems import header_list, reply_to
from anyrouter.web.api.visit import Visit, begin
from anyrouter.wire.failure import scrub

ROOT = "/api/v1"
ROOT_PATHS = frozenset({"/health", "/livez", "/readyz", "/metrics"})
_ALIAS = "/v1/"
_GEMINI_ROOT = "/v1beta"
_GEMINI_KEY = b"x-goog-api-key"
_TRACE_HEADER = b"x-anyrouter-trace-id"
_TRACE_ID = re.compile(rb"[!-~]([ -~]{0,126}[!-~])?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_log = structlog.get_logger(__name__)


def plain_path(path: str) -> str:
    """The one form in which a path is routed: below /api/v1, without a trailing slash."""
    if len(path) > 1 and path.endswith("/"):
        path = path[:-1]
    if path.startswith(_ALIAS):
        return "/api" + path
    return ROOT + path if path in ROOT_PATHS else path


def gemini_path(path: str, method: str, *, has_gemini_key: bool) -> str | None:
    """The one form in which a path of Gemini's own API is routed, below /v1beta; None for any other path.

    Below /v1 models are Gemini's for who sends Gemini's header, and so is a POST to a method of a model (`…:generateContent`):
    there this API has nothing of its own.
    """
    if len(path) > 1 and path.endswith("/"):
        path = path[:-1]
    version, slash, rest = path[1:].partition("/")
    is_models = rest == "models" or rest.startswith("models/")
    if not slash or not path.startswith("/") or version not in GEMINI_VERSIONS:
        return None
    if f"/{version}/" == _ALIAS and not (is_models and (has_gemini_key or (method not in {"GET", "HEAD"} and ":" in rest))):
        return None
    return f"{_GEMINI_ROOT}/{rest}"


class Edge:
    """Wraps the application. No exception leaves it before a reply was begun, and no reply leaves it without X-Request-Id."""

    def __init__(self, app: ASGIApp, *, ports: ApiPorts) -> None:
        self._app, self._ports = app, ports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's message (ASGI 3)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_gemini_key = any(name == _GEMINI_KEY for name, _ in scope["headers"])
        path = gemini_path(scope["path"], scope["method"], has_gemini_key=has_gemini_key)
        dialect = "gemini"
        if path is None:
            path = plain_path(scope["path"])
            dialect = "anthropic" if f"{path}/".startswith(f"{ROOT}/messages/") else "openai"
        visit = self._receive(scope, dialect)
        is_head, is_started = scope["method"] == "HEAD", False
        inner = {**scope, "path": path, "method": "GET" if is_head else scope["method"]}
        begin(inner, visit)

        async def send_out(message: Message) -> None:
            nonlocal is_started
            if message["type"] == "http.response.start":
                is_started = True
                message = {**message, "headers": self._complete(message["headers"], scope, visit)}
            elif is_head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        try:
            if _CONTROL.search(path):  # routers take a line's end for the text's end
                await reply_to(inner, no_path())(inner, receive, send_out)
            else:
                await self._app(inner, receive, send_out)
        except Exception as error:
            _report(error, inner, visit)
            if is_started:
                raise
            await reply_to(inner, _internal_error())(inner, receive, send_out)

    def _receive(self, scope: Scope, dialect: str) -> Visit:
        now_ms = int(self._ports.clock().timestamp() * 1000)
        headers, _ = join_headers(scope)
        facts = read_facts("", headers)
        return Visit(
            request_id=new_request_id(now_ms),
            now_ms=now_ms,
            started_s=self._ports.monotonic(),
            dialect=dialect,
            address=self._ports.client_address(scope.get("client"), headers),
            user_agent=facts.user_agent,
            trace_id=facts.trace_text,
        )

    def _complete(self, headers: list[tuple[bytes, bytes]], scope: Scope, visit: Visit) -> list[tuple[bytes, bytes]]:
        complete = [*headers, (b"x-request-id", visit.request_id.encode()), (b"x-content-type-options", b"nosniff")]
        if not any(name == b"cache-control" for name, _ in headers):
            complete.append((b"cache-control", b"no-store"))
        trace_ids = [value for name, value in scope["headers"] if name == _TRACE_HEADER]
        if len(trace_ids) == 1 and _TRACE_ID.fullmatch(trace_ids[0]):
            complete.append((_TRACE_HEADER, trace_ids[0]))
        if visit.principal is not None:
            state = self._ports.limit_state(visit.principal, visit.started_s)
            complete.extend(header_list(limit_lines(state, visit.dialect, visit.now_ms)))
            if expires := expiry_notice(visit.principal.key, visit.now_ms):
                complete.append((b"anyrouter-key-expires", expires.encode()))
        return complete


def _internal_error() -> Denied:
    return Denied(code="internal_error", message="Something went wrong here. The request id helps the operator to find it.")


def _report(error: Exception, scope: Mapping[str, object], visit: Visit) -> None:
    text = "".join(traceback.format_exception(error))
    _log.error(
        "request failed",
        request_id=visit.request_id,
        method=scope["method"],
        route=getattr(scope.get("route"), "path", None),  # the template: the path itself is the client's text
        error=type(error).__name__,
        traceback=scrub(text),
    )
