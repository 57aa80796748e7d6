"""The smallest instance of a JSON schema: what the sandbox answers to a forced tool and to a structured output.

Smallest means the fewest bytes of JSON; of alternatives that are equal, the first in the schema. Understood: type (also a
list, and OpenAPI's nullable), const, enum, properties, required, dependentRequired, minProperties, additionalProperties, items,
prefixItems, minItems, uniqueItems, contains, all bounds of numbers, multipleOf, minLength, pattern, format, $ref inside the
document, anyOf, oneOf, allOf. Not understood, and ignored: not, if, dependentSchemas, patternProperties, propertyNames, unevaluated….
Work is bounded: a schema that would take more is refused, whatever it says.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from anyrouter.sandbox.merge import merge
from anyrouter.sandbox.scalars import is_within, smallest_number, smallest_string

MAX_WORK = 200_000
SUBSCHEMA_WORK = 10  # one visit of a subschema takes about as long as ten comparisons
MAX_BYTES = 256 * 1024
MAX_DEPTH = 80

_OBJECT_WORDS = ("properties", "required", "additionalProperties", "minProperties", "dependentRequired")
_ARRAY_WORDS = ("items", "prefixItems", "minItems", "contains", "uniqueItems")
_STRING_WORDS = ("minLength", "maxLength", "pattern", "format")


class SchemaRefused(ValueError):
    """No instance: the schema contradicts itself, refers to what is not there, or takes more work than the sandbox does."""


class _Unsatisfiable(Exception):
    """This alternative has no instance; another may."""


class _Instance(NamedTuple):
    value: Any
    size: int  # bytes of JSON


def smallest_instance(schema: Any) -> Any:
    """The smallest value, as msgspec decodes JSON, that satisfies the schema; SchemaRefused when there is none to be found."""
    try:
        return _Search(schema).find(schema, 0, ()).value
    except _Unsatisfiable as error:
        raise SchemaRefused(str(error)) from None
    except SchemaRefused:
        raise
    except (TypeError, ValueError, OverflowError, AttributeError, KeyError, RecursionError) as error:
        raise SchemaRefused("a keyword has a value of the wrong type, or the schema is too large") from error


class _Search:
    """One search. Counts its work."""

    def __init__(self, root: Any) -> None:
        self.root, self.work, self.bytes = root, 0, 0

    def find(self, schema: Any, depth: int, open_refs: tuple[str, ...]) -> _Instance:
        """The smallest instance of a subschema. `open_refs` are the references being followed: an instance of one never needs itself."""
        self._spend(SUBSCHEMA_WORK)
        if depth > MAX_DEPTH:
            raise _Unsatisfiable("the schema is nested too deeply")
        if schema is True:
            return _Instance(0, 1)
        if not isinstance(schema, dict):
            raise _Unsatisfiable("no value satisfies a part of the schema")
        if "$ref" in schema:
            name = schema["$ref"]
            if name in open_refs:
                raise _Unsatisfiable("a reference needs itself")
            return self.find(merge(self._resolve(name), self._without(schema, "$ref"), self._spend), depth + 1, (*open_refs, name))
        if "allOf" in schema:
            merged: Any = self._without(schema, "allOf")
            for part in schema["allOf"]:
                merged = merge(merged, part, self._spend)
            return self.find(merged, depth + 1, open_refs)
        for word in ("anyOf", "oneOf"):
            if word in schema:
                rest = self._without(schema, word)
                return self._best((merge(rest, alternative, self._spend) for alternative in schema[word]), depth, open_refs)
        return self._of_keywords(schema, depth, open_refs)

    def _of_keywords(self, schema: dict[str, Any], depth: int, open_refs: tuple[str, ...]) -> _Instance:
        types = _types(schema)
        if "const" in schema or "enum" in schema:
            values = [schema["const"]] if "const" in schema else schema["enum"]
            allowed = [self._made(value) for value in values if (not types or _is_of(value, types)) and is_within(value, schema)]
            if not allowed:
                raise _Unsatisfiable("no value of an enum satisfies the rest")
            return min(allowed, key=lambda instance: instance.size)
        if schema.get("nullable") is True:
            return self._best((self._without(schema, "nullable"), {"type": "null"}), depth, open_refs)
        if len(types) > 1:
            return self._best(({**self._without(schema, "type"), "type": name} for name in types), depth, open_refs)
        found = self._of_type(types[0] if types else _guess(schema), schema, depth, open_refs)
        if not is_within(found.value, schema):
            raise _Unsatisfiable("the bounds of a part leave nothing")
        return found

    def _of_type(self, name: str, schema: dict[str, Any], depth: int, open_refs: tuple[str, ...]) -> _Instance:
        if name == "object":
            return self._object(schema, depth, open_refs)
        if name == "array":
            return self._array(schema, depth, open_refs)
        if name == "string":
            return self._made(smallest_string(schema, MAX_BYTES))
        if name in {"integer", "number"}:
            number = smallest_number(schema, is_integer=name == "integer")
            if number is None:
                raise _Unsatisfiable("no number lies between the bounds")
            return self._made(number)
        if name == "boolean":
            return _Instance(value=True, size=4)
        if name == "null":
            return _Instance(None, 4)
        raise _Unsatisfiable("a type is none of JSON's")

    def _object(self, schema: dict[str, Any], depth: int, open_refs: tuple[str, ...]) -> _Instance:
        properties = schema.get("properties", {})
        additional = schema.get("additionalProperties", True)
        members: dict[str, _Instance] = {}
        names = [*schema.get("required", ())]
        for name in names:  # grows while it is walked: what a required member needs is required too
            if not isinstance(name, str):
                raise SchemaRefused("a required name is none")
            if name not in members:
                members[name] = self.find(properties.get(name, additional), depth + 1, open_refs)
                names.extend(schema.get("dependentRequired", {}).get(name, ()))
        missing = schema.get("minProperties", 0) - len(members)
        if missing > 0:
            self._spend(missing)
            spare = [name for name in properties if name not in members] + [f"x{index}" for index in range(missing)]
            for name in spare[:missing]:
                members[name] = self.find(properties.get(name, additional), depth + 1, open_refs)
        places = {name: place for place, name in enumerate(properties)}
        ordered = sorted(members, key=lambda name: places.get(name, len(places)))
        size = 1 + sum(len(msgspec.json.encode(name)) + 2 + members[name].size for name in ordered)
        return _Instance({name: members[name].value for name in ordered}, max(2, size))

    def _array(self, schema: dict[str, Any], depth: int, open_refs: tuple[str, ...]) -> _Instance:
        minimum = schema.get("minItems", 0)
        contains, wanted = schema.get("contains"), schema.get("minContains", 1)
        self._spend(minimum)
        rest = schema.get("items", True)
        first = schema.get("prefixItems", rest if isinstance(rest, list) else [])
        if isinstance(rest, list):
            rest = schema.get("additionalItems", True)
        items = [self.find(part, depth + 1, open_refs) for part in first[:minimum]]
        if contains is not None and wanted:
            self._spend(wanted)
            items.extend([self.find(merge(rest, contains, self._spend), depth + 1, open_refs)] * wanted)
        if minimum > len(items):
            items.extend(self._fill(rest, minimum - len(items), depth, open_refs, is_unique=schema.get("uniqueItems") is True))
        self._spend(0, sum(item.size + 1 for item in items))
        return _Instance([item.value for item in items], max(2, 1 + sum(item.size + 1 for item in items)))

    def _fill(self, schema: Any, count: int, depth: int, open_refs: tuple[str, ...], *, is_unique: bool) -> list[_Instance]:
        smallest = self.find(schema, depth + 1, open_refs)
        if not is_unique or count == 1:
            self._spend(0, count * smallest.size)
            return [smallest] * count
        found = [smallest]
        while len(found) < count:  # each time without what was there before
            schema = merge(schema, _other_than(found[-1].value, schema), self._spend)
            found.append(self.find(schema, depth + 1, open_refs))
        return found

    def _best(self, alternatives: Iterable[Any], depth: int, open_refs: tuple[str, ...]) -> _Instance:
        best: _Instance | None = None
        reason = "no alternative is given"
        for alternative in alternatives:
            try:
                found = self.find(alternative, depth + 1, open_refs)
            except _Unsatisfiable as error:
                reason = str(error)
            else:
                best = found if best is None or found.size < best.size else best
        if best is None:
            raise _Unsatisfiable(reason)
        return best

    def _resolve(self, name: Any) -> Any:
        if name == "#":
            return self.root
        if not isinstance(name, str) or not name.startswith("#/"):
            raise _Unsatisfiable("a reference leads out of the schema")
        place = self.root
        for part in name[2:].split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(place, dict) and key in place:
                place = place[key]
            elif isinstance(place, list) and key.isdecimal() and int(key) < len(place):
                place = place[int(key)]
            else:
                raise _Unsatisfiable("a reference leads nowhere")
        return place

    def _made(self, value: Any) -> _Instance:
        size = len(msgspec.json.encode(value))
        self._spend(0, size)
        return _Instance(value, size)

    def _without(self, schema: dict[str, Any], word: str) -> dict[str, Any]:
        self._spend(len(schema))
        return {key: value for key, value in schema.items() if key != word}

    def _spend(self, work: int, size: int = 0) -> None:
        self.work, self.bytes = self.work + max(0, work), self.bytes + size  # a schema may say -1000000000
        if self.work > MAX_WORK or self.bytes > MAX_BYTES:
            raise SchemaRefused("the smallest instance takes more work than the sandbox does")


def _types(schema: dict[str, Any]) -> list[str]:
    declared = schema.get("type")
    if declared is None:
        return []
    return declared if isinstance(declared, list) else [declared]


def _other_than(value: Any, schema: Any) -> Any:
    """A schema that the value does not satisfy and others of its kind do; False where none is known."""
    if isinstance(schema, dict) and "enum" in schema:
        return {"enum": [other for other in schema["enum"] if other != value]}
    if isinstance(value, bool):
        return {"enum": [not value]}
    if isinstance(value, str):
        return {"minLength": len(value) + 1}
    return {"exclusiveMinimum": value} if isinstance(value, int | float) else False


def _guess(schema: dict[str, Any]) -> str:
    for name, words in (("object", _OBJECT_WORDS), ("array", _ARRAY_WORDS), ("string", _STRING_WORDS)):
        if any(word in schema for word in words):
            return name
    return "number"


def _is_of(value: Any, types: list[str]) -> bool:
    if isinstance(value, bool):
        return "boolean" in types
    if isinstance(value, int):
        return "integer" in types or "number" in types
    if isinstance(value, float):
        return "number" in types or ("integer" in types and value.is_integer())
    names = {str: "string", list: "array", dict: "object", type(None): "null"}
    return names.get(type(value)) in types
