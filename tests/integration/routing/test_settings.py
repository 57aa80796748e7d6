"""What the operator says of routing, as it decides between two upstreams."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from support.served import wait_for
from support.upstream import COMPLETION, Answer, Received, completion, json_answer

Start = Callable[..., Any]

WEIGHTED = """
[routing]
strategy = "latency"
probe_s = 1
[[routing.models]]
model = "openai/gpt-4o-mini"
strategy = "weighted"
"""
MODELS = 'models = ["openai/gpt-4o", "openai/gpt-4o-mini"]\n'
PROMISES = 'region = "eu"\nquantization = "fp8"\ndata_collection = "deny"\nzdr = true\ndistillable = true'


@pytest.fixture(scope="module")
def promising(between: Start) -> Any:
    """`b` keeps every promise; `a` collects, and says nothing else."""
    return between(a='data_collection = "allow"', b=PROMISES)


@pytest.fixture(scope="module")
def measuring(between: Start) -> Any:
    """One model goes where it is fastest, another one by weight: 1 to 3."""
    return between(WEIGHTED, a=MODELS + "weight = 1\npriority = 10", b=MODELS + "weight = 3\npriority = 10")


def test_without_a_word_the_lowest_priority_is_asked(promising: Any) -> None:
    assert [promising.serves() for _ in range(3)] == ["a"] * 3


@pytest.mark.parametrize(
    "wish",
    [
        {"only": ["b/eu"]},
        {"quantizations": ["fp8"]},
        {"data_collection": "deny"},
        {"zdr": True},
        {"enforce_distillable_text": True},
    ],
)
def test_a_request_goes_where_the_operator_says_that_its_wish_is_kept_and_nowhere_else(promising: Any, wish: dict[str, Any]) -> None:
    before = len(promising.upstreams["a"].received)
    assert promising.serves(provider=wish) == "b"
    promising.upstreams["b"].handle = _fail
    try:
        assert promising.ask(provider=wish).status_code == 502
    finally:
        promising.upstreams["b"].handle = completion
    assert promising.serves(provider=wish) == "b"
    assert len(promising.upstreams["a"].received) == before


def test_a_wish_that_nobody_left_promises_to_keep_is_refused_with_the_reasons(promising: Any) -> None:
    refused: httpx.Response = promising.ask(provider={"data_collection": "deny", "zdr": True, "ignore": ["b"]})
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "no_route")
    reasons = {row["upstream"]: row["reason"] for row in refused.json()["error"]["metadata"]["excluded"]}
    assert reasons == {"a": "data_collection: allow", "b": "ignore"}


def test_a_required_parameter_that_the_model_does_not_take_is_refused(promising: Any) -> None:
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    assert promising.serves(provider={"require_parameters": True}, tools=tools) == "a"
    refused = promising.ask(provider={"require_parameters": True}, reasoning_effort="low")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "no_route")
    assert "require_parameters: reasoning_effort" in refused.text


def test_a_dry_run_says_so_before_and_sends_nothing(promising: Any) -> None:
    before = {name: len(upstream.received) for name, upstream in promising.upstreams.items()}
    told = promising.ask("/api/v1/route", provider={"zdr": True}, max_tokens=10).json()["data"]
    assert [(row["upstream"], row["region"], row["quantization"]) for row in told["targets"]] == [("b", "eu", "fp8")]
    assert told["excluded"] == [{"upstream": "a", "model": "openai/gpt-4o", "reason": "zdr: unknown"}]
    assert (told["allowed"], told["price"]["max_output_tokens"]) == (True, 10)
    anthropics = promising.ask("/v1/route", system="Be brief.", max_tokens=10).json()["data"]
    assert (anthropics["endpoint"], [row["upstream"] for row in anthropics["targets"]]) == ("messages", ["a", "b"])
    refused = promising.ask("/api/v1/route", key=promising.gateway.create_key("--model", "anthropic/*")).json()["data"]
    assert (refused["allowed"], refused["error"]["code"]) == (False, "model_not_allowed")
    assert promising.ask("/api/v1/route", key="ar-live-nobody").status_code == 401
    assert {name: len(upstream.received) for name, upstream in promising.upstreams.items()} == before


def test_weights_share_the_requests_of_their_model_and_a_conversation_stays(measuring: Any) -> None:
    mini = {"model": "openai/gpt-4o-mini"}
    served = [measuring.serves(**mini) for _ in range(60)]
    assert 30 <= served.count("b") <= 58  # of 60 by 3 to 1: 45, four deviations to each side
    assert len({measuring.serves(**mini, text="The same again") for _ in range(12)}) == 1


def test_latency_puts_the_faster_one_first_once_both_were_measured(measuring: Any) -> None:
    measuring.upstreams["a"].handle = _slowly
    for _ in range(3):
        measuring.ask(provider={"order": ["a"]})
        measuring.ask(provider={"order": ["b"]})
    assert wait_for(lambda: measuring.serves() == "b")  # what was measured is looked at once a second
    assert [measuring.serves() for _ in range(3)] == ["b"] * 3


def _slowly(_received: Received) -> Answer:
    async def give() -> AsyncIterator[bytes]:
        await asyncio.sleep(0.05)
        yield json.dumps(COMPLETION).encode()

    return Answer(body=give)


def _fail(_received: Received) -> Answer:
    return json_answer({"error": {"message": "broken"}}, 500)
