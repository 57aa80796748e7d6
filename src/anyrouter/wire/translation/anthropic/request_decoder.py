"""A Messages API request, as clients send it, into the form."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from anyrouter.wire.anthropic import NAME
from anyrouter.wire.form.reasoning import ReasoningOptions
from anyrouter.wire.form.request import OutputFormat, Request
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.request import refused
from anyrouter.wire.translation.anthropic.message_decoder import decode_messages, decode_system
from anyrouter.wire.translation.anthropic.shapes import CacheControlShape, FormatShape, MetadataShape, OutputConfigShape, ThinkingShape
from anyrouter.wire.translation.anthropic.tool_decoder import decode_choice, decode_tools
from anyrouter.wire.translation.carried import is_object, is_told
from anyrouter.wire.translation.closed_schema import is_closed
from anyrouter.wire.translation.codec import ClientRequest
from anyrouter.wire.translation.known import decode_known, invalid, is_null

Fields = dict[str, Any]
_INTEGER, _NUMBER = msgspec.json.Decoder(int), msgspec.json.Decoder(float)
_STRING, _STRINGS = msgspec.json.Decoder(str), msgspec.json.Decoder(tuple[str, ...])
_THINKING, _OUTPUT = msgspec.json.Decoder(ThinkingShape), msgspec.json.Decoder(OutputConfigShape)
_FORMAT, _METADATA = msgspec.json.Decoder(FormatShape), msgspec.json.Decoder(MetadataShape)
_CACHE = msgspec.json.Decoder(CacheControlShape)
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_SIMPLE: dict[str, tuple[str, "msgspec.json.Decoder[Any]"]] = {
    "max_tokens": ("max_tokens", _INTEGER),
    "temperature": ("temperature", _NUMBER),
    "top_p": ("top_p", _NUMBER),
    "top_k": ("top_k", _INTEGER),
    "stop_sequences": ("stop", _STRINGS),
}
_TIERS = {"standard_only": "default"}  # the form has OpenAI's words
# Judged elsewhere, or said by a header: the hosts of the models repeat these two in the body.
_PASSED_OVER = frozenset({"model", "messages", "system", "stream", "anthropic_version", "anthropic_beta"})
# Known, and nothing that any other provider could be told.
_OWN_ONLY = frozenset(
    {
        "billing_policy",
        "compaction",
        "container",
        "context_management",
        "diagnostics",
        "fallback_credit_token",
        "fallbacks",
        "inference_geo",
        "mcp_servers",
        "speed",
        "thread",
        "user_profile_id",
        "workspace_id",
    }
)
_SAYS_NOTHING = frozenset({b"{}", b"[]", b'"standard"'})  # the default's own words


def decode_request(request: ClientRequest, warnings: Warnings) -> Request:
    """The request in the form; ClientError names the param that cannot be used."""
    values = request.values
    for name in ("messages", "max_tokens"):
        if name not in values or is_null(values[name]):
            raise refused("missing_parameter", name, f"{name} is missing. The Messages API needs it.")
    fields, extra = _read_members(values, warnings)
    messages = decode_messages(values["messages"], warnings)
    if "system" in values and not is_null(values["system"]):
        system = decode_system(values["system"], warnings)
        if system is not None:
            messages.insert(0, system)
    return Request(
        dialect=NAME,
        model=request.model,
        messages=messages,
        is_streamed=request.is_streamed,
        is_usage_wanted=request.is_usage_wanted,
        extra=extra,
        **fields,
    )


def _read_members(values: dict[str, Raw], warnings: Warnings) -> tuple[Fields, dict[str, Raw]]:
    """The fields of the form that the members beside the messages are, and the members that are not known."""
    fields: Fields = {}
    extra: dict[str, Raw] = {}
    for name, raw in values.items():
        if name in _PASSED_OVER or is_null(raw):
            continue
        simple = _SIMPLE.get(name)
        if simple is not None:
            fields[simple[0]] = _decode(simple[1], raw, name)
        elif name in _READERS:
            _READERS[name](raw, fields, warnings)
        elif name not in _OWN_ONLY:
            extra[name] = raw
        elif bytes(raw) not in _SAYS_NOTHING:
            warnings.unsupported(name)
    return fields, extra


def _decode(decoder: "msgspec.json.Decoder[Any]", raw: Raw, param: str) -> Any:
    try:
        return decoder.decode(raw)
    except (ValueError, msgspec.DecodeError) as error:
        raise invalid(error, param) from None


def _read_tools(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    fields["tools"] = decode_tools(raw, warnings)


def _read_choice(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    fields["tool_choice"], fields["is_parallel"] = decode_choice(raw, warnings)


def _read_thinking(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    shape = decode_known(_THINKING, raw, "thinking", warnings)
    if shape.type not in {"enabled", "adaptive", "disabled", "between_tools"}:
        raise refused("invalid_parameter", "thinking.type", "thinking.type must be enabled, adaptive, between_tools or disabled.")
    if shape.type == "enabled" and shape.budget_tokens is None:
        raise refused("missing_parameter", "thinking.budget_tokens", "thinking.budget_tokens is missing.")
    told: ReasoningOptions = fields.get("reasoning") or ReasoningOptions()
    fields["reasoning"] = msgspec.structs.replace(
        told,
        is_enabled=shape.type in {"enabled", "adaptive"},
        budget_tokens=shape.budget_tokens if shape.type == "enabled" else None,
        is_adaptive=shape.type == "adaptive",
        is_hidden=shape.display == "omitted",
        summary="auto" if shape.display == "summarized" else None,
    )


def _read_output_config(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    shape = decode_known(_OUTPUT, raw, "output_config", warnings)
    if shape.effort is not None:
        if shape.effort not in _EFFORTS:
            raise refused("invalid_parameter", "output_config.effort", f"output_config.effort must be one of {', '.join(_EFFORTS)}.")
        told: ReasoningOptions = fields.get("reasoning") or ReasoningOptions()
        fields["reasoning"] = msgspec.structs.replace(told, effort=shape.effort)
    if shape.format is not None:
        fields["output"] = _decode_format(shape.format, "output_config.format")
    if is_told(shape.task_budget):
        warnings.unsupported("output_config.task_budget")


def _read_output_format(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    """The older name of `output_config.format`."""
    fields.setdefault("output", _decode_format(decode_known(_FORMAT, raw, "output_format", warnings), "output_format"))


def _decode_format(shape: FormatShape, where: str) -> OutputFormat:
    if shape.type != "json_schema":
        raise refused("invalid_parameter", f"{where}.type", f"{where}.type must be json_schema.")
    if not is_object(shape.schema):
        raise refused("invalid_parameter", f"{where}.schema", f"{where}.schema must be an object.")
    # Here a schema is always enforced; elsewhere it may be called strict only when it is closed.
    return OutputFormat(kind="schema", schema=shape.schema, is_strict=True if is_closed(shape.schema) else None)


def _read_metadata(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    fields["user"] = decode_known(_METADATA, raw, "metadata", warnings).user_id


def _read_tier(raw: Raw, fields: Fields, _warnings: Warnings) -> None:
    tier = _decode(_STRING, raw, "service_tier")
    fields["service_tier"] = _TIERS.get(tier, tier)


def _read_cache(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    fields["cache"] = decode_known(_CACHE, raw, "cache_control", warnings).control()


_READERS: dict[str, Callable[[Raw, Fields, Warnings], None]] = {
    "tools": _read_tools,
    "tool_choice": _read_choice,
    "thinking": _read_thinking,
    "output_config": _read_output_config,
    "output_format": _read_output_format,
    "metadata": _read_metadata,
    "service_tier": _read_tier,
    "cache_control": _read_cache,
}
