"""Tools and the choice among them, to and from the form."""

from typing import Any

import msgspec
from msgspec import Raw

from anyrouter.wire.form.parts import CacheControl
from anyrouter.wire.form.tools import AnyTool, ChoiceMode, CustomTool, ServerTool, Tool, ToolChoice
from anyrouter.wire.form.warnings import WarningCode, Warnings
from anyrouter.wire.request import refused
from anyrouter.wire.translation.carried import is_string, is_told
from anyrouter.wire.translation.known import decode_known
from anyrouter.wire.translation.responses.shapes import NAME, ReferredToolShape, ToolChoiceShape, ToolShape
from anyrouter.wire.translation.strict_function import strictness_of

Wire = dict[str, Any]
_RAWS, _TOOLS, _TOOL = msgspec.json.Decoder(list[Raw]), msgspec.json.Decoder(list[ToolShape]), msgspec.json.Decoder(ToolShape)
_REFERRED, _CHOICE = msgspec.json.Decoder(ReferredToolShape), msgspec.json.Decoder(ToolChoiceShape)
_STRING = msgspec.json.Decoder(str)
_OPTIONS = msgspec.json.Decoder(dict[str, Any])
_MODES = {"auto": ChoiceMode.AUTO, "none": ChoiceMode.NONE, "required": ChoiceMode.REQUIRED}
_OWN_TYPES = frozenset({"function", "custom"})
# What the upstream's own tools are in every dialect; types may end in a date.
_KINDS = {
    "web_search": "web_search",
    "code_interpreter": "code_execution",
    "file_search": "file_search",
    "image_generation": "image_generation",
    "mcp": "mcp",
    "computer": "computer",
    "local_shell": "shell",
    "shell": "shell",
}
_SERVER_TOOLS: dict[str, Wire] = {
    "web_search": {"type": "web_search"},
    "code_execution": {"type": "code_interpreter", "container": {"type": "auto"}},
    "image_generation": {"type": "image_generation"},
}
_PLACES = ("city", "country", "region", "timezone")


def decode_tools(raw: Raw, param: str, warnings: Warnings) -> list[AnyTool]:
    """All tools; ClientError names the one that cannot be used."""
    try:
        shapes = _TOOLS.decode(raw)
    except (ValueError, msgspec.DecodeError):
        shapes = None  # one is the upstream's own, or wrong: one by one, then
    if shapes is not None and all(shape.type in _OWN_TYPES for shape in shapes):
        return [_tool_of(shape, f"{param}[{at}]", warnings) for at, shape in enumerate(shapes)]
    raws = decode_known(_RAWS, raw, param, warnings)
    return [_decode_tool(one, f"{param}[{at}]", warnings) for at, one in enumerate(raws)]


def _decode_tool(raw: Raw, where: str, warnings: Warnings) -> AnyTool:
    kind = decode_known(_REFERRED, raw, where, warnings).type
    if kind in _OWN_TYPES:
        return _tool_of(decode_known(_TOOL, raw, where, warnings), where, warnings)
    return ServerTool(NAME, kind, raw, next((word for start, word in _KINDS.items() if kind.startswith(start)), None))


def _tool_of(shape: ToolShape, where: str, warnings: Warnings) -> Tool | CustomTool:
    if shape.name is None:
        raise refused("missing_parameter", f"{where}.name", f"{where}.name is missing. A tool's name stands beside its type.")
    if shape.is_async:
        warnings.unsupported(f"{where}.async")
    cache = None if shape.cache_control is None else CacheControl(shape.cache_control.ttl)
    description = shape.description if is_string(shape.description) else None
    if shape.type == "custom":
        return CustomTool(shape.name, description, _deep_format(shape.format) if is_told(shape.format) else None, cache)
    return Tool(shape.name, description, shape.parameters if is_told(shape.parameters) else None, shape.strict, cache)


def _deep_format(raw: Raw) -> Raw:
    """A custom tool's format as the form has it: chat completions put a grammar's members one level deeper."""
    told = _OPTIONS.decode(raw)
    if told.get("type") != "grammar" or "grammar" in told:
        return raw
    return Raw(msgspec.json.encode({"type": "grammar", "grammar": {name: value for name, value in told.items() if name != "type"}}))


def decode_choice(raw: Raw, tools: list[AnyTool], warnings: Warnings) -> ToolChoice:
    """The choice among `tools`; ClientError when it is none."""
    if is_string(raw):
        return ToolChoice(_mode_of(decode_known(_STRING, raw, "tool_choice", warnings), "tool_choice"))
    told = decode_known(_CHOICE, raw, "tool_choice", warnings)
    if told.type in _OWN_TYPES:
        if told.name is None:
            raise refused("missing_parameter", "tool_choice.name", "tool_choice.name is missing.")
        return ToolChoice(ChoiceMode.NAMED, (told.name,), told.type == "custom")
    if told.type == "allowed_tools":
        return _decode_allowed(told, warnings)
    if told.type in _MODES:
        return ToolChoice(_MODES[told.type])
    if len(tools) == 1:
        return ToolChoice(ChoiceMode.REQUIRED)  # the upstream's own tool, and there is no other
    message = f"A tool of the provider's own ({told.type}) cannot be forced; the model chooses."
    warnings.add(WarningCode.CHANGED_VALUE, "tool_choice", message)
    return ToolChoice(ChoiceMode.AUTO)


def _decode_allowed(told: ToolChoiceShape, warnings: Warnings) -> ToolChoice:
    mode = _mode_of(told.mode or "auto", "tool_choice.mode")
    allowed = told.tools or []
    names = tuple(tool.name for tool in allowed if tool.type in _OWN_TYPES and tool.name is not None)
    if len(names) != len(allowed):
        message = "Tools of the provider's own are not limited by allowed_tools."
        warnings.add(WarningCode.CHANGED_VALUE, "tool_choice.tools", message)
    return ToolChoice(mode, names)


def _mode_of(word: str, param: str) -> ChoiceMode:
    mode = _MODES.get(word)
    if mode is None:
        raise refused("invalid_parameter", param, f"{param} must be none, auto or required.")
    return mode


def encode_tools(tools: list[AnyTool], warnings: Warnings, *, is_own_client: bool) -> list[Wire | Raw]:
    """The tools that the upstream takes. `is_own_client`: the client speaks Responses too, and means the same by what it leaves out."""
    encoded: list[Wire | Raw] = []
    for at, tool in enumerate(tools):
        if not isinstance(tool, ServerTool):
            encoded.append(_encode_tool(tool, f"tools[{at}]", warnings, is_own_client=is_own_client))
        elif tool.dialect == NAME:
            encoded.append(tool.raw)
        elif tool.kind in _SERVER_TOOLS:
            encoded.append(_encode_server_tool(tool, f"tools[{at}]", warnings))
        else:
            message = f"The model's provider has no tool {tool.type} of its own; it was left out."
            warnings.add(WarningCode.UNSUPPORTED_TOOL, f"tools[{at}]", message)
    return encoded


def _encode_tool(tool: Tool | CustomTool, where: str, warnings: Warnings, *, is_own_client: bool) -> Wire:
    wire: Wire = {"type": "custom" if isinstance(tool, CustomTool) else "function", "name": tool.name}
    if tool.description is not None:
        wire["description"] = tool.description
    if isinstance(tool, CustomTool):
        if tool.format is not None:
            wire["format"] = _flat_format(tool.format)
        return wire
    wire["parameters"], is_strict = strictness_of(tool, where, warnings)
    # What is not said is strict in this dialect alone (OpenAI, "Migrate to the Responses API", as published in 2025).
    if is_strict is not None or not is_own_client:
        wire["strict"] = bool(is_strict)
    return wire


def _flat_format(raw: Raw) -> Raw | Wire:
    """A custom tool's format as this dialect has it."""
    told = _OPTIONS.decode(raw)
    grammar = told.get("grammar")
    return {"type": "grammar", **grammar} if told.get("type") == "grammar" and isinstance(grammar, dict) else raw


def _encode_server_tool(tool: ServerTool, where: str, warnings: Warnings) -> Wire:
    """A tool of the same kind, with the options that both have: what may be searched, and from where."""
    assert tool.kind is not None  # noqa: S101 -- the caller has looked
    wire = dict(_SERVER_TOOLS[tool.kind])
    if tool.kind != "web_search":
        return wire
    told = _OPTIONS.decode(tool.raw)
    location = told.get("user_location")
    if isinstance(location, dict):
        place = location.get("approximate", location)
        wire["user_location"] = {"type": "approximate", **{name: place[name] for name in _PLACES if place.get(name)}}
    if told.get("search_context_size"):
        wire["search_context_size"] = told["search_context_size"]
    if told.get("allowed_domains"):
        wire["filters"] = {"allowed_domains": told["allowed_domains"]}
    for name in ("blocked_domains", "max_uses"):
        if told.get(name):
            warnings.add(WarningCode.CHANGED_VALUE, f"{where}.{name}", f"The provider's search has no {name}; it was left out.")
    return wire


def encode_choice(choice: ToolChoice, tools: list[AnyTool]) -> str | Wire:
    """The choice as the upstream takes it."""
    custom = {tool.name for tool in tools if isinstance(tool, CustomTool)}
    referred = [{"type": "custom" if name in custom else "function", "name": name} for name in choice.names]
    if choice.mode is ChoiceMode.NAMED:
        return referred[0]
    if referred and choice.mode is not ChoiceMode.NONE:
        return {"type": "allowed_tools", "mode": choice.mode.value, "tools": referred}
    return choice.mode.value
