"""Embeddings: for each input a vector of length 1 that depends on nothing but the model, the input and the number of dimensions."""

import base64
import hashlib
import math
import sys
from array import array
from collections.abc import Iterator
from operator import mul

import msgspec

from anyrouter.sandbox.answer import check_window
from anyrouter.sandbox.fields import Fields
from anyrouter.sandbox.openai.envelope import headers
from anyrouter.sandbox.openai.request import read_model
from anyrouter.sandbox.openai.tokens import Input, count_inputs, read_inputs
from anyrouter.sandbox.reply import ApiError, Reply, Stamp
from anyrouter.sandbox.scenario import Scenario, scenario_of

MAX_DIMENSIONS = 4_096
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


def embed(model: str, text: str, dimensions: int) -> "array[float]":
    """The vector of a text, as float32: hash bytes, centred, scaled to length 1."""
    digest = hashlib.shake_256(f"{model}\x00{text}".encode()).digest(dimensions)
    parts = array("b", digest)
    if not any(parts):
        parts[0] = 1
    scale = 1 / math.sqrt(sum(map(mul, parts, parts)))
    table = [(byte if byte < 128 else byte - 256) * scale for byte in range(256)]  # noqa: PLR2004 -- two's complement
    return array("f", map(table.__getitem__, parts.tobytes()))


def _little_endian(vector: "array[float]") -> bytes:
    if sys.byteorder == "big":
        vector = array("f", vector)
        vector.byteswap()
    return vector.tobytes()


def _as_numbers(vector: "array[float]") -> bytes:
    texts = {value: b"%.9g" % value for value in set(vector)}  # nine digits name a float32; there are at most 256 different ones
    return b"[\n        " + _SEPARATOR.join(map(texts.__getitem__, vector)) + b"\n      ]"
