"""A preset under a request: what of which of the two is sent."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrouter.core.errors import ClientError
from anyrouter.core.preset import Preset, PresetTable, split_preset
from anyrouter.wire.members import Members, NotJson
from anyrouter.wire.preset import apply_preset, no_such_preset, read_preset

NOW = datetime(2026, 11, 24, tzinfo=UTC)
USER = {"role": "user", "content": "Hi"}


def make(members: dict[str, Any] | None = None, **fields: Any) -> Preset:
    encoded = {name: json.dumps(value).encode() for name, value in (members or {}).items()}
    values = {"slug": "writer", "name": "Writer", "members": encoded, "created_at": NOW, "updated_at": NOW, **fields}
    return Preset(id="pre_1", organisation_id="org", environment_id="env", **values)


def apply(
    request: dict[str, Any], members: dict[str, Any] | None = None, endpoint: str = "chat/completions", **fields: Any
) -> dict[str, Any]:
    merged: dict[str, Any] = json.loads(apply_preset(json.dumps(request).encode(), make(members, **fields), endpoint))
    return merged


def test_the_preset_says_what_the_request_does_not() -> None:
    preset = {"model": "openai/gpt-4o", "temperature": 0.2, "provider": {"sort": "price"}, "models": ["a/b"]}
    assert apply({"model": "@preset/writer", "messages": [USER], "temperature": 1}, preset) == {
        "model": "openai/gpt-4o",
        "messages": [USER],
        "temperature": 1,
        "provider": {"sort": "price"},
        "models": ["a/b"],
    }


@pytest.mark.parametrize(
    "request_",
    [
        {"model": "openai/o3@preset/writer"},
        {"model": "openai/o3", "preset": "writer"},
        {"model": "openai/o3", "preset": "@preset/writer"},
        {"preset": "writer", "model": "openai/o3@preset/writer"},
    ],
)
def test_the_requests_own_model_wins_and_the_preset_is_not_mentioned_any_more(request_: dict[str, Any]) -> None:
    assert apply({**request_, "messages": []}, {"model": "openai/gpt-4o", "top_p": 0.5}) == {
        "model": "openai/o3",
        "messages": [],
        "top_p": 0.5,
    }


def test_a_model_list_takes_the_place_of_a_model() -> None:
    assert apply({"model": "@preset/writer"}, {"models": ["a/b", "c/d"]}) == {"models": ["a/b", "c/d"]}
    assert apply({"preset": "writer", "models": ["a/b"]}, {"top_p": 1}) == {"models": ["a/b"], "top_p": 1}


def test_without_any_model_the_request_is_refused() -> None:
    with pytest.raises(ClientError) as caught:
        apply({"model": "@preset/writer"}, {"temperature": 1})
    assert (caught.value.code, caught.value.denied.param) == ("missing_parameter", "model")
    assert "vendor/name@preset/writer" in caught.value.denied.message


def test_the_merge_is_shallow_and_null_says_nothing() -> None:
    merged = apply(
        {"model": "a/b", "preset": "writer", "provider": {"order": ["x"]}, "temperature": None, "seed": None},
        {"provider": {"sort": "price"}, "temperature": 0.5},
    )
    assert merged == {"model": "a/b", "provider": {"order": ["x"]}, "temperature": 0.5, "seed": None}


@pytest.mark.parametrize(
    ("said", "preset"),
    [
        ({"max_completion_tokens": 5}, {"max_tokens": 9}),
        ({"max_tokens": 5}, {"max_completion_tokens": 9}),
        ({"reasoning_effort": "low"}, {"reasoning": {"effort": "high"}}),
    ],
)
def test_of_two_names_for_one_thing_the_requests_stands(said: dict[str, Any], preset: dict[str, Any]) -> None:
    assert apply({"model": "a/b", **said}, preset) == {"model": "a/b", **said}


def test_bytes_that_the_preset_does_not_touch_stay_as_they_were() -> None:
    text = b'{ "model" : "@preset/writer",\n "messages": [ {"role":"user","content":"\\u00e9"} ], "seed": 1.000, "x": 1234567890123456789 }'
    merged = apply_preset(text, make({"model": "a/b", "top_p": 0.10}))
    assert merged == (
        b'{ "model" : "a/b",\n "messages": [ {"role":"user","content":"\\u00e9"} ], "seed": 1.000, "x": 1234567890123456789 ,"top_p":0.1}'
    )


def test_of_a_repeated_member_the_last_counts() -> None:
    merged = apply_preset(b'{"model":"x/y","temperature":1,"model":"@preset/writer","temperature":2}', make({"model": "a/b"}))
    assert json.loads(merged) == {"model": "a/b", "temperature": 2}


def test_a_system_prompt_is_put_first_unless_the_request_has_its_own() -> None:
    preset: dict[str, Any] = {"members": {"model": "a/b"}, "system_prompt": 'Be "terse".\n'}
    ours = {"role": "system", "content": 'Be "terse".\n'}

    def messages(*given: Any) -> Any:
        return apply({"model": "@preset/writer", "messages": list(given)}, **preset)["messages"]

    assert messages(USER) == [ours, USER]
    assert messages() == [ours]
    for role in ("system", "developer"):
        own = {"role": role, "content": "Be long."}
        assert messages(own, USER) == [own, USER]
        assert messages(USER, own) == [USER, own]
    for odd in ("text", None, [5], [{"role": 5}]):
        assert apply({"model": "@preset/writer", "messages": odd}, **preset)["messages"] == odd


@pytest.mark.parametrize(
    ("endpoint", "member"), [("messages", "system"), ("messages/count_tokens", "system"), ("responses", "instructions")]
)
def test_other_formats_have_a_member_for_the_system_prompt(endpoint: str, member: str) -> None:
    preset: dict[str, Any] = {"members": {"model": "a/b"}, "system_prompt": "Be terse.", "endpoint": endpoint}
    assert apply({"model": "@preset/writer"}, **preset) == {"model": "a/b", member: "Be terse."}
    assert apply({"model": "@preset/writer", member: "Own."}, **preset) == {"model": "a/b", member: "Own."}
    assert apply({"model": "@preset/writer", member: None}, **preset) == {"model": "a/b", member: "Be terse."}


def test_what_is_written_in_one_format_is_used_in_another_where_that_has_a_word_for_it() -> None:
    chat = {"model": "a/b", "temperature": 1, "max_completion_tokens": 9, "stop": "END", "tools": [], "response_format": {}, "provider": {}}
    common = {"model": "a/b", "temperature": 1, "provider": {}}
    request = {"model": "@preset/writer"}
    assert apply(request, chat, "messages") == {**common, "max_tokens": 9, "stop_sequences": ["END"]}
    assert apply(request, chat, "responses") == {**common, "max_output_tokens": 9}
    assert apply(request, chat, "completions") == {**common, "max_tokens": 9, "stop": "END"}
    assert apply(request, chat, "embeddings") == {"model": "a/b", "provider": {}}
    anthropic = {"model": "a/b", "max_tokens": 9, "stop_sequences": ["END"], "top_k": 5, "thinking": {"type": "enabled"}}
    assert apply(request, anthropic, dialect="anthropic") == {"model": "a/b", "max_tokens": 9, "stop": ["END"], "top_k": 5}
    assert apply(request, anthropic, "messages", dialect="anthropic") == anthropic
    assert apply(request | {"max_tokens": 1}, chat, "messages") == {**common, "max_tokens": 1, "stop_sequences": ["END"]}


def function(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **more}}


def test_tools_of_both_are_joined_and_the_requests_replace_those_of_the_same_identity() -> None:
    search, odd = {"type": "web_search", "parameters": {"depth": 1}}, {"type": "agent", "parameters": {"name": "one"}}
    merged = apply(
        {"model": "a/b", "tools": [function("new"), function("same", strict=True), {"type": "agent", "parameters": {"name": "two"}}, 5]},
        {"tools": [function("old"), function("same"), search, odd]},
    )
    assert merged["tools"] == [
        function("old"),
        function("same", strict=True),
        search,
        odd,
        function("new"),
        {"type": "agent", "parameters": {"name": "two"}},
        5,
    ]
    named = {"name": "same", "input_schema": {}}
    flat = apply({"model": "a/b", "tools": [named]}, {"tools": [{"name": "same"}, {"name": "old"}]}, "messages", dialect="anthropic")
    assert flat["tools"] == [named, {"name": "old"}]
    assert apply({"model": "a/b"}, {"tools": [search]})["tools"] == [search]
    assert apply({"model": "a/b", "tools": "odd"}, {"tools": [search]})["tools"] == "odd"


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b'{"model":', b'{"model":"\xff"}'])
def test_what_is_no_object_is_refused(text: bytes) -> None:
    with pytest.raises(NotJson):
        apply_preset(text, make({"model": "a/b"}))


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"model": "openai/gpt-4o"}, None),
        ({"model": "openai/gpt-4o", "preset": None}, None),
        ({}, None),
        ({"model": 5}, None),
        ({"model": "@preset/writer"}, ("writer", "model")),
        ({"model": "a/b@preset/writer", "preset": "writer"}, ("writer", "model")),
        ({"model": "a/b", "preset": "writer"}, ("writer", "preset")),
        ({"model": "a/b", "preset": "@preset/writer"}, ("writer", "preset")),
    ],
)
def test_a_request_asks_for_a_preset_in_three_ways(request_: dict[str, Any], expected: Any) -> None:
    assert read_preset(Members(json.dumps(request_).encode())) == expected


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        ({"model": "@preset/a", "preset": "b"}, "preset"),
        ({"preset": 5}, "preset"),
        ({"preset": {"slug": "a"}}, "preset"),
        ({"preset": ""}, "preset"),
        ({"model": "@preset/"}, "model"),
        ({"model": "@preset/Two Words"}, "model"),
        ({"model": "@preset/a@preset/b"}, "model"),
        ({"model": f"@preset/{'a' * 65}"}, "model"),
    ],
)
def test_what_cannot_be_a_preset_is_refused(request_: dict[str, Any], param: str) -> None:
    with pytest.raises(ClientError) as caught:
        read_preset(Members(json.dumps(request_).encode()))
    assert (caught.value.code, caught.value.denied.param) == ("invalid_parameter", param)


def test_presets_are_found_in_their_environment_only() -> None:
    preset = make()
    table = PresetTable([preset])
    assert table.find("env", "writer") is preset
    assert table.find("other", "writer") is None
    assert table.find("env", "Writer") is None
    assert no_such_preset("x", "model").http_status == 404
    assert split_preset("a/b") == ("a/b", None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=4
)
NAMES = st.sampled_from(["model", "messages", "temperature", "tools", "max_tokens", "stop", "provider", "x", "system"])


@given(
    request=st.dictionaries(NAMES, JSON, max_size=5),
    members=st.dictionaries(NAMES, JSON.filter(lambda value: value is not None), max_size=5),
    prompt=st.none() | st.text(max_size=5),
    endpoint=st.sampled_from(["chat/completions", "completions", "embeddings", "messages", "responses"]),
    dialect=st.sampled_from(["openai", "anthropic", "responses"]),
)
def test_whatever_the_two_say_the_request_wins(
    request: dict[str, Any], members: dict[str, Any], prompt: str | None, endpoint: str, dialect: str
) -> None:
    merged = apply({**request, "model": "a/b"}, members, endpoint, system_prompt=prompt, dialect=dialect)
    assert merged["model"] == "a/b"
    for name, value in request.items():
        if value is not None and name not in {"model", "messages", "tools"}:
            assert merged[name] == value
    assert merged.keys() >= request.keys()
