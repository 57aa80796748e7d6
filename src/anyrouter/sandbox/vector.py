"""A vector of length 1 for each text, that depends on nothing but the model, the text and the number of dimensions."""

import hashlib
import math
from array import array
from operator import mul

MAX_DIMENSIONS = 4_096


def embed(model: str, text: str, dimensions: int) -> "array[float]":
    """The vector of a text, as float32: hash bytes, centred, scaled to length 1."""
    digest = hashlib.shake_256(f"{model}\x00{text}".encode()).digest(dimensions)
    parts = array("b", digest)
    if not any(parts):
        parts[0] = 1
    scale = 1 / math.sqrt(sum(map(mul, parts, parts)))
    table = [(byte if byte < 128 else byte - 256) * scale for byte in range(256)]  # noqa: PLR2004 -- two's complement
    return array("f", map(table.__getitem__, parts.tobytes()))


def write_numbers(vector: "array[float]", separator: bytes) -> bytes:
    """The vector's numbers as JSON, with nine digits, which name a float32."""
    texts = {value: b"%.9g" % value for value in set(vector)}  # at most 256 different ones
    return separator.join(map(texts.__getitem__, vector))
