"""How upstreams do, as the page shows it: what the health of their targets says, put together. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from anyrouter.control.discovery import ListState
from anyrouter.core.catalogue import Model
from anyrouter.policy.health import HealthReport, TargetKey, TargetState
from anyrouter.policy.route import Upstream
from anyrouter.relay.stats import UpstreamRecord
from anyrouter.web.pages.gateway import Standing

MAX_TARGETS = 20
STATES: Mapping[TargetState, tuple[str, str]] = {
    "well": ("well", "good"),
    "short": ("out of its rate limit", "warn"),
    "half_open": ("being tried again", "warn"),
    "open": ("left alone", "bad"),
}
_ORDER: tuple[TargetState, ...] = ("well", "short", "half_open", "open")


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLine:
    """A model of an upstream, `model` empty for an account that is judged as a whole."""

    model: str
    report: HealthReport

    @property
    def latency_ms(self) -> tuple[int | None, int | None]:
        """The median, and what 95 of 100 were faster than."""
        known = self.report.performance.latency_ms
        median, slow = (known.get(percentile) for percentile in (50, 95))
        return None if median is None else round(median), None if slow is None else round(slow)

    @property
    def first_ms(self) -> int | None:
        """The median time until the first token came."""
        median = self.report.performance.ttft_ms.get(50)
        return None if median is None else round(median)

    @property
    def uptime(self) -> str:
        """The share of a day's requests that were answered."""
        share = self.report.uptime_1d
        return "\N{EN DASH}" if share is None else f"{share * 100:.1f} %".replace("100.0", "100")


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamLine:
    """An upstream. `state` is its worst target's, None when none was asked since the gateway has started.

    `failures` are those since the last success, and `last_error` is of the last of them. `hidden` targets are well and less asked.
    """

    upstream: Upstream
    state: TargetState | None
    targets: Sequence[TargetLine]
    hidden: int
    failures: int
    last_error: str | None
    models_read: ListState | None

    @property
    def name(self) -> str:
        """What people know it by."""
        return self.upstream.id if self.upstream.byok is None else self.upstream.byok.name


class ModelNames:
    """By upstream, its own names of known models: what clients invent is not shown to others. Kept while catalogue and upstream are."""

    def __init__(self) -> None:
        self._catalogue: Mapping[str, Model] | None = None
        self._kept: dict[str, tuple[Upstream, dict[str, str]]] = {}

    def find(self, upstream: Upstream, catalogue: Mapping[str, Model]) -> Mapping[str, str]:
        """The public ids by the upstream's names."""
        if self._catalogue is not catalogue:
            self._catalogue, self._kept = catalogue, {}
        kept = self._kept.get(upstream.id)
        if kept is not None and kept[0] is upstream:
            return kept[1]
        names: dict[str, str] = {}
        for model in catalogue.values():
            public = model.canonical_id or model.id
            own = upstream.upstream_name(public, model)
            if own is not None:
                names.setdefault(own, public)
        names |= {own: public for public, own in upstream.models.items() if not public.endswith("/*")}
        self._kept[upstream.id] = (upstream, names)
        return names


def name_targets(upstream: Upstream, found: Iterable[Standing], names: Mapping[str, str]) -> list[tuple[str, Standing]]:
    """An upstream's targets with the public ids of their models: those in trouble first, then those that are asked most."""
    if upstream.byok is not None:
        named = [("", standing) for standing in found]
    else:
        named = [(names[standing.key[1]], standing) for standing in found if standing.key[1] in names]
    return sorted(named, key=lambda pair: (-pair[1].rank, -pair[1].asked, pair[0]))


def make_line(
    upstream: Upstream,
    named: Sequence[tuple[str, Standing]],
    reports: Mapping[TargetKey, HealthReport],
    *,
    record: UpstreamRecord | None,
    models_read: ListState | None,
) -> UpstreamLine:
    """An upstream's line. Of `named` as many are shown as there may be, if they have a report."""
    shown = [(model, reports.get(standing.key)) for model, standing in named[:MAX_TARGETS]]
    targets = [TargetLine(model=model, report=report) for model, report in shown if report is not None]
    return UpstreamLine(
        upstream=upstream,
        # The simulated provider fails because it is asked to: nothing is learned from that.
        state="well" if upstream.is_sandbox else max((line.report.state for line in targets), key=_ORDER.index, default=None),
        targets=targets,
        hidden=max(0, len(named) - MAX_TARGETS),
        failures=0 if record is None else record.failures,
        last_error=None if record is None or not record.failures else record.last_error,
        models_read=models_read,
    )
