"""What the OpenAPI document says of the inference paths. The front serves them; nothing here is used to judge a request.

Only the members that the gateway itself reads or makes, and the most usual ones, are named: all others travel to the upstream
and back as they are, so every object is open.
"""

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
