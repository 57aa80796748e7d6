"""The Anthropic Messages API as one value."""

from anyrouter.core.errors import Denied
from anyrouter.wire.anthropic import NAME
from anyrouter.wire.failure import render_failure
from anyrouter.wire.translation.anthropic.reply_decoder import decode_response
from anyrouter.wire.translation.anthropic.reply_encoder import encode_response
from anyrouter.wire.translation.anthropic.request_decoder import decode_request
from anyrouter.wire.translation.anthropic.request_encoder import encode_request
from anyrouter.wire.translation.anthropic.stream_decoder import AnthropicStreamDecoder
from anyrouter.wire.translation.anthropic.stream_encoder import AnthropicStreamEncoder
from anyrouter.wire.translation.codec import Codec


def render_error(denied: Denied, request_id: str) -> bytes:
    """The body of an error reply."""
    return render_failure(NAME, denied, request_id)


CODEC: Codec | None = Codec(
    name=NAME,
    decode_request=decode_request,
    encode_request=encode_request,
    decode_response=decode_response,
    encode_response=encode_response,
    stream_decoder=AnthropicStreamDecoder,
    stream_encoder=AnthropicStreamEncoder,
    render_error=render_error,
)
