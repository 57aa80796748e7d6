"""Reading a Responses request: what it asks for, and this provider's objections to it.

Stateless: `store` is taken and not acted upon, and what refers to an earlier response or a conversation is not found.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from anyrouter.core.usage import estimate_tokens
from anyrouter.sandbox.answer import Prompt, Tool
from anyrouter.sandbox.fields import FaultKind, FieldFault, Fields
from anyrouter.sandbox.openai.envelope import place_of
from anyrouter.sandbox.openai.request import (
    EFFORTS,
    MAX_TOOLS,
    MAX_TOP_LOGPROBS,
    StreamOptions,
    find_tool,
    read_definition,
    read_model,
    read_stream_options,
)
from anyrouter.sandbox.reply import ApiError
from anyrouter.sandbox.responses.items import read_input
from anyrouter.sandbox.scenario import scenario_of
from anyrouter.sandbox.text import byte_count

MIN_OUTPUT_TOKENS = 16
_SUMMARIES = ("auto", "concise", "detailed")
_VERBOSITIES = ("low", "medium", "high")
_LOGPROBS = "message.output_text.logprobs"

# What other endpoints of this provider call otherwise, and what it is called here.
_MOVED = {
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "messages": "input",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
    "verbosity": "text.verbosity",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsesRequest:
    """A Responses request. `echoed` are the members of the reply that repeat it; `top_logprobs` is None when none are asked for."""

    prompt: Prompt
    stream: StreamOptions
    echoed: dict[str, msgspec.Raw]
    top_logprobs: int | None
    shows_summary: bool


def read_request(fields: Fields) -> ResponsesRequest:
    """The request's meaning; FieldFault or ApiError for what this provider refuses. Unknown members are passed over."""
    _refuse_moved(fields)
    model = read_model(fields)
    _refuse_stored(fields)
    items = read_input(fields)
    instructions = fields.text("instructions")
    tools = _read_tools(fields)
    forced, is_allowed = _read_tool_choice(fields, tools)
    schema, has_schema = _read_format(fields)
    effort, summary = _read_reasoning(fields)
    prompt = Prompt(
        model=model,
        scenario=scenario_of(model),
        last_user_text=items.last_user_text,
        input_tokens=estimate_tokens(items.size + byte_count(instructions or "")),
        is_after_tool=items.is_after_tool,
        tools=tools,
        is_tool_allowed=is_allowed,
        forced=forced,
        schema=schema,
        has_schema=has_schema,
        schema_place="text.format.schema",
        max_tokens=fields.integer("max_output_tokens", MIN_OUTPUT_TOKENS),
        is_reasoning=effort not in {None, "none"} or summary is not None,
    )
    top_logprobs = fields.integer("top_logprobs", 0, MAX_TOP_LOGPROBS)
    is_logged = _LOGPROBS in fields.texts("include")
    return ResponsesRequest(
        prompt=prompt,
        stream=read_stream_options(fields),
        echoed=_echo(fields, {"effort": effort, "summary": summary}),
        top_logprobs=(top_logprobs or 0) if is_logged else None,
        shows_summary=summary is not None,
    )


def _echo(fields: Fields, reasoning: dict[str, Any]) -> dict[str, msgspec.Raw]:
    """The members of a response that say what was asked for, with this provider's defaults, in its order.

    Encoded at once: what is nested too deeply for it is refused before a stream begins, and a stream says it three times.
    """
    text = fields.object("text") or Fields({})
    truncation = fields.choice("truncation", ("auto", "disabled"))
    parallel = fields.flag("parallel_tool_calls") or not fields.has("parallel_tool_calls")
    temperature, top_p = fields.number("temperature", 0.0, 2.0), fields.number("top_p", 0.0, 1.0)
    echoed = {
        "instructions": fields.members.get("instructions"),
        "max_output_tokens": fields.members.get("max_output_tokens"),
        "max_tool_calls": fields.integer("max_tool_calls", 1),
        "model": fields.members["model"],
        "output": [],
        "parallel_tool_calls": parallel,
        "presence_penalty": 0.0,
        "previous_response_id": None,
        "prompt_cache_key": fields.text("prompt_cache_key"),
        "prompt_cache_retention": fields.text("prompt_cache_retention"),
        "reasoning": reasoning,
        "safety_identifier": fields.text("safety_identifier"),
        "service_tier": "default",
        "store": False,
        "temperature": 1.0 if temperature is None else temperature,
        "text": {"format": text.members.get("format") or {"type": "text"}, "verbosity": text.choice("verbosity", _VERBOSITIES) or "medium"},
        "tool_choice": fields.members.get("tool_choice") or "auto",
        "tools": [_echo_tool(tool) for tool in fields.members.get("tools") or ()],
        "top_logprobs": fields.members.get("top_logprobs") or 0,
        "top_p": 1.0 if top_p is None else top_p,
        "truncation": truncation or "disabled",
        "usage": None,
        "user": fields.text("user"),
        "metadata": (fields.object("metadata") or Fields({})).members,
    }
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in echoed.items()}


def _echo_tool(tool: dict[str, Any]) -> dict[str, Any]:
    if tool.get("type") != "function":
        return tool
    return {"type": "function", "description": None, "name": "", "parameters": {}, "strict": True} | tool


def _refuse_moved(fields: Fields) -> None:
    for older, newer in _MOVED.items():
        if older in fields.members:
            hint = f"In the Responses API, this parameter has moved to '{newer}'. Try again with the new parameter."
            raise ApiError(400, f"Unsupported parameter: '{older}'. {hint}", param=older, code="unsupported_parameter")


def _refuse_stored(fields: Fields) -> None:
    previous = fields.text("previous_response_id")
    if previous is not None:
        message = f"Previous response with id '{previous[:64]}' not found."
        raise ApiError(400, message, param="previous_response_id", code="previous_response_not_found")
    for name, label in (("conversation", "Conversation"), ("prompt", "Prompt")):
        if fields.has(name):
            value = fields.members[name]
            identity = value if isinstance(value, str) else value.get("id") if isinstance(value, dict) else None
            raise ApiError(404, f"{label} with id '{str(identity)[:64]}' not found.", param=name)
    if fields.flag("background"):
        raise ApiError(400, "Unsupported parameter: 'background' is not supported with this model.", param="background")
    fields.flag("store")


def _read_tools(fields: Fields) -> tuple[Tool, ...]:
    """The caller's own tools. Those that run at the provider run here not at all."""
    tools = []
    for tool in fields.objects("tools", maximum=MAX_TOOLS):
        kind = tool.required_text("type")
        if kind in {"function", "custom"}:
            tools.append(read_definition(tool, kind))
    return tuple(tools)


def _read_tool_choice(fields: Fields, tools: tuple[Tool, ...]) -> tuple[Tool | None, bool]:
    """The tool that must be called, and whether one may be called at all."""
    choice = fields.members.get("tool_choice")
    if choice is None:
        return None, True
    if isinstance(choice, str):
        fields.choice("tool_choice", ("none", "auto", "required"))
        if choice == "required" and not fields.has("tools"):
            raise ApiError(400, "Tool choice 'required' must be specified with 'tools' parameter.", param="tool_choice")
        return (tools[0] if choice == "required" and tools else None), choice != "none"
    named = fields.object("tool_choice")
    kind = named.text("type") if named else None
    if named is None or kind is None:
        raise FieldFault(("tool_choice", "type"), FaultKind.MISSING)
    if kind in {"function", "custom"}:
        return find_tool(named.required_text("name"), tools, "tool_choice"), True
    if kind != "allowed_tools":
        return None, True
    mode = named.choice("mode", ("auto", "required"))
    allowed = [
        find_tool(tool.required_text("name"), tools, place_of(tool.path))
        for tool in named.objects("tools")
        if tool.text("type") in {"function", "custom"}
    ]
    return (allowed[0] if mode == "required" and allowed else None), True


def _read_format(fields: Fields) -> tuple[Any, bool]:
    """The schema that the text must satisfy, and whether there is one."""
    text = fields.object("text")
    wanted = text.object("format") if text else None
    if wanted is None:
        return None, False
    kind = wanted.choice("type", ("text", "json_object", "json_schema"))
    if kind is None:
        raise wanted.fault("type", FaultKind.MISSING)
    if kind == "text":
        return None, False
    if kind == "json_object":
        return {"type": "object"}, True
    wanted.required_text("name")
    schema = wanted.object("schema")
    if schema is None:
        raise wanted.fault("schema", FaultKind.MISSING)
    return schema.members, True


def _read_reasoning(fields: Fields) -> tuple[str | None, str | None]:
    """How hard to think, and how a summary of it is asked for."""
    reasoning = fields.object("reasoning")
    if reasoning is None:
        return None, None
    older = reasoning.choice("generate_summary", _SUMMARIES)
    return reasoning.choice("effort", EFFORTS), reasoning.choice("summary", _SUMMARIES) or older
