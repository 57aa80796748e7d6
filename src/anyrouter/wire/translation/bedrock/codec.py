"""Amazon's Converse as one value: the upstream's side alone, so that the functions of clients are None.

The upstream's path ends in what `EncodedRequest.method` says (`CONVERSE`, `CONVERSE_STREAM`); the model stands before it.
"""

from anyrouter.wire.translation.bedrock.reply_decoder import NAME, decode_response
from anyrouter.wire.translation.bedrock.request_encoder import CONVERSE, CONVERSE_STREAM, encode_request
from anyrouter.wire.translation.bedrock.stream_decoder import BedrockStreamDecoder
from anyrouter.wire.translation.codec import Codec

__all__ = ["CODEC", "CONVERSE", "CONVERSE_STREAM"]

CODEC = Codec(
    name=NAME,
    stream_type=b"application/vnd.amazon.eventstream",
    encode_request=encode_request,
    decode_response=decode_response,
    stream_decoder=BedrockStreamDecoder,
)
