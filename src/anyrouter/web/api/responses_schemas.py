"""OpenAI's Responses in the OpenAPI document: as in `inference_schemas`, what is not named travels."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from anyrouter.web.api.inference_schemas import CostDetails, ModelName


class ResponsesRequest(msgspec.Struct, kw_only=True):
    """OpenAI's Responses, stateless: nothing is stored here, so a conversation is sent whole each time."""

    model: ModelName
    input: str | list[dict[str, Any]]
    instructions: str | UnsetType | None = UNSET
    stream: bool | UnsetType | None = UNSET
    max_output_tokens: int | UnsetType | None = UNSET
    temperature: float | UnsetType | None = UNSET
    top_p: float | UnsetType | None = UNSET
    tools: list[dict[str, Any]] | UnsetType = UNSET
    tool_choice: str | dict[str, Any] | UnsetType = UNSET
    text: Annotated[dict[str, Any], Meta(description="`format` may hold a JSON schema")] | UnsetType = UNSET
    reasoning: dict[str, Any] | UnsetType | None = UNSET
    include: list[str] | UnsetType | None = UNSET
    store: bool | UnsetType | None = UNSET
    models: Annotated[list[str], Meta(description="Names to fall back on")] | UnsetType = UNSET
    provider: dict[str, Any] | UnsetType = UNSET


class ResponsesUsage(msgspec.Struct, kw_only=True):
    """Tokens, and what this gateway charged for them in US dollars."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    cost: float | UnsetType = UNSET
    is_byok: bool | UnsetType = UNSET
    cost_details: CostDetails | UnsetType = UNSET
    input_tokens_details: dict[str, Any] | UnsetType = UNSET
    output_tokens_details: dict[str, Any] | UnsetType = UNSET


class ResponsesReply(msgspec.Struct, kw_only=True):
    """A response. `id` is the upstream's, `model` the one really used."""

    id: str
    object: Literal["response"]
    created_at: float
    status: str
    model: str
    output: list[dict[str, Any]]
    provider: str | UnsetType = UNSET
    usage: ResponsesUsage | UnsetType | None = UNSET
