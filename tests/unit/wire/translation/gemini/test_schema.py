"""Gemini's two kinds of schema."""

import json
from typing import Any

import msgspec
import pytest

from anyrouter.wire.translation.gemini.schema import to_gemini_schema, to_json_schema


def openapi(schema: dict[str, Any]) -> Any:
    return json.loads(bytes(to_json_schema(msgspec.Raw(json.dumps(schema).encode()))))


def subset(schema: Any) -> Any:
    return json.loads(bytes(to_gemini_schema(msgspec.Raw(json.dumps(schema).encode()))))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"type": "STRING"}, {"type": "string"}),
        ({"type": "TYPE_UNSPECIFIED"}, {}),
        ({"type": "INTEGER", "nullable": True}, {"type": ["integer", "null"]}),
        ({"type": "STRING", "format": "enum", "enum": ["a"], "nullable": True}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"type": "STRING", "format": "date-time"}, {"type": "string", "format": "date-time"}),
        ({"items": {"type": "NUMBER"}, "minItems": "2", "maxItems": 3}, {"items": {"type": "number"}, "minItems": 2, "maxItems": 3}),
        ({"type": "NUMBER", "minimum": "0.5"}, {"type": "number", "minimum": 0.5}),
        ({"any_of": [{"type": "STRING"}, {"type": "NULL"}]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ({"type": "STRING", "example": "x"}, {"type": "string", "examples": ["x"]}),
        ({"type": "OBJECT", "propertyOrdering": ["a"]}, {"type": "object"}),
        ({"defs": {"n": {"type": "STRING"}}, "ref": "#/defs/n"}, {"$defs": {"n": {"type": "string"}}, "$ref": "#/$defs/n"}),
    ],
)  # fmt: skip
def test_openapi_becomes_json_schema(told: dict[str, Any], expected: dict[str, Any]) -> None:
    assert openapi(told) == expected


def test_names_of_properties_are_no_keywords() -> None:
    told = {"type": "OBJECT", "properties": {"type": {"type": "STRING"}, "nullable": {"type": "STRING"}, "any_of": {"type": "STRING"}}}
    assert openapi(told) == {
        "type": "object",
        "properties": {"type": {"type": "string"}, "nullable": {"type": "string"}, "any_of": {"type": "string"}},
    }
    assert subset({"properties": {"const": {"const": 1}, "allOf": {"type": "string"}}}) == {
        "properties": {"const": {"enum": [1]}, "allOf": {"type": "string"}}
    }


def test_a_schema_that_needs_no_change_is_the_very_same_bytes() -> None:
    raw = msgspec.Raw(b'{ "type":"object", "properties":{"a":{"type":["string","null"]}},"additionalProperties":false }')
    assert to_json_schema(raw) is raw
    assert to_gemini_schema(raw) is raw


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"const": "a", "type": "string"}, {"enum": ["a"], "type": "string"}),
        (
            {"definitions": {"n": {"const": 1}}, "items": {"$ref": "#/definitions/n"}},
            {"$defs": {"n": {"enum": [1]}}, "items": {"$ref": "#/$defs/n"}},
        ),
        ({"$ref": "#/$defs/n", "description": "d"}, {"description": "d", "anyOf": [{"$ref": "#/$defs/n"}]}),
        ({"$ref": "#/$defs/n", "$comment": "c"}, {"$ref": "#/$defs/n", "$comment": "c"}),
        ({"allOf": [{"$ref": "#/$defs/n"}], "title": "t"}, {"anyOf": [{"$ref": "#/$defs/n"}], "title": "t"}),
        ({"allOf": [{"type": "string"}, {"const": 1}]}, {"allOf": [{"type": "string"}, {"enum": [1]}]}),
        (
            {"anyOf": [{"const": 1}], "additionalProperties": {"const": 2}},
            {"anyOf": [{"enum": [1]}], "additionalProperties": {"enum": [2]}},
        ),
        (["const"], ["const"]),
    ],
)
def test_what_gemini_has_no_word_for_is_said_in_other_words(told: Any, expected: Any) -> None:
    assert subset(told) == expected


def test_what_is_no_schema_is_refused() -> None:
    with pytest.raises((ValueError, msgspec.DecodeError)):
        openapi({"type": "ARRAY", "minItems": "few"})
    with pytest.raises((ValueError, msgspec.DecodeError)):
        to_json_schema(msgspec.Raw(b'[{"nullable":true}]'))
