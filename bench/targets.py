"""What is promised, and whether a document keeps it."""
# ruff: noqa: RUF001 -- what a person reads is typeset: dashes between extremes, multiplication signs

from collections.abc import Callable
from dataclasses import dataclass

from bench.results import BASELINE, DIRECT, GATEWAY, WHILE_READ, Document, Spread, added, ratios

FLAT_MB = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A limit on one figure. `first` holds now, `then` is aimed at. `measure` names the part of the benchmark that has the figure."""

    label: str
    measure: str
    unit: str
    first: float
    then: float | None
    read: Callable[[Document], Spread | None]
    digits: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A target beside what was measured; `is_met` is None when it was not measured."""

    target: Target
    found: Spread | None

    @property
    def is_met(self) -> bool | None:
        return None if self.found is None else self.found.median <= self.target.first


def cpu_ratio(label: str) -> Callable[[Document], Spread | None]:
    def read(document: Document) -> Spread | None:
        runs = document.cpu.get(label, {})
        if not runs.get(GATEWAY):
            return None
        return ratios([run.cpu_us for run in runs[GATEWAY]], [run.cpu_us for run in runs[BASELINE]])

    return read


def stream_ratio(document: Document) -> Spread | None:
    if not document.stream.get(GATEWAY):
        return None
    return ratios([run.cpu_us for run in document.stream[GATEWAY]], [run.cpu_us for run in document.stream[BASELINE]])


def added_p50(document: Document) -> Spread | None:
    runs = document.latency
    return added([run.p50_ms for run in runs[GATEWAY]], [run.p50_ms for run in runs[DIRECT]]) if runs.get(GATEWAY) else None


def added_p99(document: Document) -> Spread | None:
    runs = document.latency
    return added([run.p99_ms for run in runs[GATEWAY]], [run.p99_ms for run in runs[DIRECT]]) if runs.get(GATEWAY) else None


def loaded_mb(document: Document) -> Spread | None:
    found = document.memory.get(GATEWAY)
    return Spread.of([found.loaded_mb]) if found else None


def growth_mb(document: Document) -> Spread | None:
    found = document.memory.get(GATEWAY)
    return Spread.of([found.later_mb - found.loaded_mb]) if found else None


def start_s(document: Document) -> Spread | None:
    return Spread.of(document.start_s[GATEWAY]) if document.start_s.get(GATEWAY) else None


def size_mb(document: Document) -> Spread | None:
    return Spread.of([document.size_mb[GATEWAY]]) if GATEWAY in document.size_mb else None


def slowest_page_ms(document: Document) -> Spread | None:
    """The page whose median is highest."""
    return max((Spread.of(readings) for readings in document.pages_ms.values()), key=lambda found: found.median, default=None)


def dashboard_p95_ms(document: Document) -> Spread | None:
    """The dashboard's page that is slowest at its 95th percentile."""
    tails = [sorted(readings)[int(0.95 * len(readings))] for page, readings in document.dashboard_ms.items() if page != "export"]
    return Spread.of([max(tails)]) if tails else None


def added_p99_beside_pages(document: Document) -> Spread | None:
    runs = document.beside_pages
    return added([run.p99_ms for run in runs[WHILE_READ]], [run.p99_ms for run in runs[DIRECT]]) if runs.get(WHILE_READ) else None


CPU_LIMITS = {"0.3 KB": (4.0, 3.0), "27 KB": (4.5, 3.0), "181 KB": (4.5, 2.5)}
STREAM_LIMIT = 1.7

TARGETS = (
    *(
        Target(label=f"CPU per request, {label} body", measure="cpu", unit="× nginx", first=first, then=then, read=cpu_ratio(label))
        for label, (first, then) in CPU_LIMITS.items()
    ),
    Target(label="CPU per streamed chunk", measure="stream", unit="× nginx", first=STREAM_LIMIT, then=1.3, read=stream_ratio),
    Target(label="Latency added at 500/s, p50", measure="latency", unit="ms", first=0.5, then=None, read=added_p50, digits=3),
    Target(label="Latency added at 500/s, p99", measure="latency", unit="ms", first=3.0, then=1.5, read=added_p99, digits=3),
    Target(label="RSS after 100,000 requests", measure="memory", unit="MB", first=120.0, then=90.0, read=loaded_mb, digits=1),
    Target(label="RSS growth over 100,000 more", measure="memory", unit="MB", first=FLAT_MB, then=FLAT_MB, read=growth_mb, digits=1),
    Target(label="Start to first answer", measure="start", unit="s", first=1.5, then=0.8, read=start_s),
    Target(
        label="Slowest page at 1,000,000 ledger rows", measure="rows", unit="ms", first=100.0, then=None, read=slowest_page_ms, digits=1
    ),
    Target(
        label="Slowest page of the dashboard, p95, 1,000 keys",
        measure="pages",
        unit="ms",
        first=50.0,
        then=None,
        read=dashboard_p95_ms,
        digits=1,
    ),
    Target(
        label="Latency added at 500/s while pages are read, p99",
        measure="pages",
        unit="ms",
        first=3.0,
        then=None,
        read=added_p99_beside_pages,
    ),
    Target(label="Installed size", measure="size", unit="MB", first=150.0, then=110.0, read=size_mb, digits=1),
)


def judge(document: Document) -> list[Verdict]:
    """Every target with its figure."""
    return [Verdict(target=target, found=target.read(document)) for target in TARGETS]
