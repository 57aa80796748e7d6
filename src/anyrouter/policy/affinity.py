"""Where conversations were served last: a bounded memory with an expiry, so that a prompt cache is met again.

A provider's prompt cache lives for minutes on the account that filled it. Each answer renews a conversation's place; after `ttl_s`
without one it is forgotten, and the oldest is when there are too many. A place is a hint: whoever is gone or ill is not used.
"""

from collections import OrderedDict
from typing import NamedTuple

TTL_S = 600.0
MAX_CONVERSATIONS = 50_000


class ConversationKey(NamedTuple):
    """Whose conversation with which model: no two environments share one, whatever names their clients choose."""

    environment_id: str
    model: str
    name: bytes


class Affinity:
    """Conversations and the ids of their upstreams. `now_s` is monotonic seconds and does not go back."""

    __slots__ = ("_limit", "_places", "_ttl_s")

    def __init__(self, *, limit: int = MAX_CONVERSATIONS, ttl_s: float = TTL_S) -> None:
        self._limit, self._ttl_s = limit, ttl_s
        # In the order of their expiry. Not a plain dict: finding its first key passes over every deleted one.
        self._places: OrderedDict[ConversationKey, tuple[str, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._places)

    def find(self, key: ConversationKey, now_s: float) -> str | None:
        """The id of the upstream that served the conversation last; None when nothing is known or it was too long ago."""
        place = self._places.get(key)
        return None if place is None or place[1] <= now_s else place[0]

    def keep(self, key: ConversationKey, upstream_id: str, now_s: float) -> None:
        """Be told that an upstream has answered."""
        places = self._places
        places.pop(key, None)
        for _ in range(2):  # two for each new one: what has expired is gone at least as fast as it came
            if places and next(iter(places.values()))[1] <= now_s:
                places.popitem(last=False)
        if len(places) >= self._limit:
            places.popitem(last=False)
        places[key] = (upstream_id, now_s + self._ttl_s)

    def forget(self, key: ConversationKey) -> None:
        """Let the next request be placed anew."""
        self._places.pop(key, None)
