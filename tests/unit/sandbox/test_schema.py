"""The smallest instance satisfies the schema, by the judgement of an independent validator."""

import time
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyrouter.sandbox.schema import SchemaRefused, smallest_instance

NODE = {
    "type": "object",
    "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}, "value": {"type": "integer"}},
    "required": ["value", "next"],
}

NOT_OF_THE_CURRENT_DRAFT = (
    {"type": "integer", "minimum": 5, "exclusiveMinimum": True},
    {"type": "object", "required": ["long_name"], "nullable": True},
    {"type": "string", "pattern": "(?<!x)y"},  # not understood: answered without the pattern
)


@pytest.mark.parametrize(
    ("schema", "instance"),
    [
        ({}, 0),
        (True, 0),
        ({"type": "object"}, {}),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, {}),
        ({"properties": {"b": {}, "a": {"type": "string"}}, "required": ["a", "b"]}, {"b": 0, "a": ""}),
        ({"type": "object", "properties": {"a": {}, "b": {"minLength": 1}}, "minProperties": 1}, {"a": 0}),
        ({"type": "object", "minProperties": 2}, {"x0": 0, "x1": 0}),
        ({"required": ["a"], "dependentRequired": {"a": ["b"], "b": ["c"]}}, {"a": 0, "b": 0, "c": 0}),
        ({"type": "string"}, ""),
        ({"type": "string", "minLength": 3}, "aaa"),
        ({"type": "string", "format": "date-time"}, "1970-01-01T00:00:00Z"),
        ({"type": "string", "pattern": "^[A-Z]{3}-[0-9]{2,}$"}, "AAA-00"),
        ({"type": "string", "pattern": "^[a-z]+$", "minLength": 4}, "aaaa"),
        ({"type": "string", "pattern": "(yes|no)"}, "no"),
        ({"type": "string", "pattern": "(?<!x)y"}, ""),
        ({"type": "integer"}, 0),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer", "exclusiveMinimum": 5}, 6),
        ({"type": "integer", "minimum": 5, "exclusiveMinimum": True}, 6),
        ({"type": "integer", "maximum": -3}, -3),
        ({"type": "integer", "minimum": 7, "multipleOf": 5}, 10),
        ({"type": "integer", "minimum": 1.5}, 2),
        ({"type": "integer", "minimum": 3, "multipleOf": 0.5}, 3),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
        ({"type": "number", "minimum": 0.25, "maximum": 0.5}, 0.25),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"const": {"a": [1, None]}}, {"a": [1, None]}),
        ({"enum": ["green", "red", "tan"]}, "red"),
        ({"type": "string", "enum": [1, "green"]}, "green"),
        ({"type": "array"}, []),
        ({"type": "array", "items": {"type": "string"}, "minItems": 2}, ["", ""]),
        ({"type": "array", "items": {"type": "string"}, "minItems": 3, "uniqueItems": True}, ["", "a", "aa"]),
        ({"type": "array", "items": {"enum": ["x", "y"]}, "minItems": 2, "uniqueItems": True}, ["x", "y"]),
        ({"type": "array", "items": {"type": "integer", "minimum": 3}, "minItems": 2, "uniqueItems": True}, [3, 4]),
        ({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "minItems": 2}, [1, 2]),
        ({"type": "array", "contains": {"const": "x"}}, ["x"]),
        ({"type": ["string", "null"]}, ""),
        ({"type": ["null", "object"], "required": ["long_name"]}, None),
        ({"type": "object", "required": ["long_name"], "nullable": True}, None),
        ({"anyOf": [{"type": "object", "required": ["a"]}, {"type": "integer"}]}, 0),
        ({"type": "object", "oneOf": [{"required": ["long"]}, {"required": ["a"]}]}, {"a": 0}),
        ({"allOf": [{"required": ["a"]}, {"properties": {"a": {"type": "string"}}}]}, {"a": ""}),
        ({"allOf": [{"minimum": 2}, {"type": "integer", "minimum": 7}]}, 7),
        ({"$ref": "#/$defs/node", "$defs": {"node": NODE}}, {"next": None, "value": 0}),
        ({"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}], "$defs": {"a": {"minimum": 2}, "b": {"multipleOf": 3}}}, 3),
        ({"$ref": "#/definitions/a~1b", "definitions": {"a/b": {"const": 1}}}, 1),
        ({"type": "array", "items": {"$ref": "#"}}, []),
    ],
)  # fmt: skip
def test_the_smallest_instance_of_a_schema(schema: Any, instance: Any) -> None:
    assert smallest_instance(schema) == instance
    if schema not in NOT_OF_THE_CURRENT_DRAFT:
        assert jsonschema_rs.is_valid(schema, instance)


@pytest.mark.parametrize(
    "schema",
    [
        False,
        7,
        {"type": "array", "minItems": 10**9},
        {"type": "array", "items": {"type": "array", "minItems": 1000, "items": {"minLength": 100}}, "minItems": 1000},
        {"type": "string", "minLength": 10**9},
        {"type": "string", "pattern": "a{99999999}", "minLength": 10**9},
        {"type": "object", "minProperties": 10**9},
        {"type": "integer", "minimum": "x"},
        {"type": "integer", "minimum": 3, "maximum": 2},
        {"type": "strange"},
        {"type": 7},
        {"enum": []},
        {"enum": 7},
        {"anyOf": []},
        {"anyOf": 7},
        {"properties": [], "required": ["a"]},
        {"required": 3},
        {"required": [[]]},
        {"required": [None]},
        {"required": ["a"], "dependentRequired": {"a": [None]}},
        {"$ref": "#"},
        {"$ref": "#/nowhere"},
        {"$ref": "https://example.com/schema.json"},
        {"$ref": 7},
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "required": ["a"]}}},
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        {"allOf": [{"const": 1}, {"const": 2}]},
        {"type": "string", "minLength": 3, "maxLength": 2},
        {"enum": ["a", "b"], "minLength": 2},
    ],
)
def test_a_schema_without_a_reasonable_instance_is_refused(schema: Any) -> None:
    with pytest.raises(SchemaRefused):
        smallest_instance(schema)


def _doubling(levels: int) -> dict[str, Any]:
    definitions = {f"d{level}": {"anyOf": [{"$ref": f"#/$defs/d{level + 1}"}] * 2} for level in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": {**definitions, f"d{levels}": {"type": "string"}}}


def _nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        _doubling(40),
        _nested(400),
        {"allOf": [{"enum": list(range(50_000))}, {"enum": list(range(50_000, 100_000))}]},
        {"allOf": [{"anyOf": [{}] * 10_000}, {"anyOf": [{}] * 10_000}]},
        {**{f"x{index}": 0 for index in range(50_000)}, "anyOf": [{"const": index} for index in range(50_000)]},
        {"required": [f"x{index}" for index in range(200_000)]},
        {"allOf": [{"required": ["a"] * 100_000}] * 100},
        {"type": "object", "properties": {"a": {"type": "array", "minItems": -(10**12)}, "b": _doubling(40)}, "required": ["a", "b"]}
        | {"$defs": _doubling(40)["$defs"]},
    ],
)
def test_a_schema_made_to_take_long_is_refused_quickly(schema: Any) -> None:
    started = time.process_time()
    with pytest.raises(SchemaRefused):
        smallest_instance(schema)
    assert time.process_time() - started < 2.0


_names = st.sampled_from(["a", "b", "name", "x y"])
_leaves = st.one_of(
    st.just({}),
    st.sampled_from([{"type": name} for name in ("string", "integer", "number", "boolean", "null", "object", "array")]),
    st.builds(lambda low: {"type": "integer", "minimum": low}, st.integers(-50, 50)),
    st.builds(lambda low, span: {"type": "number", "minimum": low, "maximum": low + span}, st.integers(-50, 50), st.integers(0, 9)),
    st.builds(lambda high: {"type": "integer", "exclusiveMaximum": high}, st.integers(-50, 50)),
    st.builds(lambda step, low: {"type": "integer", "multipleOf": step, "minimum": low}, st.integers(1, 9), st.integers(-30, 30)),
    st.builds(lambda length: {"type": "string", "minLength": length}, st.integers(0, 5)),
    st.builds(lambda values: {"enum": values}, st.lists(st.one_of(st.integers(), st.text(max_size=5), st.none()), min_size=1, max_size=4)),
    st.builds(lambda value: {"const": value}, st.one_of(st.integers(), st.booleans(), st.text(max_size=5))),
    st.builds(
        lambda names: {"type": names},
        st.lists(st.sampled_from(["string", "integer", "null", "array"]), min_size=1, max_size=3, unique=True),
    ),
)


def _branches(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(
            lambda properties, required: {"type": "object", "properties": properties, "required": required},
            st.dictionaries(_names, children, max_size=3),
            st.lists(_names, max_size=3, unique=True),
        ),
        st.builds(lambda items, count: {"type": "array", "items": items, "minItems": count}, children, st.integers(0, 3)),
        st.builds(lambda options: {"anyOf": options}, st.lists(children, min_size=1, max_size=3)),
        st.builds(lambda parts: {"allOf": parts}, st.lists(children, min_size=1, max_size=2)),
    )


@settings(max_examples=200, deadline=None)
@given(st.recursive(_leaves, _branches, max_leaves=8))
def test_every_instance_that_is_found_satisfies_its_schema(schema: Any) -> None:
    try:
        instance = smallest_instance(schema)
    except SchemaRefused:
        return
    assert jsonschema_rs.is_valid(schema, instance), msgspec.json.encode(instance)
