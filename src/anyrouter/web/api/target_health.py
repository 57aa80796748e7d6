"""How targets do, as GET /health and GET /models/{model}/endpoints show it."""

from collections.abc import Iterable, Mapping

from anyrouter.policy.health import HealthReport, TargetState
from anyrouter.web.api.replies import TargetHealthRow

STATES: tuple[TargetState, ...] = ("well", "short", "half_open", "open")  # from the best to the worst
_STATUSES: dict[TargetState, int] = {"well": 0, "short": -1, "half_open": -2, "open": -5}
_DIGITS = 3


def describe_target(model: str, report: HealthReport) -> TargetHealthRow:
    """A target's row."""
    performance = report.performance
    return TargetHealthRow(
        model=model,
        state=report.state,
        wait_s=round(report.wait_s, _DIGITS),
        requests=performance.requests,
        error_rate=round(performance.failures / performance.requests, 4) if performance.requests else None,
        latency_ms=list_percentiles(performance.latency_ms),
        ttft_ms=list_percentiles(performance.ttft_ms),
        throughput=list_percentiles(performance.throughput),
        uptime_1d=percent(report.uptime_1d),
        remaining=report.remaining,
    )


def find_worst(states: Iterable[TargetState]) -> TargetState:
    """The worst of an upstream's states; `well` without any."""
    return max(states, key=STATES.index, default=STATES[0])


def status_of(state: TargetState) -> int:
    """0 where nothing speaks against a target, else a negative number: it is asked after those without."""
    return _STATUSES[state]


def list_percentiles(measured: Mapping[int, float]) -> dict[str, float] | None:
    """Percentiles by name; None where nothing was measured."""
    return {f"p{percentile}": round(value, _DIGITS) for percentile, value in measured.items()} or None


def percent(share: float | None) -> float | None:
    """A share from 0 to 1 as 0 to 100."""
    return None if share is None else round(share * 100, _DIGITS)
