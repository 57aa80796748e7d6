"""What a tool answered, written in escapes by the client: in letters for who reads it as text, from every client's format."""

import json
from typing import Any

import pytest

from anyrouter.wire.dialect import DIALECTS
from anyrouter.wire.translation.codec import UpstreamModel
from anyrouter.wire.translation.translation import decode_request

ESCAPED = json.dumps({"city": "München 😀", "id": 7})
LIST = json.dumps(["München 😀"])


def openai(answer: str) -> dict[str, Any]:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [call]}]
    return {"model": "m", "messages": [*messages, {"role": "tool", "tool_call_id": "a", "content": answer}]}


def anthropic(answer: str) -> dict[str, Any]:
    call = {"type": "tool_use", "id": "a", "name": "f", "input": {"city": "Köln"}}
    result = {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": answer}]}
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    return {"model": "m", "max_tokens": 5, "messages": messages}


def responses(answer: str) -> dict[str, Any]:
    call = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
    return {
        "model": "m",
        "input": [{"role": "user", "content": "x"}, call, {"type": "function_call_output", "call_id": "a", "output": answer}],
    }


def gemini(response: Any) -> dict[str, Any]:
    call = {"functionCall": {"id": "a", "name": "f", "args": {"city": "Köln"}}}
    answer = {"functionResponse": {"id": "a", "name": "f", "response": response}}
    contents = [{"role": "user", "parts": [{"text": "x"}]}, {"role": "model", "parts": [call]}, {"role": "user", "parts": [answer]}]
    return {"model": "m", "contents": contents}


def translate(client: str, body: dict[str, Any], upstream: str) -> dict[str, Any]:
    endpoint = {"openai": "chat/completions", "anthropic": "messages", "responses": "responses", "gemini": "generateContent"}[client]
    request = DIALECTS[client].read_request(endpoint, json.dumps(body).encode())
    translation = decode_request(client, request).encode_for(upstream, UpstreamModel(name="up"), created_s=0)
    sent: dict[str, Any] = json.loads(translation.encoded.body)
    return sent


@pytest.mark.parametrize("client", [openai, anthropic, responses])
@pytest.mark.parametrize(
    ("answer", "response"),
    [(ESCAPED, {"city": "München 😀", "id": 7}), (LIST, {"output": '["München 😀"]'}), ("München", {"output": "München"})],
)
def test_gemini_is_told_letters(client: Any, answer: str, response: dict[str, Any]) -> None:
    sent = translate(client.__name__, client(answer), "gemini")
    assert sent["contents"][-1]["parts"][0]["functionResponse"]["response"] == response


def test_what_gemini_s_clients_say_is_told_to_others_in_letters() -> None:
    *_, call, answer = translate("gemini", gemini({"city": "München 😀"}), "openai")["messages"]
    assert call["tool_calls"][0]["function"]["arguments"] == '{"city":"Köln"}'
    assert answer["content"] == '{"city":"München 😀"}'


def test_arguments_of_anthropic_s_clients_are_told_in_letters() -> None:
    call = translate("anthropic", anthropic("x"), "openai")["messages"][1]
    assert call["tool_calls"][0]["function"]["arguments"] == '{"city": "Köln"}'
