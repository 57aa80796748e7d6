"""What the benchmark measured, as it is stored in `bench/results/latest.json`.

Every list holds one value a run, in the order of the runs. They are interleaved: the n-th of one program stands beside the n-th of another.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import msgspec

BASELINE = "nginx"
GATEWAY = "AnyRouter"
DIRECT = "direct"
WHILE_READ = "AnyRouter, while pages are read and exported"


class LoadRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run at saturation. `busy` is the share of its core that the program used."""

    cpu_us: float
    requests_per_s: float
    requests: int
    busy: float


class RateRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run at a fixed rate, whole latencies in ms."""

    p50_ms: float
    p99_ms: float
    requests: int


class StreamRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of concurrent streams. `cpu_us` is per chunk, 0 where no program is between client and upstream."""

    cpu_us: float
    chunks: int
    ttfb_p50_ms: float
    ttfb_p99_ms: float


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Resident memory in 10^6 bytes: after the first answer, after `requests`, after `later_requests`, after a run of long bodies."""

    idle_mb: float
    loaded_mb: float
    requests: int
    later_mb: float
    later_requests: int
    long_bodies_mb: float


class LedgerCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Rows in the ledger, and whole replies that clients counted, after one measure.

    The end of a load run cuts requests off: `most_unanswered` of them may be on record without a counted reply.
    """

    measure: str
    replies: int
    rows: int
    most_unanswered: int


class Document(msgspec.Struct, kw_only=True):
    """The result of one call of the benchmark."""

    version: int = 1
    measured_at: str = ""
    commit: str = ""
    is_quick: bool = False
    runs: int = 0
    machine: dict[str, str] = {}
    tools: dict[str, str] = {}
    cpu: dict[str, dict[str, list[LoadRun]]] = {}  # by body size, by program
    latency: dict[str, list[RateRun]] = {}
    stream: dict[str, list[StreamRun]] = {}
    memory: dict[str, Memory] = {}
    start_s: dict[str, list[float]] = {}
    size_mb: dict[str, float] = {}
    ledger_rows: int = 0
    pages_ms: dict[str, list[float]] = {}  # by page, with so many rows in the ledger
    dashboard_ms: dict[str, list[float]] = {}  # by page of the dashboard, with as many, of 1,000 keys
    beside_pages: dict[str, list[RateRun]] = {}  # latency with as many rows, alone and while pages are read
    ledger: list[LedgerCheck] = []
    not_measured: dict[str, str] = {}  # program or measure: why

    def programs(self) -> list[str]:
        """Everything that was measured, nginx and the gateway first."""
        seen: list[str] = []
        tables: list[Mapping[str, object]] = [*self.cpu.values(), self.latency, self.stream, self.memory, self.start_s, self.size_mb]
        for table in tables:
            seen += [name for name in table if name not in seen and name != DIRECT]
        return sorted(seen, key=lambda name: (name != BASELINE, name != GATEWAY, seen.index(name)))


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """The middle of some runs and their extremes."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(median=median(values), low=min(values), high=max(values))


def ratios(values: Sequence[float], baseline: Sequence[float]) -> Spread:
    """Each run divided by the baseline's run beside it."""
    return Spread.of([value / floor for value, floor in zip(values, baseline, strict=True)])


def added(values: Sequence[float], without: Sequence[float]) -> Spread:
    """Each run minus the run beside it that had no program in between."""
    return Spread.of([value - bare for value, bare in zip(values, without, strict=True)])


def read(path: Path) -> Document:
    return msgspec.json.decode(path.read_bytes(), type=Document)


def write(path: Path, document: Document) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")
