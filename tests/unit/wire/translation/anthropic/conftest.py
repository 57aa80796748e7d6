"""What the tests of the Messages API's translation share: both ways of a request, and the official SDK reading what we write."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anthropic
import httpx2
import msgspec
import pytest

from anyrouter.wire.form.request import Message, Request
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.reply import Naming
from anyrouter.wire.translation.anthropic.request_decoder import decode_request
from anyrouter.wire.translation.anthropic.request_encoder import encode_request
from anyrouter.wire.translation.codec import ClientRequest, ReplyContext, UpstreamModel

NAMING = Naming(b'"gen-0123456789ab0123456789abcdef0123"', b'"vendor/model"', b'"Provider"')


@dataclass
class Encoded:
    """A body for the upstream, and which params were warned of."""

    body: dict[str, Any]
    warned: dict[str | None, str]


Encode = Callable[..., Encoded]
Decode = Callable[..., tuple[Request, dict[str | None, str]]]


@pytest.fixture
def encode() -> Encode:
    """Encode messages and members of the form for a model, a Claude's or not."""

    def run(messages: list[Message], model: str = "some-model", *, upstream: UpstreamModel | None = None, **members: Any) -> Encoded:
        request = Request(**{"dialect": "openai", "model": "m", "messages": messages, **members})
        warnings = Warnings()
        body = encode_request(request, upstream or UpstreamModel(name=model), warnings).body
        return Encoded(json.loads(body), {found.param: found.code for found in warnings.found.values()})

    return run


@pytest.fixture
def decode() -> Decode:
    """Decode the members of a body."""

    def run(**members: Any) -> tuple[Request, dict[str | None, str]]:
        told = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}], **members}
        warnings = Warnings()
        values = {name: msgspec.Raw(json.dumps(value).encode()) for name, value in told.items()}
        request = decode_request(ClientRequest(values=values, model="m", is_streamed=False), warnings)
        return request, {found.param: found.code for found in warnings.found.values()}

    return run


@pytest.fixture
def context() -> Callable[..., ReplyContext]:
    """A client that is answered."""

    def make(**members: Any) -> ReplyContext:
        request = Request(**{"dialect": "anthropic", "model": "m", "messages": [], **members})
        return ReplyContext(naming=NAMING, created_s=1, request=request)

    return make


@pytest.fixture
def sdk() -> Callable[..., anthropic.Anthropic]:
    """The official SDK, which gets this body, and tells what it asked."""

    def make(body: bytes, status: int = 200, *, asked: list[bytes] | None = None) -> anthropic.Anthropic:
        def answer(request: httpx2.Request) -> httpx2.Response:
            if asked is not None:
                asked.append(request.content)
            is_stream = body.startswith((b"event:", b":"))
            return httpx2.Response(status, headers={"content-type": "text/event-stream" if is_stream else "application/json"}, content=body)

        transport = httpx2.Client(transport=httpx2.MockTransport(answer))
        return anthropic.Anthropic(api_key="test", base_url="http://test", max_retries=0, http_client=transport)

    return make
