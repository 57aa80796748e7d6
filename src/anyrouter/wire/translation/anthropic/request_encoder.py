"""A request of the form as an upstream of the Messages API takes it."""

import msgspec

from anyrouter.wire.form.request import Request
from anyrouter.wire.form.warnings import WarningCode, Warnings
from anyrouter.wire.translation import claude_models as c
from anyrouter.wire.translation.anthropic.message_encoder import MessageEncoder, encode_cache
from anyrouter.wire.translation.anthropic.shapes import Wire
from anyrouter.wire.translation.anthropic.thinking import encode_thinking
from anyrouter.wire.translation.anthropic.tool_encoder import encode_tools
from anyrouter.wire.translation.claude_models import claude_traits
from anyrouter.wire.translation.closed_schema import close_schema
from anyrouter.wire.translation.codec import EncodedRequest, UpstreamModel

_encode = msgspec.json.Encoder().encode
_DEFAULT_MAX_TOKENS = 4096
# Members of the form that the API has nothing for: their name, and what they are when they say nothing.
_UNSUPPORTED: tuple[tuple[str, str, tuple[object, ...]], ...] = (
    ("min_p", "min_p", (0,)),
    ("top_a", "top_a", (0,)),
    ("frequency_penalty", "frequency_penalty", (0,)),
    ("presence_penalty", "presence_penalty", (0,)),
    ("repetition_penalty", "repetition_penalty", (1,)),
    ("seed", "seed", ()),
    ("logit_bias", "logit_bias", (msgspec.Raw(b"{}"),)),
    ("has_logprobs", "logprobs", (False,)),
    ("top_logprobs", "top_logprobs", (0,)),
    ("candidates", "n", (1,)),
    ("verbosity", "verbosity", ("medium",)),
    ("modalities", "modalities", ((), ("text",))),
    ("audio", "audio", ()),
    ("prediction", "prediction", ()),
    ("metadata", "metadata", (msgspec.Raw(b"{}"),)),
    ("is_stored", "store", (False,)),
    ("safety_settings", "safetySettings", ()),
)
_TIERS = {"auto": "auto", "default": "standard_only", "standard": "standard_only", "standard_only": "standard_only", "priority": "auto"}
_MIN_TOP_P_THINKING = 0.95


def encode_request(request: Request, model: UpstreamModel, warnings: Warnings) -> EncodedRequest:
    """The body. What the Messages API has nothing for is left out with a warning."""
    traits = claude_traits(model.name) | model.traits
    max_tokens = request.max_tokens if request.max_tokens is not None else model.max_output_tokens or _DEFAULT_MAX_TOKENS
    system, messages = MessageEncoder(request, traits, warnings).encode(request.messages)
    wire: Wire = {"model": model.name, "max_tokens": max_tokens, "messages": messages}
    if system is not None:
        wire["system"] = system
    is_forced = encode_tools(request, wire, traits, warnings)
    if request.reasoning is not None:
        encode_thinking(request, wire, model, traits, warnings, is_forced=is_forced)
    _encode_sampling(request, wire, traits, warnings)
    if request.output is not None:
        _encode_output(request, wire, traits, warnings)
    _encode_rest(request, wire, warnings)
    return EncodedRequest(_encode(wire))


def _encode_sampling(request: Request, wire: Wire, traits: frozenset[str], warnings: Warnings) -> None:
    temperature, top_p, top_k = request.temperature, request.top_p, request.top_k
    if temperature is not None and temperature > 1:
        message = f"The model's provider takes a temperature of 1 at most, not {temperature:g}; it was set to 1."
        warnings.add(WarningCode.CHANGED_VALUE, "temperature", message)
        temperature = 1.0
    thinking = wire.get("thinking", {}).get("type")
    is_thinking = thinking in {"enabled", "adaptive"}
    is_fixed = c.NO_SAMPLING in traits
    message = "The model takes no {0}" + (" while it thinks" if is_thinking and not is_fixed else "") + "; it was left out."
    if temperature is not None:
        if not (is_fixed or is_thinking):
            wire["temperature"] = temperature
        elif temperature != 1:
            warnings.unsupported("temperature", message.format("temperature"))
    if top_p is not None and top_p != 1:
        if is_fixed or (is_thinking and top_p < _MIN_TOP_P_THINKING):
            warnings.unsupported("top_p", message.format("top_p"))
        elif "temperature" in wire and c.ONE_SAMPLING in traits:
            warnings.unsupported("top_p", "The model takes no top_p beside a temperature; it was left out.")
        else:
            wire["top_p"] = top_p
    if top_k is not None:
        if is_fixed or is_thinking:
            warnings.unsupported("top_k", message.format("top_k"))
        else:
            wire["top_k"] = top_k


def _encode_output(request: Request, wire: Wire, traits: frozenset[str], warnings: Warnings) -> None:
    output = request.output
    if output is None or output.kind == "text":
        return
    if output.kind != "schema" or output.schema is None:
        message = "The model's provider has no JSON mode without a schema; whether the answer is JSON was left to the model."
        warnings.unsupported("response_format", message)
        return
    if c.NO_OUTPUT_FORMAT in traits:
        warnings.unsupported("response_format", "The model cannot be held to a JSON schema; the schema was left out.")
        return
    schema = close_schema(output.schema, "response_format.json_schema.schema", warnings, output.description)
    wire.setdefault("output_config", {})["format"] = {"type": "json_schema", "schema": schema}


def _encode_stop(request: Request, wire: Wire, warnings: Warnings) -> None:
    stop = [sequence for sequence in request.stop if sequence.strip()]
    if stop:
        wire["stop_sequences"] = stop
    if len(stop) != len(request.stop):
        message = "The model's provider takes no stop sequence of white space alone; such were left out."
        warnings.unsupported("stop", message)


def _encode_rest(request: Request, wire: Wire, warnings: Warnings) -> None:
    _encode_stop(request, wire, warnings)
    user = request.user if request.user is not None else request.safety_identifier
    if user is not None:
        wire["metadata"] = {"user_id": user}
    if request.safety_identifier not in {None, user}:
        warnings.unsupported("safety_identifier", "The model's provider has one id of a user, for which user was taken.")
    if request.service_tier is not None:
        tier = _TIERS.get(request.service_tier)
        if tier is None:
            warnings.unsupported("service_tier", f"The model's provider has no service tier {request.service_tier[:32]}; it was left out.")
        else:
            wire["service_tier"] = tier
    if request.cache is not None:
        wire["cache_control"] = encode_cache(request.cache)
    if request.is_streamed:
        wire["stream"] = True
    for field, name, says_nothing in _UNSUPPORTED:
        value = getattr(request, field)
        if value is not None and value not in says_nothing:
            warnings.unsupported(name)
