"""Gemini's own `Schema` message, read as a JSON schema; refused where the service refuses it.

Its rules are stricter than JSON Schema's, and a common reason for a 400: no unknown keyword, no object without properties, no array
without items, an enum and two formats for strings alone. `parametersJsonSchema` and `responseJsonSchema` take any JSON schema.
"""

from typing import Any

from anyrouter.sandbox.fields import FaultKind, FieldFault, Fields
from anyrouter.sandbox.gemini.envelope import place_of, refusal
from anyrouter.sandbox.gemini.members import SCHEMA, read, read_enum, read_integer, read_number, read_objects, read_texts
from anyrouter.sandbox.reply import ApiError

MAX_DEPTH = 80
MAX_PARTS = 10_000
_TYPES = ("TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL")
_STRING_FORMATS = ("enum", "date-time")
_LENGTHS = ("minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength")


def read_schema(fields: Fields) -> dict[str, Any]:
    """The schema; FieldFault or ApiError for what the service refuses."""
    return _Reader().read(fields, place_of(fields.path), 0)


class _Reader:
    """Reads one schema, part by part, of which it takes `MAX_PARTS`.

    The place of a part is said twice: the service writes the names of properties, the parser (in the path of `Fields`) counts them.
    """

    def __init__(self) -> None:
        self._parts = 0

    def read(self, fields: Fields, where: str, depth: int) -> dict[str, Any]:
        self._parts += 1
        if depth > MAX_DEPTH or self._parts > MAX_PARTS:
            raise refusal("The specified schema produces a constraint that has too many states for serving.")
        message = read(fields, SCHEMA)
        kind = read_enum(message, "type", _TYPES)
        schema: dict[str, Any] = {"nullable": True} if message.flag("nullable") else {}
        if kind is not None and kind != "TYPE_UNSPECIFIED":
            schema["type"] = kind.lower()
        _read_bounds(message, schema)
        _read_string(message, kind, schema, where)
        if message.has("anyOf"):
            alternatives = enumerate(read_objects(message, "anyOf", SCHEMA))
            schema["anyOf"] = [self.read(one, f"{where}.any_of[{index}]", depth + 1) for index, one in alternatives]
        items = message.object("items")
        if items is not None:
            schema["items"] = self.read(items, f"{where}.items", depth + 1)
        elif kind == "ARRAY":
            raise _objection(f"{where}.items", "missing field.")
        self._read_object(message, kind, schema, where, depth)
        return schema

    def _read_object(self, message: Fields, kind: str | None, schema: dict[str, Any], where: str, depth: int) -> None:
        properties = message.object("properties")
        required = read_texts(message, "required")
        if kind == "OBJECT" and not (properties and properties.members):
            raise _objection(f"{where}.properties", "should be non-empty for OBJECT type")
        if properties is not None:
            schema["properties"] = {
                name: self.read(_property(properties, index, value), f"{where}.properties[{name}]", depth + 1)
                for index, (name, value) in enumerate(properties.members.items())
            }
        for index, name in enumerate(required):
            if properties is None or name not in properties.members:
                raise _objection(f"{where}.required[{index}]", "property is not defined")
        if required:
            schema["required"] = list(required)


def _read_bounds(message: Fields, schema: dict[str, Any]) -> None:
    values: dict[str, Any] = {name: read_integer(message, name, 0) for name in _LENGTHS if message.has(name)}
    values |= {name: read_number(message, name) for name in ("minimum", "maximum") if message.has(name)}
    pattern = message.text("pattern")
    schema |= values if pattern is None else {**values, "pattern": pattern}


def _read_string(message: Fields, kind: str | None, schema: dict[str, Any], where: str) -> None:
    names, form = read_texts(message, "enum"), message.text("format")
    if names:
        if kind != "STRING":
            raise _objection(f"{where}.enum", "only allowed for STRING type")
        schema["enum"] = list(names)
    if kind == "STRING" and form and form not in _STRING_FORMATS:
        raise _objection(f"{where}.format", "only 'enum' and 'date-time' are supported for STRING type")
    if form == "date-time":
        schema["format"] = form


def _property(properties: Fields, index: int, value: Any) -> Fields:
    path = (*properties.path, index, "value")
    if not isinstance(value, dict):
        raise FieldFault(path, FaultKind.TYPE, "object", value)
    return Fields(value, path)


def _objection(where: str, note: str) -> ApiError:
    return refusal(f"* GenerateContentRequest.{where[:256]}: {note}\n")
