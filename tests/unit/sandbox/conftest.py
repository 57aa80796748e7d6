"""One request to the sandbox without its sockets."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from botocore.eventstream import EventStreamBuffer

from anyrouter.sandbox.reply import Reply, Stamp
from anyrouter.sandbox.request import Request
from anyrouter.sandbox.service import answer

HEADERS = {"authorization": "Bearer sk-MARKER", "anthropic-version": "2023-06-01"}


class Asked:
    """A reply, read to its end."""

    def __init__(self, reply: Reply) -> None:
        self.reply, self.status = reply, reply.status
        self.headers = dict(reply.headers)
        self.parts = [reply.body] if isinstance(reply.body, bytes) else list(reply.body)
        self.body = b"".join(self.parts)

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def data(self) -> list[Any]:
        """The decoded data of every event but [DONE]."""
        lines = [line.removeprefix(b"data: ") for line in self.body.split(b"\n") if line.startswith(b"data: ")]
        return [msgspec.json.decode(line) for line in lines if line != b"[DONE]"]

    @property
    def messages(self) -> list[tuple[str, Any]]:
        """The kind and the decoded payload of every message of a binary event stream."""
        buffer = EventStreamBuffer()
        buffer.add_data(self.body)
        kinds = (":event-type", ":exception-type")
        return [
            (next(event.headers[kind] for kind in kinds if kind in event.headers), msgspec.json.decode(event.payload)) for event in buffer
        ]


Ask = Callable[..., Asked]


@pytest.fixture
def ask() -> Ask:
    """`ask(path, **members)`; `content` sends other bytes, `headers` and `method` replace what is usual."""

    def ask(
        path: str, *, content: bytes | None = None, headers: dict[str, str] | None = None, method: str = "POST", **members: Any
    ) -> Asked:
        body = msgspec.json.encode(members) if content is None else content
        request = Request(method=method, target=path, headers=HEADERS if headers is None else headers, body=body)
        return Asked(answer(request, Stamp(serial=7, now_s=1_700_000_000)))

    return ask


@pytest.fixture
def chat(ask: Ask) -> Ask:
    """A chat completion with a default model and one message, "Hello there"."""

    def chat(**members: Any) -> Asked:
        return ask("/v1/chat/completions", **({"model": "m", "messages": [{"role": "user", "content": "Hello there"}]} | members))

    return chat


@pytest.fixture
def message(ask: Ask) -> Ask:
    """An Anthropic message with a default model, limit and one message, "Hello there"."""

    def message(**members: Any) -> Asked:
        usual = {"model": "m", "max_tokens": 1000, "messages": [{"role": "user", "content": "Hello there"}]}
        return ask("/v1/messages", **(usual | members))

    return message


@pytest.fixture
def respond(ask: Ask) -> Ask:
    """A response of OpenAI's Responses API, to "Hello there"."""

    def respond(**members: Any) -> Asked:
        return ask("/v1/responses", **({"model": "m", "input": "Hello there"} | members))

    return respond


@pytest.fixture
def generate(ask: Ask) -> Ask:
    """A Gemini generateContent with one content, "Hello there"; `model` and `method` are of the path."""

    def generate(*, model: str = "m", method: str = "generateContent", **members: Any) -> Asked:
        usual = {"contents": [{"role": "user", "parts": [{"text": "Hello there"}]}]}
        return ask(f"/v1beta/models/{model}:{method}", **(usual | members))

    return generate


@pytest.fixture
def converse(ask: Ask) -> Ask:
    """A Bedrock Converse with one message, "Hello there"; `model` and `method` are of the path."""

    def converse(*, model: str = "m", method: str = "converse", **members: Any) -> Asked:
        usual = {"messages": [{"role": "user", "content": [{"text": "Hello there"}]}]}
        return ask(f"/model/{model}/{method}", **(usual | members))

    return converse
