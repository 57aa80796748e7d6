"""An upstream that reports an error inside of a stream: the client hears what it said, whichever two formats it passes between."""

import dataclasses
import json
from typing import Any

import pytest
from msgspec.structs import replace

from anyrouter.providers.registry import PROVIDERS
from anyrouter.sandbox.bedrock.event_stream import encode_message

SECRET = "sk-MARKER-a"
MESSAGES = [{"role": "user", "content": "hi"}]
BODIES: dict[str, dict[str, Any]] = {
    "chat/completions": {"model": "v/m", "messages": MESSAGES, "stream": True},
    "messages": {"model": "v/m", "max_tokens": 9, "messages": MESSAGES, "stream": True},
    "responses": {"model": "v/m", "input": "hi", "stream": True},
    "streamGenerateContent": {"contents": [{"parts": [{"text": "hi"}]}]},
}


def data(value: Any) -> bytes:
    return b"data: %s\n\n" % json.dumps(value).encode()


def named(value: dict[str, Any]) -> bytes:
    return b"event: %s\n%s" % (value["type"].encode(), data(value))


def frame(kind: str, headers: dict[str, str], **members: Any) -> bytes:
    return encode_message({":message-type": kind, **headers}, json.dumps(members).encode())


RESPONSE = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "in_progress", "output": []}
TEXT = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
ITEM = {"type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress", "content": []}
BEGUN = {
    "openai": data({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}}]}),
    "anthropic": named(
        {"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}}
    )
    + named({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    + named({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}}),
    "responses": named({"type": "response.created", "response": RESPONSE, "sequence_number": 0})
    + named({"type": "response.output_item.added", "output_index": 0, "item": ITEM, "sequence_number": 1})
    + named(
        {
            "type": "response.content_part.added",
            **TEXT,
            "part": {"type": "output_text", "text": "", "annotations": []},
            "sequence_number": 2,
        }
    )
    + named({"type": "response.output_text.delta", **TEXT, "delta": "Hel", "sequence_number": 3}),
    "gemini": data({"candidates": [{"content": {"role": "model", "parts": [{"text": "Hel"}]}}], "responseId": "r"}),
    "bedrock": frame("event", {":event-type": "messageStart"}, role="assistant")
    + frame("event", {":event-type": "contentBlockDelta"}, contentBlockIndex=0, delta={"text": "Hel"}),
}
SAID = f"It broke, {SECRET}"
ERRORS: dict[str, dict[str, bytes]] = {
    "openai": {
        "upstream_error": data({"error": {"message": SAID, "type": "server_error", "code": None}}),
        "upstream_rate_limited": data(
            {"error": {"message": SAID, "code": 429}, "choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}
        ),
        "overloaded": data({"error": {"message": SAID, "type": "server_error", "code": "server_is_overloaded"}}),
    },
    "anthropic": {
        "upstream_error": named({"type": "error", "error": {"type": "api_error", "message": SAID}}),
        "upstream_rate_limited": named({"type": "error", "error": {"type": "rate_limit_error", "message": SAID}}),
        "overloaded": named({"type": "error", "error": {"type": "overloaded_error", "message": SAID}}),
    },
    "responses": {
        "upstream_error": named({"type": "response.failed", "response": {**RESPONSE, "error": {"code": "server_error", "message": SAID}}}),
        "upstream_rate_limited": named({"type": "error", "code": "rate_limit_exceeded", "message": SAID, "param": None}),
        "overloaded": named({"type": "error", "error": {"type": "service_unavailable_error", "message": SAID}}),
    },
    "gemini": {
        "upstream_error": data({"error": {"code": 500, "message": SAID, "status": "INTERNAL"}}),
        "upstream_rate_limited": data({"error": {"code": 429, "message": SAID, "status": "RESOURCE_EXHAUSTED"}}),
        "overloaded": data({"error": {"code": 503, "message": SAID, "status": "UNAVAILABLE"}}),
    },
    "bedrock": {
        "upstream_error": frame("exception", {":exception-type": "internalServerException"}, message=SAID),
        "upstream_rate_limited": frame("exception", {":exception-type": "throttlingException"}, message=SAID),
        "overloaded": frame("exception", {":exception-type": "serviceUnavailableException"}, message=SAID),
    },
}
GEMINI = dataclasses.replace(PROVIDERS["google"], formats={"gemini": PROVIDERS["google"].formats["gemini"]}, paths={})
UPSTREAMS = {"openai": "openai", "anthropic": "anthropic", "responses": "openai", "gemini": "google", "bedrock": "aws"}
KINDS = ("upstream_error", "upstream_rate_limited", "overloaded")
PAIRS = [(client, upstream) for client in BODIES for upstream in BEGUN if upstream != "responses" or client == "responses"]
PAIRS = [pair for pair in PAIRS if pair != ("responses", "openai")]  # asked in its own format there
GOOGLE_STATUSES = {"upstream_error": "UNAVAILABLE", "upstream_rate_limited": "RESOURCE_EXHAUSTED", "overloaded": "UNAVAILABLE"}
ANTHROPIC_TYPES = {"upstream_error": "api_error", "upstream_rate_limited": "rate_limit_error", "overloaded": "overloaded_error"}


async def ask(world, endpoint: str):
    head = world.head(endpoint)
    if endpoint == "streamGenerateContent":
        head = replace(head, model="v/m")
    verdict = world.relay.authorize(head) or await world.relay.find(head)
    downstream = world.new_downstream()
    await world.run(head, verdict, json.dumps(BODIES[endpoint]).encode(), downstream)
    return downstream


def find_error(body: bytes) -> dict[str, Any]:
    """What the one event says that reports an error."""
    lines = [line[5:] for line in body.splitlines() if line.startswith(b"data:")]
    [error] = [event["error"] for event in map(json.loads, lines) if event.get("error")]
    return error


@pytest.mark.parametrize("code", KINDS)
@pytest.mark.parametrize(("endpoint", "upstream"), PAIRS)
async def test_the_client_and_the_ledger_hear_what_the_upstream_said(make_world, make_upstream, stream_reply, *, endpoint, upstream, code):
    provider = UPSTREAMS[upstream]
    name = PROVIDERS[provider].name
    asked = make_upstream("a", provider, models={"v/m": "m"})
    world = make_world([dataclasses.replace(asked, provider=GEMINI) if upstream == "gemini" else asked])
    exchange = stream_reply(BEGUN[upstream], ERRORS[upstream][code])
    if upstream == "bedrock":
        exchange.headers = [(b"content-type", b"application/vnd.amazon.eventstream")]
    world.client.replies = [exchange]
    reply = await ask(world, endpoint)
    assert reply.status == 200, reply.body
    assert b"Hel" in reply.body
    assert b"MARKER" not in reply.body
    error = find_error(reply.body)
    assert error["message"].endswith("It broke, [redacted]")
    assert name in error["message"]
    if endpoint == "streamGenerateContent":
        assert (error["status"], error["details"][0]["reason"]) == (GOOGLE_STATUSES[code], code.upper())
        metadata = error["details"][-1]["value"]
    else:
        assert error["code"] == code
        metadata = error["metadata"]
    assert metadata["provider_name"] == name
    assert "It broke" in metadata["raw"]
    assert [attempt["upstream"] for attempt in metadata["attempts"]] == ["a"]
    if endpoint == "messages":
        assert error["type"] == ANTHROPIC_TYPES[code]
    [entry] = world.ledger.entries
    assert (entry.error_code, [attempt.error for attempt in entry.attempts]) == (code, [code])
