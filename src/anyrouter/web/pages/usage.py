"""/dashboard/usage: what was used over time, by whom and for what, and the same as CSV. All that is shown is in the address."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from starlette.responses import Response, StreamingResponse

from anyrouter.control.usage_range import HOURLY_DAYS, RangeName, before, list_zones
from anyrouter.control.usage_reader import Split
from anyrouter.control.usage_report import ROWS, UsageQuestion, UsageReport, UsageReporter
from anyrouter.control.usage_view import TIMES, Measure
from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import ClientError
from anyrouter.core.scopes import USAGE_READ
from anyrouter.relay.session_principal import name_players
from anyrouter.web.pages.forms import Fields
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import Page, PageRoutes
from anyrouter.web.pages.usage_address import PATH, UsageAddress, parse_address
from anyrouter.web.pages.usage_csv import FILE_NAME, write_csv
from anyrouter.web.pages.usage_figures import SPLIT_TITLES, draw, list_chips, list_lines, list_slot_lines, list_tiles

RANGES = (
    (RangeName.DAY, "24 hours"),
    (RangeName.WEEK, "7 days"),
    (RangeName.MONTH, "30 days"),
    (RangeName.QUARTER, "90 days"),
    (RangeName.THIS_MONTH, "This month"),
)
_RANGE_FIELDS = frozenset({"range", "from", "to", "zone"})
_CSV = f"{PATH}.csv"


class UsagePages:
    """Usage of the whole organisation: every role that has `usage:read` sees it."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports, self._reporter = ports, UsageReporter(ports.api.ledger)

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get(PATH, self.show, needs=USAGE_READ)
        routes.get(_CSV, self.export, needs=USAGE_READ)

    async def show(self, page: Page) -> Response:
        """GET /dashboard/usage. Days that cannot be understood are said at their fields, above the last 30 days."""
        errors: dict[str, str] = {}
        query = page.query
        try:
            address = parse_address(query, page.visit.now)
        except ClientError as error:
            param = error.denied.param or ""
            if param not in _RANGE_FIELDS:
                raise
            errors[param] = _without_name(error.denied.message, param)
            address = parse_address(Fields([pair for pair in query.pairs if pair[0] not in _RANGE_FIELDS]), page.visit.now)
        chosen = await self._find_key(page, address.filters.get("key"))
        report = await self._reporter.report(_ask(page, address, chosen))
        keys = await self._find_keys(page, address, report, chosen)
        figures = await asyncio.to_thread(_make_figures, address, report, keys, chosen)
        return await page.render(
            "usage.html",
            status=400 if errors else 200,
            errors=errors,
            address=address,
            report=report,
            ranges=RANGES,
            splits=[(split, title) for split, title in SPLIT_TITLES.items() if split not in address.filters],
            zones=list_zones(address.shown.zone),
            fields=_fields(address, query, errors),
            csv_link=address.link({"sort": None, "measure": None, "compare": None}, path=_CSV),
            next_link=address.link({"page": str(address.page + 1)}) if address.page * ROWS < report.count else "",
            first_link=address.link() if address.page > 1 else "",
            notes=_list_notes(page, address),
            explanation=_explain(address, report),
            has_times=address.measure in TIMES and report.latencies is not None and report.latencies.values is not None,
            **figures,
        )

    async def export(self, page: Page) -> Response:
        """GET /dashboard/usage.csv."""
        address = parse_address(page.query, page.visit.now)
        chosen = await self._find_key(page, address.filters.get("key"))
        question = _ask(page, address, chosen)
        known: dict[str, str] = {}

        async def name_keys(groups: Iterable[str]) -> Mapping[str, str]:
            missing = [group for group in groups if group not in known]
            known.update(dict.fromkeys(missing, ""))
            known.update({key.id: key.name for key in await self._read_keys(page, missing)})
            return known

        texts = write_csv(self._ports.api.ledger, address, question, name_keys)
        first = await anext(texts)  # what cannot be read is said before a reply has begun

        async def go_on() -> AsyncIterator[str]:
            yield first
            async for text in texts:
                yield text

        headers = {"content-disposition": f'attachment; filename="{FILE_NAME}"'}
        return StreamingResponse(go_on(), media_type="text/csv; charset=utf-8", headers=headers)

    async def _find_key(self, page: Page, key_id: str | None) -> ApiKey | None:
        """The key of a filter: any of those that were rotated into each other."""
        found = [] if key_id is None else await self._read_keys(page, [key_id])
        return found[0] if found else None

    async def _find_keys(self, page: Page, address: UsageAddress, report: UsageReport, chosen: ApiKey | None) -> list[ApiKey]:
        """Those that are named on the page."""
        if address.split is not Split.KEY:
            return [] if chosen is None else [chosen]
        groups = {*report.series, *(part.value for part in report.parts)}
        return await self._read_keys(page, sorted(groups))

    async def _read_keys(self, page: Page, ids: Sequence[str]) -> list[ApiKey]:
        found: list[ApiKey] = []
        for first in range(0, len(ids), 500):
            found += await self._ports.api.keys.find_by_ids(ids[first : first + 500])
        mine = [key for key in found if key.organisation_id == page.visit.organisation_id]
        return mine + name_players(ids, self._ports.tenants().members, page.visit.organisation_id)


def _ask(page: Page, address: UsageAddress, chosen: ApiKey | None) -> UsageQuestion:
    filters: dict[str, Any] = {name: value for name, value in address.filters.items() if name != "key"}
    group = chosen.rotation_group if chosen is not None else address.filters.get("key")
    return UsageQuestion(
        organisation_id=page.visit.organisation_id,
        shown=address.shown,
        earlier=before(address.shown, page.visit.now) if address.is_compared else None,
        measure=address.measure,
        split=address.split,
        sort=address.sort,
        page=address.page,
        rotation_group=group,
        **filters,
    )


def _make_figures(address: UsageAddress, report: UsageReport, keys: Sequence[ApiKey], chosen: ApiKey | None) -> dict[str, Any]:
    """What the page draws and writes, by the template's names. On a thread: it takes milliseconds."""
    names = {key.rotation_group: key.name for key in keys}
    if chosen is not None:
        names[chosen.id] = chosen.name
    details = {key.rotation_group: f"{key.label}, {key.environment}" for key in keys} if address.split is Split.KEY else {}
    return {
        "chips": list_chips(address, names),
        "tiles": list_tiles(address, report),
        "drawing": draw(address, report, names),
        "lines": list_lines(address, report, names, details),
        "slot_lines": list_slot_lines(address, report) if address.split is None else (),
    }


def _fields(address: UsageAddress, query: Fields, errors: Mapping[str, str]) -> dict[str, str]:
    """What the form of days has in its fields: what was sent where it is wrong, else the days that are shown."""
    if errors:
        return {name: query.text(name) for name in ("from", "to", "zone")}
    return {"from": address.shown.first_day.isoformat(), "to": address.shown.last_day.isoformat(), "zone": address.shown.zone}


def _list_notes(page: Page, address: UsageAddress) -> list[str]:
    notes = []
    age = (page.visit.now.date() - address.shown.first_day).days
    if address.shown.is_utc_days:
        notes.append(f"Hours are kept for {HOURLY_DAYS} days. Some of these days are longer ago, so all are days of UTC.")
    if (address.split is Split.APP or "app" in address.filters) and age >= HOURLY_DAYS:
        notes.append(f"Apps are known for the last {HOURLY_DAYS} days only.")
    elif (address.split is Split.KEY or "key" in address.filters) and address.measure in TIMES and age >= HOURLY_DAYS:
        notes.append(f"How long requests of single keys took is known for the last {HOURLY_DAYS} days only.")
    return notes


def _explain(address: UsageAddress, report: UsageReport) -> str:
    """What a measure is, where its name does not say it."""
    if address.measure is Measure.CACHE:
        return "The share of input tokens that providers had in their cache."
    if address.measure not in TIMES:
        return ""
    if report.latencies is None:
        return (
            "How long requests took is known of a key, of an app, or of a model or provider, but not of two of them at once. "
            "Take one of the filters away to see it."
        )
    what = (
        "from a request to its first token, of streamed requests" if address.measure is Measure.TTFT else "from a request to its last byte"
    )
    is_known = address.split is None or report.latencies.values is not None
    also = "" if is_known else f" With this filter it is not known by {address.split}: this is all together."
    return f"The time {what}, where the answer was complete.{also}"


def _without_name(message: str, param: str) -> str:
    text = message.removeprefix(f"{param}: ")
    return text[:1].upper() + text[1:]
