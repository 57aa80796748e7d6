"""What a browser has begun and not yet ended: once, for a while, and for that browser alone.

Kept in memory: after a restart one begins anew. Where several gateways share a database, a browser has to come back to the one it left.
"""

import hashlib
import hmac
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

MOST = 10_000
MOST_OF_ONE = 50  # from one address: who begins without end takes its own places away, not those of others
T = TypeVar("T")


class _Begun(NamedTuple):
    browser: bytes
    owner: str
    until_s: float


class Challenges(Generic[T]):
    """`monotonic` gives seconds. An id is a secret of 256 bits that nothing is told by."""

    def __init__(self, *, monotonic: Callable[[], float], lifetime_s: float, most: int = MOST, most_of_one: int = MOST_OF_ONE) -> None:
        self._monotonic, self._lifetime_s, self._most, self._most_of_one = monotonic, lifetime_s, most, most_of_one
        self._begun: OrderedDict[str, tuple[_Begun, T]] = OrderedDict()
        self._by_owner: dict[str, deque[str]] = {}

    def put(self, browser: str, value: T, *, owner: str = "") -> str:
        """Keep `value` for who comes back with the id that is returned and the same `browser`, a secret that only that one has."""
        self._drop_old()
        challenge_id = secrets.token_urlsafe(32)
        self._begun[challenge_id] = (_Begun(_digest(browser), owner, self._monotonic() + self._lifetime_s), value)
        mine = self._by_owner.setdefault(owner, deque())
        mine.append(challenge_id)
        if len(mine) > self._most_of_one:
            self._remove(mine[0])
        if len(self._begun) > self._most:
            self._remove(next(iter(self._begun)))
        return challenge_id

    def take(self, challenge_id: str, browser: str) -> T | None:
        """What was kept. None when it was taken, is too old, never was, or was begun by another browser, which does not use it up."""
        self._drop_old()
        found = self._begun.get(challenge_id)
        if found is None or not hmac.compare_digest(found[0].browser, _digest(browser)):
            return None
        self._remove(challenge_id)
        return found[1]

    def _drop_old(self) -> None:
        now_s = self._monotonic()
        while self._begun and (first := next(iter(self._begun.items())))[1][0].until_s <= now_s:
            self._remove(first[0])

    def _remove(self, challenge_id: str) -> None:
        begun, _ = self._begun.pop(challenge_id)
        mine = self._by_owner[begun.owner]
        mine.remove(challenge_id)
        if not mine:
            del self._by_owner[begun.owner]


def _digest(browser: str) -> bytes:
    return hashlib.sha256(browser.encode("utf-8", "surrogatepass")).digest()
