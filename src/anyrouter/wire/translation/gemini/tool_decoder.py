"""`tools` and `toolConfig`, as clients send them, into the form."""

import msgspec
from msgspec import Raw

from anyrouter.wire.form.tools import AnyTool, ChoiceMode, ServerTool, Tool, ToolChoice
from anyrouter.wire.form.warnings import WarningCode, Warnings
from anyrouter.wire.request import refused
from anyrouter.wire.translation.carried import is_string, is_told
from anyrouter.wire.translation.gemini.content_decoder import NAME
from anyrouter.wire.translation.gemini.request_shapes import DeclarationShape, ToolConfigShape, ToolShape
from anyrouter.wire.translation.gemini.schema import to_json_schema
from anyrouter.wire.translation.gemini.spelling import decode_spelt
from anyrouter.wire.translation.known import invalid

_TOOLS = msgspec.json.Decoder(list[ToolShape] | ToolShape)
_CONFIG = msgspec.json.Decoder(ToolConfigShape)
_ENCODE = msgspec.json.Encoder().encode
# Google's own tools: the shape's member, its name, and what it is in every dialect.
_SERVER_TOOLS = (
    ("google_search", "googleSearch", "web_search"),
    ("google_search_retrieval", "googleSearchRetrieval", "web_search"),
    ("enterprise_web_search", "enterpriseWebSearch", "web_search"),
    ("parallel_ai_search", "parallelAiSearch", "web_search"),
    ("exa_ai_search", "exaAiSearch", "web_search"),
    ("code_execution", "codeExecution", "code_execution"),
    ("url_context", "urlContext", "url_context"),
    ("file_search", "fileSearch", "file_search"),
    ("computer_use", "computerUse", "computer"),
    ("mcp_servers", "mcpServers", "mcp"),
    ("google_maps", "googleMaps", None),
    ("retrieval", "retrieval", None),
)
_MODES = {
    "AUTO": ChoiceMode.AUTO,
    "VALIDATED": ChoiceMode.AUTO,
    "ANY": ChoiceMode.REQUIRED,
    "NONE": ChoiceMode.NONE,
}


def decode_tools(raw: Raw, warnings: Warnings) -> list[AnyTool]:
    """The functions and Google's tools, in their order."""
    shapes = decode_spelt(_TOOLS, raw, "tools", warnings)
    tools: list[AnyTool] = []
    for at, shape in enumerate([shapes] if isinstance(shapes, ToolShape) else shapes):
        declarations = shape.function_declarations or []
        where = f"tools[{at}].functionDeclarations"
        for index, told in enumerate([declarations] if isinstance(declarations, DeclarationShape) else declarations):
            tools.append(_function_of(told, f"{where}[{index}]", warnings))
        for member, name, kind in _SERVER_TOOLS:
            value = getattr(shape, member)
            if is_told(value):
                tools.append(ServerTool(NAME, name, Raw(_ENCODE({name: value})), kind))
    return tools


def decode_choice(raw: Raw, warnings: Warnings) -> ToolChoice | None:
    """Whether and which functions are called; None when that is not said."""
    shape = decode_spelt(_CONFIG, raw, "toolConfig", warnings)
    if is_told(shape.retrieval_config):
        warnings.unsupported("toolConfig.retrievalConfig")
    if shape.include_server_side_tool_invocations:
        warnings.unsupported("toolConfig.includeServerSideToolInvocations")
    config = shape.function_calling_config
    if config is None or config.mode in {None, "MODE_UNSPECIFIED"}:
        return None
    word = (config.mode or "").upper()
    mode = _MODES.get(word)
    if mode is None:
        where = "toolConfig.functionCallingConfig.mode"
        raise refused("invalid_parameter", where, f"{where} must be AUTO, ANY, NONE or VALIDATED.")
    if word == "VALIDATED":
        message = "Whether the arguments of a call fit their schema is not guaranteed by the model's provider."
        warnings.add(WarningCode.CHANGED_VALUE, "toolConfig.functionCallingConfig.mode", message)
    told = config.allowed_function_names or []
    names = (told,) if isinstance(told, str) else tuple(told)
    if mode is ChoiceMode.REQUIRED and len(names) == 1:
        return ToolChoice(ChoiceMode.NAMED, names)
    return ToolChoice(mode, names if mode is not ChoiceMode.NONE else ())


def _function_of(told: DeclarationShape, where: str, warnings: Warnings) -> Tool:
    """The function. What its answers look like (`response`) is left out: Google's SDKs say it of each, and it is no part of a call."""
    if told.behavior not in {None, "UNSPECIFIED", "BLOCKING"}:
        warnings.unsupported(f"{where}.behavior")
    schema = told.parameters_json_schema if is_told(told.parameters_json_schema) else None
    if schema is None and is_told(told.parameters):
        try:
            schema = to_json_schema(told.parameters)
        except (ValueError, msgspec.DecodeError) as error:
            raise invalid(error, f"{where}.parameters") from None
    return Tool(told.name, told.description if is_string(told.description) else None, schema)
