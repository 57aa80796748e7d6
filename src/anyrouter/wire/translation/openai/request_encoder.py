"""A request of the form as an upstream of chat completions takes it."""

from typing import Any

import msgspec
from msgspec import Raw

from anyrouter.wire.form.reasoning import effort_of
from anyrouter.wire.form.request import OutputFormat, Request
from anyrouter.wire.form.tools import AnyTool, ChoiceMode, CustomTool, ServerTool, Tool, ToolChoice
from anyrouter.wire.form.warnings import WarningCode, Warnings
from anyrouter.wire.openai import NAME
from anyrouter.wire.translation.codec import EncodedRequest, UpstreamModel
from anyrouter.wire.translation.openai import traits as t
from anyrouter.wire.translation.openai.message_encoder import MessageEncoder
from anyrouter.wire.translation.strict_function import strictness_of

Wire = dict[str, Any]
_encode = msgspec.json.Encoder().encode
# The form's members that stand on the wire as they are.
_SIMPLE = (
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("frequency_penalty", "frequency_penalty"),
    ("presence_penalty", "presence_penalty"),
    ("seed", "seed"),
    ("logit_bias", "logit_bias"),
    ("has_logprobs", "logprobs"),
    ("top_logprobs", "top_logprobs"),
    ("candidates", "n"),
    ("verbosity", "verbosity"),
    ("prediction", "prediction"),
    ("cache_key", "prompt_cache_key"),
    ("cache_retention", "prompt_cache_retention"),
    ("service_tier", "service_tier"),
    ("user", "user"),
    ("safety_identifier", "safety_identifier"),
    ("metadata", "metadata"),
    ("is_stored", "store"),
)
_SAMPLING_EXTRAS = ("top_k", "min_p", "top_a", "repetition_penalty")


def encode_request(request: Request, model: UpstreamModel, warnings: Warnings) -> EncodedRequest:
    """The body. What chat completions have nothing for is left out with a warning."""
    traits = model.traits
    wire: Wire = {"model": model.name, "messages": MessageEncoder(request.dialect, traits, warnings).encode(request.messages)}
    _encode_simple(request, wire, traits)
    _encode_sampling(request, wire, traits, warnings)
    _encode_modalities(request, wire)
    if request.tools:
        _encode_tools(request, wire, traits, warnings)
    if request.output is not None and request.output.kind != "text":
        wire["response_format"] = _encode_output(request.output)
    if request.reasoning is not None:
        _encode_reasoning(request, wire, model, warnings)
    if request.is_streamed:
        wire["stream"] = True
        if model.is_asking_usage:
            wire["stream_options"] = {"include_usage": True}
    return EncodedRequest(_encode(wire))


def _encode_simple(request: Request, wire: Wire, traits: frozenset[str]) -> None:
    for field, name in _SIMPLE:
        value = getattr(request, field)
        if value is not None:
            wire[name] = value
    if request.max_tokens is not None:
        wire["max_completion_tokens" if t.MAX_COMPLETION_TOKENS in traits else "max_tokens"] = request.max_tokens
    if request.stop:
        wire["stop"] = request.stop


def _encode_sampling(request: Request, wire: Wire, traits: frozenset[str], warnings: Warnings) -> None:
    for name in _SAMPLING_EXTRAS:
        value = getattr(request, name)
        if value is not None and t.SAMPLING_EXTRAS in traits:
            wire[name] = value
        elif value is not None:
            warnings.unsupported(name)
    if request.safety_settings is not None:
        warnings.unsupported("safetySettings")


def _encode_modalities(request: Request, wire: Wire) -> None:
    if request.modalities and request.modalities != ("text",):
        wire["modalities"] = request.modalities
    if request.audio is not None:
        audio = request.audio
        wire["audio"] = {name: value for name, value in (("voice", audio.voice), ("format", audio.format)) if value is not None}


def _encode_tools(request: Request, wire: Wire, traits: frozenset[str], warnings: Warnings) -> None:
    tools: list[Wire | Raw] = []
    for at, tool in enumerate(request.tools):
        if isinstance(tool, ServerTool):
            _encode_server_tool(tool, f"tools[{at}]", wire, tools, traits, warnings)
        else:
            tools.append(_encode_tool(tool, f"tools[{at}]", traits, warnings))
    if not tools:
        if request.tool_choice is not None and request.tool_choice.mode in {ChoiceMode.REQUIRED, ChoiceMode.NAMED}:
            warnings.unsupported("tool_choice", "The tool that must be called is one that the model's provider does not have.")
        return
    wire["tools"] = tools
    if request.tool_choice is not None:
        wire["tool_choice"] = _encode_choice(request.tool_choice, request.tools)
    if request.is_parallel is not None:
        wire["parallel_tool_calls"] = request.is_parallel


def _encode_server_tool(  # noqa: PLR0917 -- one caller
    tool: ServerTool, where: str, wire: Wire, tools: list[Wire | Raw], traits: frozenset[str], warnings: Warnings
) -> None:
    is_own = tool.dialect == NAME
    if tool.kind == "web_search" and t.WEB_SEARCH in traits:
        wire["web_search_options"] = tool.raw if is_own and tool.type == "web_search_options" else {}
    elif is_own and tool.type != "web_search_options":
        tools.append(tool.raw)
    else:
        where = "web_search_options" if tool.type == "web_search_options" else where
        message = f"The model's provider has no tool {tool.type} of its own; it was left out."
        warnings.add(WarningCode.UNSUPPORTED_TOOL, where, message)


def _encode_tool(tool: Tool | CustomTool, where: str, traits: frozenset[str], warnings: Warnings) -> Wire:
    inner: Wire = {"name": tool.name}
    if tool.description is not None:
        inner["description"] = tool.description
    if isinstance(tool, CustomTool):
        if tool.format is not None:
            inner["format"] = tool.format
        wire: Wire = {"type": "custom", "custom": inner}
    else:
        inner["parameters"], is_strict = strictness_of(tool, where, warnings)
        if is_strict is not None:
            inner["strict"] = is_strict
        wire = {"type": "function", "function": inner}
    if tool.cache is not None and t.CACHE_CONTROL in traits:
        wire["cache_control"] = {"type": tool.cache.kind} if tool.cache.ttl is None else {"type": tool.cache.kind, "ttl": tool.cache.ttl}
    return wire


def _encode_choice(choice: ToolChoice, tools: list[AnyTool]) -> str | Wire:
    custom = {tool.name for tool in tools if isinstance(tool, CustomTool)}

    def refer(name: str) -> Wire:
        kind = "custom" if name in custom else "function"
        return {"type": kind, kind: {"name": name}}

    if choice.mode is ChoiceMode.NAMED:
        return refer(choice.names[0])
    if choice.names and choice.mode is not ChoiceMode.NONE:
        return {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode.value, "tools": [refer(name) for name in choice.names]}}
    return choice.mode.value


def _encode_output(output: OutputFormat) -> Wire:
    if output.kind == "json":
        return {"type": "json_object"}
    schema: Wire = {"name": output.name or "response"}
    if output.description is not None:
        schema["description"] = output.description
    if output.schema is not None:
        schema["schema"] = output.schema
    if output.is_strict is not None:
        schema["strict"] = output.is_strict
    return {"type": "json_schema", "json_schema": schema}


def _encode_reasoning(request: Request, wire: Wire, model: UpstreamModel, warnings: Warnings) -> None:
    told = request.reasoning
    assert told is not None  # noqa: S101 -- the caller has looked
    is_off = told.is_enabled is False or told.effort == "none"
    if model.is_reasoning is False:
        if not is_off and (told.is_enabled or told.effort or told.budget_tokens is not None):
            warnings.unsupported("reasoning", "The model does not think before it answers; what was asked of its thinking was left out.")
        return
    if t.REASONING_OBJECT in model.traits:
        wire["reasoning"] = _reasoning_object(request)
        return
    effort = told.effort
    if is_off:
        # Said of a model that may not think at all, it would be refused; the dialect's own clients know what they ask for.
        effort = "none" if model.is_reasoning or told.effort == "none" else None
    elif effort is None and told.budget_tokens is not None:
        effort = effort_of(told.budget_tokens, request.max_tokens)
    elif effort is None and told.is_enabled and not told.is_adaptive:
        effort = "medium"
    if effort is not None:
        wire["reasoning_effort"] = effort


def _reasoning_object(request: Request) -> Wire:
    told = request.reasoning
    assert told is not None  # noqa: S101 -- the caller has looked
    wire: Wire = {}
    if told.effort is not None:
        wire["effort"] = told.effort
    elif told.budget_tokens is not None:
        wire["max_tokens"] = told.budget_tokens
    if told.is_enabled is not None:
        wire["enabled"] = told.is_enabled
    if told.is_hidden:
        wire["exclude"] = True
    if told.summary is not None:
        wire["summary"] = told.summary
    return wire
