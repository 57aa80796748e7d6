"""Gemini's requests and replies in the OpenAPI document, and its errors and models as they are sent.

As in `inference_schemas`, objects are open: what is not named travels. Members are named as Google's documentation writes them; the
spelling with underscores is taken too.
"""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType


class GeminiContent(msgspec.Struct, kw_only=True):
    """One turn."""

    parts: Annotated[list[dict[str, Any]], Meta(examples=[[{"text": "Say hello."}]])] | UnsetType = UNSET
    role: Annotated[str, Meta(description="`user` or `model`")] | UnsetType = UNSET


class GeminiRequest(msgspec.Struct, kw_only=True, rename="camel"):
    """Gemini's generateContent. The model stands in the path, and so does whether it is streamed."""

    contents: Annotated[list[GeminiContent], Meta(min_length=1)]
    system_instruction: GeminiContent | UnsetType = UNSET
    generation_config: dict[str, Any] | UnsetType = UNSET
    tools: list[dict[str, Any]] | UnsetType = UNSET
    tool_config: dict[str, Any] | UnsetType = UNSET
    safety_settings: list[dict[str, Any]] | UnsetType = UNSET


class GeminiCandidate(msgspec.Struct, kw_only=True, rename="camel"):
    """One answer."""

    content: GeminiContent | UnsetType = UNSET
    finish_reason: str | UnsetType = UNSET
    index: int | UnsetType = UNSET


class GeminiReply(msgspec.Struct, kw_only=True, rename="camel"):
    """What generateContent answers, and each event of a stream."""

    candidates: list[GeminiCandidate] | UnsetType = UNSET
    prompt_feedback: dict[str, Any] | UnsetType = UNSET
    usage_metadata: dict[str, Any] | UnsetType = UNSET
    model_version: str | UnsetType = UNSET
    response_id: str | UnsetType = UNSET


class GeminiErrorDetail(msgspec.Struct, kw_only=True):
    """What went wrong. The stable code and the request's id are in the ErrorInfo of `details`."""

    code: Annotated[int, Meta(description="The HTTP status")]
    message: str
    status: Annotated[str, Meta(examples=["INVALID_ARGUMENT"])]
    details: list[dict[str, Any]] | UnsetType = UNSET


class GeminiErrorReply(msgspec.Struct, kw_only=True):
    """The error envelope of Gemini's own paths."""

    error: GeminiErrorDetail


class GeminiModel(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    """A model. What is not known is absent; one that cannot be asked for content has no methods."""

    name: Annotated[str, Meta(description="`models/` and the id", examples=["models/google/gemini-2.5-flash"])]
    display_name: str
    supported_generation_methods: Annotated[list[str], Meta(examples=[["generateContent", "streamGenerateContent"]])]
    description: str | UnsetType = UNSET
    input_token_limit: int | UnsetType = UNSET
    output_token_limit: int | UnsetType = UNSET
    thinking: bool | UnsetType = UNSET


class GeminiModelsReply(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    """A page of the models that the key can reach."""

    models: list[GeminiModel]
    next_page_token: Annotated[str, Meta(description="Of the next page; absent on the last")] | UnsetType = UNSET
