"""A request of the form as an upstream of Responses takes it. Nothing is to be stored there, unless the client asks for it."""

from typing import Any

import msgspec

from anyrouter.wire.form.parts import Text
from anyrouter.wire.form.reasoning import effort_of
from anyrouter.wire.form.request import SYSTEM, Message, OutputFormat, Request
from anyrouter.wire.form.text import JsonText
from anyrouter.wire.form.tools import ChoiceMode
from anyrouter.wire.form.warnings import WarningCode, Warnings
from anyrouter.wire.translation.codec import EncodedRequest, UpstreamModel
from anyrouter.wire.translation.responses import traits as t
from anyrouter.wire.translation.responses.item_encoder import ItemEncoder
from anyrouter.wire.translation.responses.shapes import NAME
from anyrouter.wire.translation.responses.tools import encode_choice, encode_tools

Wire = dict[str, Any]
MIN_OUTPUT_TOKENS = 16
_encode = msgspec.json.Encoder().encode
# The form's members that stand on the wire as they are.
_SIMPLE = (
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("cache_key", "prompt_cache_key"),
    ("cache_retention", "prompt_cache_retention"),
    ("user", "user"),
    ("safety_identifier", "safety_identifier"),
    ("metadata", "metadata"),
)
_SAMPLING_EXTRAS = ("top_k", "min_p", "top_a", "repetition_penalty", "frequency_penalty", "presence_penalty", "seed")
_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})
_TIERS_ELSEWHERE = {"standard": "default", "standard_only": "default"}


def encode_request(request: Request, model: UpstreamModel, warnings: Warnings) -> EncodedRequest:
    """The body. What Responses has nothing for is left out with a warning."""
    traits, messages = model.traits, request.messages
    items = ItemEncoder(request.dialect, traits, warnings)
    instructions = _instructions_of(messages)
    wire: Wire = {"model": model.name}
    if instructions is not None:
        wire["instructions"] = instructions
        wire["input"] = items.encode(messages[1:], 1)
    else:
        wire["input"] = items.encode(messages, 0)
    _encode_simple(request, wire, warnings)
    _encode_sampling(request, wire, traits, warnings)
    if request.tools:
        _encode_tools(request, wire, warnings)
    if request.output is not None and request.output.kind != "text":
        wire.setdefault("text", {})["format"] = _encode_output(request.output)
    if request.verbosity is not None:
        wire.setdefault("text", {})["verbosity"] = request.verbosity
    is_thinking = _encode_reasoning(request, wire, model, warnings) or items.has_own_reasoning
    _encode_include(request, wire, is_thinking=is_thinking)
    wire["store"] = request.is_stored is True
    if request.is_streamed:
        wire["stream"] = True
    return EncodedRequest(_encode(wire))


def _instructions_of(messages: list[Message]) -> JsonText | None:
    """The text of the first message, where it is a system prompt and not all that is said."""
    if len(messages) < 2 or messages[0].role != SYSTEM:  # noqa: PLR2004 -- the prompt and something else
        return None
    parts, name = messages[0].parts, messages[0].name
    return parts[0].text if len(parts) == 1 and isinstance(parts[0], Text) and name is None else None


def _encode_simple(request: Request, wire: Wire, warnings: Warnings) -> None:
    for field, name in _SIMPLE:
        value = getattr(request, field)
        if value is not None:
            wire[name] = value
    if request.max_tokens is not None:
        wire["max_output_tokens"] = max(request.max_tokens, MIN_OUTPUT_TOKENS)
        if request.max_tokens < MIN_OUTPUT_TOKENS:
            message = f"The model's provider takes no limit below {MIN_OUTPUT_TOKENS} tokens; that was sent."
            warnings.add(WarningCode.CHANGED_VALUE, "max_tokens", message)
    if request.service_tier is not None:
        tier = _TIERS_ELSEWHERE.get(request.service_tier, request.service_tier)
        if tier in _TIERS:
            wire["service_tier"] = tier
        else:
            warnings.unsupported("service_tier")


def _encode_sampling(request: Request, wire: Wire, traits: frozenset[str], warnings: Warnings) -> None:
    for name in _SAMPLING_EXTRAS:
        value = getattr(request, name)
        if value is not None and t.SAMPLING_EXTRAS in traits:
            wire[name] = value
        elif value is not None and not (name.endswith("_penalty") and name != "repetition_penalty" and value == 0):
            warnings.unsupported(name)
    if request.stop and t.SAMPLING_EXTRAS in traits:
        wire["stop"] = request.stop
    elif request.stop:
        warnings.unsupported("stop")
    _warn_of_rest(request, warnings)


def _warn_of_rest(request: Request, warnings: Warnings) -> None:
    for name in ("logit_bias", "prediction", "audio"):
        if getattr(request, name) is not None:
            warnings.unsupported(name)
    if request.safety_settings is not None:
        warnings.unsupported("safetySettings")
    if request.candidates is not None and request.candidates > 1:
        warnings.unsupported("n", "The model's provider gives one answer only.")
    if set(request.modalities) - {"text"}:
        warnings.unsupported("modalities")


def _encode_tools(request: Request, wire: Wire, warnings: Warnings) -> None:
    tools = encode_tools(request.tools, warnings, is_own_client=request.dialect == NAME)
    choice = request.tool_choice
    if not tools:
        if choice is not None and choice.mode in {ChoiceMode.REQUIRED, ChoiceMode.NAMED}:
            warnings.unsupported("tool_choice", "The tool that must be called is one that the model's provider does not have.")
        return
    wire["tools"] = tools
    if choice is not None:
        wire["tool_choice"] = encode_choice(choice, request.tools)
    if request.is_parallel is not None:
        wire["parallel_tool_calls"] = request.is_parallel


def _encode_output(output: OutputFormat) -> Wire:
    if output.kind == "json":
        return {"type": "json_object"}
    wire: Wire = {"type": "json_schema", "name": output.name or "response"}
    if output.description is not None:
        wire["description"] = output.description
    wire["schema"] = {"type": "object"} if output.schema is None else output.schema
    if output.is_strict is not None:
        wire["strict"] = output.is_strict
    return wire


def _encode_reasoning(request: Request, wire: Wire, model: UpstreamModel, warnings: Warnings) -> bool:
    """Write `reasoning`. Whether the model is known to think."""
    told = request.reasoning
    if told is None:
        return model.is_reasoning is True
    is_off = told.is_enabled is False or told.effort == "none"
    if model.is_reasoning is False:
        if not is_off and (told.is_enabled or told.effort or told.budget_tokens is not None):
            warnings.unsupported("reasoning", "The model does not think before it answers; what was asked of its thinking was left out.")
        return False
    effort = told.effort
    if is_off:
        # Said of a model that may not think at all, it would be refused; the dialect's own clients know what they ask for.
        effort = "none" if model.is_reasoning or told.effort == "none" else None
    elif effort is None and told.budget_tokens is not None:
        effort = effort_of(told.budget_tokens, request.max_tokens)
    elif effort is None and told.is_enabled and not told.is_adaptive:
        effort = "medium"
    summary = told.summary
    if summary is None and told.is_enabled and not told.is_hidden and request.dialect != NAME:
        summary = "auto"  # who switches thinking on elsewhere gets to see it
    wanted = {name: value for name, value in (("effort", effort), ("summary", None if is_off else summary)) if value is not None}
    if wanted:
        wire["reasoning"] = wanted
    return not is_off and bool(model.is_reasoning or wanted or told.is_encrypted_wanted)


def _encode_include(request: Request, wire: Wire, *, is_thinking: bool) -> None:
    """What the upstream is to tell beside the answer. Encrypted reasoning is asked of models that think: others refuse to be asked."""
    include = []
    if is_thinking and request.is_stored is not True:
        include.append("reasoning.encrypted_content")
    if request.has_logprobs:
        include.append("message.output_text.logprobs")
        if request.top_logprobs is not None:
            wire["top_logprobs"] = request.top_logprobs
    if include:
        wire["include"] = include
