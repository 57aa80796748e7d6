"""How the targets do, as /health, /models/{model}/endpoints and /metrics show it: one book behind all three."""

import time
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from anyrouter.policy.health import TargetHealth
from anyrouter.policy.outcome import Outcome
from anyrouter.policy.rate_budget import Allowance, Quantity
from anyrouter.web.api.target_metrics import MAX_TARGETS

MODEL = "openai/gpt-4o"


def serve(health: TargetHealth, count: int, **measured: Any) -> None:
    for _ in range(count):
        health.succeed(
            health.admit(time.monotonic()), time.monotonic(), **{"latency_ms": 200.0, "ttft_ms": 50.0, "tokens_per_s": 40.0} | measured
        )


def break_down(health: TargetHealth, count: int = 5) -> None:
    for _ in range(count):
        health.fail(health.admit(time.monotonic()), time.monotonic(), Outcome.FAILED)


@pytest.fixture
def targets(world: Any) -> dict[str, TargetHealth]:
    """Two targets that were asked: `openai` served nine and failed one, `backup` is ill."""
    now_s = time.monotonic()
    openai, backup = (world.ports.health.find((upstream, "gpt-4o"), now_s) for upstream in ("openai", "backup"))
    serve(openai, 9)
    break_down(openai, 1)
    openai.learn(now_s, {Quantity.REQUESTS: Allowance(remaining=500, limit=1000, reset_s=3600.0)})
    break_down(backup)
    return {"openai": openai, "backup": backup}


async def test_health_says_how_each_target_does_and_an_upstream_does_as_its_worst(world: Any, targets: Any) -> None:
    serve(world.ports.health.find(("openai", "gpt-4o-mini"), 0.0), 1)
    _, live = await world.make_key()
    shown = {row["id"]: row for row in (await world.get("/health", live)).json()["upstreams"]}
    assert [(row["state"], len(row["targets"])) for row in (shown["openai"], shown["backup"], shown["anthropic"])] == [
        ("well", 2),
        ("open", 1),
        ("well", 0),
    ]
    first, _ = shown["openai"]["targets"]
    assert (first["model"], first["state"], first["requests"], first["error_rate"]) == (MODEL, "well", 10, 0.1)
    assert first["latency_ms"]["p50"] == pytest.approx(200, rel=0.1)
    assert first["ttft_ms"]["p99"] == pytest.approx(50, rel=0.1)
    assert first["throughput"]["p50"] == pytest.approx(40, rel=0.1)
    assert (first["uptime_1d"], first["wait_s"]) == (90.0, 0.0)
    assert 500 <= first["remaining"]["requests"] <= 501
    (ill,) = shown["backup"]["targets"]
    assert (ill["state"], ill["error_rate"], ill["uptime_1d"], ill["latency_ms"]) == ("open", 1.0, 0.0, None)
    assert 0 < ill["wait_s"] <= 300


async def test_a_target_out_of_rate_is_short_and_says_for_how_long(world: Any) -> None:
    health = world.ports.health.find(("openai", "gpt-4o"), time.monotonic())
    health.fail(health.admit(time.monotonic()), time.monotonic(), Outcome.RATE_LIMITED, 60.0)
    _, live = await world.make_key()
    (row,) = (row for row in (await world.get("/health", live)).json()["upstreams"] if row["id"] == "openai")
    assert (row["state"], row["targets"][0]["state"]) == ("short", "short")
    assert 50 < row["targets"][0]["wait_s"] <= 60


@pytest.mark.parametrize("restriction", [{"models": ["anthropic/*"]}, {"environment": "test"}])
async def test_a_key_sees_no_target_that_it_does_not_reach(world: Any, targets: Any, restriction: Any) -> None:
    _, headers = await world.make_key(**restriction)
    rows = (await world.get("/health", headers)).json()["upstreams"]
    assert [target for row in rows for target in row["targets"]] == []


async def test_a_name_that_nobody_knows_is_not_shown(world: Any) -> None:
    serve(world.ports.health.find(("openai", "MARKER-invented"), 0.0), 1)
    _, live = await world.make_key()
    assert "MARKER" not in (await world.get("/health", live)).text


async def test_a_models_endpoints_tell_what_was_measured_in_the_units_of_other_gateways(world: Any, targets: Any) -> None:
    _, live = await world.make_key()
    rows = (await world.get(f"/models/{MODEL}/endpoints", live)).json()["data"]["endpoints"]
    well, ill = rows
    assert (well["upstream"], well["status"], well["uptime_last_5m"], well["uptime_last_30m"], well["uptime_last_1d"]) == (
        "openai",
        0,
        90.0,
        90.0,
        90.0,
    )
    assert set(well["latency_last_30m"]) >= {"p50", "p75", "p90", "p99"}
    assert well["latency_last_30m"]["p50"] == pytest.approx(50, rel=0.1)
    assert well["throughput_last_30m"]["p50"] == pytest.approx(40, rel=0.1)
    assert (ill["upstream"], ill["status"], ill["uptime_last_1d"], ill["latency_last_30m"]) == ("backup", -5, 0.0, None)
    (other, _) = (await world.get("/models/openai/gpt-4o-mini/endpoints", live)).json()["data"]["endpoints"]
    assert (other["status"], other["uptime_last_1d"], other["latency_last_30m"]) == (0, None, None)


async def test_the_public_sees_no_measures(world: Any, targets: Any) -> None:
    async with world.make_app(is_catalogue_public=True) as client:
        rows = (await client.get(f"/api/v1/models/{MODEL}/endpoints")).json()["data"]["endpoints"]
    assert {(row["status"], row["uptime_last_1d"], row["latency_last_30m"]) for row in rows} == {(0, None, None)}


async def scrape(world: Any) -> dict[tuple[str, ...], float]:
    async with world.make_app(client_address=lambda *_: "127.0.0.1") as client:
        text = (await client.get("/metrics")).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {
        (sample.name, *(sample.labels[label] for label in ("upstream", "model", "quantile") if label in sample.labels)): sample.value
        for sample in samples
        if sample.name.startswith("anyrouter_target_")
    }


async def test_metrics_have_circuit_error_ratio_and_quantiles_of_each_target(world: Any, targets: Any) -> None:
    samples = await scrape(world)
    assert samples["anyrouter_target_circuit", "openai", "gpt-4o"] == 0
    assert samples["anyrouter_target_circuit", "backup", "gpt-4o"] == 2
    assert samples["anyrouter_target_error_ratio", "openai", "gpt-4o"] == pytest.approx(0.1)
    assert samples["anyrouter_target_ttft_seconds", "openai", "gpt-4o", "0.5"] == pytest.approx(0.05, rel=0.1)
    assert samples["anyrouter_target_latency_seconds", "openai", "gpt-4o", "0.99"] == pytest.approx(0.2, rel=0.1)
    assert ("anyrouter_target_ttft_seconds", "backup", "gpt-4o", "0.5") not in samples


async def test_models_that_clients_make_up_are_no_labels_and_the_busiest_targets_are_kept(world: Any) -> None:
    book = world.ports.health
    for number in range(50):
        health = book.find(("openai", f"invented-{number}"), 0.0)
        health.fail(health.admit(0.0), 0.0, Outcome.ALIVE)
    assert await scrape(world) == {}
    for number in range(MAX_TARGETS + 20):
        serve(book.find(("openai", f"real-{number}"), 0.0), 1 + (number >= 20))
    shown = {labels[2] for labels in await scrape(world)}
    assert shown == {f"real-{number}" for number in range(20, MAX_TARGETS + 20)}
