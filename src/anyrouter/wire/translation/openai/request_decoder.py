"""A chat completions request, as clients send it, into the form."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from anyrouter.wire.form.parts import CacheControl
from anyrouter.wire.form.reasoning import EFFORTS, ReasoningOptions
from anyrouter.wire.form.request import AudioOutput, OutputFormat, Request
from anyrouter.wire.form.tools import AnyTool, ChoiceMode, CustomTool, ServerTool, Tool, ToolChoice
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.openai import NAME
from anyrouter.wire.request import refused
from anyrouter.wire.translation.carried import is_string, is_told
from anyrouter.wire.translation.codec import ClientRequest
from anyrouter.wire.translation.known import decode_known, invalid, is_null
from anyrouter.wire.translation.openai.message_decoder import decode_messages
from anyrouter.wire.translation.openai.shapes import (
    AudioOutShape,
    CacheControlShape,
    FunctionShape,
    NameShape,
    ReasoningShape,
    ResponseFormatShape,
    ToolChoiceShape,
    ToolShape,
)

Fields = dict[str, Any]
_INTEGER, _NUMBER, _FLAG = msgspec.json.Decoder(int), msgspec.json.Decoder(float), msgspec.json.Decoder(bool)
_STRING, _STRINGS = msgspec.json.Decoder(str), msgspec.json.Decoder(tuple[str, ...])
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_RAWS, _TOOLS, _TOOL = msgspec.json.Decoder(list[Raw]), msgspec.json.Decoder(list[ToolShape]), msgspec.json.Decoder(ToolShape)
_FUNCTIONS, _NAME = msgspec.json.Decoder(list[FunctionShape]), msgspec.json.Decoder(NameShape)
_CHOICE, _FORMAT = msgspec.json.Decoder(ToolChoiceShape), msgspec.json.Decoder(ResponseFormatShape)
_REASONING, _AUDIO = msgspec.json.Decoder(ReasoningShape), msgspec.json.Decoder(AudioOutShape)
_CACHE = msgspec.json.Decoder(CacheControlShape)
_MODES = {"auto": ChoiceMode.AUTO, "none": ChoiceMode.NONE, "required": ChoiceMode.REQUIRED, "any": ChoiceMode.REQUIRED}

# Members that are one value of the form, as they stand.
_SIMPLE: dict[str, tuple[str, "msgspec.json.Decoder[Any]"]] = {
    "max_tokens": ("max_tokens", _INTEGER),
    "temperature": ("temperature", _NUMBER),
    "top_p": ("top_p", _NUMBER),
    "top_k": ("top_k", _INTEGER),
    "min_p": ("min_p", _NUMBER),
    "top_a": ("top_a", _NUMBER),
    "frequency_penalty": ("frequency_penalty", _NUMBER),
    "presence_penalty": ("presence_penalty", _NUMBER),
    "repetition_penalty": ("repetition_penalty", _NUMBER),
    "seed": ("seed", _INTEGER),
    "logprobs": ("has_logprobs", _FLAG),
    "top_logprobs": ("top_logprobs", _INTEGER),
    "n": ("candidates", _INTEGER),
    "parallel_tool_calls": ("is_parallel", _FLAG),
    "verbosity": ("verbosity", _STRING),
    "modalities": ("modalities", _STRINGS),
    "prompt_cache_key": ("cache_key", _STRING),
    "prompt_cache_retention": ("cache_retention", _STRING),
    "service_tier": ("service_tier", _STRING),
    "user": ("user", _STRING),
    "safety_identifier": ("safety_identifier", _STRING),
    "store": ("is_stored", _FLAG),
}
# Judged elsewhere, or a hint to a cache that every upstream is free to ignore.
_PASSED_OVER = frozenset({"model", "messages", "stream", "stream_options", "prompt_cache_options", "max_completion_tokens"})


def decode_request(request: ClientRequest, warnings: Warnings) -> Request:
    """The request in the form; ClientError names the param that cannot be used."""
    values = request.values
    raw_messages = values.get("messages")
    if raw_messages is None or is_null(raw_messages):
        raise refused("missing_parameter", "messages", "messages is missing.")
    fields: Fields = {}
    extra: dict[str, Raw] = {}
    for name, raw in values.items():
        if name in _PASSED_OVER or is_null(raw):
            continue
        simple = _SIMPLE.get(name)
        if simple is not None:
            fields[simple[0]] = _decode(simple[1], raw, name)
            continue
        reader = _READERS.get(name)
        if reader is None:
            extra[name] = raw
        else:
            reader(raw, fields, warnings)
    newer = values.get("max_completion_tokens")
    if newer is not None and not is_null(newer):
        fields["max_tokens"] = _decode(_INTEGER, newer, "max_completion_tokens")
    return Request(
        dialect=NAME,
        model=request.model,
        messages=decode_messages(raw_messages, warnings),
        is_streamed=request.is_streamed,
        is_usage_wanted=request.is_usage_wanted,
        extra=extra,
        **fields,
    )


def _decode(decoder: "msgspec.json.Decoder[Any]", raw: Raw, param: str) -> Any:
    try:
        return decoder.decode(raw)
    except (ValueError, msgspec.DecodeError) as error:
        raise invalid(error, param) from None


def _read_stop(raw: Raw, fields: Fields, _warnings: Warnings) -> None:
    fields["stop"] = (_decode(_STRING, raw, "stop"),) if is_string(raw) else _decode(_STRINGS, raw, "stop")


def _read_object(name: str, field: str) -> Callable[[Raw, Fields, Warnings], None]:
    def read(raw: Raw, fields: Fields, _warnings: Warnings) -> None:
        _decode(_OBJECT, raw, name)
        fields[field] = raw

    return read


def _read_tools(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    try:
        shapes = _TOOLS.decode(raw)
    except (ValueError, msgspec.DecodeError):
        shapes = []  # something is unknown or wrong: one by one, then
    tools: list[AnyTool] = [_tool_of(shape) for shape in shapes if shape.function is not None or shape.custom is not None]
    if len(tools) != len(shapes) or not shapes:
        tools = [_read_tool(one, f"tools[{at}]", warnings) for at, one in enumerate(_decode(_RAWS, raw, "tools"))]
    fields["tools"] = [*tools, *fields.get("tools", [])]


def _read_tool(raw: Raw, where: str, warnings: Warnings) -> AnyTool:
    members = _decode(_OBJECT, raw, where)
    kind = _decode(_STRING, members["type"], f"{where}.type") if "type" in members else "function"
    if kind not in {"function", "custom"}:
        return ServerTool(NAME, kind, raw, "web_search" if "web_search" in kind else None)
    shape = decode_known(_TOOL, raw, where, warnings)
    if shape.function is None and shape.custom is None:
        raise refused("missing_parameter", f"{where}.{kind}", f"{where}.{kind} is missing.")
    return _tool_of(shape)


def _tool_of(shape: ToolShape) -> Tool | CustomTool:
    cache = None if shape.cache_control is None else CacheControl(shape.cache_control.ttl)
    if shape.custom is not None:
        custom = shape.custom
        return CustomTool(
            custom.name,
            custom.description if is_string(custom.description) else None,
            custom.format if is_told(custom.format) else None,
            cache,
        )
    assert shape.function is not None  # noqa: S101 -- callers have looked
    return _tool_of_function(shape.function, cache)


def _tool_of_function(function: FunctionShape, cache: CacheControl | None = None) -> Tool:
    return Tool(
        function.name,
        function.description if is_string(function.description) else None,
        function.parameters if is_told(function.parameters) else None,
        function.strict,
        cache,
    )


def _read_functions(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    functions = decode_known(_FUNCTIONS, raw, "functions", warnings)
    fields["tools"] = [*fields.get("tools", []), *map(_tool_of_function, functions)]


def _read_choice(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    if is_string(raw):
        fields["tool_choice"] = ToolChoice(_mode_of(_decode(_STRING, raw, "tool_choice"), "tool_choice"))
        return
    shape = decode_known(_CHOICE, raw, "tool_choice", warnings)
    named = shape.custom or shape.function
    if shape.type == "allowed_tools" and shape.allowed_tools is not None:
        allowed = [tool.custom or tool.function for tool in shape.allowed_tools.tools]
        names = tuple(tool.name for tool in allowed if tool is not None)
        fields["tool_choice"] = ToolChoice(_mode_of(shape.allowed_tools.mode, "tool_choice.allowed_tools.mode"), names)
    elif named is not None:
        fields["tool_choice"] = ToolChoice(ChoiceMode.NAMED, (named.name,), shape.custom is not None)
    elif shape.type in _MODES:
        fields["tool_choice"] = ToolChoice(_MODES[shape.type])
    else:
        raise refused("invalid_parameter", "tool_choice", "tool_choice must be none, auto, required, or name a function.")


def _mode_of(word: str, param: str) -> ChoiceMode:
    mode = _MODES.get(word)
    if mode is None:
        raise refused("invalid_parameter", param, f"{param} must be none, auto or required.")
    return mode


def _read_function_call(raw: Raw, fields: Fields, _warnings: Warnings) -> None:
    if is_string(raw):
        fields.setdefault("tool_choice", ToolChoice(_mode_of(_decode(_STRING, raw, "function_call"), "function_call")))
    else:
        fields.setdefault("tool_choice", ToolChoice(ChoiceMode.NAMED, (_decode(_NAME, raw, "function_call").name,)))


def _read_format(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    shape = decode_known(_FORMAT, raw, "response_format", warnings)
    if shape.type == "json_schema":
        schema = shape.json_schema
        if schema is None:
            raise refused("missing_parameter", "response_format.json_schema", "response_format.json_schema is missing.")
        raw_schema = schema.schema if is_told(schema.schema) else None
        fields["output"] = OutputFormat(
            kind="schema",
            name=schema.name,
            description=schema.description,
            schema=raw_schema,
            is_strict=schema.strict,
        )
    elif shape.type in {"text", "json_object"}:
        fields["output"] = OutputFormat(kind="text" if shape.type == "text" else "json")
    else:
        raise refused("invalid_parameter", "response_format.type", "response_format.type must be text, json_object or json_schema.")


def _read_effort(raw: Raw, fields: Fields, _warnings: Warnings) -> None:
    effort = _effort(_decode(_STRING, raw, "reasoning_effort"), "reasoning_effort")
    told: ReasoningOptions = fields.get("reasoning") or ReasoningOptions()
    if told.effort is None:
        fields["reasoning"] = msgspec.structs.replace(told, effort=effort, is_enabled=_is_on(effort, told.is_enabled))


def _read_reasoning(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    shape = decode_known(_REASONING, raw, "reasoning", warnings)
    told: ReasoningOptions = fields.get("reasoning") or ReasoningOptions()
    effort = told.effort if shape.effort is None else _effort(shape.effort, "reasoning.effort")
    is_asked = True if shape.effort is not None or shape.max_tokens else told.is_enabled  # "inferred from effort or max_tokens"
    fields["reasoning"] = ReasoningOptions(
        is_enabled=_is_on(effort, is_asked if shape.enabled is None else shape.enabled),
        effort=effort,
        budget_tokens=shape.max_tokens,
        summary=shape.summary,
        is_hidden=bool(shape.exclude) or told.is_hidden,
    )


def _read_include_reasoning(raw: Raw, fields: Fields, _warnings: Warnings) -> None:
    told: ReasoningOptions = fields.get("reasoning") or ReasoningOptions()
    if not _decode(_FLAG, raw, "include_reasoning"):
        fields["reasoning"] = msgspec.structs.replace(told, is_hidden=True)


def _is_on(effort: str | None, said: bool | None) -> bool | None:
    return False if effort == "none" else said


def _effort(effort: str, param: str) -> str:
    if effort not in EFFORTS:
        raise refused("invalid_parameter", param, f"{param} must be one of {', '.join(EFFORTS)}.")
    return effort


def _read_audio(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    shape = decode_known(_AUDIO, raw, "audio", warnings)
    fields["audio"] = AudioOutput(voice=shape.voice if is_told(shape.voice) else None, format=shape.format)


def _read_web_search(raw: Raw, fields: Fields, _warnings: Warnings) -> None:
    _decode(_OBJECT, raw, "web_search_options")
    fields["tools"] = [*fields.get("tools", []), ServerTool(NAME, "web_search_options", raw, "web_search")]


def _read_cache(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    fields["cache"] = CacheControl(decode_known(_CACHE, raw, "cache_control", warnings).ttl)


_READERS: dict[str, Callable[[Raw, Fields, Warnings], None]] = {
    "stop": _read_stop,
    "logit_bias": _read_object("logit_bias", "logit_bias"),
    "metadata": _read_object("metadata", "metadata"),
    "prediction": _read_object("prediction", "prediction"),
    "tools": _read_tools,
    "functions": _read_functions,
    "tool_choice": _read_choice,
    "function_call": _read_function_call,
    "response_format": _read_format,
    "reasoning_effort": _read_effort,
    "reasoning": _read_reasoning,
    "include_reasoning": _read_include_reasoning,
    "audio": _read_audio,
    "web_search_options": _read_web_search,
    "cache_control": _read_cache,
}
