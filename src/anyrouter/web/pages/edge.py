"""The outermost ASGI layer of the pages: who comes from where, the headers of every reply, the end of every exception.

What changes something is refused unless a page of ours sent it. No reply leaves without the Content-Security-Policy: only our own
scripts run, nothing frames the pages, and nothing is sent elsewhere.
"""

import math
import re
import traceback
from http import HTTPStatus
from urllib.parse import urlsplit

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anyrouter.core.errors import ClientError, Denied, StorageUnavailable
from anyrouter.core.ids import new_request_id
from anyrouter.policy.origin import judge_origin
from anyrouter.relay.call import read_facts
from anyrouter.web.api.access import join_headers
from anyrouter.web.pages.cookies import SESSION_COOKIE, THEME_COOKIE, THEMES, read_cookies
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.render import Templates
from anyrouter.web.pages.visit import PageVisit, begin, visit_of
from anyrouter.wire.failure import scrub

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; manifest-src 'self'"
)
_SECURITY = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
)
_HSTS = (b"strict-transport-security", b"max-age=31536000")
_HOST = re.compile(r"[A-Za-z0-9.\-_]{1,253}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_log = structlog.get_logger(__name__)


class PageEdge:
    """Wraps the pages. No exception leaves it before a reply was begun."""

    def __init__(self, app: ASGIApp, *, ports: PagePorts, templates: Templates) -> None:
        self._app, self._ports, self._templates = app, ports, templates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one message (ASGI 3)."""
        path = scope["path"]
        # With an "app" the router raises what it refuses, and does not answer for itself.
        inner = {**scope, "app": self, "path": path[:-1] if len(path) > 1 and path.endswith("/") else path}
        is_started = False
        headers, _ = join_headers(scope)
        visit = self._receive(scope, headers)
        begin(inner, visit)

        async def send_out(message: Message) -> None:
            nonlocal is_started
            if message["type"] == "http.response.start":
                is_started = True
                message = {**message, "headers": self._complete(message["headers"], visit)}
            elif scope["method"] == "HEAD" and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        try:
            _refuse_foreign(scope["method"], headers, visit)
            await self._identify(inner, visit)
            await self._app(inner, receive, send_out)
        except Exception as error:
            if is_started:
                raise
            reply = await self._explain(error, inner)
            await reply(inner, receive, send_out)

    def _receive(self, scope: Scope, headers: dict[bytes, bytes]) -> PageVisit:
        api, now = self._ports.api, self._ports.clock()
        cookies = read_cookies(headers.get(b"cookie", b"").decode("latin-1"))
        theme = cookies.get(THEME_COOKIE, "auto")
        is_secure = scope.get("scheme") == "https"
        return PageVisit(
            request_id=new_request_id(int(now.timestamp() * 1000)),
            now=now,
            address=api.client_address(scope.get("client"), headers),
            user_agent=read_facts("", headers).user_agent or "",
            origin=_own_origin(headers.get(b"host", b"").decode("latin-1"), "https" if is_secure else "http"),
            is_secure=is_secure,
            theme=theme if theme in THEMES else "auto",
            token=cookies.get(SESSION_COOKIE),
        )

    async def _identify(self, scope: Scope, visit: PageVisit) -> None:
        """Find whose visit it is. Files need nobody."""
        if visit.token is None or scope["path"].startswith("/static/"):
            return
        visit.visitor = await self._ports.sessions.find(visit.token)
        if visit.visitor is not None:
            visit.is_fresh = self._ports.sessions.is_fresh(visit.visitor)
            mine = visit.visitor.member.organisation_id
            rows = self._ports.tenants().environments.values()
            visit.environments = tuple(row for row in rows if row.organisation_id == mine and row.deleted_at is None)

    async def _explain(self, error: Exception, scope: Scope) -> Response:
        """The page that says what happened, whose fault it is, and what to do next."""
        visit = visit_of(scope)
        if isinstance(error, ClientError):
            denied = error.denied
        elif isinstance(error, StorageUnavailable):
            denied = Denied(
                code="storage_unavailable", message="The gateway's storage does not answer now. Try again in a moment.", retry_after_s=1
            )
        elif isinstance(error, HTTPException):
            denied = _of_router(error.status_code)
        else:
            _log.error(
                "page failed",
                request_id=visit.request_id,
                method=scope["method"],
                error=type(error).__name__,
                traceback=scrub("".join(traceback.format_exception(error))),
            )
            denied = Denied(code="internal_error", message="Something went wrong here. The request id helps the operator to find it.")
        status = denied.http_status
        text = await self._templates.render(
            "error.html",
            {
                "status": status,
                "phrase": HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "",
                "message": denied.message,
                "request_id": visit.request_id,
                "theme": visit.theme,
                "is_signed_in": visit.visitor is not None,
            },
        )
        headers = {"retry-after": str(math.ceil(denied.retry_after_s))} if denied.retry_after_s is not None else {}
        return Response(text, status_code=status, media_type="text/html", headers=headers)

    def _complete(self, headers: list[tuple[bytes, bytes]], visit: PageVisit) -> list[tuple[bytes, bytes]]:
        complete = [*headers, *_SECURITY, (b"x-request-id", visit.request_id.encode())]
        if visit.is_secure:
            complete.append(_HSTS)
        if not any(name == b"cache-control" for name, _ in headers):
            complete.append((b"cache-control", b"no-store"))
        return complete


def _refuse_foreign(method: str, headers: dict[bytes, bytes], visit: PageVisit) -> None:
    denied = judge_origin(method, _text(headers.get(b"sec-fetch-site")), _text(headers.get(b"origin")), visit.origin)
    if denied is not None:
        raise ClientError(denied)


def _own_origin(host: str, scheme: str) -> str:
    """Our origin as a browser writes it; empty when Host is none, which is the same as no page's."""
    if not _HOST.fullmatch(host):
        return ""
    try:
        _ = urlsplit(f"//{host}").port  # no address in the brackets, or no port: whoever splits it later would be told so
    except ValueError:
        return ""
    return f"{scheme}://{host.lower().removesuffix(_DEFAULT_PORTS[scheme])}"


def _of_router(status: int) -> Denied:
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return Denied(code="method_not_allowed", message="This page is not used that way.")
    return Denied(code="not_found", message="There is no such page. It may have moved, or the link is not whole.")


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1").strip()
