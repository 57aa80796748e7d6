"""A function's schema and whether the model is held to it, as both of OpenAI's APIs take them.

They refuse a strict function whose schema leaves a member open, as other dialects' strict functions may. Source: the errors
"'required' is required to be supplied and to be an array including every key in properties" and "'additionalProperties' is required
to be supplied and to be false" (github.com/kevinwatt/mysql-mcp issue 5, github.com/laravel/ai issue 506; read 2026-11-24).
"""

from msgspec import Raw

from anyrouter.wire.form.tools import Tool
from anyrouter.wire.form.warnings import WarningCode, Warnings
from anyrouter.wire.translation.closed_schema import is_closed

_NO_PARAMETERS = Raw(b'{"type":"object","properties":{}}')
_CLOSED_PARAMETERS = Raw(b'{"type":"object","properties":{},"required":[],"additionalProperties":false}')


def strictness_of(tool: Tool, where: str, warnings: Warnings) -> tuple[Raw, bool | None]:
    """The parameters, and `strict`, None where nothing is said of it; false with a warning for what would be refused as strict."""
    if tool.schema is None:
        return (_CLOSED_PARAMETERS if tool.is_strict else _NO_PARAMETERS), tool.is_strict
    if not tool.is_strict or is_closed(tool.schema):
        return tool.schema, tool.is_strict
    message = "The model's provider holds to schemas only that require all members and allow no others; the tool was sent without strict."
    warnings.add(WarningCode.CHANGED_VALUE, f"{where}.strict", message)
    return tool.schema, False
