"""Proofs of thought that other providers made, kept from an upstream that would refuse them.

Clients give back what they got. What the gateway translated for them holds other providers' proofs, sealed (`wire.form.reasoning`); a
translation opens them for whom they are meant. A request that is passed through as it came goes to an upstream of the client's own
dialect, which can check nobody's proofs but its own and refuses the whole conversation for one that it does not know. So sealed proofs,
and what is nothing without them, are left out of what is passed through. A conversation without them is looked at once, for the seal's
first letters, and sent byte by byte.
"""

import base64
import re
from collections.abc import Callable, Iterable, Mapping

import msgspec
from msgspec import Raw

from anyrouter.wire.form.reasoning import ANTHROPIC_FORMAT, GEMINI_FORMAT, OPENAI_FORMAT, unseal
from anyrouter.wire.members import Members, NotJson
from anyrouter.wire.request import InferenceRequest
from anyrouter.wire.translation.gemini.signatures import read_signature

_SEAL = b'"anyrouter.'  # as a JSON string begins that was sealed
_SEAL_OF_BYTES = base64.b64encode(b"anyrouter")  # the same where the member holds base64
_REASONING = b'"reasoning"'
_SIGNATURES = ("thoughtSignature", "thought_signature")
_SAID_OF_A_THOUGHT = frozenset({"thought", "text", *_SIGNATURES})
_NOTHING_ADDED: Mapping[str, bytes] = {}
_BROKEN = (ValueError, msgspec.DecodeError, RecursionError)
_encode = msgspec.json.encode
_decode_items = msgspec.json.Decoder(list[Raw]).decode
Clean = Callable[[bytes], bytes | None]
"""An item of a list as it is sent: its text, another one, or None for nothing."""


class ProvenRequest(InferenceRequest, kw_only=True):
    """A request that may hold proofs. `clean` gives the members that an upstream gets in place of the client's."""

    clean: Callable[[Members], dict[str, bytes]]

    def encode(
        self,
        upstream_model: bytes,
        *,
        is_asking_usage: bool = True,
        added: Mapping[str, bytes] = _NOTHING_ADDED,
        removed: frozenset[str] = frozenset(),
    ) -> list[bytes | memoryview]:
        """As every request's, without proofs that are not the upstream's."""
        cleaned = self.clean(self.members)
        if cleaned:
            plain = {name: getattr(self, name) for name in InferenceRequest.__struct_fields__}
            request = InferenceRequest(**{**plain, "replace": {**self.replace, **cleaned}})
            return request.encode(upstream_model, is_asking_usage=is_asking_usage, added=added, removed=removed)
        return InferenceRequest.encode(self, upstream_model, is_asking_usage=is_asking_usage, added=added, removed=removed)


# Anthropic: blocks of messages.


class _Block(msgspec.Struct):
    type: str = ""
    signature: str | None = None
    data: str | None = None


_decode_block = msgspec.json.Decoder(_Block).decode


def clean_messages(members: Members) -> dict[str, bytes]:
    """`messages` without thinking that others proved; a message that was nothing else goes, too."""
    if not stands_in(members.text, _SEAL):
        return {}
    return _cleaned(members, "messages", _clean_message)


def _clean_message(text: bytes) -> bytes | None:
    return _clean_within(text, "content", _clean_block) if _SEAL in text else text


def _clean_block(text: bytes) -> bytes | None:
    if _SEAL not in text:
        return text
    try:
        block = _decode_block(text)
    except _BROKEN:
        return text
    name = {"thinking": "signature", "redacted_thinking": "data"}.get(block.type)
    return text if name is None else _judged(text, name, getattr(block, name), ANTHROPIC_FORMAT)


# Responses: items of the input.


class _Item(msgspec.Struct):
    type: str = ""
    id: str | None = None
    encrypted_content: str | None = None
    content: Raw = Raw(b"null")


_decode_item = msgspec.json.Decoder(_Item).decode
_MADE_ID = re.compile(r"rs_[0-9a-f]{32}_\d+")  # of an item that a translation made: no upstream has ever seen it


def clean_input(members: Members) -> dict[str, bytes]:
    """`input` without reasoning that others proved, and without reasoning of which only its id is left.

    An id alone refers to what the upstream has stored, and the gateway has nothing stored. What another model thought for everybody to
    read is left out, too: OpenAI looks its id up, and takes no `content`. Source: errors of OpenAI's API, "Items are not persisted when
    `store` is set to false. … remove this item from your input" (github.com/anomalyco/opencode issue 7724) and "Invalid
    'input[39].content': array too long" (github.com/musistudio/claude-code-router issue 1783, both read 2026-11-24).
    """
    if not members.starts_with("input", b"[") or not stands_in(members.text, _REASONING):
        return {}
    text = members.raw("input")
    return {} if text is None or _REASONING not in text else _cleaned(members, "input", _clean_item)


def _clean_item(text: bytes) -> bytes | None:
    if _REASONING not in text:
        return text
    try:
        item = _decode_item(text)
    except _BROKEN:
        return text
    if item.type != "reasoning":
        return text
    if item.encrypted_content:
        return _judged(text, "encrypted_content", item.encrypted_content, OPENAI_FORMAT)
    if item.id is None:
        return text
    is_reference = bytes(item.content) in {b"null", b"[]"}
    return None if is_reference or _MADE_ID.fullmatch(item.id) else text


# Gemini: parts of contents.


class _Part(msgspec.Struct, rename="camel"):
    thought: bool | None = None
    text: str | None = None


_decode_part = msgspec.json.Decoder(_Part).decode


def clean_contents(members: Members) -> dict[str, bytes]:
    """`contents` without thoughts that others proved, and without other parts' proofs that Gemini has not made."""
    if not stands_in(members.text, _SEAL_OF_BYTES):
        return {}
    return _cleaned(members, "contents", _clean_content)


def _clean_content(text: bytes) -> bytes | None:
    return _clean_within(text, "parts", _clean_part) if _SEAL_OF_BYTES in text else text


def _clean_part(text: bytes) -> bytes | None:
    if _SEAL_OF_BYTES not in text:
        return text
    try:
        part, members = _decode_part(text), Members(text)
    except _BROKEN:
        return text
    for name in _SIGNATURES:
        value = members.text_of(name)
        if value is None:
            continue
        sealed = read_signature(value)
        if sealed.proof == value:
            continue
        if sealed.format == GEMINI_FORMAT:
            return b"".join(members.edit({name: _encode(sealed.proof)}))
        is_thought = part.thought is True or (not part.text and members.values.keys() <= _SAID_OF_A_THOUGHT)
        return None if is_thought else b"".join(members.edit({}, (name,)))
    return text


# What they have in common.


def stands_in(text: bytes, mark: bytes) -> bool:
    """Whether a mark stands anywhere in a long text. CPython 3.11 looks backwards in half the time that it takes forwards."""
    return text.rfind(mark) >= 0


def _judged(text: bytes, name: str, proof: str | None, own_format: str) -> bytes | None:
    """An object that is nothing without its proof: as it is with one of the upstream's, not at all with another's."""
    if not proof:
        return text
    sealed = unseal(proof)
    if sealed.proof == proof:
        return text
    return b"".join(Members(text).edit({name: _encode(sealed.proof)})) if sealed.format == own_format else None


def _cleaned(members: Members, name: str, clean: Clean) -> dict[str, bytes]:
    """The member in a mapping when it is not as it came."""
    text = members.raw(name) or b"null"
    cleaned = _clean_list(text, clean)
    return {} if cleaned is None or cleaned == text else {name: cleaned}


def _clean_within(text: bytes, name: str, clean: Clean) -> bytes | None:
    """An object with a list in it that is cleaned; None when that leaves it empty."""
    try:
        members = Members(text)
    except NotJson:
        return text
    list_text = members.raw(name)
    if list_text is None:
        return text
    cleaned = _clean_list(list_text, clean)
    if cleaned is None:
        return None
    return text if cleaned == list_text else b"".join(members.edit({name: cleaned}))


def _clean_list(text: bytes, clean: Clean) -> bytes | None:
    """A list of objects, or one object in its stead, cleaned: None when nothing is left of it. What is neither stays as it is."""
    if text.startswith(b"{"):
        return clean(text)
    if not text.startswith(b"["):
        return text
    items = [bytes(item) for item in _decode_items(text)]
    kept = list(_map(items, clean))
    if kept == items:
        return text
    return b"[%s]" % b",".join(kept) if kept else None


def _map(items: Iterable[bytes], clean: Clean) -> Iterable[bytes]:
    for item in items:
        cleaned = clean(item)
        if cleaned is not None:
            yield cleaned
