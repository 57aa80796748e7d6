"""The codecs by the name of their dialect. A dialect whose codec is None cannot be translated yet."""

from anyrouter.wire.translation.anthropic.codec import CODEC as ANTHROPIC
from anyrouter.wire.translation.bedrock.codec import CODEC as BEDROCK
from anyrouter.wire.translation.codec import Codec
from anyrouter.wire.translation.gemini.codec import CODEC as GEMINI
from anyrouter.wire.translation.openai.codec import CODEC as OPENAI
from anyrouter.wire.translation.responses.codec import CODEC as RESPONSES

CODECS: dict[str, Codec] = {codec.name: codec for codec in (OPENAI, RESPONSES, ANTHROPIC, GEMINI, BEDROCK) if codec is not None}
