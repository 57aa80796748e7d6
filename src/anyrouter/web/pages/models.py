"""/dashboard/models: what can be asked for, at which price, and who serves it. Unknown facts are shown as unknown."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from anyrouter.control.usage_reader import Span, UsageFilter
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.latency import add, find_percentile
from anyrouter.core.scopes import ADMIN_BYOK, COMPLETIONS_WRITE, MODELS_READ, USAGE_READ
from anyrouter.core.tenancy import Environment
from anyrouter.policy.health import HealthReport
from anyrouter.policy.rights import may
from anyrouter.web.pages.forms import Fields
from anyrouter.web.pages.mistakes import NO_MISTAKE, Mistake, read_mistake
from anyrouter.web.pages.model_filter import EVERYTHING, MAKES, PATH, ROWS, TAKES, ModelFilter, parse_filter
from anyrouter.web.pages.model_lines import ModelLine, list_prices, name_capability, price, read_created
from anyrouter.web.pages.model_view import ModelView, find_target
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.request_code import Sample, make_body, write_chat, write_embedding
from anyrouter.web.pages.routes import Page, PageRoutes

_NO_MODEL = Denied(code="not_found", message="There is no such model here. The list of models shows those that there are.")
_NO_ENVIRONMENT = Denied(code="not_found", message="There is no such environment in your organisation.")
_FIELDS = ("min_context", "max_price")
DAYS = 7
_HOURS, _DAY_S = 24, 86_400
_Choices = Mapping[str, Sequence[tuple[str, str]]]
_PERCENTILES = (50, 95)


class ModelPages:
    """The catalogue: listed, looked for, and each model by itself."""

    def __init__(self, ports: PagePorts, view: ModelView) -> None:
        self._ports, self._view = ports, view

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get(PATH, self.list, needs=MODELS_READ)
        routes.get(f"{PATH}/{{id:path}}", self.show, needs=MODELS_READ)

    async def list(self, page: Page) -> Response:
        """GET: the models of the organisation's environments, or all that are known."""
        query, environments = page.query, page.visit.environments
        wanted, mistake = _read_filter(query)
        if wanted.environment not in {"", EVERYTHING, *(row.slug for row in environments)}:
            raise ClientError(_NO_ENVIRONMENT)
        lines = self._view.list(environments, is_whole=wanted.environment == EVERYTHING)
        # Milliseconds over the whole catalogue, which the requests of models need not wait for.
        found, choices = await asyncio.to_thread(_select, lines, wanted, environments)
        shown = found[(wanted.page - 1) * ROWS : wanted.page * ROWS]
        return await page.render(
            "models.html",
            status=mistake.status,
            filter=wanted,
            values={name: query.text(name) for name in _FIELDS} if mistake.errors else None,
            mistake=mistake,
            lines=[_describe(line) for line in shown],
            total=len(found),
            first=(wanted.page - 1) * ROWS + 1,
            reachable=len(lines),
            choices=choices,
            next_link=wanted.link(page=wanted.page + 1) if wanted.page * ROWS < len(found) else "",
            first_link=wanted.link() if wanted.page > 1 else "",
            may_add=may(page.visit.rights, ADMIN_BYOK),
        )

    async def show(self, page: Page) -> Response:
        """GET …/{id}: one model."""
        environments, rights = page.visit.environments, page.visit.rights
        line = self._view.find(environments, page.param("id"))
        if line is None:
            raise ClientError(_NO_MODEL)
        model = line.model
        targets = [find_target(model, row.upstream) for row in line.served]
        reports = await self._ports.gateway.report(targets)
        return await page.render(
            "model.html",
            line=line,
            model=model,
            created=read_created(model),
            prices=list_prices(model.tariff),
            request_price=price(model.tariff.request_nanousd) if model.tariff and model.tariff.request_nanousd else None,
            served=[
                {"row": row, "upstream": row.upstream, "report": _read(reports.get(target))}
                for row, target in zip(line.served, targets, strict=True)
            ],
            used=await self._read_usage(page, line) if may(rights, USAGE_READ) else None,
            is_simulated=all(row.upstream.is_sandbox for row in line.served),
            samples=self._write(line),
            can_play=line.is_chat and bool(line.served) and may(rights, COMPLETIONS_WRITE),
            may_add=may(rights, ADMIN_BYOK),
        )

    async def _read_usage(self, page: Page, line: ModelLine) -> Mapping[str, Any] | None:
        """What the organisation's own requests of the last days came to, and how long they took; None where there were none."""
        today = int(page.visit.now.timestamp()) // _DAY_S
        span = Span(first=(today - DAYS + 1) * _HOURS, end=(today + 1) * _HOURS)
        model = line.model.canonical_id or line.model.id
        query = UsageFilter(organisation_id=page.visit.organisation_id, span=span, by_time=False, model=model)
        reader = self._ports.api.ledger
        sums = next((row.sums for row in await reader.read_usage(query)), None)
        if sums is None or not sums.requests:
            return None
        times = await reader.read_latencies(query)
        latency, ttft = add(row.latency for row in times), add(row.ttft for row in times)
        return {
            "model": model,
            "sums": sums,
            "cost": price(sums.cost_nanousd),
            "latency": [find_percentile(latency, percent) for percent in _PERCENTILES],
            "ttft": [find_percentile(ttft, percent) for percent in _PERCENTILES],
        }

    def _write(self, line: ModelLine) -> tuple[Sample, ...]:
        base_url = self._ports.base_url()
        if line.is_chat:
            return write_chat(base_url, make_body(line.model.id))
        return write_embedding(base_url, line.model.id) if line.model.category == "embedding" else ()


def _read_filter(query: Fields) -> tuple[ModelFilter, Mistake]:
    """What a link says, without what it cannot say, which is told."""
    pairs, mistake = list(query.pairs), NO_MISTAKE
    while True:
        try:
            return parse_filter(Fields(pairs)), mistake
        except ClientError as error:
            found = read_mistake(error, _FIELDS)
            mistake = replace(found, errors={**mistake.errors, **found.errors}, message=mistake.message or found.message)
            left = [pair for pair in pairs if pair[0] != error.denied.param]
            if len(left) == len(pairs):
                raise
            pairs = left


def _describe(line: ModelLine) -> Mapping[str, Any]:
    tariff = line.model.tariff
    return {
        "line": line,
        "model": line.model,
        "input": price(None if tariff is None else tariff.input_nanousd),
        "output": price(None if tariff is None else tariff.output_nanousd),
        "has_tiers": tariff is not None and bool(tariff.tiers),
    }


def _select(lines: Mapping[str, ModelLine], wanted: ModelFilter, environments: Sequence[Environment]) -> tuple[list[ModelLine], _Choices]:
    return wanted.select(lines.values()), _list_choices(lines.values(), environments)


def _list_choices(lines: Iterable[ModelLine], environments: Sequence[Environment]) -> _Choices:
    """What each field of the filter can be, as values and texts."""
    vendors: dict[str, str] = {}
    abilities: dict[str, str] = {}
    for line in lines:
        vendors.setdefault(line.model.vendor, line.vendor)
        vendors.update((row.upstream.provider.id, row.upstream.provider.name) for row in line.served)
        abilities.update((ability, name_capability(ability)) for ability in line.model.capabilities or () if ability not in abilities)
    return {
        "environment": [(row.slug, row.slug) for row in environments if row.is_active],
        "provider": sorted(vendors.items(), key=lambda pair: (pair[1].casefold(), pair[0])),
        "makes": list(MAKES.items()),
        "takes": [(kind, "files" if kind == "file" else kind) for kind in TAKES],
        "capability": sorted(abilities.items(), key=lambda pair: pair[1]),
    }


def _read(report: HealthReport | None) -> Mapping[str, Any] | None:
    """What was measured of a target; what was not is None."""
    if report is None:
        return None
    performance = report.performance
    return {
        "state": report.state,
        "wait_s": round(report.wait_s),
        "requests": performance.requests,
        "ttft": _whole(performance.ttft_ms.get(50)),
        "ttft_slow": _whole(performance.ttft_ms.get(95)),
        "latency": _whole(performance.latency_ms.get(50)),
        "latency_slow": _whole(performance.latency_ms.get(95)),
        "throughput": _whole(performance.throughput.get(50)),
        "uptime_30m": _share(report.uptime_30m),
        "uptime_1d": _share(report.uptime_1d),
    }


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _share(share: float | None) -> str | None:
    return None if share is None else f"{share * 100:.2f} %"
