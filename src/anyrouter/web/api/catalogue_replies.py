"""The replies about models and providers, as types: their schemas are what /openapi.json says.

The rows of GET /models are made by `control.model_rows`; the type here describes them, and a test holds the two together.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Price = Annotated[
    str, Meta(description="US dollars per token (per request for `request`), an exact decimal", pattern=r"^[0-9]+(\.[0-9]+)?$")
]


class PriceTierRow(msgspec.Struct, kw_only=True):
    """From so many input tokens on, these prices hold for every token of the request."""

    above_tokens: int
    prompt: Price
    completion: Price
    input_cache_read: Price | msgspec.UnsetType = msgspec.UNSET
    input_cache_write: Price | msgspec.UnsetType = msgspec.UNSET


class Pricing(msgspec.Struct, kw_only=True):
    """What a model costs; null where nobody knows. `*_per_1k` are US dollars per 1,000 tokens."""

    input_per_1k: float | None
    output_per_1k: float | None
    prompt: Price | None
    completion: Price | None
    request: Price | None
    input_cache_read: Price | msgspec.UnsetType = msgspec.UNSET
    input_cache_write: Price | msgspec.UnsetType = msgspec.UNSET
    tiers: list[PriceTierRow] | msgspec.UnsetType = msgspec.UNSET


class Architecture(msgspec.Struct, kw_only=True):
    """What goes in and what comes out."""

    modality: Annotated[str, Meta(examples=["text+image->text"])] | None
    input_modalities: list[str]
    output_modalities: list[str]
    tokenizer: str | None
    instruct_type: str | None


class TopProvider(msgspec.Struct, kw_only=True):
    """The bounds of the best target."""

    context_length: int | None
    max_completion_tokens: int | None
    is_moderated: bool


class Links(msgspec.Struct, kw_only=True):
    """Where more is said."""

    details: str


class ModelRow(msgspec.Struct, kw_only=True):
    """A model. What the sources do not know is null; `created` is then 0."""

    id: Annotated[str, Meta(examples=["openai/gpt-4o"])]
    object: Literal["model"]
    created: Annotated[int, Meta(description="Unix seconds")]
    owned_by: str
    name: str
    provider: str
    category: Literal["text", "image", "audio", "embedding"]
    description: str | None
    context_length: int | None
    capabilities: list[str] | None
    pricing: Pricing
    architecture: Architecture
    top_provider: TopProvider
    supported_parameters: list[str]
    canonical_slug: Annotated[str, Meta(description="The model that is really called, where `id` is another name of it")]
    aliases: Annotated[list[str], Meta(description="Other names of it that the operator has given")]
    default_parameters: dict[str, Any] | None
    per_request_limits: dict[str, Any] | None
    supported_voices: list[str] | None
    links: Links


class ModelReply(ModelRow, kw_only=True):
    """A model, and the same once more in `data`."""

    data: ModelRow


class ModelsReply(msgspec.Struct, kw_only=True):
    """The models that the key can reach."""

    object: Literal["list"]
    data: list[ModelRow]


class ModelCount(msgspec.Struct, kw_only=True):
    """A count."""

    count: int


class ModelCountReply(msgspec.Struct, kw_only=True):
    """How many models the key can reach."""

    count: int
    data: ModelCount


class ToolChoices(msgspec.Struct, kw_only=True):
    """Which values of `tool_choice` the model takes."""

    auto: bool
    function: bool
    none: bool
    required: bool


class ModelEndpoint(msgspec.Struct, kw_only=True):
    """One upstream that serves a model. `tag` and `upstream` are what X-AnyRouter-Provider takes. What is not measured is null."""

    name: str
    model_id: str
    model_name: str
    provider_name: str
    tag: str
    upstream: str
    endpoints: list[str]
    context_length: Annotated[int, Meta(description="0 where unknown")]
    max_completion_tokens: int | None
    max_prompt_tokens: int | None
    pricing: dict[str, Any]
    quantization: str | None
    service_tier: str | None
    native_tools: list[str]
    supported_parameters: list[str]
    supports_diarization: bool
    supports_implicit_caching: bool
    supports_tool_choice: ToolChoices
    latency_last_30m: Annotated[
        dict[str, float] | None, Meta(description="Milliseconds to a stream's first byte: p50 to p99, of the last five minutes")
    ]
    throughput_last_30m: Annotated[dict[str, float] | None, Meta(description="Output tokens per second of streams, likewise")]
    uptime_last_5m: Annotated[float | None, Meta(description="Percent of the requests that did not fail at it")]
    uptime_last_30m: float | None
    uptime_last_1d: float | None
    status: Annotated[int, Meta(description="0: nothing speaks against it; -1: out of rate; -2: being tried again; -5: left alone")]


class ModelEndpoints(msgspec.Struct, kw_only=True):
    """A model and who serves it."""

    id: str
    name: str
    created: int
    description: str
    architecture: dict[str, Any]
    endpoints: list[ModelEndpoint]


class ModelEndpointsReply(msgspec.Struct, kw_only=True):
    """The reply of /models/{model}/endpoints."""

    data: ModelEndpoints


class ProviderItem(msgspec.Struct, kw_only=True):
    """A provider. `models` counts those that the key reaches through it."""

    id: str
    slug: str
    name: str
    dialect: str
    endpoints: list[str]
    models: int
    privacy_policy_url: str | None
    terms_of_service_url: str | None
    status_page_url: str | None
    headquarters: str | None
    datacenters: list[str] | None


class ProvidersReply(msgspec.Struct, kw_only=True):
    """The reply of /providers."""

    data: list[ProviderItem]
