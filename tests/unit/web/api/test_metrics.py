from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from anyrouter.core.ledger import EntryState, LedgerEntry
from anyrouter.core.usage import Usage
from anyrouter.relay.stats import RelayStats
from anyrouter.web.api.metrics import RelayCollector, generate_latest, is_loopback
from anyrouter.web.api.ports import Measure


def make_entry(**fields: Any) -> LedgerEntry:
    values: dict[str, Any] = {
        "generation_id": "gen-1",
        "attempt": 1,
        "request_id": "req-1",
        "organisation_id": "org_a",
        "environment_id": "env_live",
        "environment": "live",
        "api_key_id": "key_1",
        "rotation_group": "key_1",
        "endpoint": "chat/completions",
        "model": "openai/gpt-4o",
        "upstream_model": "gpt-4o",
        "provider": "openai",
        "upstream": "openai",
        "created_at_ms": 1,
        "state": EntryState.SETTLED,
        "status": 200,
        "usage": Usage(input_tokens=10, output_tokens=3),
        "cost_nanousd": 1_500_000_000,
        "latency_ms": 400,
        "overhead_us": 400,
    }
    return LedgerEntry(**(values | fields))


def scrape(stats: RelayStats, *measures: Measure) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(RelayCollector(stats, lambda: measures))
    samples: dict[str, float] = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            samples[f"{sample.name}{{{labels}}}"] = sample.value
    return samples


def test_an_idle_gateway_has_its_families_at_zero() -> None:
    samples = scrape(RelayStats())
    assert samples["anyrouter_running_requests{}"] == 0
    assert samples["anyrouter_unbilled_total{}"] == 0
    assert samples["anyrouter_overhead_seconds_count{}"] == 0


def test_what_was_settled_is_counted_by_its_labels() -> None:
    stats = RelayStats()
    tally = stats.tally_of("chat/completions", "live", "openai", "openai")
    tally.count(make_entry().split()[1])
    tally.count(make_entry(status=502, usage=Usage(input_tokens=1)).split()[1])
    stats.count_refusal("messages", "rate_limited")
    tally.succeed()
    tally.fail("upstream_timeout")
    samples = scrape(
        stats, Measure(name="journal_queue", text="Waiting entries.", value=7), Measure(name="x", text="X.", value=2, is_counter=True)
    )
    labels = "endpoint=chat/completions,environment=live,provider=openai"
    assert samples[f"anyrouter_requests_total{{{labels},status=200}}"] == 1
    assert samples[f"anyrouter_requests_total{{{labels},status=502}}"] == 1
    assert samples["anyrouter_refusals_total{code=rate_limited,endpoint=messages}"] == 1
    assert samples["anyrouter_upstream_attempts_total{outcome=ok,upstream=openai}"] == 1
    assert samples["anyrouter_upstream_failures{upstream=openai}"] == 1
    assert samples["anyrouter_tokens_total{direction=input,provider=openai}"] == 11
    assert samples["anyrouter_cost_usd_total{provider=openai}"] == 3.0
    assert samples["anyrouter_journal_queue{}"] == 7
    assert samples["anyrouter_x_total{}"] == 2


def test_durations_are_cumulated_by_their_upper_bounds() -> None:
    stats = RelayStats()
    for latency_ms in (10, 50, 400, 999_999):
        stats.tally_of("chat/completions", "live", "openai", "openai").count(make_entry(latency_ms=latency_ms).split()[1])
    samples = scrape(stats)
    name = "anyrouter_request_duration_seconds_bucket{endpoint=chat/completions,le=%s,provider=openai}"
    assert [samples[name % bound] for bound in ("0.05", "0.1", "0.5", "300.0", "+Inf")] == [2, 2, 3, 3, 4]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_machines_addresses_are_loopback(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize("address", ["", "localhost", "10.0.0.1", "128.0.0.1", "::", "0.0.0.0", "::ffff:10.0.0.1", "127.0.0.1, 10.0.0.1"])  # noqa: S104 -- an address to judge
def test_no_other_address_is(address: str) -> None:
    assert not is_loopback(address)
