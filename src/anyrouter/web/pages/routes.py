"""How a page comes into being: with who may see it, or not at all."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from anyrouter.control.audit import make_event
from anyrouter.core.errors import ClientError, Denied
from anyrouter.policy.rights import may
from anyrouter.web.pages.cookies import read_cookies
from anyrouter.web.pages.forms import Fields, parse_fields, read_form
from anyrouter.web.pages.navigation import list_places
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.render import Templates
from anyrouter.web.pages.visit import PageVisit, visit_of
from anyrouter.web.pages.way_back import find_way_back

PUBLIC = "public"  # anybody, also without a session
MEMBER = "member"  # every role
SEE_OTHER = 303
_FORBIDDEN = frozenset({401, 403})


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRow:
    """A row of the table of pages. `needs` is PUBLIC, MEMBER, or the scope that the visitor's role must have."""

    method: str
    path: str
    needs: str


class Page:
    """One request for a page, as its handler sees it. `form` is empty for a GET."""

    def __init__(self, request: Request, templates: Templates, ports: PagePorts, form: Fields) -> None:
        self.request, self.form, self.visit = request, form, visit_of(request.scope)
        self._templates, self._ports = templates, ports

    @property
    def query(self) -> Fields:
        """What the link says."""
        return parse_fields(self.request.scope["query_string"].decode("latin-1"))

    def cookie(self, name: str) -> str | None:
        """A cookie that came."""
        return read_cookies(self.request.headers.get("cookie", "")).get(name)

    def param(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    async def render(self, name: str, /, *, status: int = 200, headers: Mapping[str, str] | None = None, **context: Any) -> Response:
        """The page of a template, with what every page shows: the visitor, the places, the theme."""
        text = await self._templates.render(name, {**self._surroundings(), **context})
        return Response(text, status_code=status, media_type="text/html", headers=dict(headers or {}))

    def _surroundings(self) -> dict[str, Any]:
        visit = self.visit
        visitor = visit.visitor
        return {
            "visit": visit,
            "member": None if visitor is None else visitor.member,
            "places": () if visitor is None else list_places(visit.rights, self.request.scope["path"]),
            "theme": visit.theme,
            "now": visit.now,
            "version": self._ports.api.version,
            "here": self.request.scope["path"],
            "done": self.query.text("done"),
        }


Handler = Callable[[Page], Awaitable[Response]]


class PageRoutes:
    """The pages, each with its row: nothing is served without one."""

    def __init__(self, ports: PagePorts, templates: Templates) -> None:
        self.rows: list[PageRow] = []
        self.routes: list[Route] = []
        self._ports, self._templates = ports, templates

    def get(self, path: str, handler: Handler, *, needs: str) -> None:
        """Serve GET (and HEAD) `path`."""
        self._add("GET", path, handler, needs)

    def post(self, path: str, handler: Handler, *, needs: str) -> None:
        """Serve POST `path`. The edge has made sure that it comes from a page of ours."""
        self._add("POST", path, handler, needs)

    def _add(self, method: str, path: str, handler: Handler, needs: str) -> None:
        row = PageRow(method=method, path=path, needs=needs)
        self.rows.append(row)

        async def serve(request: Request) -> Response:
            visit = visit_of(request.scope)
            try:
                if needs != PUBLIC and (turned_away := self._judge(row, visit, request)) is not None:
                    return turned_away
                form = await read_form(request) if method == "POST" else Fields()
                return await handler(Page(request, self._templates, self._ports, form))
            except ClientError as error:
                await self._note(row, visit, error.denied)
                raise

        self.routes.append(Route(path, serve, methods=[method], name=f"{method} {path}"))

    def _judge(self, row: PageRow, visit: PageVisit, request: Request) -> Response | None:
        """None when the visitor may; who is not signed in is led to where that is done."""
        if visit.visitor is None:
            return self._lead_in(row, visit, request)
        if row.needs != MEMBER and not may(visit.rights, row.needs):
            raise ClientError(
                Denied(
                    code="insufficient_scope",
                    scope=row.needs,
                    message=f"Your role ({visit.role.value}) does not include this. Ask an owner or an admin of your organisation.",
                )
            )
        return None

    def _lead_in(self, row: PageRow, visit: PageVisit, request: Request) -> Response:
        """To where one signs in, and from there back. What a form has sent is lost, and that is said."""
        path = request.scope["path"]
        if row.method != "GET":
            way = find_way_back(request.headers.get("referer", ""), visit.origin, path, self._is_page)
            return redirect("/login", next=way, done="expired")
        query = request.scope["query_string"].decode("latin-1")
        return redirect("/login", next=f"{path}?{query}" if query else path)

    def _is_page(self, path: str) -> bool:
        """Whether that is a page for who is signed in."""
        pairs = zip(self.rows, self.routes, strict=True)
        return any(row.method == "GET" and row.needs != PUBLIC and route.path_regex.match(path) for row, route in pairs)

    async def _note(self, row: PageRow, visit: PageVisit, denied: Denied) -> None:
        """Put on record what a member tried and may not."""
        if visit.visitor is None or denied.http_status not in _FORBIDDEN:
            return
        event = make_event(visit.actor, visit.organisation_id, "page.denied", visit.now, target_label=f"{row.method} {row.path}")
        await self._ports.api.denials.note(replace(event, is_denied=True, code=denied.code))


def redirect(path: str, **query: str) -> Response:
    """To another page of ours, as the end of a form: a reload then sends nothing again."""
    pairs: Sequence[str] = [f"{name}={quote(value, safe='')}" for name, value in query.items()]
    return RedirectResponse(path + (f"?{'&'.join(pairs)}" if pairs else ""), SEE_OTHER)
