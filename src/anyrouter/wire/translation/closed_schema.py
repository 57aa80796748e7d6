"""JSON schemas for APIs that hold a model to them: they take a part of the language, and objects without further members only.

Source: platform.claude.com/docs, "Structured outputs" (JSON Schema limitations), read 2026-11-24, and what the maker's own SDK does
with a schema before it sends it.
"""

from typing import Any

import msgspec

from anyrouter.wire.form.warnings import WarningCode, Warnings

Schema = dict[str, Any]
_KEPT = frozenset({"type", "enum", "const", "title", "description", "$ref", "required", "properties", "items", "anyOf", "allOf"})
_KEPT_DEFINITIONS = ("$defs", "definitions")
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"})
# They bind nobody, so that they may go without a word.
_NOTES = frozenset({"$schema", "$id", "$comment", "$anchor", "examples", "example", "default", "deprecated", "readOnly", "writeOnly"})
_NEVER_STRICT = frozenset({"allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties"})
_MAX_DEPTH = 64


def close_schema(raw: msgspec.Raw, param: str, warnings: Warnings, description: str | None = None) -> msgspec.Raw:
    """The schema as such an API takes it, as it came where nothing is to be changed.

    What cannot be enforced is said in the description of its place, for the model to read, and warned of under `param`. Members
    beyond those that a schema names are forbidden; that narrows what it allows and is no loss, unless it named none.
    """
    tree = msgspec.json.decode(raw)
    if not isinstance(tree, dict):
        return raw
    lost: set[str] = set()
    closed = _close(tree, lost, 0)
    if description and "description" not in closed:
        closed = {**closed, "description": description}
    if lost:
        names = ", ".join(sorted(lost))
        warnings.add(WarningCode.CHANGED_VALUE, param, f"The model's provider does not enforce these parts of the schema: {names}.")
    return raw if closed == tree else msgspec.Raw(msgspec.json.encode(closed))


def is_closed(raw: msgspec.Raw) -> bool:
    """Whether every object of a schema needs all its members and takes no others, as OpenAI asks of a schema that is strict.

    Nor may it hold what OpenAI enforces nowhere. Source: platform.openai.com/docs, "Structured outputs" (Supported schemas), as
    published in 2025. False as well for a schema that is no object's, or nested more deeply than any API takes it.
    """
    tree = msgspec.json.decode(raw)
    return isinstance(tree, dict) and _is_object(tree) and _is_closed(tree, 0)


def _is_closed(schema: Any, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        return False
    if isinstance(schema, list):
        return all(_is_closed(one, depth + 1) for one in schema)
    if not isinstance(schema, dict):
        return True
    if not _NEVER_STRICT.isdisjoint(schema) or (_is_object(schema) and not _needs_all(schema)):
        return False
    named = (schema[name] for name in (*_KEPT_DEFINITIONS, "properties") if isinstance(schema.get(name), dict))
    inner = [one for names in named for one in names.values()] + [schema[name] for name in ("items", "anyOf") if name in schema]
    return all(_is_closed(one, depth + 1) for one in inner)


def _needs_all(schema: Schema) -> bool:
    required, members = schema.get("required", []), schema.get("properties", {})
    if not isinstance(required, list) or not isinstance(members, dict) or schema.get("additionalProperties") is not False:
        return False
    return all(name in required for name in members)


def _close(schema: Any, lost: set[str], depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return schema
    closed: Schema = {}
    notes: list[str] = []
    for name, value in schema.items():
        if name in _KEPT_DEFINITIONS or name == "properties":
            closed[name] = {key: _close(inner, lost, depth + 1) for key, inner in value.items()} if isinstance(value, dict) else value
        elif name in {"anyOf", "allOf", "oneOf"}:
            inner = [_close(one, lost, depth + 1) for one in value] if isinstance(value, list) else value
            closed["anyOf" if name == "oneOf" else name] = inner
        elif name == "items":
            closed[name] = _close(value, lost, depth + 1)
        elif name in _KEPT or (name == "format" and value in _FORMATS) or (name == "minItems" and value in {0, 1}):
            closed[name] = value
        elif name not in _NOTES and name != "additionalProperties":
            lost.add(name)
            notes.append(f"{name}: {msgspec.json.encode(value).decode()}")
    if _is_object(schema):
        _close_object(schema, closed, lost, notes)
    if notes:
        told = closed.get("description")
        closed["description"] = f"{told}\n\n{{{', '.join(notes)}}}" if isinstance(told, str) and told else f"{{{', '.join(notes)}}}"
    return closed


def _is_object(schema: Schema) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or (kind is None and "properties" in schema)


def _close_object(schema: Schema, closed: Schema, lost: set[str], notes: list[str]) -> None:
    further = schema.get("additionalProperties")
    if isinstance(further, dict) and further:
        notes.append(f"additionalProperties: {msgspec.json.encode(further).decode()}")
    if (isinstance(further, dict) and further) or (further is not False and not schema.get("properties")):
        lost.add("additionalProperties")
    closed["additionalProperties"] = False
