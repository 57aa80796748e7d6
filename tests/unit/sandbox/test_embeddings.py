"""Embeddings and legacy completions."""

import base64
import math
import struct
from typing import Any

import pytest


def _embed(ask: Any, **members: Any) -> Any:
    return ask("/v1/embeddings", **({"model": "text-embedding-3-small", "input": "hello"} | members))


def test_a_vector_has_length_one_and_depends_on_model_and_input_alone(ask: Any) -> None:
    one = _embed(ask).json["data"][0]
    assert (one["object"], one["index"], len(one["embedding"])) == ("embedding", 0, 1536)
    assert math.isclose(math.sqrt(sum(x * x for x in one["embedding"])), 1.0, rel_tol=1e-6)
    assert _embed(ask).body == _embed(ask).body
    assert _embed(ask, input="hallo").json["data"] != _embed(ask).json["data"]
    assert _embed(ask, model="other").json["data"] != _embed(ask).json["data"]


def test_both_encodings_hold_the_same_float32(ask: Any) -> None:
    numbers = _embed(ask, dimensions=33).json["data"][0]["embedding"]
    packed = base64.b64decode(_embed(ask, dimensions=33, encoding_format="base64").json["data"][0]["embedding"])
    assert struct.unpack("<33f", packed) == struct.unpack("<33f", struct.pack("<33f", *numbers))


@pytest.mark.parametrize(("model", "dimensions"), [("text-embedding-3-large", 3072), ("text-embedding-ada-002", 1536), ("any", 1536)])
def test_models_have_their_usual_dimensions(ask: Any, model: str, dimensions: int) -> None:
    assert len(_embed(ask, model=model).json["data"][0]["embedding"]) == dimensions


@pytest.mark.parametrize("dimensions", [1, 2, 4096])
def test_dimensions_can_be_chosen(ask: Any, dimensions: int) -> None:
    vector = _embed(ask, dimensions=dimensions).json["data"][0]["embedding"]
    assert len(vector) == dimensions
    assert math.isclose(math.sqrt(sum(x * x for x in vector)), 1.0, rel_tol=1e-6)


@pytest.mark.parametrize(
    ("given", "count", "tokens"),
    [
        ("12345678", 1, 2),
        (["1234", "12345678"], 2, 3),
        (["a", "b"], 2, 1),
        ([1, 2, 3], 1, 3),
        ([[1, 2, 3], [4]], 2, 4),
        ("éé", 1, 1),
    ],
)
def test_every_form_of_input_is_answered_and_counted(ask: Any, given: Any, count: int, tokens: int) -> None:
    reply = _embed(ask, input=given).json
    assert [item["index"] for item in reply["data"]] == list(range(count))
    assert reply["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    assert reply["object"] == "list"


def test_no_usage_says_nothing_of_usage(ask: Any) -> None:
    assert "usage" not in _embed(ask, model="no-usage").json


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"input": None}, "missing_required_parameter"),
        ({"input": ""}, "invalid_value"),
        ({"input": ["a", ""]}, "invalid_value"),
        ({"input": []}, "empty_array"),
        ({"input": [[]]}, "invalid_type"),
        ({"input": 7}, "invalid_type"),
        ({"input": {}}, "invalid_type"),
        ({"input": ["a", 1]}, "invalid_type"),
        ({"input": [-1]}, "invalid_type"),
        ({"input": [True]}, "invalid_type"),
        ({"input": ["a"] * 2049}, "array_above_max_length"),
        ({"input": [1] * 300_001}, "array_above_max_length"),
        ({"input": [[1] * 150_001] * 2}, "array_above_max_length"),
        ({"dimensions": 0}, "integer_below_min_value"),
        ({"dimensions": 10**9}, "integer_above_max_value"),
        ({"encoding_format": "int8"}, "invalid_value"),
        ({"model": "context-length"}, "context_length_exceeded"),
    ],
)
def test_what_cannot_be_embedded_is_refused(ask: Any, members: Any, code: str) -> None:
    reply = _embed(ask, **members)
    assert (reply.status, reply.json["error"]["code"]) == (400, code)


def _complete(ask: Any, **members: Any) -> Any:
    return ask("/v1/completions", **({"model": "sandbox/echo", "prompt": "Say it"} | members))


def test_a_legacy_completion_has_its_members(ask: Any) -> None:
    reply = _complete(ask).json
    assert list(reply) == ["id", "object", "created", "model", "choices", "usage"]
    assert (reply["object"], reply["id"][:5]) == ("text_completion", "cmpl-")
    assert reply["choices"] == [{"text": "Say it", "index": 0, "logprobs": None, "finish_reason": "stop"}]
    assert reply["usage"] == {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


def test_every_prompt_gets_every_choice(ask: Any) -> None:
    choices = _complete(ask, prompt=["a", "b"], n=2, echo=True).json["choices"]
    assert [(choice["index"], choice["text"]) for choice in choices] == [(0, "aa"), (1, "aa"), (2, "bb"), (3, "bb")]


def test_prompts_of_tokens_count_their_length(ask: Any) -> None:
    assert _complete(ask, prompt=[1, 2, 3]).json["usage"]["prompt_tokens"] == 3
    assert _complete(ask, prompt=[[1, 2], [3]]).json["usage"]["prompt_tokens"] == 3


def test_a_legacy_stream_ends_with_the_reason_the_usage_and_done(ask: Any) -> None:
    reply = _complete(ask, stream=True, stream_options={"include_usage": True})
    assert [chunk["choices"][0]["text"] for chunk in reply.data[:-1]] == ["Say", " it", ""]
    assert [chunk["choices"][0]["finish_reason"] for chunk in reply.data[:-1]] == [None, None, "stop"]
    assert [chunk["usage"] for chunk in reply.data[:-1]] == [None, None, None]
    assert (reply.data[-1]["choices"], reply.data[-1]["usage"]["total_tokens"]) == ([], 2)
    assert reply.body.endswith(b"data: [DONE]\n\n")


def test_legacy_log_probabilities_give_the_places_of_tokens(ask: Any) -> None:
    logprobs = _complete(ask, logprobs=1).json["choices"][0]["logprobs"]
    assert (logprobs["tokens"], logprobs["text_offset"]) == (["Say", " it"], [0, 3])
    assert len(logprobs["token_logprobs"]) == len(logprobs["top_logprobs"]) == 2


def test_stop_and_limit_end_a_legacy_completion(ask: Any) -> None:
    assert _complete(ask, stop=" it").json["choices"][0]["text"] == "Say"
    assert _complete(ask, model="m", max_tokens=1).json["choices"][0]["finish_reason"] == "length"
    assert _complete(ask, model="content-filter").json["choices"][0]["finish_reason"] == "content_filter"
    assert _complete(ask, model="tool-call").json["choices"][0]["finish_reason"] == "stop"


def test_an_echoed_prompt_is_not_multiplied_without_bound(ask: Any) -> None:
    reply = _complete(ask, prompt="x" * 2_000_000, n=128, echo=True)
    assert len(reply.body) < 3 * 1024 * 1024


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": {}}, "prompt"),
        ({"prompt": ["x"] * 2048, "n": 2}, "prompt"),
        ({"n": 2, "best_of": 1}, "best_of"),
        ({"logprobs": 6}, "logprobs"),
        ({"echo": "yes"}, "echo"),
        ({"suffix": 7}, "suffix"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"model": "context-length"}, "prompt"),
    ],
)
def test_what_cannot_be_completed_is_refused(ask: Any, members: Any, param: str) -> None:
    reply = _complete(ask, **members)
    assert (reply.status, reply.json["error"]["param"]) == (400, param)
