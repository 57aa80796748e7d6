"""/dashboard/settings/audit: what was done and refused, by whom, searched; taken away as a file; proved unchanged."""

import re
from collections.abc import AsyncIterator, Callable, Iterable

from starlette.responses import Response, StreamingResponse

from anyrouter.control.audit import Head
from anyrouter.control.stores import AuditFilter
from anyrouter.core.audit import ChainedEvent
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.scopes import ADMIN_ORG
from anyrouter.web.api.audit_csv import render_csv_head, render_csv_rows, render_jsonl
from anyrouter.web.pages.audit_address import FIELDS, KINDS, list_changes, read_filter, write_link
from anyrouter.web.pages.mistakes import NO_MISTAKE, Mistake, read_mistake
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import Page, PageRoutes

PATH = "/dashboard/settings/audit"
ROWS = 50
_FILES: dict[str, tuple[str, Callable[[], str], Callable[[Iterable[ChainedEvent]], str]]] = {
    "csv": ("text/csv", render_csv_head, render_csv_rows),
    "jsonl": ("application/jsonl", str, render_jsonl),
}
_NUMBER = re.compile(r"[1-9][0-9]{0,14}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NO_EVENT = Denied(code="not_found", message="There is no such event in your organisation's audit log.")


class AuditPages:
    """Read by who manages the organisation. Nothing here changes the log."""

    def __init__(self, ports: PagePorts) -> None:
        self._audit = ports.api.audit

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get(PATH, self.list, needs=ADMIN_ORG)
        routes.get(f"{PATH}/export", self.export, needs=ADMIN_ORG)
        routes.get(f"{PATH}/verify", self.ask, needs=ADMIN_ORG)
        routes.post(f"{PATH}/verify", self.verify, needs=ADMIN_ORG)
        routes.get(f"{PATH}/{{number}}", self.show, needs=ADMIN_ORG)

    async def list(self, page: Page) -> Response:
        """GET: what matches, the newest first."""
        mistake, found = NO_MISTAKE, []
        try:
            found = await self._audit.list(read_filter(page.query, page.visit.organisation_id, page.visit.now, limit=ROWS + 1))
        except ClientError as error:
            mistake = read_mistake(error, FIELDS, {"text": "q", "cursor": ""})
        rows = found[:ROWS]
        return await page.render(
            "audit.html",
            status=mistake.status,
            mistake=mistake,
            values={name: page.query.text(name) for name in FIELDS},
            rows=[(row, list_changes(row.event)) for row in rows],
            kinds=KINDS,
            environments=sorted(row.slug for row in page.visit.environments),
            is_filtered=any(page.query.text(name) for name in FIELDS),
            next_link=write_link(PATH, page.query, cursor=str(rows[-1].number)) if len(found) > ROWS else "",
            first_link=write_link(PATH, page.query) if page.query.has("cursor") else "",
            export_links={kind: write_link(f"{PATH}/export", page.query, format=kind) for kind in _FILES},
        )

    async def show(self, page: Page) -> Response:
        """GET …/{number}: one event, with all that is on record."""
        number = page.param("number")
        if not _NUMBER.fullmatch(number):
            raise ClientError(_NO_EVENT)
        query = AuditFilter(organisation_id=page.visit.organisation_id, before_number=int(number) + 1, limit=1)
        found = await self._audit.list(query)
        if not found or found[0].number != int(number):
            raise ClientError(_NO_EVENT)
        return await page.render("audit_event.html", row=found[0], changes=list_changes(found[0].event))

    async def export(self, page: Page) -> Response:
        """GET …/export: everything that matches, as CSV that is safe to open in a spreadsheet, or as JSON Lines."""
        kind = page.query.text("format", "csv")
        if kind not in _FILES:
            raise ClientError(Denied(code="invalid_parameter", param="format", message="format: csv or jsonl is needed."))
        media_type, render_head, render_rows = _FILES[kind]
        pages = self._audit.export(read_filter(page.query, page.visit.organisation_id, page.visit.now))
        first: list[ChainedEvent] = await anext(pages, [])  # what can be refused is refused before the first line

        async def write() -> AsyncIterator[str]:
            yield render_head() + render_rows(first)
            async for rows in pages:
                yield render_rows(rows)

        headers = {"content-disposition": f'attachment; filename="audit.{kind}"'}
        return StreamingResponse(write(), media_type=media_type, headers=headers)

    async def ask(self, page: Page) -> Response:
        """GET …/verify: what is checked, before it is."""
        return await page.render("audit_verify.html", verdict=None, known=None, mistake=NO_MISTAKE, number="", hash="")

    async def verify(self, page: Page) -> Response:
        """POST …/verify: the whole chain is computed anew. It changes nothing; it is a form because it is work."""
        number, digest = page.form.text("number"), page.form.text("hash").lower()
        try:
            known = _read_head(number, digest)
        except ClientError as error:
            mistake: Mistake = read_mistake(error, ("number", "hash"))
            return await page.render(
                "audit_verify.html", status=mistake.status, verdict=None, known=None, mistake=mistake, number=number, hash=digest
            )
        verdict = await self._audit.verify(page.visit.organisation_id, known=known)
        return await page.render("audit_verify.html", verdict=verdict, known=known, mistake=NO_MISTAKE, number=number, hash=digest)


def _read_head(number: str, digest: str) -> Head | None:
    if not number and not digest:
        return None
    if not _NUMBER.fullmatch(number):
        raise ClientError(Denied(code="invalid_parameter", param="number", message="number: the number that was kept is needed."))
    if not _HASH.fullmatch(digest):
        raise ClientError(Denied(code="invalid_parameter", param="hash", message="hash: 64 hexadecimal digits are needed."))
    return Head(number=int(number), hash=bytes.fromhex(digest))
