"""The Responses API of OpenAI as one value."""

from anyrouter.core.errors import Denied
from anyrouter.wire.failure import render_failure
from anyrouter.wire.translation.codec import Codec
from anyrouter.wire.translation.responses.reply_decoder import decode_response
from anyrouter.wire.translation.responses.reply_encoder import encode_response
from anyrouter.wire.translation.responses.request_decoder import decode_request
from anyrouter.wire.translation.responses.request_encoder import encode_request
from anyrouter.wire.translation.responses.shapes import NAME
from anyrouter.wire.translation.responses.stream_decoder import ResponsesStreamDecoder
from anyrouter.wire.translation.responses.stream_encoder import ResponsesStreamEncoder


def render_error(denied: Denied, request_id: str) -> bytes:
    """The body of an error reply: OpenAI's envelope."""
    return render_failure(NAME, denied, request_id)


CODEC = Codec(
    name=NAME,
    decode_request=decode_request,
    encode_request=encode_request,
    decode_response=decode_response,
    encode_response=encode_response,
    stream_decoder=ResponsesStreamDecoder,
    stream_encoder=ResponsesStreamEncoder,
    render_error=render_error,
)
