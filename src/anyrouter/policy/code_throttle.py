"""How often a second proof may be wrong: counted by member, whoever tries from wherever, since the first proof was given already. Pure."""

from collections import OrderedDict, deque

LIMIT = 20
SPAN_S = 3600.0
MAX_MEMBERS = 10_000


class CodeThrottle:
    """At most `LIMIT` failures in any `SPAN_S` seconds. `now_s` is monotonic and given by the caller."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def begin(self, member_id: str, now_s: float) -> float | None:
        """Count an attempt as failed, until `succeed`: many at once are no way around it. Else the seconds to wait, nothing counted."""
        times = self._failures.setdefault(member_id, deque())
        self._failures.move_to_end(member_id)
        if len(self._failures) > MAX_MEMBERS:
            self._failures.popitem(last=False)
        while times and times[0] <= now_s - SPAN_S:
            times.popleft()
        if len(times) >= LIMIT:
            return times[0] + SPAN_S - now_s
        times.append(now_s)
        return None

    def forgive(self, member_id: str) -> None:
        """It could not be judged: the newest attempt is not counted."""
        times = self._failures.get(member_id)
        if times:
            times.pop()

    def succeed(self, member_id: str) -> None:
        """It was right: nothing stays counted."""
        self._failures.pop(member_id, None)
