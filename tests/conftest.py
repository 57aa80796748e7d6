"""For all tests."""

import functools
import gc
import os
from collections.abc import Iterator

import httpx._transports.default
import httpx2._transports.default
import pytest
from hypothesis import HealthCheck, settings

# Time says how busy the machine is and not whether the code is right. Where CI is set Hypothesis has a profile of its own, which says
# the same and draws the same examples each time.
settings.register_profile("anywhere", deadline=None, suppress_health_check=[HealthCheck.too_slow])
if not os.environ.get("CI"):
    settings.load_profile("anywhere")

# Each client, also each of the providers' SDKs and each `httpx.get`, reads the file of all authorities: 20 ms, some thousand times.
for transport in (httpx._transports.default, httpx2._transports.default):
    transport.create_ssl_context = functools.cache(transport.create_ssl_context)

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


def pytest_xdist_auto_num_workers() -> int:
    """One more for each two processors, and two at least: much of their time tests wait, for a process to start or a deadline to pass."""
    processors = os.cpu_count() or 1
    return processors + max(2, processors // 2)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    gc.disable()  # of what is collected nothing is garbage before the end
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Every worker collects everything: begun at different places, each finds most modules compiled by another."""
    report = yield
    if isinstance(collector, pytest.Dir) and report.passed:
        first = len(report.result) * WORKER // WORKERS
        report.result = report.result[first:] + report.result[:first]
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All workers have to agree on the order."""
    if WORKERS > 1:
        items.sort(key=lambda item: item.path)
