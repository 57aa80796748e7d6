import json
from typing import Any

import pytest
from msgspec import Raw

from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.translation.closed_schema import close_schema, is_closed


def close(schema: Any, description: str | None = None) -> tuple[Any, list[str]]:
    warnings = Warnings()
    closed = close_schema(Raw(json.dumps(schema).encode()), "schema", warnings, description)
    return json.loads(bytes(closed)), [warning.message for warning in warnings.found.values()]


def test_a_schema_that_is_closed_already_stays_byte_for_byte() -> None:
    raw = Raw(
        b'{ "type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"required":["a"],\n'
        b'"additionalProperties":false,"$defs":{"A":{"enum":[1]}}}'
    )
    assert close_schema(raw, "schema", Warnings()) is raw


def test_objects_are_closed_everywhere_and_nobody_is_warned_of_that() -> None:
    inner = {"type": "object", "properties": {"b": {"type": ["string", "null"]}}}
    closed, warned = close({"properties": {"a": {"type": "array", "items": inner}}, "$defs": {"C": {"anyOf": [inner]}}})
    assert closed["additionalProperties"] is False
    assert closed["properties"]["a"]["items"]["additionalProperties"] is False
    assert closed["$defs"]["C"]["anyOf"][0]["additionalProperties"] is False
    assert warned == []


def test_what_cannot_be_enforced_is_said_to_the_model_and_warned_of() -> None:
    closed, warned = close({"type": "integer", "minimum": 1, "maximum": 5, "description": "A grade."})
    assert closed == {"type": "integer", "description": "A grade.\n\n{minimum: 1, maximum: 5}"}
    assert warned == ["The model's provider does not enforce these parts of the schema: maximum, minimum."]


def test_a_map_is_warned_of_because_nothing_would_be_left_of_it() -> None:
    closed, warned = close({"type": "object", "additionalProperties": {"type": "integer"}})
    assert closed == {"type": "object", "additionalProperties": False, "description": 'additionalProperties: {"type":"integer"}'.join("{}")}
    assert "additionalProperties" in warned[0]


def test_one_of_becomes_any_of_and_notes_that_bind_nobody_go_without_a_word() -> None:
    closed, warned = close(
        {"$schema": "x", "default": 1, "oneOf": [{"type": "string", "format": "date"}, {"type": "array", "minItems": 1}]}
    )
    assert closed == {"anyOf": [{"type": "string", "format": "date"}, {"type": "array", "minItems": 1}]}
    assert warned == []


def test_a_property_may_have_the_name_of_a_keyword() -> None:
    schema = {
        "type": "object",
        "properties": {"minimum": {"type": "integer"}, "pattern": {"type": "string"}},
        "additionalProperties": False,
    }
    assert close(schema) == (schema, [])


def test_a_description_is_added_where_the_schema_has_none() -> None:
    assert close({"type": "string"}, "A name.")[0]["description"] == "A name."
    assert close({"type": "string", "description": "Own."}, "A name.")[0]["description"] == "Own."


A = {"type": "string"}
CLOSED = {"type": "object", "properties": {"a": A}, "required": ["a"], "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (CLOSED, True),
        ({"type": "object", "additionalProperties": False}, True),
        ({**CLOSED, "properties": {"a": {"type": ["string", "null"]}, "oneOf": A}, "required": ["a", "oneOf"]}, True),
        ({**CLOSED, "properties": {"a": {"enum": [{"type": "object"}]}}}, True),
        ({**CLOSED, "required": []}, False),
        ({**CLOSED, "required": "a"}, False),
        ({**CLOSED, "properties": []}, False),
        ({name: CLOSED[name] for name in ("type", "properties", "required")}, False),
        ({**CLOSED, "additionalProperties": True}, False),
        ({"type": "object"}, False),
        ({"anyOf": [CLOSED]}, False),
        (A, False),
        ([CLOSED], False),
        ({**CLOSED, "properties": {"a": {"type": "array", "items": {"type": "object"}}}}, False),
        ({**CLOSED, "properties": {"a": {"anyOf": [A, {"type": ["object", "null"], "properties": {}}]}}}, False),
        ({**CLOSED, "$defs": {"b": {"properties": {}}}}, False),
        ({**CLOSED, "properties": {"a": {"allOf": [A]}}}, False),
    ],
)
def test_a_schema_is_closed_when_every_object_of_it_needs_all_its_members(schema: Any, expected: bool) -> None:
    assert is_closed(Raw(json.dumps(schema).encode())) is expected


def test_a_schema_that_nobody_could_follow_is_not_closed() -> None:
    assert not is_closed(
        Raw(b'{"type":"object","additionalProperties":false,"$defs":{"a":' + b'{"items":' * 100 + b"{}" + b"}" * 100 + b"}}")
    )
