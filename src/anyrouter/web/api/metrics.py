"""GET /metrics: the numbers of the moment in Prometheus' text format.

For the machine itself, or for whoever has `server.metrics_token`: numbers of all tenants, so no key opens them.
"""

import hmac
import time
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.money import NANO
from anyrouter.policy.health import HealthBook
from anyrouter.relay.stats import Distribution, RelayStats
from anyrouter.web.api import health_documents as documents
from anyrouter.web.api.ports import ApiPorts, Measure
from anyrouter.web.api.routes import Routes
from anyrouter.web.api.target_metrics import collect_targets

PREFIX = "anyrouter_"
REQUEST_LABELS = ("endpoint", "environment", "provider", "status")
_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via")


class RelayCollector(Collector):
    """Gives Prometheus' library the relay's counters, and what `measures` adds, at the moment of the scrape."""

    def __init__(
        self,
        stats: RelayStats,
        measures: Callable[[], Sequence[Measure]],
        health: HealthBook | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stats, self._measures = stats, measures
        self._health, self._monotonic = health or HealthBook(), monotonic

    def collect(self) -> Iterable[Metric]:
        """The families of the moment."""
        stats = self._stats
        yield _count("requests", "Requests that an upstream was asked for.", REQUEST_LABELS, stats.requests.items())
        yield _count("refusals", "Requests that were refused before an upstream was asked.", ("endpoint", "code"), stats.refusals.items())
        yield _count("upstream_attempts", "Tries at an upstream by their outcome.", ("upstream", "outcome"), stats.attempts.items())
        yield _count("tokens", "Tokens by direction.", ("provider", "direction"), stats.tokens.items())
        costs = [((provider,), nanousd / NANO) for provider, nanousd in stats.cost_nanousd.items()]
        yield _count("cost_usd", "What was charged, in US dollars.", ("provider",), costs)
        yield _count("unbilled", "Generations that an upstream completed and nobody could count: 0.", (), [((), stats.unbilled)])
        cached = [(("hit",), stats.cache_hits), (("miss",), stats.cache_misses)]
        yield _count("cache_requests", "Requests that looked into the response cache.", ("result",), cached)
        yield _count("hedges", "Second attempts that were begun beside a slow first one.", (), [((), stats.hedges)])
        yield _count("hedges_won", "Second attempts that answered before the first.", (), [((), stats.hedges_won)])
        yield GaugeMetricFamily(PREFIX + "running_requests", "Requests under way.", value=stats.running)
        failures = GaugeMetricFamily(PREFIX + "upstream_failures", "Failed tries since the last success.", labels=("upstream",))
        for upstream, record in stats.upstreams.items():
            failures.add_metric((upstream,), record.failures)
        yield failures
        yield _distribute("request_duration_seconds", "From head to last byte.", ("endpoint", "provider"), stats.duration_s.items())
        yield _distribute("overhead_seconds", "Time spent in the gateway itself.", (), [((), stats.overhead_s)])
        yield from collect_targets(PREFIX, self._health, self._monotonic())
        for measure in self._measures():
            kind = CounterMetricFamily if measure.is_counter else GaugeMetricFamily
            yield kind(PREFIX + measure.name, measure.text, value=measure.value)


class MetricsRoutes:
    """The route that a Prometheus server scrapes."""

    def __init__(self, ports: ApiPorts) -> None:
        self._ports = ports
        self._registry = CollectorRegistry()
        self._registry.register(RelayCollector(ports.stats, ports.measures, ports.health, ports.monotonic))
        ProcessCollector(registry=self._registry)

    def add_to(self, routes: Routes) -> None:
        """Put the route on."""
        routes.get("metrics", self.show_metrics, documents.METRICS)

    async def show_metrics(self, request: Request) -> Response:
        """GET /metrics."""
        self._admit(request)
        return Response(generate_latest(self._registry), headers={"content-type": CONTENT_TYPE_LATEST})

    def _admit(self, request: Request) -> None:
        headers = dict(request.scope["headers"])
        token = self._ports.metrics_token
        scheme, _, presented = headers.get(b"authorization", b"").partition(b" ")
        if token is not None and scheme.lower() == b"bearer" and hmac.compare_digest(presented.strip(), token.reveal().encode()):
            return
        # A proxy on this machine makes everybody look local: what came through one has to show the token.
        is_direct = not any(name in headers for name in _FORWARDED)
        if is_direct and is_loopback(self._ports.client_address(request.scope.get("client"), headers)):
            return
        if token is None:
            raise ClientError(
                Denied(
                    code="endpoint_not_allowed",
                    message="Metrics are read from the machine itself. The operator can set server.metrics_token to open them to others.",
                )
            )
        code = "invalid_api_key" if b"authorization" in headers else "missing_api_key"
        raise ClientError(Denied(code=code, message="Metrics need the operator's server.metrics_token as a Bearer token."))


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        judged = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(judged, "ipv4_mapped", None)
    return bool((mapped or judged).is_loopback)


def _count(name: str, text: str, labels: tuple[str, ...], counts: Iterable[tuple[tuple[object, ...], float]]) -> Metric:
    family = CounterMetricFamily(PREFIX + name, text, labels=labels)
    for values, count in counts:
        family.add_metric([str(value) for value in values], count)
    return family


def _distribute(name: str, text: str, labels: tuple[str, ...], distributions: Iterable[tuple[tuple[str, ...], Distribution]]) -> Metric:
    family = HistogramMetricFamily(PREFIX + name, text, labels=labels)
    for values, distribution in distributions:
        bounds = [*(repr(bound) for bound in distribution.bounds), "+Inf"]
        buckets = list(zip(bounds, accumulate(distribution.counts), strict=True))
        family.add_metric(values, buckets, sum_value=distribution.total)
    return family
