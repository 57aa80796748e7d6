"""Counters of the data plane, for /metrics and /health: plain dicts, changed by one event loop and read by it."""

from bisect import bisect_left
from dataclasses import dataclass, field

from anyrouter.core.ledger import HEDGE_LOST, Outcome
from anyrouter.core.usage import UsageSource

DURATION_BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
OVERHEAD_BOUNDS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1)


_NOTHING_USED = UsageSource.NONE  # read off the class, a member costs ten times as much


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


class Tally:
    """What became of the generations of one endpoint and environment at one upstream. Made by `RelayStats`, and kept by who counts."""

    __slots__ = (
        "_durations",
        "_overheads",
        "_record",
        "cost_nanousd",
        "errors",
        "input_tokens",
        "labels",
        "output_tokens",
        "statuses",
        "successes",
        "upstream",
    )

    def __init__(
        self, labels: tuple[str, str, str], upstream: str, record: UpstreamRecord, durations: Distribution, overheads: Distribution
    ) -> None:
        self.labels, self.upstream = labels, upstream  # labels: endpoint, environment, provider
        self._record, self._durations, self._overheads = record, durations, overheads
        self.statuses: dict[int, int] = {}
        self.errors: dict[str, int] = {}
        self.successes = self.input_tokens = self.output_tokens = self.cost_nanousd = 0

    def succeed(self) -> None:
        """One try at the upstream was answered well."""
        self.successes += 1
        self._record.failures = 0

    def fail(self, error: str | None) -> None:
        """One try ended in an error, by its stable code."""
        code, record = error or "internal_error", self._record
        self.errors[code] = self.errors.get(code, 0) + 1
        record.failures, record.last_error = record.failures + 1, code

    def count(self, outcome: Outcome) -> None:
        """A generation was settled."""
        status, usage = outcome.status, outcome.usage
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if usage.source is not _NOTHING_USED:
            self.input_tokens += usage.input_tokens
            self.output_tokens += usage.output_tokens
            self.cost_nanousd += outcome.cost_nanousd
        durations, overheads, seconds, overhead_s = self._durations, self._overheads, outcome.latency_ms / 1000, outcome.overhead_us / 1e6
        durations.counts[bisect_left(durations.bounds, seconds)] += 1  # as `observe`, two calls less
        durations.total += seconds
        overheads.counts[bisect_left(overheads.bounds, overhead_s)] += 1
        overheads.total += overhead_s

    def lose(self, outcome: Outcome) -> None:
        """An attempt was settled that lost a race: charged, and no request."""
        self.errors[HEDGE_LOST] = self.errors.get(HEDGE_LOST, 0) + 1
        self.input_tokens += outcome.usage.input_tokens
        self.output_tokens += outcome.usage.output_tokens
        self.cost_nanousd += outcome.cost_nanousd

    @property
    def is_charging(self) -> bool:
        """Whether anything was settled."""
        return bool(self.statuses) or HEDGE_LOST in self.errors


Totals = dict[tuple[str, ...], int]


@dataclass(slots=True)
class RelayStats:
    """What has happened since the start. Label sets are tuples in the order that the names say."""

    refusals: dict[tuple[str, str], int] = field(default_factory=dict)  # endpoint, code
    duration_s: dict[tuple[str, str], Distribution] = field(default_factory=dict)  # endpoint, provider
    overhead_s: Distribution = field(default_factory=lambda: Distribution(OVERHEAD_BOUNDS_S))
    upstreams: dict[str, UpstreamRecord] = field(default_factory=dict)
    running: int = 0
    cache_hits: int = 0  # requests answered with a kept reply
    cache_misses: int = 0  # requests that might have been
    hedges: int = 0  # second attempts beside a slow first one
    hedges_won: int = 0  # those that served
    unbilled: int = 0  # generations that an upstream completed and nobody could count: stays 0
    _tallies: dict[tuple[str, str, str, str], Tally] = field(default_factory=dict)

    def count_refusal(self, endpoint: str, code: str) -> None:
        """A request that no upstream was asked for."""
        self.refusals[endpoint, code] = self.refusals.get((endpoint, code), 0) + 1

    def tally_of(self, endpoint: str, environment: str, provider: str, upstream: str) -> Tally:
        """The one tally of these."""
        tally = self._tallies.get((endpoint, environment, provider, upstream))
        if tally is None:
            record = self.upstreams.setdefault(upstream, UpstreamRecord())
            durations = self.duration_s.setdefault((endpoint, provider), Distribution(DURATION_BOUNDS_S))
            tally = Tally((endpoint, environment, provider), upstream, record, durations, self.overhead_s)
            self._tallies[endpoint, environment, provider, upstream] = tally
        return tally

    @property
    def requests(self) -> dict[tuple[str, str, str, int], int]:
        """Settled generations by endpoint, environment, provider and the client's status."""
        totals: dict[tuple[str, str, str, int], int] = {}
        for tally in self._tallies.values():
            for status, count in tally.statuses.items():
                labels = (*tally.labels, status)
                totals[labels] = totals.get(labels, 0) + count
        return totals

    @property
    def attempts(self) -> Totals:
        """Tries by upstream and outcome: `ok`, or the error's code."""
        totals: Totals = {}
        for tally in self._tallies.values():
            for outcome, count in (("ok", tally.successes), *tally.errors.items()):
                if count:
                    totals[tally.upstream, outcome] = totals.get((tally.upstream, outcome), 0) + count
        return totals

    @property
    def tokens(self) -> Totals:
        """Tokens by provider and direction."""
        totals: Totals = {}
        for tally in self._tallies.values():
            if tally.is_charging:
                provider = tally.labels[-1]
                totals[provider, "input"] = totals.get((provider, "input"), 0) + tally.input_tokens
                totals[provider, "output"] = totals.get((provider, "output"), 0) + tally.output_tokens
        return totals

    @property
    def cost_nanousd(self) -> dict[str, int]:
        """What was charged, by provider."""
        totals: dict[str, int] = {}
        for tally in self._tallies.values():
            if tally.is_charging:
                totals[tally.labels[-1]] = totals.get(tally.labels[-1], 0) + tally.cost_nanousd
        return totals
