"""A dialect as the relay sees it: the functions of a wire format behind one shape, found by name."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from anyrouter.core.usage import Usage
from anyrouter.wire import anthropic, openai
from anyrouter.wire.anthropic import AnthropicStream
from anyrouter.wire.members import Members
from anyrouter.wire.openai_stream import OpenAIStream
from anyrouter.wire.reply import CostFields, Pricer, ReplyFacts, StreamRewriter
from anyrouter.wire.request import InferenceRequest


class Naming(msgspec.Struct, frozen=True, kw_only=True):
    """What a reply to the client is called: the generation's id, the public model that was really used, the provider's name."""

    generation_id: str
    model: str
    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One wire format. Every function says in its own module what it guarantees and raises."""

    name: str
    read_request: Callable[[str, bytes], InferenceRequest]
    read_reply: Callable[[str, bytes], tuple[Members, ReplyFacts]]
    render_reply: Callable[[str, Members, Naming, Usage, CostFields], list[bytes | memoryview]]
    open_stream: Callable[[str, InferenceRequest, Naming, Pricer], StreamRewriter]


def _render_openai(endpoint: str, members: Members, naming: Naming, usage: Usage, cost: CostFields) -> list[bytes | memoryview]:
    return openai.render_reply(
        endpoint,
        members,
        generation_id=naming.generation_id,
        model=naming.model,
        provider=naming.provider,
        usage=usage,
        cost=cost,
    )


def _open_openai(endpoint: str, request: InferenceRequest, naming: Naming, pricer: Pricer) -> StreamRewriter:
    return OpenAIStream(
        endpoint=endpoint,
        generation_id=naming.generation_id,
        model=naming.model,
        provider=naming.provider,
        is_usage_wanted=request.is_usage_wanted,
        estimated_input_tokens=request.estimated_input_tokens,
        pricer=pricer,
    )


def _render_anthropic(endpoint: str, members: Members, naming: Naming, _usage: Usage, _cost: CostFields) -> list[bytes | memoryview]:
    return anthropic.render_reply(endpoint, members, provider=naming.provider)


def _open_anthropic(_endpoint: str, request: InferenceRequest, _naming: Naming, _pricer: Pricer) -> StreamRewriter:
    return AnthropicStream(estimated_input_tokens=request.estimated_input_tokens)


DIALECTS = {
    dialect.name: dialect
    for dialect in (
        Dialect(
            name=openai.NAME,
            read_request=openai.read_request,
            read_reply=openai.read_reply,
            render_reply=_render_openai,
            open_stream=_open_openai,
        ),
        Dialect(
            name=anthropic.NAME,
            read_request=anthropic.read_request,
            read_reply=anthropic.read_reply,
            render_reply=_render_anthropic,
            open_stream=_open_anthropic,
        ),
    )
}
