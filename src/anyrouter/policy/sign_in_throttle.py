"""How often signing in may fail: by address and network together, by address, by network. Pure.

Only failures stay counted, and what is refused counts nothing: who guesses for hours does not keep the owner out for longer. From a
network where the right password was given lately the count of the address does not hold, so that nobody else's guesses lock it.
Exact as long as fewer than `MAX_PLACES` others have failed since; then the place that failed longest ago is forgotten.
"""

import ipaddress
from collections import OrderedDict, deque
from dataclasses import dataclass

MAX_PLACES = 20_000
MAX_KNOWN = 10_000
_IPV6_SITE = 64
_HOUR_S, _QUARTER_S = 3600.0, 900.0
Place = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Somebody who tries, as `begin` counted it."""

    places: tuple[Place, ...]
    now_s: float


class _Window:
    """The failures of many places, at most `limit` of each in any `span_s` seconds."""

    def __init__(self, limit: int, span_s: float) -> None:
        self.limit, self.span_s = limit, span_s
        self.places: OrderedDict[Place, deque[float]] = OrderedDict()

    def wait_s(self, place: Place, now_s: float) -> float:
        """Seconds until one more is allowed."""
        times = self.places.get(place)
        while times and times[0] <= now_s - self.span_s:
            times.popleft()
        return times[0] + self.span_s - now_s if times and len(times) >= self.limit else 0.0

    def count(self, place: Place, now_s: float) -> None:
        """One more."""
        self.places.setdefault(place, deque()).append(now_s)
        self.places.move_to_end(place)
        if len(self.places) > MAX_PLACES:
            self.places.popitem(last=False)

    def forgive(self, place: Place, now_s: float) -> None:
        """One less: that one was no failure."""
        times = self.places.get(place)
        if times is not None and now_s in times:
            times.remove(now_s)
            if not times:
                del self.places[place]


class SignInThrottle:
    """Counts attempts when they begin, so that many at once are no way around it. `now_s` is monotonic and given by the caller."""

    def __init__(self) -> None:
        self._windows = {"pair": _Window(10, _QUARTER_S), "email": _Window(100, _HOUR_S), "network": _Window(100, _HOUR_S)}
        self._known: OrderedDict[Place, None] = OrderedDict()

    def begin(self, email: str, address: str, now_s: float) -> Attempt | float:
        """The attempt, counted; or the seconds to wait, nothing counted."""
        network = network_of(address)
        pair: Place = ("pair", email, network)
        places = (pair, ("network", network)) if pair in self._known else (pair, ("network", network), ("email", email))
        wait_s = max(self._windows[place[0]].wait_s(place, now_s) for place in places)
        if wait_s > 0:
            return wait_s
        for place in places:
            self._windows[place[0]].count(place, now_s)
        return Attempt(places=places, now_s=now_s)

    def succeed(self, attempt: Attempt) -> None:
        """It was the right password: nothing stays counted, and the network is known for that address."""
        self.forgive(attempt)
        pair = attempt.places[0]
        self._windows["pair"].places.pop(pair, None)
        self._known[pair] = None
        self._known.move_to_end(pair)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    def forgive(self, attempt: Attempt) -> None:
        """It came to no answer, for a reason of ours."""
        for place in attempt.places:
            self._windows[place[0]].forgive(place, attempt.now_s)


def network_of(address: str) -> str:
    """Where one household is: the address itself, of IPv6 its /64, any address of which one machine may use."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:  # noqa: PLR2004 -- IPv4
        return str(parsed)
    if parsed.ipv4_mapped is not None:  # as a socket for both kinds tells it
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed) >> _IPV6_SITE << _IPV6_SITE, _IPV6_SITE)))
