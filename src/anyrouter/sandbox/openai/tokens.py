"""Reading the inputs of completions and embeddings: a string, strings, a list of tokens, or lists of tokens."""

from dataclasses import dataclass
from typing import Any

from anyrouter.core.usage import estimate_tokens
from anyrouter.sandbox.fields import FaultKind, Fields
from anyrouter.sandbox.text import byte_count

MAX_INPUTS = 2_048
MAX_TOKENS = 300_000  # of one request's lists, as at the provider
_EXPECTED = "one of a string, an array of strings, an array of integers, or an array of arrays of integers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input. `tokens` is 0 for a text, else the length of the list of tokens that came, of which `text` is a stand-in."""

    text: str
    tokens: int = 0


def read_inputs(fields: Fields, name: str) -> list[Input]:
    """The inputs in their order, at least one; FieldFault for anything else."""
    value = fields.require(name)
    if isinstance(value, str):
        return [Input(text=value)]
    if not isinstance(value, list):
        raise fields.fault(name, FaultKind.TYPE, _EXPECTED, value)
    if not value:
        raise fields.fault(name, FaultKind.EMPTY)
    if len(value) > MAX_TOKENS:
        raise fields.fault(name, FaultKind.TOO_LONG, MAX_TOKENS, len(value))
    if _is_tokens(value):
        return [_of_tokens(value)]
    if len(value) > MAX_INPUTS:
        raise fields.fault(name, FaultKind.TOO_LONG, MAX_INPUTS, len(value))
    if all(isinstance(one, str) for one in value):
        return [Input(text=one) for one in value]
    count = sum(len(one) for one in value if isinstance(one, list))
    if count > MAX_TOKENS:
        raise fields.fault(name, FaultKind.TOO_LONG, MAX_TOKENS, count)
    if all(isinstance(one, list) and one and _is_tokens(one) for one in value):
        return [_of_tokens(one) for one in value]
    raise fields.fault(name, FaultKind.TYPE, _EXPECTED, value)


def count_inputs(inputs: list[Input]) -> int:
    """The tokens of all inputs: a list of tokens counts its length, texts together their bytes by the documented rule."""
    tokens = sum(one.tokens for one in inputs)
    return tokens or estimate_tokens(sum(byte_count(one.text) for one in inputs))


def _is_tokens(value: list[Any]) -> bool:
    return all(isinstance(token, int) and not isinstance(token, bool) and token >= 0 for token in value)


def _of_tokens(tokens: list[int]) -> Input:
    return Input(text=" ".join(map(str, tokens)), tokens=len(tokens))
