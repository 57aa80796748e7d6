"""What a target did lately: outcomes and percentiles over the last minutes, uptime over the last day. Fixed memory, no clock.

    slots     12 of 5 s       successes and failures: the error rate that a circuit looks at
    minutes    6 of 60 s      histograms of latency, time to first token and speed: at least five minutes, at most six
    periods  288 of 5 min     successes and failures: uptime

Every row is a ring that is turned when its time has come, so a request adds to four counters and compares one number.
`now_s` is monotonic seconds and may not go back.
"""

from array import array
from bisect import bisect_right

import msgspec

from anyrouter.policy.histogram import BOUNDS, SIZE, add_up, find_percentile

SLOT_S, SLOTS = 5, 12
MINUTE_S, MINUTES = 60, 6
PERIOD_S, PERIODS = 300, 288
RECENT_S = 30
_RECENT_SLOTS = RECENT_S // SLOT_S
_SLOTS_IN_MINUTE = MINUTE_S // SLOT_S
_MINUTES_IN_PERIOD = PERIOD_S // MINUTE_S
_KEPT_S = 1.0  # how long percentiles hold: adding them up takes a hundred times longer than a request's own part
PERCENTILES = (50, 75, 90, 95, 99)


class Performance(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles of the last five minutes by their number (50, 75, 90, 95, 99); empty mappings when nothing was measured.

    Latency and time to first token in milliseconds: that share of the requests was as fast or faster. Throughput in output
    tokens per second: that share was as fast or faster. Each within histogram.RELATIVE_ERROR.
    """

    requests: int = 0
    failures: int = 0
    latency_ms: dict[int, float] = msgspec.field(default_factory=dict)
    ttft_samples: int = 0
    ttft_ms: dict[int, float] = msgspec.field(default_factory=dict)
    throughput: dict[int, float] = msgspec.field(default_factory=dict)


class _Minute:
    """The histograms of one minute. Milliseconds, and tenths of a token per second."""

    __slots__ = ("failures", "latency", "speed", "ttft")

    def __init__(self) -> None:
        self.latency, self.ttft, self.speed = [0] * SIZE, [0] * SIZE, [0] * SIZE
        self.failures = 0


class OutcomeWindow:
    """Counts outcomes of one target."""

    __slots__ = (
        "_failures",
        "_minute",
        "_minutes",
        "_next_slot_s",
        "_performance",
        "_performance_until_s",
        "_period_failures",
        "_period_successes",
        "_slot",
        "_slot_index",
        "_successes",
    )

    def __init__(self, now_s: float) -> None:
        self._slot = int(now_s // SLOT_S)
        self._slot_index = self._slot % SLOTS
        self._next_slot_s = float((self._slot + 1) * SLOT_S)
        self._successes, self._failures = [0] * SLOTS, [0] * SLOTS
        self._minutes: list[_Minute | None] = [None] * MINUTES
        self._minute: _Minute | None = None
        self._period_successes: array[int] | None = None
        self._period_failures: array[int] | None = None
        self._performance: Performance | None = None
        self._performance_until_s = 0.0

    def succeed(self, now_s: float, latency_ms: float, ttft_ms: float | None = None, tokens_per_s: float | None = None) -> None:
        """Count an answer. `ttft_ms` and `tokens_per_s` are known of streams only."""
        if now_s >= self._next_slot_s:
            self._turn(now_s)
        minute = self._minute
        if minute is None:
            minute = self._open_minute()
        self._successes[self._slot_index] += 1
        minute.latency[bisect_right(BOUNDS, latency_ms)] += 1
        if ttft_ms is not None:
            minute.ttft[bisect_right(BOUNDS, ttft_ms)] += 1
            if tokens_per_s is not None:
                minute.speed[bisect_right(BOUNDS, tokens_per_s * 10.0)] += 1

    def fail(self, now_s: float) -> None:
        """Count a failure."""
        if now_s >= self._next_slot_s:
            self._turn(now_s)
        self._failures[self._slot_index] += 1
        (self._minute or self._open_minute()).failures += 1

    def read_recent(self, now_s: float) -> tuple[int, int]:
        """Successes and failures of the last `RECENT_S` seconds, or up to five fewer."""
        if now_s >= self._next_slot_s:
            self._turn(now_s)
        indexes = [(self._slot_index - age) % SLOTS for age in range(_RECENT_SLOTS)]
        return sum(self._successes[index] for index in indexes), sum(self._failures[index] for index in indexes)

    def forget_recent(self) -> None:
        """Start the error rate anew, as after a recovery; percentiles and uptime stay."""
        self._successes, self._failures = [0] * SLOTS, [0] * SLOTS

    def read_performance(self, now_s: float) -> Performance:
        """The percentiles of the last five minutes, up to a second old."""
        if self._performance is None or now_s >= self._performance_until_s:
            if now_s >= self._next_slot_s:
                self._turn(now_s)
            self._performance = _measure([minute for minute in self._minutes if minute is not None])
            self._performance_until_s = now_s + _KEPT_S
        return self._performance

    def read_uptime(self, now_s: float, span_s: int) -> float | None:
        """The share of successes (0 to 1) over the last `span_s` seconds, in steps of five minutes up to a day; None without requests."""
        if now_s >= self._next_slot_s:
            self._turn(now_s)
        live = [minute for minute in self._minutes_of_period() if minute is not None]
        successes, failures = sum(sum(minute.latency) for minute in live), sum(minute.failures for minute in live)
        if self._period_successes is not None and self._period_failures is not None:
            period = self._slot * SLOT_S // PERIOD_S
            for age in range(1, min(PERIODS, -(-span_s // PERIOD_S) + 1)):
                successes += self._period_successes[(period - age) % PERIODS]
                failures += self._period_failures[(period - age) % PERIODS]
        return successes / (successes + failures) if successes + failures else None

    def _minutes_of_period(self) -> list[_Minute | None]:
        """The minutes that are not yet added to a period: those of the running one."""
        number = self._slot // _SLOTS_IN_MINUTE
        return [self._minutes[(number - age) % MINUTES] for age in range(number % _MINUTES_IN_PERIOD + 1)]

    def _open_minute(self) -> _Minute:
        self._minute = _Minute()
        self._minutes[self._slot // _SLOTS_IN_MINUTE % MINUTES] = self._minute
        return self._minute

    def _turn(self, now_s: float) -> None:
        """Go on to the slot of `now_s`, clearing what lies between."""
        before, slot = self._slot, int(now_s // SLOT_S)
        for skipped in range(max(before + 1, slot - SLOTS + 1), slot + 1):
            self._successes[skipped % SLOTS] = self._failures[skipped % SLOTS] = 0
        old, new = before // _SLOTS_IN_MINUTE, slot // _SLOTS_IN_MINUTE
        if new != old:
            self._turn_minutes(old, new)
        self._slot, self._slot_index, self._next_slot_s = slot, slot % SLOTS, float((slot + 1) * SLOT_S)

    def _turn_minutes(self, old: int, new: int) -> None:
        if new // _MINUTES_IN_PERIOD != old // _MINUTES_IN_PERIOD:
            self._close_period(old // _MINUTES_IN_PERIOD, new // _MINUTES_IN_PERIOD)
        for skipped in range(max(old + 1, new - MINUTES + 1), new + 1):
            self._minutes[skipped % MINUTES] = None
        self._minute = None

    def _close_period(self, old: int, new: int) -> None:
        live = [minute for minute in self._minutes_of_period() if minute is not None]
        if self._period_successes is None or self._period_failures is None:
            if not live:
                return
            self._period_successes, self._period_failures = array("I", [0] * PERIODS), array("I", [0] * PERIODS)
        for skipped in range(max(old, new - PERIODS + 1), new):
            self._period_successes[skipped % PERIODS] = self._period_failures[skipped % PERIODS] = 0
        if new - old < PERIODS:
            self._period_successes[old % PERIODS] = sum(sum(minute.latency) for minute in live)
            self._period_failures[old % PERIODS] = sum(minute.failures for minute in live)


def _measure(minutes: list[_Minute]) -> Performance:
    if not minutes:
        return Performance()
    latency, ttft, speed = (add_up([getattr(minute, name) for minute in minutes]) for name in ("latency", "ttft", "speed"))
    return Performance(
        requests=sum(latency) + sum(minute.failures for minute in minutes),
        failures=sum(minute.failures for minute in minutes),
        latency_ms=_list_percentiles(latency),
        ttft_samples=sum(ttft),
        ttft_ms=_list_percentiles(ttft),
        throughput={percentile: value / 10 for percentile, value in _list_percentiles(speed, is_more_better=True).items()},
    )


def _list_percentiles(counts: list[int], *, is_more_better: bool = False) -> dict[int, float]:
    values = ((percentile, find_percentile(counts, percentile, is_from_top=is_more_better)) for percentile in PERCENTILES)
    return {percentile: value for percentile, value in values if value is not None}
