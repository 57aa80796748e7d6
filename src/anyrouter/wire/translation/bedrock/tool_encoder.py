"""Tools and the choice among them as Converse takes them: `toolConfig`."""

from typing import Any

import msgspec
from msgspec import Raw

from anyrouter.wire.form.parts import CacheControl, ToolCall
from anyrouter.wire.form.request import Request
from anyrouter.wire.form.text import EMPTY
from anyrouter.wire.form.tools import ChoiceMode, CustomTool, ServerTool, Tool
from anyrouter.wire.form.warnings import WarningCode, Warnings
from anyrouter.wire.translation.bedrock.message_encoder import MessageEncoder
from anyrouter.wire.translation.bedrock.model_facts import ModelFacts
from anyrouter.wire.translation.bedrock.reply_decoder import NAME
from anyrouter.wire.translation.claude_models import NO_FORCED_TOOLS, NO_OUTPUT_FORMAT
from anyrouter.wire.translation.closed_schema import close_schema

Wire = dict[str, Any]
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_FORCED = frozenset({ChoiceMode.REQUIRED, ChoiceMode.NAMED})
_NO_INPUT: Wire = {"type": "object", "properties": {}}
_ONE_TEXT: Wire = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
# The tools that the service runs for its own models.
_SYSTEM_TOOLS = {"web_search": "nova_grounding", "code_execution": "nova_code_interpreter"}


def encode_tools(request: Request, wire: Wire, facts: ModelFacts, encoder: MessageEncoder, warnings: Warnings) -> bool:
    """Write `toolConfig`; whether a tool must be called. A conversation that holds calls is refused without one."""
    choice = request.tool_choice
    mode = None if choice is None else choice.mode
    if mode is ChoiceMode.NONE and not encoder.has_tool_blocks:
        return False  # what is not there is not called
    allowed = choice.names if choice is not None and mode is not ChoiceMode.NONE else ()
    allowed = () if mode is ChoiceMode.NAMED else allowed
    tools: list[Wire | Raw] = []
    for at, tool in enumerate(request.tools):
        if isinstance(tool, ServerTool):
            _add_server_tool(tool, f"tools[{at}]", tools, facts, warnings)
        elif not allowed or tool.name in allowed:
            tools.append({"toolSpec": _encode_tool(tool, f"tools[{at}]", facts, warnings)})
            tools += _cache_point(tool.cache, facts, encoder)
    if not tools:
        if mode in _FORCED:
            warnings.unsupported("tool_choice", "The tool that must be called is one that the model's provider does not have.")
        if encoder.has_tool_blocks:
            wire["toolConfig"] = {"tools": _called_tools(request)}
        return False
    wire["toolConfig"] = {"tools": tools}
    if request.is_parallel is False:
        warnings.unsupported("parallel_tool_calls")
    if mode is ChoiceMode.NONE:
        message = "The model cannot be kept from calling the tools of the conversation; whether it calls one was left to it."
        warnings.add(WarningCode.CHANGED_VALUE, "tool_choice", message)
    return _encode_choice(request, wire["toolConfig"], facts, warnings)


def _encode_choice(request: Request, config: Wire, facts: ModelFacts, warnings: Warnings) -> bool:
    """Write a choice that forces; that the model may choose is what it does anyway, and not every model lets it be said."""
    choice = request.tool_choice
    if choice is None or choice.mode not in _FORCED:
        return False
    if NO_FORCED_TOOLS in facts.claude:
        message = "The model cannot be made to call a tool; whether it calls one was left to it."
        warnings.add(WarningCode.CHANGED_VALUE, "tool_choice", message)
        return False
    is_named = choice.mode is ChoiceMode.NAMED or len(choice.names) == 1
    config["toolChoice"] = {"tool": {"name": choice.names[0]}} if is_named else {"any": {}}
    return True


def _encode_tool(tool: Tool | CustomTool, where: str, facts: ModelFacts, warnings: Warnings) -> Wire:
    wire: Wire = {"name": tool.name}
    if tool.description is not None and tool.description != EMPTY:
        wire["description"] = tool.description
    if isinstance(tool, CustomTool):
        wire["inputSchema"] = {"json": _ONE_TEXT}
        message = "The tool takes free text; it is given to the model as a function with one text, which no grammar binds."
        warnings.add(WarningCode.CHANGED_VALUE, where, message)
        return wire
    is_strict = bool(tool.is_strict) and facts.is_claude and NO_OUTPUT_FORMAT not in facts.claude
    if tool.is_strict and not is_strict:
        message = "The model cannot be held to a tool's schema; whether its arguments fit is left to it."
        warnings.add(WarningCode.CHANGED_VALUE, f"{where}.function.strict", message)
    wire["inputSchema"] = {"json": _encode_schema(tool, where, warnings, is_strict=is_strict)}
    if is_strict:
        wire["strict"] = True
    return wire


def _encode_schema(tool: Tool, where: str, warnings: Warnings, *, is_strict: bool) -> Raw | Wire:
    """A tool's schema, which must say that it is an object's."""
    if tool.schema is None:
        return {**_NO_INPUT, "additionalProperties": False} if is_strict else _NO_INPUT
    schema = tool.schema
    members = _MEMBERS.decode(schema)
    if bytes(members.get("type", Raw(b""))) != b'"object"':
        schema = Raw(msgspec.json.encode({**members, "type": "object"}))
    return close_schema(schema, f"{where}.parameters", warnings) if is_strict else schema


def _cache_point(cache: CacheControl | None, facts: ModelFacts, encoder: MessageEncoder) -> list[Wire | Raw]:
    """A breakpoint behind a tool, where the model has such: among tools, fewer models have."""
    return encoder.cache_point(cache) if facts.is_claude else []


def _add_server_tool(tool: ServerTool, where: str, tools: list[Wire | Raw], facts: ModelFacts, warnings: Warnings) -> None:
    if tool.dialect == NAME:
        tools.append(tool.raw)
        return
    name = _SYSTEM_TOOLS.get(tool.kind or "") if facts.is_nova_2 else None
    if name is None:
        message = f"The model's provider has no tool {tool.type} of its own; it was left out."
        warnings.add(WarningCode.UNSUPPORTED_TOOL, where, message)
        return
    message = f"What was said of {tool.type} was left out; the model's provider has its own way with it."
    if len(_MEMBERS.decode(tool.raw).keys() - {"type", "name"}):
        warnings.add(WarningCode.CHANGED_VALUE, where, message)
    tools.append({"systemTool": {"name": name}})


def _called_tools(request: Request) -> list[Wire]:
    """Tools for calls that the conversation holds, when none are given."""
    names = dict.fromkeys(part.name for message in request.messages for part in message.parts if isinstance(part, ToolCall))
    return [{"toolSpec": {"name": name, "inputSchema": {"json": _NO_INPUT}}} for name in names or ("tool",)]
