"""Schemas: Gemini's older kind, a subset of OpenAPI 3.0, into JSON schema, and JSON schema into the subset of it that Gemini takes.

Source: ai.google.dev/gemini-api/docs/structured-output and the API's descriptions of `responseSchema` and `responseJsonSchema`
(read 2026-11-24). Gemini takes $defs, $ref, anyOf, prefixItems, additionalProperties and the bounds as they are; it has no `const`,
and beside a $ref nothing may stand. A schema that needs no change is carried and not decoded.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

_OPENAPI_MARK = re.compile(
    rb'"type"\s*:\s*"[A-Z]|"nullable"|"propertyOrdering"|"example"|"defs"|"ref"|"[a-z]+_[a-z_]+"\s*:'
    rb'|"(?:min|max)(?:Items|Length|Properties|imum)"\s*:\s*"'
)
_NEEDS_CHANGE = re.compile(rb'"(?:const|definitions|\$ref|allOf)"')
_SPELT = {
    "any_of": "anyOf", "min_items": "minItems", "max_items": "maxItems", "min_length": "minLength", "max_length": "maxLength",
    "min_properties": "minProperties", "max_properties": "maxProperties", "property_ordering": "propertyOrdering",
    "additional_properties": "additionalProperties", "unique_items": "uniqueItems", "prefix_items": "prefixItems", "defs": "$defs",
    "ref": "$ref",
}  # fmt: skip
_NUMBERS = frozenset({"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties", "minimum", "maximum"})
_MAPS = frozenset({"properties", "$defs", "definitions", "patternProperties", "dependentSchemas"})
_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_SINGLE = frozenset({"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"})
Node = dict[str, Any]


def to_json_schema(raw: Raw) -> Raw:
    """A `parameters` or `responseSchema` as JSON schema; ValueError or msgspec.DecodeError for what is no object."""
    if bytes(memoryview(raw)[:1]) != b"{":
        raise ValueError("a schema must be an object")
    if _OPENAPI_MARK.search(raw) is None:
        return raw
    return Raw(msgspec.json.encode(_walk(msgspec.json.decode(raw, type=dict[str, Any]), _from_openapi)))


def to_gemini_schema(raw: Raw) -> Raw:
    """A JSON schema as `parametersJsonSchema` and `responseJsonSchema` take it, with the same meaning."""
    if _NEEDS_CHANGE.search(raw) is None:
        return raw
    tree = msgspec.json.decode(raw)
    return Raw(msgspec.json.encode(_walk(tree, _to_subset))) if isinstance(tree, dict) else raw


def _walk(node: Node, change: Callable[[Node], Node]) -> Node:
    """The schema with each schema in it changed, the outer one first. Names of properties are not taken for keywords."""
    changed = change(node)
    for name, value in changed.items():
        if name in _MAPS and isinstance(value, dict):
            changed[name] = {key: _walk(inner, change) if isinstance(inner, dict) else inner for key, inner in value.items()}
        elif name in _LISTS and isinstance(value, list):
            changed[name] = [_walk(inner, change) if isinstance(inner, dict) else inner for inner in value]
        elif name in _SINGLE and isinstance(value, dict):
            changed[name] = _walk(value, change)
    return changed


def _from_openapi(node: Node) -> Node:
    changed: Node = {}
    is_nullable = node.get("nullable") is True
    for told, value in node.items():
        name = _SPELT.get(told, told)
        if name == "type":
            kind = value.lower() if isinstance(value, str) else value
            if kind != "type_unspecified":
                changed["type"] = [kind, "null"] if is_nullable and isinstance(kind, str) else kind
        elif name == "example":
            changed["examples"] = [value]
        elif name == "format" and value == "enum":
            continue  # a string with an `enum`, which says it already
        elif name == "$ref" and isinstance(value, str):
            changed[name] = value.replace("#/defs/", "#/$defs/", 1)
        elif name in _NUMBERS:
            changed[name] = _number(value)
        elif name == "enum" and is_nullable and isinstance(value, list) and None not in value:
            changed[name] = [*value, None]
        elif name not in {"nullable", "propertyOrdering"}:
            changed[name] = value
    return changed


def _number(value: Any) -> Any:
    """64-bit integers are strings in the JSON of protocol buffers."""
    if not isinstance(value, str):
        return value
    return int(value) if value.lstrip("-").isdigit() else float(value)


def _to_subset(node: Node) -> Node:
    changed: Node = {}
    for name, value in node.items():
        if name == "const":
            changed.setdefault("enum", [value])
        elif name == "definitions" and isinstance(value, dict):
            changed["$defs"] = {**value, **changed.get("$defs", {})}
        elif name == "$ref" and isinstance(value, str):
            changed[name] = value.replace("#/definitions/", "#/$defs/", 1)
        elif name == "allOf" and isinstance(value, list) and len(value) == 1 and "anyOf" not in node:
            changed["anyOf"] = value
        else:
            changed[name] = value
    beside = [name for name in changed if not name.startswith("$")]
    if "$ref" in changed and beside and "anyOf" not in changed:
        changed["anyOf"] = [{"$ref": changed.pop("$ref")}]
    return changed
