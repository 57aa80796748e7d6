"""Tools and the choice among them, as clients of the Messages API tell them, into the form."""

import msgspec
from msgspec import Raw

from anyrouter.wire.anthropic import NAME
from anyrouter.wire.form.tools import AnyTool, ChoiceMode, ServerTool, Tool, ToolChoice
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.request import refused
from anyrouter.wire.translation.anthropic.shapes import KindShape, ToolChoiceShape, ToolShape
from anyrouter.wire.translation.carried import is_list, is_object, is_string, is_told
from anyrouter.wire.translation.known import decode_known, invalid

_TOOLS, _TOOL = msgspec.json.Decoder(list[ToolShape]), msgspec.json.Decoder(ToolShape)
_RAWS, _KIND = msgspec.json.Decoder(list[Raw]), msgspec.json.Decoder(KindShape)
_CHOICE = msgspec.json.Decoder(ToolChoiceShape)
_OWN_TYPES = frozenset({None, "custom"})
_MODES = {"auto": ChoiceMode.AUTO, "any": ChoiceMode.REQUIRED, "tool": ChoiceMode.NAMED, "none": ChoiceMode.NONE}
# What the maker's tools are in every dialect, by the start of their type, which ends in a date.
_KINDS = (
    ("web_search_", "web_search"),
    ("web_fetch_", "url_context"),
    ("code_execution_", "code_execution"),
    ("bash_", "shell"),
    ("text_editor_", "text_editor"),
    ("computer_", "computer"),
    ("memory_", "memory"),
    ("mcp_toolset", "mcp"),
)


def decode_tools(raw: Raw, warnings: Warnings) -> list[AnyTool]:
    """The tools; those that the maker's own models or servers know are carried as they came."""
    try:
        shapes: list[ToolShape] = _TOOLS.decode(raw)
    except (ValueError, msgspec.DecodeError):
        shapes = []  # the maker's tools have members of their own: one by one, then
    if shapes and all(shape.type in _OWN_TYPES for shape in shapes):
        return [_decode_tool(shape, f"tools[{at}]", warnings) for at, shape in enumerate(shapes)]
    if not is_list(raw):
        raise refused("invalid_parameter", "tools", "tools must be a list.")
    return [_decode_any(one, f"tools[{at}]", warnings) for at, one in enumerate(_RAWS.decode(raw))]


def _decode_any(raw: Raw, where: str, warnings: Warnings) -> AnyTool:
    if not is_object(raw):
        raise refused("invalid_parameter", where, f"{where} must be an object.")
    kind = _kind_of(raw, where)
    if kind is not None and kind != "custom":
        return ServerTool(NAME, kind, raw, next((word for start, word in _KINDS if kind.startswith(start)), None))
    return _decode_tool(decode_known(_TOOL, raw, where, warnings), where, warnings)


def _kind_of(raw: Raw, where: str) -> str | None:
    try:
        return _KIND.decode(raw).type
    except msgspec.DecodeError as error:
        raise invalid(error, where) from None


def _decode_tool(shape: ToolShape, where: str, warnings: Warnings) -> Tool:
    if is_told(shape.input_schema) and not is_object(shape.input_schema):
        raise refused("invalid_parameter", f"{where}.input_schema", f"{where}.input_schema must be an object.")
    if is_told(shape.input_examples) and bytes(shape.input_examples) != b"[]":
        warnings.unsupported(f"{where}.input_examples")
    if shape.allowed_callers and "direct" not in shape.allowed_callers:
        warnings.unsupported(f"{where}.allowed_callers")
    return Tool(
        shape.name,
        shape.description if is_string(shape.description) else None,
        shape.input_schema if is_told(shape.input_schema) else None,
        shape.strict,
        None if shape.cache_control is None else shape.cache_control.control(),
    )


def decode_choice(raw: Raw, warnings: Warnings) -> tuple[ToolChoice, bool | None]:
    """The choice, and whether several tools may be called in one turn, None where that is not said."""
    shape = decode_known(_CHOICE, raw, "tool_choice", warnings)
    mode = _MODES.get(shape.type)
    if mode is None:
        raise refused("invalid_parameter", "tool_choice.type", "tool_choice.type must be auto, any, tool or none.")
    if mode is ChoiceMode.NAMED and not shape.name:
        raise refused("missing_parameter", "tool_choice.name", "tool_choice.name is missing.")
    names = (shape.name,) if mode is ChoiceMode.NAMED and shape.name else ()
    return ToolChoice(mode, names), None if shape.disable_parallel_tool_use is None else not shape.disable_parallel_tool_use
