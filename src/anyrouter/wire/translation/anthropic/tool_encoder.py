"""Tools and the choice among them as an upstream of the Messages API takes them."""

from typing import Any

import msgspec
from msgspec import UNSET, Raw

from anyrouter.wire.anthropic import NAME
from anyrouter.wire.form.parts import ToolCall
from anyrouter.wire.form.request import Request
from anyrouter.wire.form.tools import ChoiceMode, CustomTool, ServerTool, Tool
from anyrouter.wire.form.warnings import WarningCode, Warnings
from anyrouter.wire.translation.anthropic.message_encoder import encode_cache
from anyrouter.wire.translation.anthropic.shapes import Wire
from anyrouter.wire.translation.carried import Carried, is_told
from anyrouter.wire.translation.claude_models import KNOWN, NO_FORCED_TOOLS
from anyrouter.wire.translation.closed_schema import close_schema

_FORCED = frozenset({ChoiceMode.REQUIRED, ChoiceMode.NAMED})
_NO_INPUT: Wire = {"type": "object", "properties": {}}
_ONE_TEXT: Wire = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
# The maker's own tools for what other dialects have tools for, in the oldest version, which every model since 4.0 takes.
_SERVER_TOOLS = {
    "web_search": {"type": "web_search_20250305", "name": "web_search"},
    "url_context": {"type": "web_fetch_20250910", "name": "web_fetch"},
    "code_execution": {"type": "code_execution_20250825", "name": "code_execution"},
}


class _SchemaShape(msgspec.Struct):
    type: Carried = UNSET


class _FiltersShape(msgspec.Struct):
    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None


class _SearchShape(msgspec.Struct):
    """What other dialects say of a web search."""

    user_location: dict[str, Any] | None = None
    filters: _FiltersShape | None = None
    search_context_size: str | None = None


_SCHEMA, _SEARCH = msgspec.json.Decoder(_SchemaShape), msgspec.json.Decoder(_SearchShape)


def encode_tools(request: Request, wire: Wire, traits: frozenset[str], warnings: Warnings) -> bool:
    """Write `tools` and `tool_choice`; whether a tool must be called."""
    choice = request.tool_choice
    allowed = choice.names if choice is not None and choice.mode in {ChoiceMode.AUTO, ChoiceMode.REQUIRED} else ()
    tools: list[Wire | Raw] = []
    for at, tool in enumerate(request.tools):
        if isinstance(tool, ServerTool):
            _add_server_tool(tool, f"tools[{at}]", tools, traits, warnings)
        elif not allowed or tool.name in allowed:
            tools.append(_encode_tool(tool, f"tools[{at}]", warnings))
    if not tools:
        if choice is not None and choice.mode in _FORCED:
            warnings.unsupported("tool_choice", "The tool that must be called is one that the model's provider does not have.")
        _add_called_tools(request, wire)
        return False
    wire["tools"] = tools
    return _encode_choice(request, wire, traits, warnings)


def _encode_choice(request: Request, wire: Wire, traits: frozenset[str], warnings: Warnings) -> bool:
    choice, is_single = request.tool_choice, request.is_parallel is False
    if choice is None:
        if is_single:
            wire["tool_choice"] = {"type": "auto", "disable_parallel_tool_use": True}
        return False
    if choice.mode is ChoiceMode.NONE:
        wire["tool_choice"] = {"type": "none"}
        return False
    told: Wire = {"type": "auto"}
    is_forced = choice.mode in _FORCED
    if is_forced and NO_FORCED_TOOLS in traits:
        message = "The model cannot be made to call a tool; whether it calls one was left to it."
        warnings.add(WarningCode.CHANGED_VALUE, "tool_choice", message)
        is_forced = False
    elif choice.mode is ChoiceMode.NAMED or (is_forced and len(choice.names) == 1):
        told = {"type": "tool", "name": choice.names[0]}
    elif is_forced:
        told = {"type": "any"}
    if is_single:
        told["disable_parallel_tool_use"] = True
    wire["tool_choice"] = told
    return is_forced


def _encode_tool(tool: Tool | CustomTool, where: str, warnings: Warnings) -> Wire:
    wire: Wire = {"name": tool.name}
    if tool.description is not None:
        wire["description"] = tool.description
    if isinstance(tool, CustomTool):
        wire["input_schema"] = _ONE_TEXT
        message = "The tool takes free text; it is given to the model as a function with one text, which no grammar binds."
        warnings.add(WarningCode.CHANGED_VALUE, where, message)
    else:
        wire["input_schema"] = _encode_schema(tool, where, warnings)
        if tool.is_strict:
            wire["strict"] = True
    if tool.cache is not None:
        wire["cache_control"] = encode_cache(tool.cache)
    return wire


def _encode_schema(tool: Tool, where: str, warnings: Warnings) -> Raw | Wire:
    """A tool's schema, which must say that it is an object's."""
    if tool.schema is None:
        return {**_NO_INPUT, "additionalProperties": False} if tool.is_strict else _NO_INPUT
    schema = tool.schema
    if not is_told(_SCHEMA.decode(schema).type):
        schema = Raw(msgspec.json.encode({"type": "object", **msgspec.json.decode(schema, type=dict[str, Raw])}))
    return close_schema(schema, f"{where}.parameters", warnings) if tool.is_strict else schema


def _add_server_tool(tool: ServerTool, where: str, tools: list[Wire | Raw], traits: frozenset[str], warnings: Warnings) -> None:
    if tool.dialect == NAME:
        tools.append(tool.raw)
        return
    own = _SERVER_TOOLS.get(tool.kind or "") if KNOWN in traits else None
    if own is None:
        message = f"The model's provider has no tool {tool.type} of its own; it was left out."
        warnings.add(WarningCode.UNSUPPORTED_TOOL, where, message)
        return
    tools.append({**own, **_encode_search(tool, where, warnings)} if tool.kind == "web_search" else dict(own))


def _encode_search(tool: ServerTool, where: str, warnings: Warnings) -> Wire:
    try:
        told = _SEARCH.decode(tool.raw)
    except msgspec.DecodeError:
        told = _SearchShape(search_context_size="")
    if told.search_context_size is not None:
        message = "What was said of how to search, beside the place and the domains, was left out."
        warnings.add(WarningCode.CHANGED_VALUE, where, message)
    wire: Wire = {}
    location = told.user_location or {}
    location = {**location, **location.get("approximate", {})} if isinstance(location.get("approximate"), dict) else location
    known = {name: location[name] for name in ("city", "region", "country", "timezone") if isinstance(location.get(name), str)}
    if known:
        wire["user_location"] = {"type": "approximate", **known}
    if told.filters is not None and told.filters.allowed_domains:
        wire["allowed_domains"] = told.filters.allowed_domains
    elif told.filters is not None and told.filters.blocked_domains:
        wire["blocked_domains"] = told.filters.blocked_domains
    return wire


def _add_called_tools(request: Request, wire: Wire) -> None:
    """Tools for calls that the conversation holds, when none are given: the API refuses such a conversation without them."""
    names = dict.fromkeys(part.name for message in request.messages for part in message.parts if isinstance(part, ToolCall))
    if names:
        wire["tools"] = [{"name": name, "input_schema": {"type": "object"}} for name in names]
        wire["tool_choice"] = {"type": "none"}
