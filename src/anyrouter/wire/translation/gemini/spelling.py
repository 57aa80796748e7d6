"""Requests in snake_case, which Google's parser takes as well as camelCase, also mixed: each name it knows, wherever it stands.

Texts in camelCase cost nothing more. Of another one the names are respelt, except within what is the client's own: arguments,
answers and schemas.
"""

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.translation.gemini import request_shapes as shapes
from anyrouter.wire.translation.known import decode_known, invalid

T = TypeVar("T")
_TOP_NAMES = (
    "system_instruction", "tool_config", "generation_config", "safety_settings", "cached_content", "service_tier", "continuation_token"
)  # fmt: skip
_CLIENTS_OWN = frozenset({
    "args", "response", "parameters", "parametersJsonSchema", "responseJsonSchema", "responseSchema", "partMetadata", "labels"
})  # fmt: skip


def camel_case(name: str) -> str:
    """A name in camelCase."""
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def _spellings() -> Iterator[tuple[str, str]]:
    for shape in vars(shapes).values():
        if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
            yield from ((field.name, field.encode_name) for field in msgspec.structs.fields(shape))
    yield from ((name, camel_case(name)) for name in _TOP_NAMES)
    yield "_responseJsonSchema", "responseJsonSchema"  # its name before it was released


CAMEL_CASE: dict[str, str] = {other: name for other, name in _spellings() if other != name}
"""The other spelling of each name → the name."""


def decode_spelt(decoder: "msgspec.json.Decoder[T]", raw: Raw, param: str, warnings: Warnings) -> T:
    """A member's value, its names in either spelling. Unknown ones are warned of; ClientError names what has the wrong type."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError:
        pass
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise invalid(error, param) from None
    try:
        respelt = msgspec.json.encode(_respell(msgspec.json.decode(raw)))
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise invalid(error, param) from None
    return decode_known(decoder, respelt, param, warnings)


def _respell(node: Any) -> Any:
    if isinstance(node, list):
        return [_respell(item) for item in node]
    if not isinstance(node, dict):
        return node
    respelt: dict[str, Any] = {}
    for name, value in node.items():
        known: str = CAMEL_CASE.get(name) or name
        respelt[known] = value if known in _CLIENTS_OWN else _respell(value)
    return respelt
