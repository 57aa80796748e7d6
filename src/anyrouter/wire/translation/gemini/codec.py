"""Gemini's generateContent as one value.

Clients name the model and the method in the path, `/v1beta/models/{model}:generateContent` and `…:streamGenerateContent`, and never in
the body: whoever routes the request gives both in `ClientRequest.model` and `.is_streamed`. A client that asks for a stream without
`alt=sse` gets one JSON array, which `wire.gemini_array` makes of the events.
The upstream's path ends in what `EncodedRequest.method` says (`GENERATE`, `STREAM`); the model stands before it, and not in the body.
"""

from anyrouter.wire.translation.codec import Codec
from anyrouter.wire.translation.gemini.content_decoder import NAME
from anyrouter.wire.translation.gemini.failure import render_error
from anyrouter.wire.translation.gemini.reply_decoder import decode_response
from anyrouter.wire.translation.gemini.reply_encoder import encode_response
from anyrouter.wire.translation.gemini.request_decoder import decode_request
from anyrouter.wire.translation.gemini.request_encoder import GENERATE, STREAM, encode_request
from anyrouter.wire.translation.gemini.stream_decoder import GeminiStreamDecoder
from anyrouter.wire.translation.gemini.stream_encoder import GeminiStreamEncoder

__all__ = ["CODEC", "GENERATE", "STREAM"]
CODEC = Codec(
    name=NAME,
    decode_request=decode_request,
    encode_request=encode_request,
    decode_response=decode_response,
    encode_response=encode_response,
    stream_decoder=GeminiStreamDecoder,
    stream_encoder=GeminiStreamEncoder,
    render_error=render_error,
)
