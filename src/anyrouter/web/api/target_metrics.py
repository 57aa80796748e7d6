"""What /metrics says of each target: a model of an upstream.

Bounded: only targets that served or failed in the last minutes, or that something stands against, and the busiest of those. A model
that a client made up and an upstream refused is neither.
"""

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, Metric

from anyrouter.policy.circuit import CircuitState
from anyrouter.policy.health import WELL, HealthBook, TargetHealth
from anyrouter.policy.window import Performance

MAX_TARGETS = 200
_LABELS = ("upstream", "model")
_CIRCUIT = {CircuitState.CLOSED: 0, CircuitState.HALF_OPEN: 1, CircuitState.OPEN: 2}
_QUANTILES = {50: "0.5", 90: "0.9", 99: "0.99"}


def collect_targets(prefix: str, book: HealthBook, now_s: float) -> Iterable[Metric]:
    """The families of the moment; `now_s` is monotonic seconds."""
    circuit = GaugeMetricFamily(prefix + "target_circuit", "0: closed, 1: half-open, 2: open.", labels=_LABELS)
    errors = GaugeMetricFamily(prefix + "target_error_ratio", "Share of failures in the last minutes.", labels=_LABELS)
    latency = GaugeMetricFamily(prefix + "target_latency_seconds", "Whole replies of the last minutes.", labels=(*_LABELS, "quantile"))
    first = GaugeMetricFamily(prefix + "target_ttft_seconds", "First bytes of the last minutes' streams.", labels=(*_LABELS, "quantile"))
    for labels, health, performance in _select(book, now_s):
        circuit.add_metric(labels, _CIRCUIT[health.circuit.state])
        if performance.requests:
            errors.add_metric(labels, performance.failures / performance.requests)
        for family, measured in ((latency, performance.latency_ms), (first, performance.ttft_ms)):
            for percentile, quantile in _QUANTILES.items():
                if percentile in measured:
                    family.add_metric((*labels, quantile), measured[percentile] / 1000)
    return circuit, errors, latency, first


def _select(book: HealthBook, now_s: float) -> list[tuple[tuple[str, str], TargetHealth, Performance]]:
    found = [((key[0], key[1]), health, health.window.read_performance(now_s)) for key, health in book.items()]
    told = [row for row in found if row[2].requests or row[1].rank(now_s) != WELL]
    told.sort(key=lambda row: -row[2].requests)
    return told[:MAX_TARGETS]
