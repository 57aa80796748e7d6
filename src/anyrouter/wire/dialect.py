"""A dialect as the relay sees it: the functions of a wire format behind one shape, found by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from anyrouter.core.usage import Usage
from anyrouter.wire import anthropic, gemini, openai, openai_reply, responses, responses_reply
from anyrouter.wire.anthropic import AnthropicStream
from anyrouter.wire.gemini_stream import GeminiStream
from anyrouter.wire.openai_stream import OpenAIStream
from anyrouter.wire.reply import CostFields, Naming, Pricer, ReplyFacts, StreamRewriter
from anyrouter.wire.request import InferenceRequest
from anyrouter.wire.responses_stream import ResponsesStream


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One wire format. Every function says in its own module what it guarantees and raises.

    What `read_reply` gives first is for `render_reply` of the same dialect and for nobody else.
    """

    name: str
    read_request: Callable[[str, bytes], InferenceRequest]
    read_reply: Callable[[str, bytes], tuple[Any, ReplyFacts]]
    render_reply: Callable[[str, Any, Naming, Usage, CostFields], list[bytes | memoryview]]
    open_stream: Callable[[str, InferenceRequest, Naming, Pricer], StreamRewriter]
    stream_type: bytes = b"text/event-stream"  # the content type of a stream
    read_named_request: Callable[[str, bytes, str], InferenceRequest] | None = None  # of a request whose path names the model


def _open_openai(endpoint: str, request: InferenceRequest, naming: Naming, pricer: Pricer) -> StreamRewriter:
    return OpenAIStream(
        endpoint=endpoint,
        naming=naming,
        is_usage_wanted=request.is_usage_wanted,
        estimate_input=request.measured_input_tokens,
        pricer=pricer,
    )


def _open_anthropic(_endpoint: str, request: InferenceRequest, _naming: Naming, _pricer: Pricer) -> StreamRewriter:
    return AnthropicStream(estimate_input=request.measured_input_tokens)


def _open_responses(_endpoint: str, request: InferenceRequest, naming: Naming, pricer: Pricer) -> StreamRewriter:
    return ResponsesStream(naming=naming, estimate_input=request.measured_input_tokens, pricer=pricer)


def _open_gemini(_endpoint: str, request: InferenceRequest, _naming: Naming, _pricer: Pricer) -> StreamRewriter:
    return GeminiStream(estimate_input=request.measured_input_tokens, candidates=gemini.count_candidates(request.members))


DIALECTS = {
    dialect.name: dialect
    for dialect in (
        Dialect(
            name=openai.NAME,
            read_request=openai.read_request,
            read_reply=openai_reply.read_reply,
            render_reply=openai_reply.render_reply,
            open_stream=_open_openai,
        ),
        Dialect(
            name=anthropic.NAME,
            read_request=anthropic.read_request,
            read_reply=anthropic.read_reply,
            render_reply=anthropic.render_reply,
            open_stream=_open_anthropic,
        ),
        Dialect(
            name=responses.NAME,
            read_request=responses.read_request,
            read_reply=responses_reply.read_reply,
            render_reply=responses_reply.render_reply,
            open_stream=_open_responses,
        ),
        Dialect(
            name=gemini.NAME,
            read_request=gemini.read_request,
            read_reply=gemini.read_reply,
            render_reply=gemini.render_reply,
            open_stream=_open_gemini,
            read_named_request=gemini.read_named_request,
        ),
    )
}
