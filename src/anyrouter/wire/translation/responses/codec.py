"""The Responses API of OpenAI as one value."""

from anyrouter.wire.translation.codec import Codec

CODEC: Codec | None = None
