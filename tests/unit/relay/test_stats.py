from dataclasses import dataclass

import msgspec
import pytest

from anyrouter.core.ledger import EntryState, LedgerEntry
from anyrouter.core.usage import NO_USAGE, Usage
from anyrouter.relay.stats import DURATION_BOUNDS_S, Distribution, RelayStats

ENTRY = LedgerEntry(
    generation_id="gen-1",
    attempt=1,
    request_id="req-1",
    organisation_id="org_default",
    environment_id="env_live",
    environment="live",
    api_key_id="key_1",
    rotation_group="key_1",
    endpoint="chat/completions",
    model="openai/gpt-4o",
    upstream_model="gpt-4o",
    provider="openai",
    upstream="openai",
    created_at_ms=0,
    state=EntryState.SETTLED,
    status=200,
    usage=Usage(input_tokens=100, output_tokens=10),
    cost_nanousd=7,
    latency_ms=300,
    overhead_us=120,
)


def count(stats: RelayStats, entry: LedgerEntry) -> None:
    stats.tally_of(entry.endpoint, entry.environment, entry.provider, entry.upstream).count(entry.split()[1])


@dataclass
class Row:
    value: float
    bucket: int


@pytest.mark.parametrize("row", [Row(0.0, 0), Row(1.0, 0), Row(1.01, 1), Row(2.0, 1), Row(5.0, 2), Row(5.1, 3), Row(1e9, 3)])
def test_a_value_is_counted_at_the_first_bound_that_holds_it(row: Row) -> None:
    distribution = Distribution((1.0, 2.0, 5.0))
    distribution.observe(row.value)
    assert distribution.counts == [int(number == row.bucket) for number in range(4)]
    assert distribution.total == row.value


def test_entries_are_summed_by_their_labels() -> None:
    stats = RelayStats()
    count(stats, ENTRY)
    count(stats, ENTRY)
    count(stats, msgspec.structs.replace(ENTRY, provider="anthropic", status=502, usage=NO_USAGE, cost_nanousd=0))
    assert stats.requests == {
        ("chat/completions", "live", "openai", 200): 2,
        ("chat/completions", "live", "anthropic", 502): 1,
    }
    nothing = {("anthropic", "input"): 0, ("anthropic", "output"): 0}
    assert stats.tokens == {("openai", "input"): 200, ("openai", "output"): 20, **nothing}
    assert stats.cost_nanousd == {"openai": 14, "anthropic": 0}
    durations = stats.duration_s["chat/completions", "openai"]
    assert durations.counts[DURATION_BOUNDS_S.index(0.5)] == 2
    assert durations.total == pytest.approx(0.6)
    assert sum(stats.overhead_s.counts) == 3


def test_what_lost_a_race_is_charged_and_is_no_request() -> None:
    stats = RelayStats()
    tally = stats.tally_of("chat/completions", "live", "openai", "a")
    tally.lose(msgspec.structs.replace(ENTRY, state=EntryState.CANCELLED, error_code="hedge_lost").split()[1])
    assert (stats.requests, stats.attempts) == ({}, {("a", "hedge_lost"): 1})
    assert stats.tokens == {("openai", "input"): 100, ("openai", "output"): 10}
    assert stats.cost_nanousd == {"openai": 7}
    assert stats.upstreams["a"].failures == 0
    assert sum(stats.overhead_s.counts) == 0


def test_an_upstreams_record_tells_its_failures_since_it_last_answered_well() -> None:
    stats = RelayStats()
    chat, text = (stats.tally_of(endpoint, "live", "openai", "a") for endpoint in ("chat/completions", "completions"))
    chat.fail("upstream_error")
    text.fail("upstream_timeout")
    chat.succeed()
    text.fail("upstream_error")
    assert stats.attempts == {("a", "upstream_error"): 2, ("a", "upstream_timeout"): 1, ("a", "ok"): 1}
    assert (stats.upstreams["a"].failures, stats.upstreams["a"].last_error) == (1, "upstream_error")
    chat.succeed()
    assert stats.upstreams["a"].failures == 0


def test_refusals_are_counted_by_endpoint_and_code() -> None:
    stats = RelayStats()
    for code in ("rate_limited", "invalid_json", "rate_limited"):
        stats.count_refusal("embeddings", code)
    assert stats.refusals == {("embeddings", "rate_limited"): 2, ("embeddings", "invalid_json"): 1}
