"""A request of the form as Converse takes it. The model is in the path and not in the body."""

import re
from typing import Any

import msgspec
from msgspec import Raw

from anyrouter.wire.form.request import Request
from anyrouter.wire.form.warnings import WarningCode, Warnings
from anyrouter.wire.translation import claude_models as c
from anyrouter.wire.translation.bedrock.message_encoder import MessageEncoder
from anyrouter.wire.translation.bedrock.model_facts import ModelFacts, facts_of
from anyrouter.wire.translation.bedrock.thinking import ThinkingWires, encode_thinking
from anyrouter.wire.translation.bedrock.tool_encoder import encode_tools
from anyrouter.wire.translation.closed_schema import close_schema
from anyrouter.wire.translation.codec import EncodedRequest, UpstreamModel

Wire = dict[str, Any]
CONVERSE, CONVERSE_STREAM = "/converse", "/converse-stream"
_encode = msgspec.json.Encoder().encode
_METADATA = msgspec.json.Decoder(dict[str, str])
_MAX_METADATA = 16
_METADATA_TEXT = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}", re.ASCII)
_MIN_TOP_P_THINKING = 0.95
# Members of the form that the API has nothing for: their name, and what they are when they say nothing.
_UNSUPPORTED: tuple[tuple[str, str, tuple[object, ...]], ...] = (
    ("min_p", "min_p", (0,)),
    ("top_a", "top_a", (0,)),
    ("frequency_penalty", "frequency_penalty", (0,)),
    ("presence_penalty", "presence_penalty", (0,)),
    ("repetition_penalty", "repetition_penalty", (1,)),
    ("seed", "seed", ()),
    ("logit_bias", "logit_bias", (Raw(b"{}"),)),
    ("has_logprobs", "logprobs", (False,)),
    ("top_logprobs", "top_logprobs", (0,)),
    ("candidates", "n", (1,)),
    ("verbosity", "verbosity", ("medium",)),
    ("modalities", "modalities", ((), ("text",))),
    ("audio", "audio", ()),
    ("prediction", "prediction", ()),
    ("user", "user", ()),
    ("safety_identifier", "safety_identifier", ()),
    ("is_stored", "store", (False,)),
    ("safety_settings", "safetySettings", ()),
)
_TIERS = {"auto": None, "default": "default", "standard": "default", "flex": "flex", "priority": "priority", "reserved": "reserved"}


def encode_request(request: Request, model: UpstreamModel, warnings: Warnings) -> EncodedRequest:
    """The body, and what the path ends in. What Converse has nothing for is left out with a warning."""
    facts = facts_of(model.name)
    encoder = MessageEncoder(request, facts, warnings)
    system, turns = encoder.encode(request.messages)
    if request.cache is not None:
        turns[-1]["content"] += encoder.cache_point(request.cache)
    wire: Wire = {"messages": turns}
    if system:
        wire["system"] = system
    inference: Wire = {}
    if request.max_tokens is not None:
        inference["maxTokens"] = request.max_tokens
    is_forced = encode_tools(request, wire, facts, encoder, warnings)
    wires = ThinkingWires(turns, inference)
    encode_thinking(request, wires, model, facts, warnings, is_forced=is_forced)
    _encode_sampling(request, wires, facts, warnings)
    _encode_stop(request, inference, warnings)
    _encode_output(request, wires.output, facts, warnings)
    members = {"inferenceConfig": inference, "additionalModelRequestFields": wires.fields, "outputConfig": wires.output}
    wire.update({name: value for name, value in members.items() if value})
    if request.stop and facts.is_claude:
        wire["additionalModelResponseFieldPaths"] = ["/stop_sequence"]
    _encode_rest(request, wire, warnings)
    return EncodedRequest(_encode(wire), CONVERSE_STREAM if request.is_streamed else CONVERSE)


def _encode_sampling(request: Request, wires: ThinkingWires, facts: ModelFacts, warnings: Warnings) -> None:
    inference, temperature, top_p = wires.inference, request.temperature, request.top_p
    if temperature is not None and temperature > 1:
        message = f"The model's provider takes a temperature of 1 at most, not {temperature:g}; it was set to 1."
        warnings.add(WarningCode.CHANGED_VALUE, "temperature", message)
        temperature = 1.0
    is_thinking = facts.is_claude and wires.fields.get("thinking", {}).get("type") in {"enabled", "adaptive"}
    is_fixed = c.NO_SAMPLING in facts.claude
    message = "The model takes no {0}" + (" while it thinks" if is_thinking and not is_fixed else "") + "; it was left out."
    if temperature is not None:
        if not (is_fixed or is_thinking):
            inference["temperature"] = temperature
        elif temperature != 1:
            warnings.unsupported("temperature", message.format("temperature"))
    if top_p is not None and (top_p != 1 or not facts.is_claude):
        if is_fixed or (is_thinking and top_p < _MIN_TOP_P_THINKING):
            warnings.unsupported("top_p", message.format("top_p"))
        elif "temperature" in inference and c.ONE_SAMPLING in facts.claude:
            warnings.unsupported("top_p", "The model takes no top_p beside a temperature; it was left out.")
        else:
            inference["topP"] = top_p
    if request.top_k is not None:
        _encode_top_k(request.top_k, wires.fields, facts, warnings, is_refused=is_fixed or is_thinking)


def _encode_stop(request: Request, inference: Wire, warnings: Warnings) -> None:
    stop = [sequence for sequence in request.stop if sequence.strip()]
    if stop:
        inference["stopSequences"] = stop
    if len(stop) != len(request.stop):
        warnings.unsupported("stop", "The model's provider takes no stop sequence of white space alone; such were left out.")


def _encode_top_k(top_k: int, fields: Wire, facts: ModelFacts, warnings: Warnings, *, is_refused: bool) -> None:
    """`top_k` is no part of Converse; two makers have it among their models' own fields, under different names."""
    if facts.is_claude and not is_refused:
        fields["top_k"] = top_k
    elif facts.is_nova:
        fields["inferenceConfig"] = {"topK": top_k}
    else:
        warnings.unsupported("top_k", "The model takes no top_k" + (" now" if facts.is_claude else "") + "; it was left out.")


def _encode_output(request: Request, output: Wire, facts: ModelFacts, warnings: Warnings) -> None:
    told = request.output
    if told is None or told.kind == "text":
        return
    if told.kind != "schema" or told.schema is None:
        message = "The model's provider has no JSON mode without a schema; whether the answer is JSON was left to the model."
        warnings.unsupported("response_format", message)
        return
    if c.NO_OUTPUT_FORMAT in facts.claude or facts.is_nova:
        warnings.unsupported("response_format", "The model cannot be held to a JSON schema; the schema was left out.")
        return
    schema = close_schema(told.schema, "response_format.json_schema.schema", warnings)
    wire: Wire = {"schema": msgspec.json.format(bytes(schema), indent=-1).decode()}
    if told.name is not None:
        wire["name"] = told.name
    if told.description is not None:
        wire["description"] = told.description
    output["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": wire}}


def _encode_rest(request: Request, wire: Wire, warnings: Warnings) -> None:
    if request.service_tier is not None:
        tier = _TIERS.get(request.service_tier, "")
        if tier:
            wire["serviceTier"] = {"type": tier}
        elif tier is not None:
            warnings.unsupported("service_tier")
    if request.metadata is not None:
        metadata = _metadata_of(request.metadata)
        if metadata is None:
            warnings.unsupported("metadata", "The model's provider takes up to 16 short texts as metadata; yours were left out.")
        elif metadata:
            wire["requestMetadata"] = metadata
    for field, name, nothing in _UNSUPPORTED:
        value = getattr(request, field)
        if value is not None and value not in nothing:
            warnings.unsupported(name)


def _metadata_of(raw: Raw) -> dict[str, str] | None:
    """The client's metadata, if the service takes such; None if not."""
    try:
        told = _METADATA.decode(raw)
    except (ValueError, msgspec.DecodeError):
        return None
    if len(told) > _MAX_METADATA or not all(key and _METADATA_TEXT.fullmatch(key) and _METADATA_TEXT.fullmatch(told[key]) for key in told):
        return None
    return told
