"""Active probes of what is left alone, through the gateway's own client to a scripted upstream."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from anyrouter.bootstrap.model_lists import HttpModelLists
from anyrouter.bootstrap.probes import Probes
from anyrouter.policy.health import HealthBook, TargetHealth
from anyrouter.policy.outcome import Outcome
from anyrouter.settings import load_settings
from anyrouter.upstream.client import HttpUpstreamClient
from support.upstream import Answer, ScriptedUpstream, json_answer

KEY = ("box", "tiny")


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(lambda _: json_answer({"object": "list", "data": []})) as scripted:
        yield scripted


@pytest.fixture
async def client() -> AsyncIterator[HttpUpstreamClient]:
    made = HttpUpstreamClient()
    yield made
    await made.aclose()


@pytest.fixture
def now_s() -> list[float]:
    return [0.0]


@pytest.fixture
def book() -> HealthBook:
    return HealthBook()


@pytest.fixture
def health(book: HealthBook) -> TargetHealth:
    """A target whose circuit has just opened, for five seconds."""
    target = book.find(KEY, 0.0)
    for _ in range(5):
        target.fail(target.admit(0.0), 0.0, Outcome.FAILED)
    return target


@pytest.fixture
def probes(book: HealthBook, upstream: ScriptedUpstream, client: HttpUpstreamClient, now_s: list[float], tmp_path: Path) -> Probes:
    (tmp_path / "anyrouter.toml").write_text(
        f'[[upstreams]]\nid = "box"\nprovider = "openai-compatible"\nbase_url = "{upstream.url}/v1"\ncredential_variable = "BOX"\n'
    )
    settings = load_settings(data_dir=tmp_path, environ={"BOX": "sk-box"})
    return Probes(book, HttpModelLists(client, settings.upstreams), ["box"], lambda: now_s[0])


async def test_what_is_left_alone_is_not_asked_before_its_time_and_well_after_two_good_answers(
    probes: Probes, health: TargetHealth, upstream: ScriptedUpstream, now_s: list[float]
) -> None:
    await probes.probe()
    assert upstream.received == []
    now_s[0] = 6.0
    await probes.probe()
    assert health.report(6.0).state == "half_open"
    await probes.probe()
    assert health.report(6.0).state == "well"
    await probes.probe()
    assert [(one.method, one.path, one.headers["authorization"]) for one in upstream.received] == [
        ("GET", "/v1/models", "Bearer sk-box")
    ] * 2
    assert health.window.read_performance(6.0).latency_ms == {}  # a list's time says nothing about a model's


async def test_one_without_a_list_lives(probes: Probes, health: TargetHealth, upstream: ScriptedUpstream, now_s: list[float]) -> None:
    upstream.handle = lambda _: json_answer({"error": "no such path"}, 404)
    now_s[0] = 6.0
    await probes.probe()
    await probes.probe()
    assert health.report(6.0).state == "well"


@pytest.mark.parametrize("answer", [lambda _: json_answer({}, 503), lambda _: json_answer({}, 401), lambda _: Answer(is_cut=True)])
async def test_one_that_fails_still_is_left_alone_for_longer(
    probes: Probes, health: TargetHealth, upstream: ScriptedUpstream, now_s: list[float], answer: Callable[..., Answer]
) -> None:
    upstream.handle = answer
    now_s[0] = 6.0
    await probes.probe()
    assert health.report(6.0).state == "open"
    assert health.wait_s(6.0) > 5.0


async def test_one_that_is_well_or_of_another_upstream_is_not_asked(
    probes: Probes, book: HealthBook, upstream: ScriptedUpstream, now_s: list[float]
) -> None:
    other = book.find(("other", "tiny"), 0.0)
    for _ in range(5):
        other.fail(other.admit(0.0), 0.0, Outcome.FAILED)
    book.find(KEY, 0.0)
    now_s[0] = 6.0
    await probes.probe()
    assert upstream.received == []
