"""The members of a JSON object as slices of its bytes: judged by value, edited by splicing, never decoded whole and encoded again.

The law that this file holds: what is sent is exactly what was judged. Of a repeated member the last counts (RFC 8259 leaves it
open; decoders differ, and an attacker picks the pair that disagrees), so an object with repetitions is rebuilt from the judged
values alone. Where nothing is repeated, every byte outside of the edits stays as it came.

How the positions are found: msgspec validates the whole text and gives each value as a slice, but not where it lies. In a compact
text they follow from the lengths: the text is as long as its distinct members exactly when nothing is repeated, escaped
or spaced. Any other text is walked from key to key, and at each step the name and the whole value that the decoder gave must stand
there: such a walk from brace to brace is a parse of the text, JSON has only one, so it is the decoder's own, without repetitions.
"""

import re
from collections.abc import Iterable, Mapping

import msgspec

from anyrouter.wire.utf8 import check_utf8

MAX_MEMBERS = 1000
_COPIED_BYTES = 4096  # a copy is cheaper than a view up to about here
_UNCOUNTED_BYTES = 32_768  # a text of that size holds too few members to matter
_TOO_MANY = f"the body has more than {MAX_MEMBERS} members at its top level"
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_KEY = re.compile(rb'[ \t\n\r]*"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*')
_NEXT = re.compile(rb"[ \t\n\r]*([,}])")
_OPEN = re.compile(rb"[ \t\n\r]*\{")


class NotJson(ValueError):
    """The text is not a JSON object in UTF-8, or it is nested deeper than the decoder goes. The message is fit for the caller."""


class _Name(str):
    """A member's name, of a class of its own so that the decoder asks for each."""

    __slots__ = ()


class _TooManyMembersError(Exception):
    pass


def _decode_counted(text: bytes) -> dict[str, msgspec.Raw]:
    """As `_decode_members`, but it ends at the member that is one too many: a body of millions would hold everybody up for seconds."""
    count = 0

    def take(_: type, name: str) -> _Name:
        nonlocal count
        count += 1
        if count > MAX_MEMBERS:
            raise _TooManyMembersError
        return _Name(name)

    return {str(name): value for name, value in msgspec.json.decode(text, type=dict[_Name, msgspec.Raw], dec_hook=take).items()}


class Members:
    """A JSON object's text with its members found, at most `MAX_MEMBERS` of them."""

    __slots__ = ("_spans", "text", "values")

    def __init__(self, text: bytes) -> None:
        try:
            self.values = _decode_members(text) if len(text) <= _UNCOUNTED_BYTES else _decode_counted(text)
            if not text.isascii():
                check_utf8(text)
        except UnicodeDecodeError as error:
            raise NotJson(f"the body is not UTF-8 (byte {error.start})") from None
        except msgspec.ValidationError:
            raise NotJson("the body is JSON, but not an object") from None
        except _TooManyMembersError:
            raise NotJson(_TOO_MANY) from None
        except (msgspec.DecodeError, RecursionError) as error:
            reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:120]
            raise NotJson(f"the body is not valid JSON: {reason}") from None
        if len(self.values) > MAX_MEMBERS:
            raise NotJson(_TOO_MANY)
        self.text = text
        self._spans: dict[str, tuple[int, int, int]] | None = None

    def raw(self, name: str) -> bytes | None:
        """A member's value as it stands in the text, or None."""
        value = self.values.get(name)
        return None if value is None else bytes(value)

    def decode(self, name: str) -> object:
        """A member's value, decoded; None when it is absent or null. A number out of range, alone or within, leaves it as bytes."""
        value = self.values.get(name)
        if value is None:
            return None
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            return bytes(value)

    def text_of(self, name: str) -> str | None:
        """A member that is a string, decoded; None when it is absent or something else."""
        value = self.decode(name)
        return value if isinstance(value, str) else None

    def raw_is_missing(self, name: str) -> bool:
        """Whether a member is absent or null."""
        value = self.values.get(name)
        return value is None or (memoryview(value).nbytes == 4 and bytes(value) == b"null")  # noqa: PLR2004 -- the word's length

    def starts_with(self, name: str, start: bytes) -> bool:
        """Whether a member is there and its value's text starts so."""
        value = self.values.get(name)
        return value is not None and bytes(memoryview(value)[: len(start)]) == start

    def size(self, name: str) -> int:
        """How many bytes a member's value has in the text; 0 when it is absent."""
        value = self.values.get(name)
        return 0 if value is None else len(memoryview(value))

    def replace(self, name: str, value: bytes) -> list[bytes | memoryview]:
        """The text with one member's value replaced, as `edit` gives it."""
        at, start, end = 0, -1, -1
        for key, raw in self.values.items():
            size = len(memoryview(raw))
            at += len(key) + 4 + size
            if key == name:
                start, end = at - size, at
        text = self.text
        if start < 0 or at + 1 != len(text):  # spaced, escaped or repeated
            return self.edit({name: value})
        if at <= _COPIED_BYTES:
            return [text[:start], value, text[end:]]
        view = memoryview(text)
        return [view[:start], value, view[end:]]

    def edit(
        self, replace: Mapping[str, bytes], remove: Iterable[str] = (), append: Mapping[str, bytes] | None = None
    ) -> list[bytes | memoryview]:
        """The text with values replaced, members removed and members added at the end, as parts to be sent one after the other.

        Names that do not occur are ignored by `replace` and `remove`; `append` is for names that do not occur. What is removed is not
        replaced.
        """
        spans = self._find()
        if spans is None:
            return [self._rebuild(replace, frozenset(remove), append or {})]
        if len(replace) == 1 and not remove and not append:  # nearly every request: the model's name and nothing else
            ((name, value),) = replace.items()
            if name in spans:
                _, start, end = spans[name]
                view = memoryview(self.text)
                return [view[:start], value, view[end:]]
        removed = frozenset(remove)
        cuts = [(spans[name][1], spans[name][2], value) for name, value in replace.items() if name in spans and name not in removed]
        is_first_removed = False
        for name in removed:
            if name in spans:
                start, _, end = spans[name]
                is_first_removed = is_first_removed or self.text[start : start + 1] != b","
                cuts.append((start, end, b""))
        if is_first_removed:  # the comma behind it would be left over; rare enough for the plain way
            return [self._rebuild(replace, removed, append or {})]
        cuts.sort()
        if append:
            tail = b"".join(b',"%s":%s' % (name.encode(), value) for name, value in append.items())
            end = self.text.rindex(b"}")
            cuts.append((end, end, tail if spans else tail[1:]))
        view, at = memoryview(self.text), 0
        parts: list[bytes | memoryview] = []
        for start, end, value in cuts:
            parts += (view[at:start], value)
            at = end
        parts.append(view[at:])
        return parts

    def _find(self) -> dict[str, tuple[int, int, int]] | None:
        """For each member: where it starts (its comma, else its key), its value's start and end. None when something is repeated."""
        if self._spans is None:
            self._spans = self._find_compact() or self._find_spaced() or self._walk()
        return self._spans

    def _find_compact(self) -> dict[str, tuple[int, int, int]] | None:
        spans, at = {}, 0
        for name, value in self.values.items():
            start = at + len(name) + 4
            end = start + memoryview(value).nbytes
            spans[name] = (at, start, end)
            at = end
        if at + 1 != len(self.text) or not spans:
            return None
        first = next(iter(spans))
        spans[first] = (1, *spans[first][1:])
        return spans

    def _find_spaced(self) -> dict[str, tuple[int, int, int]] | None:
        """A walk through a text as Python's json.dumps writes it, with one space behind each comma and colon."""
        text, spans, at = self.text, {}, -1
        for name, value in self.values.items():
            start = at + len(name) + 6
            view = memoryview(value)
            if not text.startswith(b'"%s": ' % name.encode(), at + 2) or not text.startswith(view, start):
                return None
            end = start + view.nbytes
            spans[name] = (at, start, end)
            at = end
        if at + 1 != len(text) or not spans:
            return None
        first = next(iter(spans))
        spans[first] = (1, *spans[first][1:])
        return spans

    def _walk(self) -> dict[str, tuple[int, int, int]] | None:
        text, spans = self.text, {}
        opening = _OPEN.match(text)
        if opening is None:
            return None
        at, start = opening.end(), opening.end()
        for name, value in self.values.items():
            key = _KEY.match(text, at)
            if key is None or key[1] != name.encode():
                return None
            end = key.end() + memoryview(value).nbytes
            following = _NEXT.match(text, end)
            if following is None or not text.startswith(memoryview(value), key.end()):
                return None
            spans[name] = (start, key.end(), end)
            start, at = following.start(1), following.end()
        return spans if text.rstrip(b" \t\n\r").endswith(b"}") and at == len(text.rstrip(b" \t\n\r")) and spans else None

    def _rebuild(self, replace: Mapping[str, bytes], remove: frozenset[str], append: Mapping[str, bytes]) -> bytes:
        encode = msgspec.json.encode
        members = [(name, replace.get(name) or bytes(value)) for name, value in self.values.items() if name not in remove]
        return b"{%s}" % b",".join(b"%s:%s" % (encode(name), value) for name, value in [*members, *append.items()])


def append_to_object(text: bytes, members: bytes) -> bytes:
    """A JSON object's text with `members` (`"name":value,…`, no leading comma) behind its last one."""
    end = text.rindex(b"}")
    is_empty = text[:end].rstrip().endswith(b"{")
    return b"%s%s%s}" % (text[:end], b"" if is_empty else b",", members)
