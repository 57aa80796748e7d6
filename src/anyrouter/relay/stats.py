"""Counters of the data plane, for /metrics and /health: plain dicts, changed by one event loop and read by it."""

from bisect import bisect_left
from dataclasses import dataclass, field

from anyrouter.core.ledger import LedgerEntry
from anyrouter.core.usage import UsageSource

DURATION_BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
OVERHEAD_BOUNDS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1)


class Distribution:
    """Counts by upper bound, and the sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds, self.counts, self.total = bounds, [0] * (len(bounds) + 1), 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


@dataclass(slots=True)
class UpstreamRecord:
    """How an upstream has done lately. `failures` counts failed attempts since the last success."""

    failures: int = 0
    last_error: str | None = None


@dataclass(slots=True)
class RelayStats:
    """What has happened since the start. Label sets are tuples in the order that the names say."""

    requests: dict[tuple[str, str, str, int], int] = field(default_factory=dict)  # endpoint, environment, provider, status
    refusals: dict[tuple[str, str], int] = field(default_factory=dict)  # endpoint, code
    attempts: dict[tuple[str, str], int] = field(default_factory=dict)  # upstream, outcome
    tokens: dict[tuple[str, str], int] = field(default_factory=dict)  # provider, direction
    cost_nanousd: dict[str, int] = field(default_factory=dict)  # provider
    duration_s: dict[tuple[str, str], Distribution] = field(default_factory=dict)  # endpoint, provider
    overhead_s: Distribution = field(default_factory=lambda: Distribution(OVERHEAD_BOUNDS_S))
    upstreams: dict[str, UpstreamRecord] = field(default_factory=dict)
    running: int = 0
    unbilled: int = 0  # generations that an upstream completed and nobody could count: stays 0

    def count_refusal(self, endpoint: str, code: str) -> None:
        """A request that no upstream was asked for."""
        self.refusals[endpoint, code] = self.refusals.get((endpoint, code), 0) + 1

    def count_attempt(self, upstream: str, error: str | None) -> None:
        """One try at an upstream; `error` None: it answered well."""
        outcome = error or "ok"
        self.attempts[upstream, outcome] = self.attempts.get((upstream, outcome), 0) + 1
        record = self.upstreams.get(upstream)
        if record is None:
            record = self.upstreams[upstream] = UpstreamRecord()
        if error is None:
            record.failures = 0
        else:
            record.failures, record.last_error = record.failures + 1, error

    def count(self, entry: LedgerEntry) -> None:
        """A settled generation."""
        provider, usage = entry.provider, entry.usage
        labels = (entry.endpoint, entry.environment, provider, entry.status)
        self.requests[labels] = self.requests.get(labels, 0) + 1
        if usage.source is not UsageSource.NONE:
            self.tokens[provider, "input"] = self.tokens.get((provider, "input"), 0) + usage.input_tokens
            self.tokens[provider, "output"] = self.tokens.get((provider, "output"), 0) + usage.output_tokens
            self.cost_nanousd[provider] = self.cost_nanousd.get(provider, 0) + entry.cost_nanousd
        durations = self.duration_s.get((entry.endpoint, provider))
        if durations is None:
            durations = self.duration_s[entry.endpoint, provider] = Distribution(DURATION_BOUNDS_S)
        durations.observe(entry.latency_ms / 1000)
        self.overhead_s.observe(entry.overhead_us / 1e6)
