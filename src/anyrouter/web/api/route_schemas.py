"""The dry run in the OpenAPI document: as in `inference_schemas`, what is not named may be there too."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from anyrouter.web.api.inference_schemas import ModelName


class RouteRequest(msgspec.Struct, kw_only=True):
    """The body of any inference path. `contents` is Gemini's, with the model here instead of in the path."""

    model: ModelName
    messages: list[dict[str, Any]] | UnsetType = UNSET
    input: Any | UnsetType = UNSET
    prompt: Any | UnsetType = UNSET
    contents: list[dict[str, Any]] | UnsetType = UNSET
    max_tokens: int | UnsetType | None = UNSET
    models: Annotated[list[str], Meta(description="Names to fall back on")] | UnsetType = UNSET
    provider: dict[str, Any] | UnsetType = UNSET


class PricePerMillion(msgspec.Struct, kw_only=True):
    """US dollars per million tokens, for a request of this size."""

    prompt: float
    completion: float


class RouteTarget(msgspec.Struct, kw_only=True):
    """One model at one upstream. `health` is `short` while it is out of rate, `sick` while it is left alone."""

    upstream: str
    provider: str
    model: str
    upstream_model: str
    priority: int
    weight: int
    region: str | None
    quantization: str | None
    is_byok: bool
    health: Literal["well", "short", "sick"]
    pricing_per_million: PricePerMillion | None


class RouteExclusion(msgspec.Struct, kw_only=True):
    """A target that is not tried. `reason` begins with what keeps it out."""

    upstream: str
    reason: str
    model: str | UnsetType = UNSET


class RoutePrice(msgspec.Struct, kw_only=True):
    """From the input alone at the cheapest target to all that may be answered at the dearest; null where nobody can say."""

    currency: Literal["usd"]
    input_tokens: Annotated[int, Meta(description="Estimated")]
    max_output_tokens: int | None
    min: float | None
    max: float | None
    price_unknown: Annotated[bool, Meta(description="Of at least one target")]
    reserved: Annotated[float, Meta(description="What budgets would reserve, where some count")] | UnsetType = UNSET
    lowered_max_tokens: Annotated[int, Meta(description="What a budget would lower max_tokens to")] | UnsetType | None = UNSET


class RouteRefusal(msgspec.Struct, kw_only=True):
    """The error that the request would get."""

    code: str
    message: str
    param: str | None
    status: int


class RouteAnswer(msgspec.Struct, kw_only=True):
    """`endpoint` is the path that such a body is for, `targets` are in the order in which they are tried."""

    endpoint: str
    targets: list[RouteTarget]
    excluded: list[RouteExclusion]
    allowed: bool
    price: RoutePrice
    error: RouteRefusal | UnsetType = UNSET


class RouteReply(msgspec.Struct, kw_only=True):
    """The reply of /route."""

    data: RouteAnswer
