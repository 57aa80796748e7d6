"""Bodies made fit for a provider."""

import json
from datetime import date
from typing import Any

import pytest

from anyrouter.core.provider import Effect, Format, Provider, Quirk, Source
from anyrouter.providers.adaptation import adapt_body, select_quirks
from anyrouter.providers.registry import PROVIDERS
from anyrouter.wire.form.warnings import Warnings

SOURCE = Source(page="https://example.com", checked=date(2026, 11, 24))


def make_provider(*quirks: Quirk, row: Format | None = None, is_asking_usage: bool = True) -> Provider:
    return Provider(
        id="x",
        name="X",
        dialect="openai",
        base_url="",
        vendors=(),
        paths={},
        formats={"openai": row or Format(path="/chat/completions")},
        quirks=quirks,
        is_asking_usage=is_asking_usage,
    )


def adapt(body: str | dict[str, Any], provider: Provider, *, model: str = "m", dialect: str = "openai") -> tuple[str, list[str]]:
    """The body that is sent, and the warnings' params."""
    text = body if isinstance(body, str) else json.dumps(body)
    warnings = Warnings()
    sent = adapt_body(text.encode(), provider, dialect, model, warnings).decode()
    return sent, [str(warning.param) for warning in warnings.found.values()]


def test_a_body_without_anything_that_concerns_the_provider_is_the_same_bytes() -> None:
    body = '{ "model":"m" ,"messages":[{"role":"user","content":"\\u00e9"}], "temperature":1.0 }'
    for provider in PROVIDERS.values():
        if "openai" in provider.formats:
            assert adapt(body, provider) == (body, [])


def test_what_is_unsupported_is_left_out_and_told() -> None:
    sent, told = adapt('{"model":"m","logprobs":true,"seed":1}', PROVIDERS["groq"])
    assert (sent, told) == ('{"model":"m","seed":1}', ["logprobs"])


def test_a_null_that_says_nothing_is_left_out_and_not_told() -> None:
    assert adapt('{"model":"m","logprobs":null,"n":null}', PROVIDERS["groq"]) == ('{"model":"m","n":null}', [])


def test_what_is_renamed_keeps_its_value_and_is_not_told() -> None:
    assert adapt('{"seed":7,"model":"m"}', PROVIDERS["mistral"]) == ('{"model":"m","random_seed":7}', [])
    assert adapt('{"max_completion_tokens":5,"max_tokens":null}', PROVIDERS["deepseek"]) == ('{"max_tokens":5}', [])


def test_of_two_names_for_one_thing_the_providers_own_counts() -> None:
    assert adapt('{"model":"m","max_completion_tokens":5,"max_tokens":6}', PROVIDERS["deepseek"])[0] == '{"model":"m","max_tokens":6}'


def test_what_is_restricted_to_words_is_left_out_when_it_is_an_object() -> None:
    provider = make_provider(Quirk(members=("tool_choice",), effect=Effect.RESTRICTED, values=("auto",), source=SOURCE))
    choice = {"type": "function", "function": {"name": "auto"}}
    assert adapt({"model": "m", "tool_choice": choice}, provider) == ('{"model": "m"}', ["tool_choice"])
    assert adapt({"tool_choice": "auto"}, provider)[1] == []


@pytest.mark.parametrize(
    ("value", "is_kept"),
    [("1", True), ("2", False), ('"1"', True), ("1.5", False), ("[]", False), ("true", False), ("null", True)],
)
def test_what_is_restricted_stays_with_the_values_that_are_taken(value: str, is_kept: bool) -> None:
    sent, told = adapt(f'{{"model":"m","n":{value}}}', PROVIDERS["groq"])
    assert sent == (f'{{"model":"m","n":{value}}}' if is_kept else '{"model":"m"}')
    assert told == ([] if is_kept else ["n"])


def test_an_object_is_left_out_whole_when_its_kind_is_not_taken() -> None:
    body = {"model": "m", "response_format": {"type": "json_schema", "json_schema": {"name": "a"}}}
    assert adapt(body, PROVIDERS["deepseek"]) == ('{"model": "m"}', ["response_format"])
    for kind in ("json_object", "text"):
        assert adapt({"response_format": {"type": kind}}, PROVIDERS["deepseek"])[1] == []
    for broken in ('"json_schema"', "[]", "{}", "null", '{"type":null}'):
        text = f'{{"response_format":{broken}}}'
        assert adapt(text, PROVIDERS["deepseek"]) == (text, [])


def test_a_single_value_that_is_not_taken_is_left_out_and_others_stay() -> None:
    assert adapt('{"model":"m","tool_choice":"required"}', PROVIDERS["moonshotai"]) == ('{"model":"m"}', ["tool_choice"])
    for kept in ('"auto"', '"none"', '{"type":"function","function":{"name":"required"}}', "null"):
        text = f'{{"tool_choice":{kept}}}'
        assert adapt(text, PROVIDERS["moonshotai"])[1] == []


def test_a_role_that_is_not_known_is_sent_as_the_one_that_is() -> None:
    body = {"messages": [{"role": "developer", "content": 'say "developer"'}, {"role": "user", "content": "hi", "x": 1.50}]}
    sent, told = adapt(body, PROVIDERS["mistral"])
    assert json.loads(sent)["messages"] == [{"role": "system", "content": 'say "developer"'}, {"role": "user", "content": "hi", "x": 1.5}]
    assert told == []


def test_messages_that_only_speak_of_the_role_stay_the_same_bytes() -> None:
    body = '{"messages": [ {"role": "user", "content": "\\"developer\\"", "more": {"k": "developer"}} ]}'
    assert adapt(body, PROVIDERS["mistral"]) == (body, [])


def test_a_member_of_each_message_is_left_out_and_told_once() -> None:
    body = {"messages": [{"role": "user", "name": "a", "content": "x"}, {"role": "user", "name": "b", "content": "y"}]}
    sent, told = adapt(body, PROVIDERS["groq"])
    assert json.loads(sent) == {"messages": [{"role": "user", "content": "x"}, {"role": "user", "content": "y"}]}
    assert told == ["messages[].name"]


def test_the_name_of_a_function_within_a_message_is_not_the_messages() -> None:
    call = {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}
    body = json.dumps({"messages": [call]})
    assert adapt(body, PROVIDERS["groq"]) == (body, [])


@pytest.mark.parametrize("messages", ['"name"', '{"name":"developer"}', '[["name","developer"]]', '["developer"]', "[]", "null", "1"])
def test_messages_of_another_shape_are_the_providers_to_judge(messages: str) -> None:
    text = f'{{"messages":{messages}}}'
    assert adapt(text, PROVIDERS["groq"]) == (text, [])
    assert adapt(text, PROVIDERS["mistral"]) == (text, [])


def test_of_a_member_written_twice_the_last_is_judged_and_the_only_one_sent() -> None:
    sent, told = adapt('{"n":1,"model":"m","n":3}', PROVIDERS["groq"])
    assert json.loads(sent) == {"model": "m"}
    assert told == ["n"]


def test_usage_is_not_asked_for_where_it_comes_unasked() -> None:
    body = {"stream": True, "stream_options": {"include_usage": True}}
    assert adapt(body, PROVIDERS["mistral"]) == ('{"stream": true}', [])


def test_a_quirk_of_some_models_leaves_the_others_alone() -> None:
    body = {"model": "m", "stop": ["x"]}
    assert adapt(body, PROVIDERS["x-ai"], model="grok-4.7")[1] == ["stop"]
    assert adapt(body, PROVIDERS["x-ai"], model="grok-4.20-non-reasoning")[1] == []
    assert adapt(body, PROVIDERS["x-ai"], model="grok-3")[1] == []
    assert "max_completion_tokens" in adapt({"max_tokens": 5}, PROVIDERS["openai"], model="o3-mini")[0]
    assert "max_completion_tokens" not in adapt({"max_tokens": 5}, PROVIDERS["openai"], model="gpt-4o")[0]


def test_a_quirk_of_one_format_leaves_the_others_alone() -> None:
    assert select_quirks(PROVIDERS["deepseek"], "anthropic", "deepseek-chat") == ()
    body = '{"model":"m","max_completion_tokens":5}'
    assert adapt(body, PROVIDERS["deepseek"], dialect="anthropic") == (body, [])


def test_claude_on_vertex_has_its_version_in_the_body_and_its_model_in_the_path() -> None:
    sent, told = adapt('{"model":"c","messages":[],"stream":true}', PROVIDERS["google-vertex-anthropic"], dialect="anthropic")
    assert json.loads(sent) == {"messages": [], "stream": True, "anthropic_version": "vertex-2023-10-16"}
    assert told == []
    sent, _ = adapt('{"anthropic_version":"other"}', PROVIDERS["google-vertex-anthropic"], dialect="anthropic")
    assert sent == '{"anthropic_version":"vertex-2023-10-16"}'


def test_quirks_apply_one_after_the_other() -> None:
    provider = make_provider(
        Quirk(members=("a",), effect=Effect.RENAMED, to="b", source=SOURCE),
        Quirk(members=("b",), effect=Effect.RENAMED, to="c", source=SOURCE),
        Quirk(members=("d",), effect=Effect.UNSUPPORTED, source=SOURCE),
    )
    assert adapt('{"a":1,"d":2}', provider) == ('{"c":1}', ["d"])


def test_a_warning_says_what_is_taken_and_repeats_nothing_of_the_request() -> None:
    warnings = Warnings()
    adapt_body(b'{"n":"MARKER","logprobs":"MARKER"}', PROVIDERS["groq"], "openai", "m", warnings)
    assert {warning.message for warning in warnings.found.values()} == {
        "n was left out: the model's provider takes 1 only.",
        "logprobs was left out: the model's provider does not take it.",
    }
