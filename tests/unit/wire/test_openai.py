"""The OpenAI dialect's requests: judged, and spliced for the upstream."""

import contextlib
import json

import pytest

from anyrouter.core.errors import ClientError
from anyrouter.wire import openai

CHAT = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "hi"}]}


def encode(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def sent(body: object, *, is_asking_usage: bool = True, endpoint: str = "chat/completions") -> dict[str, object]:
    request = openai.read_request(endpoint, encode(body))
    pairs = json.loads(b"".join(request.encode(b'"upstream"', is_asking_usage=is_asking_usage)), object_pairs_hook=list)
    assert len(pairs) == len({name for name, _ in pairs})
    return json.loads(b"".join(request.encode(b'"upstream"', is_asking_usage=is_asking_usage)))


def refusal(body: object, endpoint: str = "chat/completions") -> tuple[str, str | None]:
    with pytest.raises(ClientError) as caught:
        openai.read_request(endpoint, body if isinstance(body, bytes) else encode(body))
    return caught.value.denied.code, caught.value.denied.param


def test_a_request_keeps_its_bytes_but_for_the_model() -> None:
    body = b'{ "temperature": 1.0, "model" : "openai/gpt-4o","messages":[{"content":"\xc3\xbc \\u00fc"}],"seed":1234567890123456789012 }'
    request = openai.read_request("chat/completions", body)
    assert b"".join(request.encode(b'"gpt-4o"')) == body.replace(b'"openai/gpt-4o"', b'"gpt-4o"')


@pytest.mark.parametrize(
    ("options", "is_wanted"),
    [
        ({}, False),
        ({"stream_options": None}, False),
        ({"stream_options": {}}, False),
        ({"stream_options": {"include_usage": False}}, False),
        ({"stream_options": {"include_usage": None}}, False),
        ({"stream_options": {"include_usage": 1}}, False),
        ({"stream_options": {"include_usage": True}}, True),
        ({"stream_options": {"include_usage": True, "x": 1}}, True),
        ({"usage": {"include": True}}, True),
        ({"usage": {"include": False}}, False),
        ({"usage": True}, False),
        ({"usage": None}, False),
    ],
)
@pytest.mark.parametrize("endpoint", ["chat/completions", "completions"])
def test_the_upstream_is_always_asked_for_usage_and_the_client_gets_it_only_when_it_asked(
    options: dict[str, object], endpoint: str, *, is_wanted: bool
) -> None:
    body = {**CHAT, "prompt": "hi", "stream": True, **options}
    assert openai.read_request(endpoint, encode(body)).is_usage_wanted is is_wanted
    told = sent(body, endpoint=endpoint)
    assert told["stream_options"]["include_usage"] is True
    assert told["stream_options"].get("x") == (options.get("stream_options") or {}).get("x")
    assert "usage" not in told


@pytest.mark.parametrize(
    "options", [{}, {"stream_options": None}, {"stream_options": {"include_usage": True}}, {"usage": {"include": True}}]
)
def test_an_upstream_that_refuses_stream_options_gets_none(options: dict[str, object]) -> None:
    told = sent({**CHAT, "stream": True, **options}, is_asking_usage=False)
    assert told == {**CHAT, "stream": True, "model": "upstream"}


def test_stream_options_of_a_request_that_does_not_stream_travel_as_they_are() -> None:
    assert sent({**CHAT, "stream_options": {"include_usage": False}})["stream_options"] == {"include_usage": False}
    assert sent({**CHAT, "stream": False}) == {**CHAT, "stream": False, "model": "upstream"}


def test_our_own_members_are_cut_out_wherever_they_stand() -> None:
    own = {name: {"x": 1} for name in ("provider", "models", "route", "session_id", "transforms", "usage", "preset", "plugins")}
    assert sent({**own, **CHAT}) == {**CHAT, "model": "upstream"}
    assert sent({**CHAT, **own, "seed": 1}) == {**CHAT, "seed": 1, "model": "upstream"}


def test_the_first_of_models_is_asked_when_no_model_is_named() -> None:
    body = {"models": ["openai/gpt-4o", "openai/other"], "messages": []}
    assert openai.read_request("chat/completions", encode(body)).model == "openai/gpt-4o"
    assert sent(body) == {"messages": [], "model": "upstream"}
    assert sent({**body, "stream": True})["model"] == "upstream"
    assert openai.read_request("chat/completions", encode({**body, "model": "openai/named"})).model == "openai/named"


@pytest.mark.parametrize("models", [[], None, "openai/gpt-4o", [7], [None], {}, [[]]])
def test_models_that_name_none_are_no_model(models: object) -> None:
    assert refusal({"models": models, "messages": []}) == ("missing_parameter", "model")


@pytest.mark.parametrize(
    ("reasoning", "effort"),
    [
        ({"effort": "low"}, "low"),
        ({"effort": "high", "exclude": True}, "high"),
        ({"effort": "lots"}, None),
        ({"max_tokens": 5}, None),
        (None, None),
        ("x", None),
        ({"effort": ["low"]}, None),
    ],
)
def test_reasoning_becomes_the_dialects_effort_or_is_left_out(reasoning: object, effort: str | None) -> None:
    told = sent({**CHAT, "reasoning": reasoning})
    assert (told.get("reasoning_effort"), "reasoning" in told) == (effort, False)
    assert sent({**CHAT, "reasoning": {"effort": "low"}, "reasoning_effort": "high"})["reasoning_effort"] == "high"


@pytest.mark.parametrize(
    ("endpoint", "changes", "expected"),
    [
        ("chat/completions", {"messages": None}, ("missing_parameter", "messages")),
        ("embeddings", {"input": None}, ("missing_parameter", "input")),
        ("embeddings", {}, ("missing_parameter", "input")),
        ("chat/completions", {"stream": "true"}, ("invalid_parameter", "stream")),
        ("chat/completions", {"stream": 1}, ("invalid_parameter", "stream")),
        ("chat/completions", {"stream": {}}, ("invalid_parameter", "stream")),
        ("chat/completions", {"stream": True, "stream_options": []}, ("invalid_parameter", "stream_options")),
        ("chat/completions", {"stream": True, "stream_options": "x"}, ("invalid_parameter", "stream_options")),
        ("chat/completions", {"model": {}}, ("invalid_parameter", "model")),
        ("chat/completions", {"model": True}, ("invalid_parameter", "model")),
        ("chat/completions", {"model": "x" * 257}, ("invalid_parameter", "model")),
        ("chat/completions", {"model": "a\u200bb"}, ("invalid_parameter", "model")),
        ("chat/completions", {"model": "a\u202eb"}, ("invalid_parameter", "model")),
        ("chat/completions", {"model": "a\r\nX-Evil: 1"}, ("invalid_parameter", "model")),
        *(
            ("chat/completions", {name: "x"}, ("invalid_parameter", name))
            for name in ("api_base", "base_url", "api_key", "extra_headers", "organization")
        ),
    ],
)
def test_what_is_wrong_with_a_request_is_said(endpoint: str, changes: dict[str, object], expected: tuple[str, str]) -> None:
    assert refusal({**CHAT, **changes}, endpoint) == expected


def test_a_refused_member_is_found_however_it_is_spelt_and_wherever_it_stands() -> None:
    for text in (
        b'{"\\u0061pi_base":"x","model":"a/b","messages":[]}',
        b'{"model":"a/b","messages":[],"api_base":null}',
        b'{ "api_base" : 1,"api_base":2}',
    ):
        assert refusal(text) == ("invalid_parameter", "api_base")
    assert sent({**CHAT, "metadata": {"api_base": "x", "api_key": "y"}})["metadata"] == {"api_base": "x", "api_key": "y"}


@pytest.mark.parametrize(
    "text",
    [
        b'{"model":1e999,"messages":[]}',
        b'{"model":%s,"messages":[]}' % (b"9" * 5000),
        b'{"models":[1e999],"messages":[]}',
        b'{"model":"a/b","messages":[],"stream":true,"stream_options":{"x":1e999}}',
        b'{"model":"a/b","messages":[],"stream":true,"usage":{"x":-1e999}}',
        b'{"model":"a/b","messages":[],"reasoning":{"x":1e999}}',
    ],
)
def test_numbers_beyond_all_bounds_are_refused_or_travel_but_are_no_mistake_of_ours(text: bytes) -> None:
    with contextlib.suppress(ClientError):
        openai.read_request("chat/completions", text).encode(b'"x"')


def test_numbers_beyond_all_bounds_travel_where_nobody_judges_them() -> None:
    body = b'{"model":"a/b","messages":[{"x":1e999}],"seed":%s,"temperature":-1e999}' % (b"9" * 5000)
    request = openai.read_request("chat/completions", body)
    assert b"".join(request.encode(b'"a/b"')) == body


@pytest.mark.parametrize("depth", range(940, 1000, 3))
def test_nesting_near_the_decoders_depth_is_refused_or_travels(depth: int) -> None:
    for name in (b"stream_options", b"usage", b"reasoning", b"models", b"messages"):
        text = b'{"model":"a/b","messages":[],"stream":true,"%s":{"x":%s%s}}' % (name, b"[" * depth, b"]" * depth)
        with contextlib.suppress(ClientError):
            b"".join(openai.read_request("chat/completions", text).encode(b'"x"'))
