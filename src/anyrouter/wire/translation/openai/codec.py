"""OpenAI chat completions as one value."""

from anyrouter.core.errors import Denied
from anyrouter.wire.failure import render_failure
from anyrouter.wire.openai import NAME
from anyrouter.wire.translation.codec import Codec
from anyrouter.wire.translation.openai.reply_decoder import decode_response
from anyrouter.wire.translation.openai.reply_encoder import encode_response
from anyrouter.wire.translation.openai.request_decoder import decode_request
from anyrouter.wire.translation.openai.request_encoder import encode_request
from anyrouter.wire.translation.openai.stream_decoder import OpenAIStreamDecoder
from anyrouter.wire.translation.openai.stream_encoder import OpenAIStreamEncoder


def render_error(denied: Denied, request_id: str) -> bytes:
    """The body of an error reply."""
    return render_failure(NAME, denied, request_id)


CODEC = Codec(
    name=NAME,
    decode_request=decode_request,
    encode_request=encode_request,
    decode_response=decode_response,
    encode_response=encode_response,
    stream_decoder=OpenAIStreamDecoder,
    stream_encoder=OpenAIStreamEncoder,
    render_error=render_error,
)
