"""A Responses request, as clients send it, into the form.

Nothing is stored here, so `store` is passed over, and what refers to something stored is refused.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from anyrouter.wire.form.parts import Text
from anyrouter.wire.form.reasoning import EFFORTS, ReasoningOptions
from anyrouter.wire.form.request import SYSTEM, Message, OutputFormat, Request
from anyrouter.wire.form.text import EMPTY
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.request import refused
from anyrouter.wire.translation.carried import is_string, is_told
from anyrouter.wire.translation.codec import ClientRequest
from anyrouter.wire.translation.known import decode_known, is_null
from anyrouter.wire.translation.responses.item_decoder import InputDecoder
from anyrouter.wire.translation.responses.shapes import NAME, CacheOptionsShape, ReasoningShape, TextShape
from anyrouter.wire.translation.responses.tools import decode_choice, decode_tools

Fields = dict[str, Any]
_INTEGER, _NUMBER, _FLAG = msgspec.json.Decoder(int), msgspec.json.Decoder(float), msgspec.json.Decoder(bool)
_STRING, _STRINGS = msgspec.json.Decoder(str), msgspec.json.Decoder(list[str])
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_TEXT, _REASONING, _CACHE = msgspec.json.Decoder(TextShape), msgspec.json.Decoder(ReasoningShape), msgspec.json.Decoder(CacheOptionsShape)
_LOGPROBS, _ENCRYPTED = "message.output_text.logprobs", "reasoning.encrypted_content"

# Members that are one value of the form, as they stand. The second half are no members of OpenAI's, but of servers that speak Responses.
_SIMPLE: dict[str, tuple[str, "msgspec.json.Decoder[Any]"]] = {
    "max_output_tokens": ("max_tokens", _INTEGER),
    "temperature": ("temperature", _NUMBER),
    "top_p": ("top_p", _NUMBER),
    "parallel_tool_calls": ("is_parallel", _FLAG),
    "user": ("user", _STRING),
    "safety_identifier": ("safety_identifier", _STRING),
    "prompt_cache_key": ("cache_key", _STRING),
    "prompt_cache_retention": ("cache_retention", _STRING),
    "top_k": ("top_k", _INTEGER),
    "min_p": ("min_p", _NUMBER),
    "top_a": ("top_a", _NUMBER),
    "frequency_penalty": ("frequency_penalty", _NUMBER),
    "presence_penalty": ("presence_penalty", _NUMBER),
    "repetition_penalty": ("repetition_penalty", _NUMBER),
    "seed": ("seed", _INTEGER),
}
# Judged elsewhere, read elsewhere, or meaning nothing where nothing is stored.
_PASSED_OVER = frozenset({"model", "input", "instructions", "stream", "stream_options", "store", "tool_choice"})
_STORED = {
    "previous_response_id": "This gateway stores no responses, so none can be continued. Send the whole conversation in input.",
    "conversation": "This gateway stores no conversations. Send the whole conversation in input.",
    "prompt": "This gateway stores no prompts. Send the prompt's text in instructions and input.",
}


class ResponsesRequest(Request, kw_only=True):
    """A request whose client speaks Responses. `told` are the members as they came, for the reply that repeats them."""

    told: dict[str, Raw]


def decode_request(request: ClientRequest, warnings: Warnings) -> Request:
    """The request in the form; ClientError names the param that cannot be used."""
    values = request.values
    raw_input = values.get("input")
    fields: Fields = {}
    extra: dict[str, Raw] = {}
    for name, raw in values.items():
        if name in _PASSED_OVER or is_null(raw):
            continue
        simple = _SIMPLE.get(name)
        if simple is not None:
            fields[simple[0]] = decode_known(simple[1], raw, name, warnings)
            continue
        reader = _READERS.get(name)
        if reader is None:
            extra[name] = raw
        else:
            reader(raw, fields, warnings)
    if raw_input is None or is_null(raw_input):
        raise refused("missing_parameter", "input", "input is missing.")
    decoder = InputDecoder(warnings)
    messages = decoder.decode(raw_input)
    if decoder.tools:
        fields["tools"] = [*fields.get("tools", []), *decoder.tools]
    choice = values.get("tool_choice")
    if choice is not None and not is_null(choice):
        fields["tool_choice"] = decode_choice(choice, fields.get("tools", []), warnings)
    instructions = values.get("instructions")
    if instructions is not None and not is_null(instructions):
        messages = _instruct(instructions, messages)
    return ResponsesRequest(
        dialect=NAME,
        model=request.model,
        messages=messages,
        is_streamed=request.is_streamed,
        is_usage_wanted=True,  # the last event always tells it
        extra=extra,
        told=values,
        **fields,
    )


def _instruct(instructions: Raw, messages: list[Message]) -> list[Message]:
    if not is_string(instructions):
        raise refused("invalid_parameter", "instructions", "instructions must be a string.")
    return messages if instructions == EMPTY else [Message(SYSTEM, [Text(instructions)]), *messages]


def _refuse_stored(name: str) -> Callable[[Raw, Fields, Warnings], None]:
    def read(_raw: Raw, _fields: Fields, _warnings: Warnings) -> None:
        raise refused("invalid_parameter", name, _STORED[name])

    return read


def _read_background(raw: Raw, _fields: Fields, warnings: Warnings) -> None:
    if decode_known(_FLAG, raw, "background", warnings):
        message = "This gateway answers while the client waits, and stores nothing. Leave background out."
        raise refused("invalid_parameter", "background", message)


def _read_cache_options(raw: Raw, _fields: Fields, warnings: Warnings) -> None:
    if decode_known(_CACHE, raw, "prompt_cache_options", warnings).prewarm:
        message = "prewarm fills one provider's cache without an answer, and is not translated."
        raise refused("invalid_parameter", "prompt_cache_options.prewarm", message)


def _read_truncation(raw: Raw, _fields: Fields, warnings: Warnings) -> None:
    if decode_known(_STRING, raw, "truncation", warnings) != "disabled":
        warnings.unsupported("truncation", "A conversation that is too long is not cut by the model's provider; truncation was left out.")


def _read_max_tool_calls(raw: Raw, _fields: Fields, warnings: Warnings) -> None:
    decode_known(_INTEGER, raw, "max_tool_calls", warnings)
    warnings.unsupported("max_tool_calls")


def _read_include(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    for at, name in enumerate(_names_of(raw, warnings)):
        if name == _LOGPROBS:
            fields["has_logprobs"] = True
        elif name == _ENCRYPTED:
            told: ReasoningOptions = fields.get("reasoning") or ReasoningOptions()
            fields["reasoning"] = msgspec.structs.replace(told, is_encrypted_wanted=True)
        else:
            warnings.unsupported(f"include[{at}]", f"The model's provider does not tell {name[:64]}; it was left out.")


def _names_of(raw: Raw, warnings: Warnings) -> list[str]:
    return decode_known(_STRINGS, raw, "include", warnings)


def _read_top_logprobs(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    count = decode_known(_INTEGER, raw, "top_logprobs", warnings)
    if count:
        fields["top_logprobs"], fields["has_logprobs"] = count, True


def _read_tools(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    fields["tools"] = decode_tools(raw, "tools", warnings)


def _read_text(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    told = decode_known(_TEXT, raw, "text", warnings)
    fields["verbosity"] = told.verbosity
    shape = told.format
    if shape is None:
        return
    if shape.type == "json_schema":
        if not is_told(shape.schema):
            raise refused("missing_parameter", "text.format.schema", "text.format.schema is missing.")
        fields["output"] = OutputFormat(
            kind="schema",
            name=shape.name,
            description=shape.description,
            schema=shape.schema,
            is_strict=shape.strict,
        )
    elif shape.type in {"text", "json_object"}:
        fields["output"] = OutputFormat(kind="text" if shape.type == "text" else "json")
    else:
        raise refused("invalid_parameter", "text.format.type", "text.format.type must be text, json_object or json_schema.")


def _read_reasoning(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    shape = decode_known(_REASONING, raw, "reasoning", warnings)
    if shape.effort is not None and shape.effort not in EFFORTS:
        raise refused("invalid_parameter", "reasoning.effort", f"reasoning.effort must be one of {', '.join(EFFORTS)}.")
    if shape.context not in {None, "auto"}:
        warnings.unsupported("reasoning.context")
    if shape.mode not in {None, "standard"}:
        warnings.unsupported("reasoning.mode")
    told: ReasoningOptions = fields.get("reasoning") or ReasoningOptions()
    fields["reasoning"] = ReasoningOptions(
        is_enabled=False if shape.effort == "none" else shape.enabled,
        effort=shape.effort,
        budget_tokens=shape.max_tokens,
        summary=shape.summary or shape.generate_summary,
        is_hidden=bool(shape.exclude),
        is_encrypted_wanted=told.is_encrypted_wanted,
    )


def _read_service_tier(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    tier = decode_known(_STRING, raw, "service_tier", warnings)
    if tier != "auto":  # the same as nothing
        fields["service_tier"] = tier


def _read_metadata(raw: Raw, fields: Fields, warnings: Warnings) -> None:
    if decode_known(_OBJECT, raw, "metadata", warnings):
        fields["metadata"] = raw


_READERS: dict[str, Callable[[Raw, Fields, Warnings], None]] = {
    **{name: _refuse_stored(name) for name in _STORED},
    "background": _read_background,
    "prompt_cache_options": _read_cache_options,
    "truncation": _read_truncation,
    "max_tool_calls": _read_max_tool_calls,
    "include": _read_include,
    "top_logprobs": _read_top_logprobs,
    "tools": _read_tools,
    "text": _read_text,
    "reasoning": _read_reasoning,
    "service_tier": _read_service_tier,
    "metadata": _read_metadata,
}
