"""The OpenAI dialect's whole replies: read, and given our names and cost."""

import json

import pytest

from anyrouter.core.usage import Usage, UsageSource
from anyrouter.wire.dialect import DIALECTS
from anyrouter.wire.openai_usage import render_usage
from anyrouter.wire.reply import CostFields, InvalidReply, Naming

NAMING = Naming(b'"gen-1"', b'"openai/gpt-4o"', b'"OpenAI"')
read_reply, render_reply = DIALECTS["openai"].read_reply, DIALECTS["openai"].render_reply
USAGE = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
DETAILS = {"prompt_tokens_details": {"cached_tokens": 64}, "completion_tokens_details": {"reasoning_tokens": 3}}
REPLY = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "gpt-4o-x",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": 'the "id":"chatcmpl-1" of it'}, "finish_reason": "stop"}],
    "usage": {**USAGE, **DETAILS},
}
COST = CostFields(cost=b"0.00035")
STYLES = {"compact": {"separators": (",", ":")}, "spaced": {}, "indented": {"indent": 2}}


def encode(value: object, **style: object) -> bytes:
    return json.dumps(value, **(style or {"separators": (",", ":")})).encode()


def rendered(text: bytes, endpoint: str = "chat/completions") -> dict[str, object]:
    reply, facts = read_reply(endpoint, text)
    usage = facts.usage or Usage(input_tokens=7, output_tokens=2, source=UsageSource.ESTIMATED)
    out = b"".join(render_reply(endpoint, reply, NAMING, usage, COST))
    names = [name for name, _ in json.loads(out, object_pairs_hook=list)]
    assert len(names) == len(set(names))
    return json.loads(out)


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"provider": "theirs"},
        {"system_fingerprint": "fp"},
        {"id": None, "model": None},
        {"id": ""},
        {"x": {"id": "chatcmpl-1", "model": "gpt-4o-x", "usage": USAGE}},
        {"choices": [{"id": "chatcmpl-1", "finish_reason": "stop"}]},
        {"usage": None},
        {"usage": USAGE},
        {"usage": {**USAGE, "cost": 9, "is_byok": True, "cost_details": {"x": 1}}},
        {"usage": {**USAGE, **DETAILS, "cost": 9}},
        {"usage": {**USAGE, "prompt_tokens_details": None, "completion_tokens_details": None}},
        {"long": "y" * 40_000},
    ],
)
def test_a_reply_gets_our_names_and_cost_and_keeps_the_rest(changes: dict[str, object], style: dict[str, object]) -> None:
    reply = {**REPLY, **changes}
    answer = rendered(encode(reply, **style))
    usage = answer.pop("usage")
    told = reply.pop("usage")
    assert answer == {"system_fingerprint": None, **reply, "id": "gen-1", "model": "openai/gpt-4o", "provider": "OpenAI"}
    expected = told or {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    assert {name: usage[name] for name in USAGE} == {name: expected[name] for name in USAGE}
    assert (usage["cost"], usage["is_byok"]) == (0.00035, False)
    assert usage["cost_details"]["upstream_inference_cost"] == 0
    assert isinstance(usage["prompt_tokens_details"]["cached_tokens"], int)
    assert isinstance(usage["completion_tokens_details"]["reasoning_tokens"], int)


@pytest.mark.parametrize("absent", [("id",), ("model",), ("usage",), ("id", "model", "usage", "object")])
@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_names_that_the_upstream_left_out_are_added(absent: tuple[str, ...], style: dict[str, object]) -> None:
    answer = rendered(encode({name: value for name, value in REPLY.items() if name not in absent}, **style))
    assert (answer["id"], answer["model"], answer["provider"]) == ("gen-1", "openai/gpt-4o", "OpenAI")
    assert answer["usage"]["total_tokens"] in (9, 110)


@pytest.mark.parametrize("style", [STYLES["compact"], STYLES["spaced"]])
@pytest.mark.parametrize(
    "changes",
    [
        {"usage": None, "system_fingerprint": None},
        {"usage": None, "x": [None, {"y": None}]},
        {"usage": {}, "x": {}},
        {"usage": 5, "x": 15},
        {"x": {"usage": {**USAGE, **DETAILS}}},
    ],
)
def test_usage_is_put_where_usage_was_whatever_stands_behind_it(changes: dict[str, object], style: dict[str, object]) -> None:
    answer = rendered(encode({**REPLY, **changes}, **style))
    assert answer["usage"]["total_tokens"] in (9, 110)
    assert answer["usage"]["cost"] == 0.00035
    for name, value in changes.items():
        assert name == "usage" or answer[name] == value


@pytest.mark.parametrize(
    "text",
    [
        b'{"choices":[{"message":{"content":"\xff"}}]}',
        b'{"choices":[{"finish_reason":"\xff"}]}',
        b'{"choices":[],"id":"\xff"}',
        b'{"choices":[],"\xff":1}',
        b'{"id":"x","model":"m","choices":[],"x":"\xff","usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}',
        b'{"choices":[],"x":"\xff' + b"y" * 40_000 + b'"}',
        b'{"choices":[],"usage":{"prompt_tokens":1,"x":"\xff"}}',
    ],
)
def test_a_reply_that_is_not_utf8_is_invalid(text: bytes) -> None:
    with pytest.raises(InvalidReply):
        rendered(text)


@pytest.mark.parametrize(
    "text",
    [
        b'{"id":"a","id":"b","model":"x","choices":[],"usage":null}',
        b'{"id" : "a", "choices":[{"id":"a"}],"model":"m","usage":null}',
        b'{"id": 1,"choices":[],"x":{"id":12},"model":"m","usage":null}',
        b'{"id":"a","model":"a","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}\n',
    ],
)
def test_odd_spellings_of_a_reply_still_get_our_names_once(text: bytes) -> None:
    answer = rendered(text)
    assert (answer["id"], answer["model"]) == ("gen-1", "openai/gpt-4o")


@pytest.mark.parametrize(
    "usage", [{"prompt_tokens": 5, "total_tokens": 5}, {"prompt_tokens": 5}, {"completion_tokens": 5}, {**USAGE, "total_tokens": None}]
)
@pytest.mark.parametrize("name", ["prompt_tokens", "total_tokens"])
def test_counts_that_the_upstream_left_out_are_numbers(usage: dict[str, object], name: str) -> None:
    assert isinstance(rendered(encode({**REPLY, "usage": usage}))["usage"][name], int)


def test_completion_tokens_that_the_upstream_left_out_are_a_number() -> None:
    assert rendered(encode({**REPLY, "usage": {"prompt_tokens": 5, "total_tokens": 5}}))["usage"]["completion_tokens"] == 0


@pytest.mark.parametrize(
    "details", [{"prompt_tokens_details": {"cached_tokens": None}}, {"completion_tokens_details": {"reasoning_tokens": None}}]
)
def test_counts_within_the_details_are_numbers_never_null(details: dict[str, object]) -> None:
    usage = rendered(encode({**REPLY, "usage": {**USAGE, **details}}))["usage"]
    assert None not in [*usage["prompt_tokens_details"].values(), *usage["completion_tokens_details"].values()]


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        (USAGE, Usage(input_tokens=100, output_tokens=10)),
        ({**USAGE, **DETAILS}, Usage(input_tokens=100, output_tokens=10, cache_read_tokens=64, reasoning_tokens=3)),
        ({**USAGE, "prompt_tokens_details": {"cache_write_tokens": 5}}, Usage(input_tokens=100, output_tokens=10, cache_write_tokens=5)),
        ({"prompt_tokens": -5, "completion_tokens": -1}, None),
        ({"prompt_tokens": None, "completion_tokens": 3}, Usage(output_tokens=3)),
        ({"prompt_tokens": None, "completion_tokens": None}, None),
        ({"prompt_tokens": "5"}, None),
        ({"prompt_tokens": 2.5}, None),
        ({"prompt_tokens": True}, None),
        ({}, None),
        (None, None),
        (5, None),
        ([], None),
    ],
)
def test_usage_is_read_or_not_believed(told: object, usage: Usage | None) -> None:
    assert read_reply("chat/completions", encode({**REPLY, "usage": told}))[1].usage == usage


@pytest.mark.parametrize("count", [2**63, 10**30])
def test_a_count_beyond_reason_is_not_believed(count: int) -> None:
    usage = read_reply("chat/completions", encode({**REPLY, "usage": {**USAGE, "prompt_tokens": count}}))[1].usage
    assert usage is None or usage.input_tokens < 2**53


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        ("chat/completions", b""),
        ("chat/completions", b"[]"),
        ("chat/completions", b"{}"),
        ("chat/completions", b'{"choices":null}'),
        ("chat/completions", b'{"choices":{}}'),
        ("chat/completions", b'{"choices":[5]}'),
        ("chat/completions", b'{"choices":[{"finish_reason":5}]}'),
        ("chat/completions", b'{"error":{"message":"x"}}'),
        ("chat/completions", b"<html>"),
        ("chat/completions", b'{"choices":["\xff"]}'),
        ("chat/completions", b'{"choices":[' + b"[" * 100_000),
        ("completions", b'{"data":[]}'),
        ("embeddings", b'{"choices":[]}'),
        ("embeddings", b'{"data":null}'),
    ],
)
def test_what_is_not_a_reply_of_the_endpoint_is_invalid(endpoint: str, text: bytes) -> None:
    with pytest.raises(InvalidReply):
        read_reply(endpoint, text)


def test_what_is_read_off_a_reply() -> None:
    _, facts = read_reply("chat/completions", encode(REPLY))
    assert (facts.upstream_id, facts.finish_reason) == ("chatcmpl-1", "stop")
    _, facts = read_reply("chat/completions", b'{"choices":[],"id":5}')
    assert (facts.upstream_id, facts.finish_reason, facts.usage) == (None, None, None)


def test_embeddings_keep_their_vectors_bytes_and_have_no_completion_details() -> None:
    text = b'{"object":"list","data":[{"embedding":[1.50,-0.0,1e-7]}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}}'
    members, facts = read_reply("embeddings", text)
    assert facts.usage is not None
    out = b"".join(render_reply("embeddings", members, NAMING, facts.usage, COST))
    assert b'"data":[{"embedding":[1.50,-0.0,1e-7]}]' in out
    answer = json.loads(out)
    assert (answer["id"], answer["model"], "system_fingerprint" in answer) == ("gen-1", "openai/gpt-4o", False)
    assert "completion_tokens_details" not in answer["usage"]


def test_what_a_sandbox_generation_would_have_cost_is_told_apart() -> None:
    cost = CostFields(cost=b"0", shadow_cost=b"0.5", is_byok=True)
    usage = json.loads(render_usage(encode(USAGE), Usage(input_tokens=100, output_tokens=10), cost))
    assert (usage["cost"], usage["shadow_cost"], usage["is_byok"]) == (0, 0.5, True)
