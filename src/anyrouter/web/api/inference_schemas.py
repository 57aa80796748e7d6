"""What the OpenAPI document says of the inference paths. The front serves them; nothing here is used to judge a request.

Only the members that the gateway itself reads or makes, and the most usual ones, are named: all others travel to the upstream
and back as they are, so every object is open.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

ModelName = Annotated[str, Meta(description="`vendor/name`; a bare name where one vendor alone has it", examples=["openai/gpt-4o"])]


class StreamOptions(msgspec.Struct, kw_only=True):
    """How a stream ends."""

    include_usage: bool | UnsetType = UNSET


class ChatMessage(msgspec.Struct, kw_only=True):
    """One turn. `content` is a text, or parts."""

    role: Annotated[str, Meta(examples=["user"])]
    content: str | list[dict[str, Any]] | UnsetType | None = UNSET
    name: str | UnsetType = UNSET
    tool_calls: list[dict[str, Any]] | UnsetType = UNSET
    tool_call_id: str | UnsetType = UNSET


class ChatRequest(msgspec.Struct, kw_only=True):
    """OpenAI's chat completion, plus what is OpenRouter's: `models`, `provider`, `usage`, `route`, `transforms`, `session_id`."""

    model: ModelName
    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    stream: bool | UnsetType = UNSET
    stream_options: StreamOptions | UnsetType | None = UNSET
    max_tokens: int | UnsetType | None = UNSET
    max_completion_tokens: int | UnsetType | None = UNSET
    temperature: float | UnsetType | None = UNSET
    top_p: float | UnsetType | None = UNSET
    stop: str | list[str] | UnsetType | None = UNSET
    tools: list[dict[str, Any]] | UnsetType = UNSET
    tool_choice: str | dict[str, Any] | UnsetType = UNSET
    response_format: dict[str, Any] | UnsetType = UNSET
    seed: int | UnsetType | None = UNSET
    user: str | UnsetType = UNSET
    models: Annotated[list[str], Meta(description="Names to fall back on")] | UnsetType = UNSET
    provider: dict[str, Any] | UnsetType = UNSET
    usage: dict[str, Any] | UnsetType = UNSET


class CostDetails(msgspec.Struct, kw_only=True):
    """What the tenant's own provider account paid; zero unless the request went there."""

    upstream_inference_cost: float
    upstream_inference_input_cost: float
    upstream_inference_output_cost: float


class CompletionUsage(msgspec.Struct, kw_only=True):
    """Tokens, and what this gateway charged for them in US dollars."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cost: float
    is_byok: bool
    cost_details: CostDetails
    shadow_cost: Annotated[float, Meta(description="What a sandbox reply would have cost")] | UnsetType = UNSET
    prompt_tokens_details: dict[str, Any] | UnsetType = UNSET
    completion_tokens_details: dict[str, Any] | UnsetType = UNSET


class ChatChoice(msgspec.Struct, kw_only=True):
    """One answer."""

    index: int
    message: ChatMessage
    finish_reason: str | None


class ChatReply(msgspec.Struct, kw_only=True):
    """A chat completion. `id` is the generation's, `model` the one really used."""

    id: Annotated[str, Meta(examples=["gen-0192f0c4a7e8b1d2c3e4f5a60718"])]
    object: Literal["chat.completion"]
    created: int
    model: str
    provider: str
    choices: list[ChatChoice]
    usage: CompletionUsage
    system_fingerprint: str | UnsetType | None = UNSET


class CompletionRequest(msgspec.Struct, kw_only=True):
    """OpenAI's legacy text completion."""

    model: ModelName
    prompt: str | list[Any]
    stream: bool | UnsetType = UNSET
    max_tokens: int | UnsetType | None = UNSET
    temperature: float | UnsetType | None = UNSET
    stop: str | list[str] | UnsetType | None = UNSET


class CompletionChoice(msgspec.Struct, kw_only=True):
    """One text."""

    index: int
    text: str
    finish_reason: str | None


class CompletionReply(msgspec.Struct, kw_only=True):
    """A text completion."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    provider: str
    choices: list[CompletionChoice]
    usage: CompletionUsage


class EmbeddingRequest(msgspec.Struct, kw_only=True):
    """OpenAI's embeddings. `input` is a text, a list of texts, tokens, or a list of tokens."""

    model: ModelName
    input: str | list[Any]
    encoding_format: Literal["float", "base64"] | UnsetType = UNSET
    dimensions: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    user: str | UnsetType = UNSET


class Embedding(msgspec.Struct, kw_only=True):
    """One vector: numbers, or base64 of little-endian floats."""

    index: int
    object: Literal["embedding"]
    embedding: list[float] | str


class EmbeddingReply(msgspec.Struct, kw_only=True):
    """Vectors in the order of the input."""

    object: Literal["list"]
    model: str
    data: list[Embedding]
    usage: dict[str, Any]


class AnthropicMessage(msgspec.Struct, kw_only=True):
    """One turn in the Anthropic dialect."""

    role: Literal["user", "assistant"]
    content: str | list[dict[str, Any]]


class CountRequest(msgspec.Struct, kw_only=True):
    """Anthropic's count_tokens."""

    model: ModelName
    messages: Annotated[list[AnthropicMessage], Meta(min_length=1)]
    system: str | list[dict[str, Any]] | UnsetType = UNSET
    tools: list[dict[str, Any]] | UnsetType = UNSET


class MessagesRequest(CountRequest, kw_only=True):
    """Anthropic's Messages. The headers `anthropic-version` and `anthropic-beta` pass through."""

    max_tokens: Annotated[int, Meta(ge=1)]
    stream: bool | UnsetType = UNSET
    temperature: float | UnsetType = UNSET
    stop_sequences: list[str] | UnsetType = UNSET
    tool_choice: dict[str, Any] | UnsetType = UNSET
    thinking: dict[str, Any] | UnsetType = UNSET


class MessagesReply(msgspec.Struct, kw_only=True):
    """An Anthropic message as the upstream sent it, plus `provider`."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[dict[str, Any]]
    stop_reason: str | None
    stop_sequence: str | None
    usage: dict[str, Any]
    provider: str | UnsetType = UNSET


class CountReply(msgspec.Struct, kw_only=True):
    """How many tokens the request would be."""

    input_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentedInference:
    """An inference path in the OpenAPI document."""

    summary: str
    text: str
    request: type[msgspec.Struct]
    reply: type[msgspec.Struct]
    request_example: dict[str, Any]
    reply_example: dict[str, Any]
    can_stream: bool = True


_USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 3,
    "total_tokens": 12,
    "cost": 0.0000525,
    "is_byok": False,
    "cost_details": {"upstream_inference_cost": 0, "upstream_inference_input_cost": 0, "upstream_inference_output_cost": 0},
}
_CHAT_TURNS = [{"role": "user", "content": "Say hello."}]
_ID = "gen-0192f0c4a7e8b1d2c3e4f5a60718"

INFERENCE: dict[str, DocumentedInference] = {
    "chat/completions": DocumentedInference(
        summary="Complete a chat",
        text="Every member that is not named here travels to the upstream unchanged. With `stream` the reply is server-sent events.",
        request=ChatRequest,
        reply=ChatReply,
        request_example={"model": "openai/gpt-4o", "messages": _CHAT_TURNS},
        reply_example={
            "id": _ID,
            "object": "chat.completion",
            "created": 1795521600,
            "model": "openai/gpt-4o",
            "provider": "OpenAI",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}],
            "usage": _USAGE,
        },
    ),
    "completions": DocumentedInference(
        summary="Complete a text",
        text="OpenAI's legacy form.",
        request=CompletionRequest,
        reply=CompletionReply,
        request_example={"model": "openai/gpt-3.5-turbo-instruct", "prompt": "Say hello."},
        reply_example={
            "id": _ID,
            "object": "text_completion",
            "created": 1795521600,
            "model": "openai/gpt-3.5-turbo-instruct",
            "provider": "OpenAI",
            "choices": [{"index": 0, "text": "Hello!", "finish_reason": "stop"}],
            "usage": _USAGE,
        },
    ),
    "embeddings": DocumentedInference(
        summary="Embed texts",
        text="Vectors for texts or tokens.",
        request=EmbeddingRequest,
        reply=EmbeddingReply,
        request_example={"model": "openai/text-embedding-3-small", "input": "Hello."},
        reply_example={
            "object": "list",
            "model": "openai/text-embedding-3-small",
            "data": [{"index": 0, "object": "embedding", "embedding": [0.1, -0.2]}],
            "usage": {"prompt_tokens": 2, "total_tokens": 2, "cost": 0.00000004},
        },
        can_stream=False,
    ),
    "messages": DocumentedInference(
        summary="Create a message",
        text="Anthropic's Messages API: requests, replies, streams and errors are in its form.",
        request=MessagesRequest,
        reply=MessagesReply,
        request_example={"model": "anthropic/claude-sonnet-4-5", "max_tokens": 64, "messages": _CHAT_TURNS},
        reply_example={
            "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5",
            "content": [{"type": "text", "text": "Hello!"}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 10, "output_tokens": 4},
            "provider": "Anthropic",
        },
    ),
    "messages/count_tokens": DocumentedInference(
        summary="Count a message's tokens",
        text="What the upstream counts; nothing is generated or charged.",
        request=CountRequest,
        reply=CountReply,
        request_example={"model": "anthropic/claude-sonnet-4-5", "messages": _CHAT_TURNS},
        reply_example={"input_tokens": 10},
        can_stream=False,
    ),
}
