"""Amazon Bedrock's Converse, as an upstream only as one value."""

from anyrouter.wire.translation.codec import Codec

CODEC: Codec | None = None
