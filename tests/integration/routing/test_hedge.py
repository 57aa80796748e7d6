"""A second upstream beside a silent first one, through the real gateway: who serves, what is billed, what the operator sees."""

import asyncio
import contextlib
import json
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from support.served import wait_for
from support.upstream import COMPLETION, Answer, Received, chat_events, completion, stream_answer

Start = Callable[..., Any]
FLOOR_S = 0.3
HEDGED = f"""
[routing]
hedge_floor_s = {FLOOR_S}
[[routing.models]]
model = "openai/*"
hedge = true
"""
INPUT_USD, OUTPUT_USD = 2.5e-6, 10e-6  # of a token of the model
WARM = 20  # streams, before anybody knows what slow is


@pytest.fixture(scope="module")
def hedging(between: Start) -> Any:
    """The operator hedges OpenAI's models, and `a` has answered quickly so far."""
    return _warmed(between(HEDGED))


@pytest.fixture(scope="module")
def plain(between: Start) -> Any:
    """The operator says nothing of it."""
    return _warmed(between(f"[routing]\nhedge_floor_s = {FLOOR_S}"))


@pytest.fixture(autouse=True)
def _quick_again(request: pytest.FixtureRequest) -> Any:
    yield
    for name in ("hedging", "plain"):
        if name in request.fixturenames:
            for upstream in request.getfixturevalue(name).upstreams.values():
                upstream.handle = quick


def test_the_second_streams_the_first_is_left_and_all_sums_agree(hedging: Any) -> None:
    before = _activity(hedging), _metrics(hedging)
    hedging.upstreams["a"].handle = silent
    reply = hedging.ask(stream=True, stream_options={"include_usage": True})
    assert reply.headers["x-anyrouter-served-by"] == "b; attempt=2"
    assert "Hello" in reply.text
    assert reply.text.count("data: [DONE]") == 1
    assert wait_for(lambda: not hedging.upstreams["a"].busy)  # its connection was ended
    usage = next(chunk["usage"] for chunk in _chunks(reply.text) if chunk.get("usage"))
    own_usd = usage["prompt_tokens"] * INPUT_USD + usage["completion_tokens"] * OUTPUT_USD
    told = _generation(hedging, reply.headers["x-generation-id"])
    assert (told["state"], told["provider_name"], told["status"]) == ("settled", "OpenAI", 200)
    assert [(attempt["upstream"], attempt["error"]) for attempt in told["attempts"]] == [("a", "hedge_lost"), ("b", None)]
    lost_usd = told["attempts"][0]["cost"]
    assert lost_usd > 0
    assert told["attempts"][1]["cost"] is None
    assert told["total_cost"] == pytest.approx(own_usd + lost_usd) == pytest.approx(usage["cost"])
    assert told["tokens_prompt"] == usage["prompt_tokens"]
    assert wait_for(lambda: _activity(hedging)["requests"] == before[0]["requests"] + 1)
    activity, metrics = _activity(hedging), _metrics(hedging)
    assert activity["usage"] - before[0]["usage"] == pytest.approx(told["total_cost"])
    assert activity["errors"] == before[0]["errors"]
    grown = {name: metrics.get(name, 0.0) - before[1].get(name, 0.0) for name in metrics}
    assert (grown["anyrouter_hedges_total"], grown["anyrouter_hedges_won_total"]) == (1, 1)
    assert grown['anyrouter_upstream_attempts_total{outcome="hedge_lost",upstream="a"}'] == 1
    assert grown['anyrouter_cost_usd_total{provider="openai"}'] == pytest.approx(told["total_cost"])
    assert sum(value for name, value in grown.items() if name.startswith("anyrouter_requests_total")) == 1


def test_the_first_serves_when_it_wakes_up_before_the_second_answers(hedging: Any) -> None:
    wake = threading.Event()

    def wake_up(received: Received) -> Answer:
        wake.set()
        return silent(received)

    async def sleep_long(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.to_thread(wake.wait, 10)
        body = json.dumps(COMPLETION).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()

    for _ in range(WARM):  # whole answers have a time of their own
        hedging.ask(provider={"hedge": False})
    hedging.upstreams["a"].handle = lambda _: Answer(script=sleep_long)
    hedging.upstreams["b"].handle = wake_up
    reply = hedging.ask()
    assert reply.headers["x-anyrouter-served-by"] == "a; attempt=1"
    assert wait_for(lambda: not hedging.upstreams["b"].busy)
    told = _generation(hedging, reply.headers["x-generation-id"])
    assert [(attempt["upstream"], attempt["error"]) for attempt in told["attempts"]] == [("a", None), ("b", "hedge_lost")]
    assert told["total_cost"] == pytest.approx(reply.json()["usage"]["cost"])


def test_a_client_that_leaves_ends_both(hedging: Any) -> None:
    for upstream in hedging.upstreams.values():
        upstream.handle = silent
    with pytest.raises(httpx.ReadTimeout):
        hedging.http.post(
            "/api/v1/chat/completions",
            json={"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "I leave"}], "stream": True},
            headers={"authorization": f"Bearer {hedging.key}"},
            timeout=FLOOR_S + 0.7,
        )
    assert [len(upstream.received) > 0 for upstream in hedging.upstreams.values()] == [True, True]
    assert wait_for(lambda: not any(upstream.busy for upstream in hedging.upstreams.values()))


def test_without_a_word_nothing_is_hedged_and_a_request_may_wish_for_it(plain: Any) -> None:
    asked = len(plain.upstreams["b"].received)
    plain.upstreams["a"].handle = slow
    assert plain.ask(stream=True).headers["x-anyrouter-served-by"] == "a; attempt=1"
    assert len(plain.upstreams["b"].received) == asked
    wished = plain.ask(stream=True, provider={"hedge": True})
    assert wished.headers["x-anyrouter-served-by"] == "b; attempt=2"
    assert len(plain.upstreams["b"].received) == asked + 1


def test_a_dry_run_is_the_same_with_and_without_it(plain: Any, hedging: Any) -> None:
    received = [len(upstream.received) for upstream in (*plain.upstreams.values(), *hedging.upstreams.values())]

    def told(gateway: Any, wish: dict[str, Any]) -> Any:
        data = gateway.ask("/api/v1/route", text="the same", provider=wish).json()["data"]
        return {name: value for name, value in data.items() if name != "targets"}, [row["upstream"] for row in data["targets"]]

    assert told(plain, {"hedge": True}) == told(plain, {}) == told(hedging, {}) == told(hedging, {"hedge": False})
    assert [len(upstream.received) for upstream in (*plain.upstreams.values(), *hedging.upstreams.values())] == received


def test_killed_while_both_are_asked_both_are_billed_and_one_request_is_counted(between: Start) -> None:
    gateway = _warmed(between(HEDGED))
    before = _activity(gateway)
    for upstream in gateway.upstreams.values():
        upstream.handle = silent
    asked = [len(upstream.received) for upstream in gateway.upstreams.values()]
    asking = threading.Thread(target=_ask_in_vain, args=(gateway,))
    asking.start()
    assert wait_for(lambda: all(len(up.received) > n for up, n in zip(gateway.upstreams.values(), asked, strict=True)))
    gateway.gateway.kill()
    asking.join(10)
    gateway.gateway.start()
    gateway.http.close()
    gateway.http = httpx.Client(base_url=gateway.gateway.base_url, trust_env=False, timeout=20)
    assert wait_for(lambda: _activity(gateway)["requests"] == before["requests"] + 1)
    activity = _activity(gateway)
    assert activity["errors"] == before["errors"] + 1
    uri = f"file:{gateway.gateway.data_dir / 'anyrouter.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as database:
        rows = database.execute("select attempt, error_code, generation_id from ledger where error_code is not null order by 1").fetchall()
    assert [row[:2] for row in rows] == [(1, "internal_error"), (2, "hedge_lost")]
    told = _generation(gateway, rows[0][2])
    assert (told["state"], [attempt["error"] for attempt in told["attempts"]]) == ("interrupted", ["hedge_lost"])
    assert activity["usage"] - before["usage"] == pytest.approx(told["total_cost"])
    assert told["total_cost"] > told["attempts"][0]["cost"] > 0
    gateway.http.close()


def quick(received: Received) -> Answer:
    return stream_answer(*chat_events("Hello there")) if received.json().get("stream") else completion(received)


def silent(_received: Received) -> Answer:
    async def run(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()

    return Answer(script=run)


def slow(_received: Received) -> Answer:
    async def give() -> Any:
        await asyncio.sleep(5 * FLOOR_S)
        for event in chat_events("At last"):
            yield event

    return Answer(headers={"content-type": "text/event-stream"}, body=give)


def _warmed(gateway: Any) -> Any:
    for upstream in gateway.upstreams.values():
        upstream.handle = quick
    for _ in range(WARM):
        assert gateway.ask(stream=True, provider={"hedge": False}).status_code == 200
    assert wait_for(lambda: _activity(gateway)["requests"] == WARM)
    return gateway


def _ask_in_vain(gateway: Any) -> None:
    with contextlib.suppress(httpx.HTTPError):
        gateway.ask(stream=True)


def _chunks(text: str) -> list[Any]:
    return [json.loads(line[6:]) for line in text.split("\n") if line.startswith("data: {")]


def _generation(gateway: Any, generation_id: str) -> Any:
    return gateway.get(f"generation?id={generation_id}").json()["data"]


def _activity(gateway: Any) -> Any:
    rows = gateway.get("activity").json()["data"]
    return {name: sum(row[name] for row in rows) for name in ("requests", "errors", "usage")}


def _metrics(gateway: Any) -> dict[str, float]:
    text = gateway.http.get("/metrics").text
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))}
