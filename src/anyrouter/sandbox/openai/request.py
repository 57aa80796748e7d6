"""Reading an OpenAI chat completion request: what it asks for, and this provider's objections to it."""

import re
from dataclasses import dataclass
from typing import Any

from anyrouter.sandbox.answer import Prompt, Tool
from anyrouter.sandbox.fields import FaultKind, FieldFault, Fields
from anyrouter.sandbox.openai.envelope import place_of
from anyrouter.sandbox.openai.messages import read_messages
from anyrouter.sandbox.reply import ApiError
from anyrouter.sandbox.scenario import scenario_of

MAX_MODEL_LENGTH = 256
MAX_CHOICES = 128
MAX_TOOLS = 128
MAX_STOPS = 4
MAX_TOP_LOGPROBS = 20
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}", re.ASCII)
_TOOL_NAME_RULE = "^[a-zA-Z0-9_-]+$"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """How a stream is asked for."""

    is_streamed: bool
    includes_usage: bool
    is_obfuscated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A chat completion request. `top_logprobs` is None when no log probabilities are asked for."""

    prompt: Prompt
    stream: StreamOptions
    top_logprobs: int | None


def read_chat(fields: Fields) -> ChatRequest:
    """The request's meaning; FieldFault or ApiError for what this provider refuses. Unknown members are passed over."""
    model = read_model(fields)
    messages = read_messages(fields)
    choices = fields.integer("n", 1, MAX_CHOICES) or 1
    max_tokens = _read_max_tokens(fields)
    read_sampling(fields)
    effort = fields.choice("reasoning_effort", EFFORTS)
    tools = _read_tools(fields)
    forced, is_allowed = _read_tool_choice(fields, tools)
    schema, has_schema = _read_response_format(fields)
    return ChatRequest(
        prompt=Prompt(
            model=model,
            scenario=scenario_of(model),
            last_user_text=messages.last_user_text,
            input_tokens=messages.tokens,
            is_after_tool=messages.is_after_tool,
            tools=tools,
            is_tool_allowed=is_allowed,
            forced=forced,
            schema=schema,
            has_schema=has_schema,
            stop=read_stop(fields),
            max_tokens=max_tokens,
            choices=choices,
            is_reasoning=effort not in {None, "none"},
        ),
        stream=read_stream_options(fields),
        top_logprobs=_read_logprobs(fields),
    )


def read_model(fields: Fields) -> str:
    """The model's name; it is answered whatever it is, unless nothing could be called so."""
    model = fields.text("model")
    if not model:
        raise fields.fault("model", FaultKind.MISSING)
    if len(model) > MAX_MODEL_LENGTH:
        message = f"The model `{model[:64]}…` does not exist or you do not have access to it."
        raise ApiError(404, message, code="model_not_found")
    return model


def read_sampling(fields: Fields) -> None:
    """Check the members that steer sampling, of which nothing is simulated."""
    fields.number("temperature", 0.0, 2.0)
    fields.number("top_p", 0.0, 1.0)
    fields.number("presence_penalty", -2.0, 2.0)
    fields.number("frequency_penalty", -2.0, 2.0)
    fields.integer("seed")
    fields.object("logit_bias")
    fields.text("user")


def read_stop(fields: Fields) -> tuple[str, ...]:
    """The stop sequences: one string or up to four."""
    value = fields.members.get("stop")
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list):
        raise fields.fault("stop", FaultKind.TYPE, "one of an array of strings or a string", value)
    return fields.texts("stop", maximum=MAX_STOPS)


def read_stream_options(fields: Fields) -> StreamOptions:
    """Whether and how to stream; options without a stream are refused, as there."""
    is_streamed = fields.flag("stream")
    options = fields.object("stream_options")
    if options is not None and not is_streamed:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise ApiError(400, message, param="stream_options")
    if options is None:
        return StreamOptions(is_streamed=is_streamed, includes_usage=False, is_obfuscated=True)
    is_obfuscated = options.flag("include_obfuscation") or not options.has("include_obfuscation")
    return StreamOptions(is_streamed=is_streamed, includes_usage=options.flag("include_usage"), is_obfuscated=is_obfuscated)


def _read_max_tokens(fields: Fields) -> int | None:
    older, newer = fields.integer("max_tokens", 1), fields.integer("max_completion_tokens", 1)
    if older is not None and newer is not None:
        message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        raise ApiError(400, message, param="max_tokens", code="invalid_parameter_combination")
    return older if newer is None else newer


def _read_logprobs(fields: Fields) -> int | None:
    top = fields.integer("top_logprobs", 0, MAX_TOP_LOGPROBS)
    if not fields.flag("logprobs"):
        if top is not None:
            raise ApiError(400, "'logprobs' must be set to true if 'top_logprobs' is used.", param="top_logprobs", code="invalid_value")
        return None
    return top or 0


def _read_tools(fields: Fields) -> tuple[Tool, ...]:
    tools = fields.objects("tools", maximum=MAX_TOOLS)
    if fields.has("tools") and not tools:
        raise fields.fault("tools", FaultKind.EMPTY)
    return tuple(_read_tool(tool) for tool in tools)


def _read_tool(tool: Fields) -> Tool:
    kind = tool.choice("type", ("function", "custom"))
    if kind is None:
        raise tool.fault("type", FaultKind.MISSING)
    definition = tool.object(kind)
    if definition is None:
        raise tool.fault(kind, FaultKind.MISSING)
    return read_definition(definition, kind)


def read_definition(definition: Fields, kind: str) -> Tool:
    """A tool of the caller's own, of kind function or custom."""
    name = definition.required_text("name")
    if not _TOOL_NAME.fullmatch(name):
        place = place_of((*definition.path, "name"))
        message = f"Invalid '{place}': string does not match pattern. Expected a string that matches the pattern '{_TOOL_NAME_RULE}'."
        raise ApiError(400, message, param=place, code="invalid_value")
    if kind == "custom":
        return Tool(name=name)
    parameters = definition.object("parameters")
    place = place_of((*definition.path, "parameters"))
    if parameters and parameters.members.get("type", "object") != "object":
        message = f"Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"'."
        raise ApiError(400, message, param=place, code="invalid_function_parameters")
    return Tool(name=name, schema={**(parameters.members if parameters else {}), "type": "object"}, place=place)


def _read_tool_choice(fields: Fields, tools: tuple[Tool, ...]) -> tuple[Tool | None, bool]:
    """The tool that must be called, and whether one may be called at all."""
    choice = fields.members.get("tool_choice")
    if choice is None:
        return None, True
    if not tools:
        message = "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified."
        raise ApiError(400, message, param="tool_choice")
    if isinstance(choice, str):
        fields.choice("tool_choice", ("none", "auto", "required"))
        return (tools[0] if choice == "required" else None), choice != "none"
    named = fields.object("tool_choice")
    kind = named.choice("type", ("function", "custom", "allowed_tools")) if named else None
    if named is None or kind is None:
        raise FieldFault(("tool_choice", "type"), FaultKind.MISSING)
    if kind == "allowed_tools":
        return _read_allowed_tools(named, tools), True
    definition = named.object(kind)
    if definition is None:
        raise named.fault(kind, FaultKind.MISSING)
    return find_tool(definition.required_text("name"), tools, f"tool_choice.{kind}.name"), True


def _read_allowed_tools(named: Fields, tools: tuple[Tool, ...]) -> Tool | None:
    allowed = named.object("allowed_tools")
    if allowed is None:
        raise named.fault("allowed_tools", FaultKind.MISSING)
    mode = allowed.choice("mode", ("auto", "required"))
    for tool in allowed.objects("tools"):
        definition = tool.object("function") or tool.object("custom")
        found = find_tool(definition.required_text("name"), tools, place_of(tool.path)) if definition else None
        if found is not None and mode == "required":
            return found
    return None


def find_tool(name: str, tools: tuple[Tool, ...], place: str) -> Tool:
    """The tool of that name; ApiError, with the place of the name, when there is none."""
    for tool in tools:
        if tool.name == name:
            return tool
    raise ApiError(400, f"Tool choice '{name[:64]}' not found in 'tools' parameter.", param=place)


def _read_response_format(fields: Fields) -> tuple[Any, bool]:
    """The schema that the text must satisfy, and whether there is one."""
    wanted = fields.object("response_format")
    if wanted is None:
        return None, False
    kind = wanted.choice("type", ("text", "json_object", "json_schema"))
    if kind is None:
        raise wanted.fault("type", FaultKind.MISSING)
    if kind == "text":
        return None, False
    if kind == "json_object":
        return {"type": "object"}, True
    definition = wanted.object("json_schema")
    if definition is None:
        raise wanted.fault("json_schema", FaultKind.MISSING)
    definition.required_text("name")
    schema = definition.object("schema")
    return (schema.members if schema else {"type": "object"}), True
