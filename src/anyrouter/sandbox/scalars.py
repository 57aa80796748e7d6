"""The smallest string and the smallest number of a JSON schema."""

import math
from fractions import Fraction
from typing import Any

from anyrouter.sandbox.pattern import NotUnderstood, shortest_match

_LARGE = 1e308
_SIZES: dict[type, tuple[str, str]] = {
    str: ("minLength", "maxLength"),
    list: ("minItems", "maxItems"),
    dict: ("minProperties", "maxProperties"),
}
_FORMATS = {
    "date-time": "1970-01-01T00:00:00Z",
    "date": "1970-01-01",
    "time": "00:00:00Z",
    "duration": "PT0S",
    "email": "a@b.co",
    "hostname": "a",
    "ipv4": "1.1.1.1",
    "ipv6": "::",
    "uri": "http://a",
    "uri-reference": "",
    "iri": "http://a",
    "uuid": "00000000-0000-0000-0000-000000000000",
    "json-pointer": "",
    "regex": "",
    "byte": "",
}


def smallest_string(schema: dict[str, Any], max_length: int) -> str:
    """The shortest string of the schema. A pattern that is not understood is ignored; ValueError above `max_length` characters."""
    minimum: int = schema.get("minLength", 0)
    if minimum > max_length:
        raise ValueError("a string is too long")
    if "pattern" in schema:
        try:
            return shortest_match(schema["pattern"], minimum, max_length)
        except NotUnderstood:
            pass
    text: str = _FORMATS.get(schema.get("format", ""), "")
    return text + "a" * (minimum - len(text))


def smallest_number(schema: dict[str, Any], *, is_integer: bool) -> float | None:
    """The number of the schema that is nearest to zero, an integer where one will do; None when the bounds leave none."""
    if is_within(0, schema):
        return 0
    low, _ = _bound(schema, "minimum", "exclusiveMinimum", -math.inf, max)
    high, _ = _bound(schema, "maximum", "exclusiveMaximum", math.inf, min)
    nearest = low if low >= 0 else high
    step: float = schema.get("multipleOf") or 1
    if is_integer:
        step = Fraction(str(step)).numerator
    count = nearest // step
    candidates = [(count + offset) * step for offset in (0, 1, -1, 2)]
    if is_integer:
        candidates = [int(value) for value in candidates]
    elif "multipleOf" not in schema:
        candidates += [nearest, max(low, -_LARGE) / 2 + min(high, _LARGE) / 2]
    return next((value for value in candidates if is_within(value, schema)), None)


def is_within(value: Any, schema: dict[str, Any]) -> bool:
    """Whether the value's size lies within the schema's bounds; what is inside an array or object is not looked at."""
    if isinstance(value, bool):
        return True
    if isinstance(value, int | float):
        low, is_low_open = _bound(schema, "minimum", "exclusiveMinimum", -math.inf, max)
        high, is_high_open = _bound(schema, "maximum", "exclusiveMaximum", math.inf, min)
        step = schema.get("multipleOf")
        is_multiple = not isinstance(step, int) or value % step == 0
        return low <= value <= high and not (is_low_open and value == low) and not (is_high_open and value == high) and is_multiple
    if type(value) not in _SIZES:
        return True
    least, most = _SIZES[type(value)]
    return bool(schema.get(least, 0) <= len(value) <= schema.get(most, math.inf))


def _bound(schema: dict[str, Any], word: str, open_word: str, default: float, tightest: Any) -> tuple[float, bool]:
    """A bound and whether it is open itself: draft 2020-12's numbers, and draft 4's boolean beside the closed bound."""
    closed, opened = schema.get(word), schema.get(open_word)
    if isinstance(opened, bool):
        return (default if closed is None else closed), opened
    if opened is None:
        return (default if closed is None else closed), False
    if closed is None or tightest(closed, opened) == opened:
        return opened, True
    return closed, False
