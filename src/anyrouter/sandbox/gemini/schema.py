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
_TYPES = ("TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL")
_STRING_FORMATS = ("enum", "date-time")
_LENGTHS = ("minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength")


def read_schema(fields: Fields, where: str = "", depth: int = 0) -> dict[str, Any]:
    """The schema; FieldFault or ApiError for what the service refuses.

    `where` is the place of a part as the service writes it, with the names of properties; the parser counts them instead.
    """
    where = where or place_of(fields.path)
    if depth > MAX_DEPTH:
        raise _objection(where, "schema is nested too deeply.")
    message = read(fields, SCHEMA)
    kind = read_enum(message, "type", _TYPES)
    schema: dict[str, Any] = {"nullable": True} if message.flag("nullable") else {}
    if kind is not None and kind != "TYPE_UNSPECIFIED":
        schema["type"] = kind.lower()
    for name in _LENGTHS:
        _set(schema, name, read_integer(message, name, 0))
    for name in ("minimum", "maximum"):
        _set(schema, name, read_number(message, name))
    _set(schema, "pattern", message.text("pattern"))
    _read_string(message, kind, schema, where)
    if message.has("anyOf"):
        alternatives = enumerate(read_objects(message, "anyOf", SCHEMA))
        schema["anyOf"] = [read_schema(one, f"{where}.any_of[{index}]", depth + 1) for index, one in alternatives]
    items = message.object("items")
    if items is not None:
        schema["items"] = read_schema(items, f"{where}.items", depth + 1)
    elif kind == "ARRAY":
        raise _objection(f"{where}.items", "missing field.")
    _read_object(message, kind, schema, where, depth)
    return schema


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


def _read_object(message: Fields, kind: str | None, schema: dict[str, Any], where: str, depth: int) -> None:
    properties = message.object("properties")
    required = read_texts(message, "required")
    if kind == "OBJECT" and not (properties and properties.members):
        raise _objection(f"{where}.properties", "should be non-empty for OBJECT type")
    if properties is not None:
        schema["properties"] = {
            name: read_schema(_property(properties, index, value), f"{where}.properties[{name}]", depth + 1)
            for index, (name, value) in enumerate(properties.members.items())
        }
    for index, name in enumerate(required):
        if properties is None or name not in properties.members:
            raise _objection(f"{where}.required[{index}]", "property is not defined")
    if required:
        schema["required"] = list(required)


def _property(properties: Fields, index: int, value: Any) -> Fields:
    path = (*properties.path, index, "value")
    if not isinstance(value, dict):
        raise FieldFault(path, FaultKind.TYPE, "object", value)
    return Fields(value, path)


def _set(schema: dict[str, Any], name: str, value: Any) -> None:
    if value is not None:
        schema[name] = value


def _objection(where: str, note: str) -> ApiError:
    return refusal(f"* GenerateContentRequest.{where[:256]}: {note}\n")
