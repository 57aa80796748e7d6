"""Embeddings, as numbers or packed, indented as the provider indents them."""

import base64
import sys
from array import array
from collections.abc import Iterator

import msgspec

from anyrouter.sandbox.answer import check_window
from anyrouter.sandbox.fields import Fields
from anyrouter.sandbox.openai.envelope import headers
from anyrouter.sandbox.openai.request import read_model
from anyrouter.sandbox.openai.tokens import Input, count_inputs, read_inputs
from anyrouter.sandbox.reply import ApiError, Reply, Stamp
from anyrouter.sandbox.scenario import Scenario, scenario_of
from anyrouter.sandbox.vector import MAX_DIMENSIONS, embed, write_numbers

_DEFAULT_DIMENSIONS = 1_536
_LARGE_DIMENSIONS = 3_072  # of models called …-large
_SEPARATOR = b",\n        "


def answer_embeddings(fields: Fields, stamp: Stamp) -> Reply:
    """The reply to POST /v1/embeddings, a vector at a time; FieldFault, ApiError or WindowExceeded when there is none."""
    model = read_model(fields)
    inputs = read_inputs(fields, "input")
    if any(not one.text for one in inputs):
        raise ApiError(400, "Invalid 'input': input cannot be an empty string.", param="input", code="invalid_value")
    fields.text("user")
    encoding = fields.choice("encoding_format", ("float", "base64")) or "float"
    dimensions = fields.integer("dimensions", 1, MAX_DIMENSIONS) or _dimensions_of(model)
    tokens = count_inputs(inputs)
    scenario = scenario_of(model)
    check_window(scenario, tokens)
    body = _body(model, inputs, dimensions, is_base64=encoding == "base64", tokens=None if scenario is Scenario.NO_USAGE else tokens)
    return Reply(headers=(("content-type", "application/json"), *headers(stamp)), body=body if len(inputs) > 1 else b"".join(body))


def _dimensions_of(model: str) -> int:
    return _LARGE_DIMENSIONS if model.endswith("-large") else _DEFAULT_DIMENSIONS


def _body(model: str, inputs: list[Input], dimensions: int, *, is_base64: bool, tokens: int | None) -> Iterator[bytes]:
    """The JSON of the reply, indented as the provider indents it, in one part for each vector: thousands of vectors are megabytes."""
    yield b'{\n  "object": "list",\n  "data": ['
    for index, one in enumerate(inputs):
        vector = embed(model, one.text, dimensions)
        encoded = b'"' + base64.b64encode(_little_endian(vector)) + b'"' if is_base64 else _as_numbers(vector)
        yield b'%s\n    {\n      "object": "embedding",\n      "index": %d,\n      "embedding": %s\n    }' % (
            b"," if index else b"",
            index,
            encoded,
        )
    yield b'\n  ],\n  "model": ' + msgspec.json.encode(model)
    if tokens is not None:
        yield b',\n  "usage": {\n    "prompt_tokens": %d,\n    "total_tokens": %d\n  }' % (tokens, tokens)
    yield b"\n}\n"


def _little_endian(vector: "array[float]") -> bytes:
    if sys.byteorder == "big":
        vector = array("f", vector)
        vector.byteswap()
    return vector.tobytes()


def _as_numbers(vector: "array[float]") -> bytes:
    return b"[\n        " + write_numbers(vector, _SEPARATOR) + b"\n      ]"
