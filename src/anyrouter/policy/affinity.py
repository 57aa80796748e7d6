"""Where conversations were served last: a bounded memory with an expiry, so that a prompt cache is met again.

A provider's prompt cache lives for minutes on the account that filled it. Each answer renews a conversation's place; after `ttl_s`
without one it is forgotten, and the oldest is when there are too many. A place is a hint: whoever is gone or ill is not used.
"""

from collections import OrderedDict
from typing import NamedTuple

TTL_S = 600.0
MAX_CONVERSATIONS = 50_000
_CLEARED_AT_ONCE = 4  # more than one for each new place: what has expired is gone faster than it came


class ConversationKey(NamedTuple):
    """Whose conversation with which model: no two environments share one, whatever names their clients choose."""

    environment_id: str
    model: str
    name: bytes


class Affinity:
    """Conversations and the ids of their upstreams. `now_s` is monotonic seconds and does not go back."""

    __slots__ = ("_counts", "_limit", "_places", "_ttl_s")

    def __init__(self, *, limit: int = MAX_CONVERSATIONS, ttl_s: float = TTL_S) -> None:
        self._limit, self._ttl_s = limit, ttl_s
        # In the order of their expiry. Not a plain dict: finding its first key passes over every deleted one.
        self._places: OrderedDict[ConversationKey, tuple[str, float]] = OrderedDict()
        self._counts: dict[tuple[str, str], int] = {}

    def __len__(self) -> int:
        return len(self._places)

    def count(self, environment_id: str, model: str, now_s: float) -> int:
        """How many of an environment's conversations with a model have a place. Asking clears a few away that have expired."""
        if not self._places:
            return 0
        self._expire(now_s)
        return self._counts.get((environment_id, model), 0)

    def find(self, key: ConversationKey, now_s: float) -> str | None:
        """The id of the upstream that served the conversation last; None when nothing is known or it was too long ago."""
        place = self._places.get(key)
        return None if place is None or place[1] <= now_s else place[0]

    def keep(self, key: ConversationKey, upstream_id: str, now_s: float) -> None:
        """Be told that an upstream has answered."""
        places = self._places
        self.forget(key)
        self._expire(now_s)
        if len(places) >= self._limit:
            self.forget(next(iter(places)))
        places[key] = (upstream_id, now_s + self._ttl_s)
        self._counts[key[:2]] = self._counts.get(key[:2], 0) + 1

    def forget(self, key: ConversationKey) -> None:
        """Let the next request be placed anew."""
        if self._places.pop(key, None) is None:
            return
        left = self._counts[key[:2]] - 1
        if left:
            self._counts[key[:2]] = left
        else:
            del self._counts[key[:2]]

    def _expire(self, now_s: float) -> None:
        for _ in range(_CLEARED_AT_ONCE):
            if not self._places or next(iter(self._places.values()))[1] > now_s:
                return
            self.forget(next(iter(self._places)))
