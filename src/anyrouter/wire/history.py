"""Reasoning that a chat's earlier messages bring along, kept from an upstream that refuses members of messages that it does not know.

Clients give back what they got, from whichever provider: `reasoning`, `reasoning_content`, `reasoning_details`. Most providers of the
OpenAI dialect pass over what is not theirs, and what is theirs they may need; the rows of those that do not say so, name by name.
"""

from collections.abc import Collection

import msgspec
from msgspec import Raw
from pydantic_core import SchemaValidator, ValidationError, core_schema

from anyrouter.wire.members import Members, NotJson

NAMES = frozenset({"reasoning", "reasoning_content", "reasoning_details"})
_MARK = b'"reasoning'
_SEARCHED_BYTES = 2048  # up to about here Python's own search is quicker than the validator's error
# Rust's search: 12 µs of 181 KB, where CPython's takes 20 to 50.
_validate = SchemaValidator(core_schema.str_schema(pattern=_MARK.decode())).validate_python
_decode_items = msgspec.json.Decoder(list[Raw]).decode


def leave_out(members: Members, names: Collection[str]) -> bytes | None:
    """`messages` without such members, all others as they came; None when there is nothing to leave out."""
    if not members.starts_with("messages", b"[") or not _is_marked(members.text):
        return None
    text = members.raw("messages") or b"[]"
    messages = [bytes(message) for message in _decode_items(text)]
    kept = [_without(message, names) for message in messages]
    return None if kept == messages else b"[%s]" % b",".join(kept)


def _is_marked(text: bytes) -> bool:
    if len(text) <= _SEARCHED_BYTES:
        return text.rfind(_MARK) >= 0
    try:
        _validate(text)
    except ValidationError:
        return False
    return True


def _without(message: bytes, names: Collection[str]) -> bytes:
    if _MARK not in message:
        return message
    try:
        members = Members(message)
    except NotJson:
        return message  # what is wrong with it is told elsewhere
    found = [name for name in names if name in members.values]
    return b"".join(members.edit({}, found)) if found else message
