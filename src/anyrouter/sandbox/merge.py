"""Two JSON schemas that hold at once, as one. The caller's meter is told the work before it is done, since both come from a stranger."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

Spend = Callable[[int], None]


def merge(first: Any, second: Any, spend: Spend) -> Any:
    """A schema that both schemas' instances satisfy, as far as one can be written down: keywords that do not combine are the second's."""
    if first is True or second is False:
        return second
    if second is True:
        return first
    if not isinstance(first, dict) or not isinstance(second, dict):
        return False
    spend(len(first) + len(second))
    merged = {**first, **second}
    for word in first.keys() & second.keys() & _COMBINED.keys():
        merged[word] = _COMBINED[word](first[word], second[word], spend)
    if "$ref" in first and "$ref" in second:  # a schema has room for one of them beside itself
        merged["allOf"] = [*merged.get("allOf", []), {"$ref": first["$ref"]}]
    return False if _is_contradiction(first, second, merged, spend) else merged


def _is_contradiction(first: dict[str, Any], second: dict[str, Any], merged: dict[str, Any], spend: Spend) -> bool:
    if merged.get("type") == [] or merged.get("enum") == []:
        return True
    if "const" not in merged:
        return False
    if "enum" in merged:
        spend(len(merged["enum"]))
        if merged["const"] not in merged["enum"]:
            return True
    return "const" in first and "const" in second and bool(first["const"] != second["const"])


def _larger(first: Any, second: Any, _spend: Spend) -> Any:
    return max(first, second)


def _smaller(first: Any, second: Any, _spend: Spend) -> Any:
    return min(first, second)


def _common_multiple(first: Any, second: Any, _spend: Spend) -> Any:
    one, other = Fraction(str(first)), Fraction(str(second))
    numerator = math.lcm(one.numerator * other.denominator, other.numerator * one.denominator)
    multiple = Fraction(numerator, one.denominator * other.denominator)
    return int(multiple) if multiple.denominator == 1 else float(multiple)


def _common(first: list[Any], second: list[Any], spend: Spend) -> list[Any]:
    spend(len(first) * len(second))
    return [value for value in first if value in second]


def _chain(first: list[Any], second: list[Any], spend: Spend) -> list[Any]:
    spend(len(first) + len(second))
    return [*first, *second]


def _pairs(first: list[Any], second: list[Any], spend: Spend) -> list[Any]:
    spend(len(first) * len(second))
    return [merge(one, other, spend) for one in first for other in second]


def _common_types(first: Any, second: Any, spend: Spend) -> list[Any]:
    ones, others = (value if isinstance(value, list) else [value] for value in (first, second))
    common = _common(ones, others, spend)
    if not common and {"number", "integer"} <= {*ones, *others}:
        return ["integer"]
    return common


def _all_properties(first: dict[str, Any], second: dict[str, Any], spend: Spend) -> dict[str, Any]:
    spend(len(first) + len(second))
    both = {name: {"allOf": [first[name], second[name]]} for name in first if name in second}
    return {**first, **second, **both}


_COMBINED: dict[str, Callable[[Any, Any, Spend], Any]] = {
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"), _larger),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), _smaller),
    **dict.fromkeys(("items", "additionalProperties"), merge),
    **dict.fromkeys(("anyOf", "oneOf"), _pairs),
    **dict.fromkeys(("allOf", "required"), _chain),
    "multipleOf": _common_multiple,
    "type": _common_types,
    "enum": _common,
    "properties": _all_properties,
}
