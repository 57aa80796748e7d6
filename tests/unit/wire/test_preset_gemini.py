"""A preset under a request of Gemini's, which has its model in the path and its settings in `generationConfig`."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from anyrouter.core.errors import ClientError
from anyrouter.core.preset import Preset
from anyrouter.wire.gemini import read_request
from anyrouter.wire.members import Members
from anyrouter.wire.preset import apply_preset, read_preset

NOW = datetime(2026, 11, 24, tzinfo=UTC)
CONTENTS = [{"parts": [{"text": "Hi"}]}]
HERE = {"contents": CONTENTS}


def make(members: dict[str, Any], **fields: Any) -> Preset:
    encoded = {name: json.dumps(value).encode() for name, value in members.items()}
    values = {"slug": "writer", "name": "Writer", "members": encoded, "created_at": NOW, "updated_at": NOW, **fields}
    return Preset(id="pre_1", organisation_id="org", environment_id="env", **values)


def apply(
    request: dict[str, Any], members: dict[str, Any], model: str | None = "@preset/writer", endpoint: str = "generateContent", **fields: Any
) -> dict[str, Any]:
    merged: dict[str, Any] = json.loads(apply_preset(json.dumps(request).encode(), make(members, **fields), endpoint, model))
    return merged


@pytest.mark.parametrize(
    ("model", "members", "asked"),
    [
        ("@preset/writer", {}, ("writer", "model")),
        ("google/gemini-2.5-flash@preset/writer", {}, ("writer", "model")),
        ("google/gemini-2.5-flash", {"preset": "writer"}, ("writer", "preset")),
        ("google/gemini-2.5-flash", {"model": "@preset/other"}, None),
        ("google/gemini-2.5-flash", {"model": "@preset/other", "preset": "writer"}, ("writer", "preset")),
    ],
)
def test_it_is_asked_for_in_the_path_or_in_the_body(model: str, members: dict[str, Any], asked: tuple[str, str] | None) -> None:
    assert read_preset(Members(json.dumps({**HERE, **members}).encode()), model) == asked


def test_a_path_and_a_body_that_name_two_are_refused() -> None:
    with pytest.raises(ClientError) as caught:
        read_preset(Members(b'{"contents":[],"preset":"one"}'), "@preset/two")
    assert (caught.value.code, caught.value.denied.param) == ("invalid_parameter", "preset")


@pytest.mark.parametrize("endpoint", ["generateContent", "streamGenerateContent"])
def test_the_model_is_the_path_s_else_the_preset_s(endpoint: str) -> None:
    preset = {"model": "google/gemini-2.5-flash"}
    for path, expected in (("@preset/writer", "google/gemini-2.5-flash"), ("openai/gpt-4o@preset/writer", "openai/gpt-4o")):
        merged = apply({**HERE, "model": "not/asked", "preset": "writer"}, preset, path, endpoint)
        assert merged == {**HERE, "model": expected}
        request = read_request(endpoint, json.dumps(merged).encode())
        assert (request.model, request.is_streamed) == (expected, endpoint == "streamGenerateContent")
    assert apply({**HERE, "model": "not/asked"}, {"models": ["a/b", "c/d"]}) == {**HERE, "models": ["a/b", "c/d"]}
    with pytest.raises(ClientError, match="has no model"):
        apply({**HERE, "model": "not/asked"}, {"temperature": 1})


def test_what_other_formats_have_at_the_top_level_stands_in_the_configuration() -> None:
    preset = {
        "model": "a/b",
        "temperature": 0.2,
        "top_p": 0.5,
        "top_k": 4,
        "max_completion_tokens": 9,
        "stop": "END",
        "seed": 1,
        "models": ["c/d"],
    }
    config = {"temperature": 0.2, "topP": 0.5, "topK": 4, "maxOutputTokens": 9, "stopSequences": ["END"]}
    assert apply(HERE, preset) == {**HERE, "model": "a/b", "models": ["c/d"], "generationConfig": config}
    anthropic = {"model": "a/b", "stop_sequences": ["END"], "thinking": {"type": "enabled"}}
    assert apply(HERE, anthropic, dialect="anthropic") == {**HERE, "model": "a/b", "generationConfig": {"stopSequences": ["END"]}}


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (
            {"generationConfig": {"temperature": 1.5, "maxOutputTokens": 5}},
            {"generationConfig": {"temperature": 1.5, "maxOutputTokens": 5, "topP": 0.5}},
        ),
        (
            {"generation_config": {"max_output_tokens": 5, "top_p": None}},
            {"generation_config": {"max_output_tokens": 5, "top_p": None, "temperature": 0.2, "topP": 0.5}},
        ),
        ({"generationConfig": {"topP": None}}, {"generationConfig": {"topP": 0.5, "temperature": 0.2, "maxOutputTokens": 9}}),
        ({"generationConfig": {}}, {"generationConfig": {"temperature": 0.2, "maxOutputTokens": 9, "topP": 0.5}}),
        ({"generationConfig": "odd"}, {"generationConfig": "odd"}),
    ],
)
def test_the_configuration_is_merged_member_by_member_in_either_spelling(own: dict[str, Any], expected: dict[str, Any]) -> None:
    preset = {"temperature": 0.2, "max_tokens": 9, "top_p": 0.5}
    assert apply({**HERE, **own}, preset, "a/b@preset/writer") == {**HERE, **expected, "model": "a/b"}


def test_a_request_with_a_schema_does_not_get_another_one() -> None:
    preset = {"generationConfig": {"responseJsonSchema": {"type": "object"}, "responseMimeType": "application/json"}}
    own = {"generationConfig": {"response_schema": {"type": "STRING"}}}
    merged = apply({**HERE, **own}, preset, "a/b@preset/writer", dialect="gemini")
    assert merged["generationConfig"] == {"response_schema": {"type": "STRING"}, "responseMimeType": "application/json"}


def test_a_system_prompt_is_an_instruction_unless_the_request_has_its_own() -> None:
    ours = {"parts": [{"text": 'Be "terse".\n'}]}
    preset: dict[str, Any] = {"members": {"model": "a/b"}, "system_prompt": 'Be "terse".\n'}
    assert apply(HERE, **preset)["systemInstruction"] == ours
    for name in ("systemInstruction", "system_instruction"):
        own = {name: {"parts": [{"text": "Be long."}]}}
        assert apply({**HERE, **own}, **preset) == {**HERE, **own, "model": "a/b"}


def test_a_preset_in_gemini_s_words_is_used_whole_here_and_in_part_elsewhere() -> None:
    members = {
        "model": "a/b",
        "safety_settings": [{"category": "X"}],
        "generation_config": {"temperature": 1, "top_k": 3, "maxOutputTokens": 9, "stopSequences": ["END"], "thinkingConfig": {}},
    }
    assert apply(HERE, members, dialect="gemini") == {
        **HERE,
        "model": "a/b",
        "safetySettings": [{"category": "X"}],
        "generationConfig": members["generation_config"],
    }
    common = {"model": "a/b", "temperature": 1, "top_k": 3, "max_tokens": 9}
    request = {"model": "@preset/writer"}
    assert apply(request, members, None, "chat/completions", dialect="gemini") == {**common, "stop": ["END"]}
    assert apply(request, members, None, "messages", dialect="gemini") == {**common, "stop_sequences": ["END"]}
    assert apply(request, members, None, "embeddings", dialect="gemini") == {"model": "a/b"}


def test_tools_of_both_are_joined_and_no_function_or_kind_of_tool_is_there_twice() -> None:
    preset = {
        "tools": [
            {"functionDeclarations": [{"name": "same"}, {"name": "old"}]},
            {"googleSearch": {}},
            {"function_declarations": [{"name": "same"}]},
        ]
    }
    own = [{"function_declarations": {"name": "same", "description": "mine"}}, {"google_search": {"exclude": []}}, {"codeExecution": {}}]
    merged = apply({**HERE, "tools": own}, preset, "a/b@preset/writer", dialect="gemini")
    assert merged["tools"] == [
        {"functionDeclarations": [{"name": "old"}]},
        {"functionDeclarations": {"name": "same", "description": "mine"}},
        {"googleSearch": {"exclude": []}},
        {"codeExecution": {}},
    ]
    assert apply({**HERE, "tools": "odd"}, preset, "a/b@preset/writer", dialect="gemini")["tools"] == "odd"
    assert apply({**HERE, "tools": [5]}, preset, "a/b@preset/writer", dialect="gemini")["tools"] == [5]
