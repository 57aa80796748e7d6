"""Typed decoding that tells of unknown members, and refusals that name what is wrong.

Decoders are built of structs with `forbid_unknown_fields=True`: a text that has nothing unknown in it costs nothing more. Of one that
has, the unknown members are removed, each name with a warning, and what is left is decoded again.
"""

import re
from typing import Any, TypeVar

import msgspec

from anyrouter.core.errors import ClientError, Denied
from anyrouter.wire.form.warnings import WarningCode, Warnings
from anyrouter.wire.request import refused

T = TypeVar("T")
MAX_UNKNOWN_NAMES = 32
_UNKNOWN = re.compile(r"Object contains unknown field `(.*?)`(?: - at `(\$.*)`)?", re.DOTALL)
_PLACE = re.compile(r"^(.*?)(?: - at `(?:key in )?\$(.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\[(?:\d+|\.\.\.)\]|\.[^.\[]+")


def decode_known(decoder: "msgspec.json.Decoder[T]", raw: bytes | msgspec.Raw, param: str, warnings: Warnings) -> T:
    """A member's value. Unknown members within are warned of and left out; ClientError names what has the wrong type."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        if _UNKNOWN.fullmatch(str(error)) is None:
            raise invalid(error, param) from None
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise invalid(error, param) from None
    return _decode_pruned(decoder, raw, param, warnings)


def _decode_pruned(decoder: "msgspec.json.Decoder[T]", raw: bytes | msgspec.Raw, param: str, warnings: Warnings) -> T:
    tree = msgspec.json.decode(raw)
    text: bytes | msgspec.Raw = raw
    for _ in range(MAX_UNKNOWN_NAMES + 1):
        try:
            return decoder.decode(text)
        except msgspec.ValidationError as error:
            unknown = _UNKNOWN.fullmatch(str(error))
            if unknown is None:
                raise invalid(error, param) from None
        path = (unknown[2] or "$")[1:]
        name = unknown[1]
        warnings.add(WarningCode.UNKNOWN_PARAMETER, f"{param}{path}.{name}", f"{name[:64]} is not known here; it was left out.")
        _prune(tree, _STEP.findall(path), name)
        text = msgspec.json.encode(tree)
    raise refused("invalid_parameter", param, f"{param} has more than {MAX_UNKNOWN_NAMES} different members that are not known.")


def _prune(tree: Any, steps: list[str], name: str) -> None:
    """Remove a member wherever its like stands: of all items of a list, not only of the one that was met first."""
    level = [tree]
    for step in steps:
        if step.startswith("["):
            level = [
                item for node in level if isinstance(node, list | dict) for item in (node if isinstance(node, list) else node.values())
            ]
        else:
            level = [node[step[1:]] for node in level if isinstance(node, dict) and step[1:] in node]
    for node in level:
        if isinstance(node, dict):
            node.pop(name, None)


def invalid(error: Exception, param: str) -> ClientError:
    """The refusal that a decoder's error amounts to, with the param as exactly as the error tells it."""
    if isinstance(error, RecursionError):
        return refused("invalid_parameter", param, f"{param} is nested too deeply.")
    found = _PLACE.match(str(error)[:400])
    text, path = (found[1], found[2] or "") if found is not None else ("it cannot be read", "")
    where = f"{param}{path}"
    return ClientError(Denied(code="invalid_parameter", param=where, message=f"{where} is not valid: {text.rstrip('.')}."))


def is_null(raw: msgspec.Raw) -> bool:
    """Whether a JSON value is null."""
    view = memoryview(raw)
    return view.nbytes == len(b"null") and bytes(view) == b"null"
