"""What is asked of a model, whatever the dialect."""

import msgspec

from anyrouter.wire.form.parts import CacheControl, Extra, Part, Text
from anyrouter.wire.form.reasoning import ReasoningOptions
from anyrouter.wire.form.text import JsonText
from anyrouter.wire.form.tools import AnyTool, ToolChoice

SYSTEM, DEVELOPER, USER, ASSISTANT, TOOL = "system", "developer", "user", "assistant", "tool"


class Message(msgspec.Struct, frozen=True, gc=False):
    """One turn. `role` is one of the five above; `ToolResult`s stand in messages of role tool only, and nothing else does there.

    System prompts are messages too, in their place; the leading ones are what some dialects have a member of their own for.
    """

    role: str
    parts: list[Part]
    name: str | None = None  # the author's


class OutputFormat(msgspec.Struct, frozen=True, kw_only=True):
    """What the answer has to look like. `kind`: text, json (any object), schema."""

    kind: str
    name: str | None = None
    description: str | None = None
    schema: msgspec.Raw | None = None
    is_strict: bool | None = None


class AudioOutput(msgspec.Struct, frozen=True, kw_only=True):
    """How a spoken answer sounds. `voice` is a JSON value as it came: a name, or an object."""

    voice: msgspec.Raw | None = None
    format: str | None = None


class Request(msgspec.Struct, kw_only=True):
    """A request for a generation. None (and empty) always means: not said, the upstream decides.

    `extra` holds the top-level members that the client's decoder does not know; every one of them is warned of.
    """

    dialect: str  # the client's
    model: str  # the public name; encoders write the target's
    messages: list[Message]
    is_streamed: bool = False
    is_usage_wanted: bool = False  # in a stream of the OpenAI dialect: whether the client gets a usage chunk

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    top_a: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logit_bias: msgspec.Raw | None = None  # an object: token id to bias
    has_logprobs: bool | None = None
    top_logprobs: int | None = None
    candidates: int | None = None  # OpenAI's n

    tools: list[AnyTool] = []
    tool_choice: ToolChoice | None = None
    is_parallel: bool | None = None  # False: at most one tool call in a turn
    output: OutputFormat | None = None
    verbosity: str | None = None  # low, medium, high
    modalities: tuple[str, ...] = ()  # of the answer: text, audio, image
    audio: AudioOutput | None = None
    reasoning: ReasoningOptions | None = None
    prediction: msgspec.Raw | None = None  # OpenAI's object: text that much of the answer will repeat

    cache: CacheControl | None = None  # cache whatever can be, as far as it goes
    cache_key: str | None = None
    cache_retention: str | None = None
    service_tier: str | None = None  # as told
    user: str | None = None  # the client's id of its own user
    safety_identifier: str | None = None
    safety_settings: msgspec.Raw | None = None  # Gemini's, as told
    metadata: msgspec.Raw | None = None  # an object of strings
    is_stored: bool | None = None
    extra: Extra = {}


def split_leading_system(messages: list[Message]) -> tuple[list[Message], list[Message]]:
    """The system and developer messages that stand first, and the rest. A later one is in the rest."""
    for at, message in enumerate(messages):
        if message.role not in {SYSTEM, DEVELOPER}:
            return messages[:at], messages[at:]
    return messages, []


def first_text(parts: list[Part]) -> JsonText | None:
    """The literal of parts that are one text and no more, which nearly all are; else None."""
    if len(parts) == 1:
        part = parts[0]
        return part.text if type(part) is Text else None
    return None
