"""Replies that are kept for requests that ask for exactly the same again: what they are found by, and the bounded store of them.

The law of this file: two requests share a name only when whoever asks, what may be reached and what is asked are the same, byte by byte.
Nothing is found by likeness, and nothing of one organisation, environment or set of rights is ever found by another.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from hashlib import blake2b

import msgspec

from anyrouter.core.apikey import ApiKey
from anyrouter.core.usage import Usage

MAX_ENTRIES = 10_000
_LARGEST_SHARE = 8  # one reply takes at most this part of the store
_OVERHEAD_BYTES = 1024  # of an entry beside its body
_STREAM = "stream"  # told by `is_streamed`, however it is written


class CacheQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, beside the body.

    `headers` are those of the client's that reach an upstream or choose one; `path_model` and `is_array` are what a path says, `pin` the
    upstream that the client named.
    """

    endpoint: str
    is_streamed: bool
    is_array: bool = False
    pin: str | None = None
    path_model: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


class KeptReply(msgspec.Struct, frozen=True, kw_only=True):
    """A whole reply as its client got it. Times are monotonic seconds.

    `generation_id` and `cost` (the rendered cost block) are its own and stand in the body where the format has room for them; `model`,
    `upstream` and `upstream_model` say who made it.
    """

    body: bytes
    generation_id: str
    cost: bytes
    usage: Usage
    model: str
    upstream: str
    upstream_model: str
    finish_reason: str | None
    native_finish_reason: str | None
    stored_s: float
    ends_s: float

    def rename(self, generation_id: str, cost: bytes) -> bytes:
        """The body for another generation, which cost something else. An id's digits are random: nothing else in a body has them."""
        body = self.body.replace(_digits(self.generation_id), _digits(generation_id))
        return body.replace(self.cost, cost) if cost != self.cost else body


def name_reply(key: ApiKey, question: CacheQuestion, members: Mapping[str, bytes | memoryview]) -> bytes:
    """What a request's reply is found by: 32 bytes of a cryptographic hash. `members` are the judged body's, with their values' JSON.

    Of a key it is its organisation, its environment and its rights that count: scopes, endpoints, models, providers, regions. The members'
    order does not count; every member and every byte of a value does, those that only the gateway reads too.
    """
    rights = tuple(map(_sorted, (key.scopes, key.endpoints, key.models, key.providers, key.regions)))
    asker = (key.organisation_id, key.environment_id, rights)
    digest = blake2b(digest_size=32)
    _add(digest, msgspec.json.encode((asker, question)))
    for name in sorted(members):
        if name != _STREAM:
            _add(digest, name.encode())
            _add(digest, members[name])
    return digest.digest()


class ReplyStore:
    """Replies by name: at most `max_bytes` and `max_entries` of them, none after its end. The one longest not asked for goes first."""

    def __init__(self, *, max_bytes: int, max_entries: int = MAX_ENTRIES) -> None:
        self.max_bytes, self.max_entries = max_bytes, max_entries
        self.largest_bytes = max(0, max_bytes // _LARGEST_SHARE - _OVERHEAD_BYTES)  # of a body that is kept
        self.size_bytes = 0
        self._kept: OrderedDict[bytes, KeptReply] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, name: bytes, now_s: float) -> KeptReply | None:
        """The reply of that name that has not ended at `now_s` (monotonic)."""
        kept = self._kept.get(name)
        if kept is None:
            return None
        if now_s >= kept.ends_s:
            self._drop(name)
            return None
        self._kept.move_to_end(name)
        return kept

    def keep(self, name: bytes, reply: KeptReply) -> None:
        """Keep a reply in the place of an earlier one of its name. One that is too large for the store is not kept."""
        if name in self._kept:
            self._drop(name)
        if len(reply.body) > self.largest_bytes or not self.max_entries:
            return
        self._kept[name] = reply
        self.size_bytes += _size(reply)
        while self.size_bytes > self.max_bytes or len(self._kept) > self.max_entries:
            self._drop(next(iter(self._kept)))

    def sweep(self, now_s: float) -> None:
        """Forget what has ended: a reply that nobody asks for again does not stay until its room is needed."""
        for name in [name for name, kept in self._kept.items() if now_s >= kept.ends_s]:
            self._drop(name)

    def _drop(self, name: bytes) -> None:
        self.size_bytes -= _size(self._kept.pop(name))


def _size(reply: KeptReply) -> int:
    return len(reply.body) + _OVERHEAD_BYTES


def _digits(generation_id: str) -> bytes:
    return generation_id.partition("-")[2].encode()


def _sorted(values: Iterable[str] | None) -> list[str] | None:
    return None if values is None else sorted(values)


def _add(digest: blake2b, part: bytes | memoryview) -> None:
    digest.update(memoryview(part).nbytes.to_bytes(8))
    digest.update(part)
