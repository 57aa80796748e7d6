"""Tenants' own credentials as targets: who may use one, in which order they are tried, and when the operator's stands in.

    before the operator's    credentials that stand alone, by `sort_order`; those of equal order take turns
    then                     credentials marked `is_fallback`
    then                     the operator's, unless a credential that applies says `always_use`

A credential that its provider rejects is not replaced by the operator's in silence: only `is_fallback` allows that.
"""

from collections.abc import Sequence
from typing import Generic, TypeVar

from anyrouter.core.apikey import ApiKey
from anyrouter.core.byok import ProviderCredential

T = TypeVar("T")
_ALONE, _FALLBACK = -3_000_000, -1_500_000  # operators' priorities begin at 0, sort orders end at 1,000,000


def priority_of(credential: ProviderCredential) -> int:
    """The place among all upstreams of a model, the lowest first."""
    return (_FALLBACK if credential.is_fallback else _ALONE) + credential.sort_order


def may_use(key: ApiKey, credential: ProviderCredential) -> bool:
    """Whether the key, or one that it was rotated from or to, is among those that the credential is for."""
    allowed = credential.allowed_keys
    return allowed is None or key.id in allowed or key.rotation_group in allowed


class Turns(Generic[T]):
    """Smooth weighted round robin: of any run of requests each gets its share, and none waits longer than it must.

    Each turn adds every weight to its holder's credit, and takes the sum of all from the one with the most. State of one event loop.
    """

    __slots__ = ("_credits",)

    def __init__(self) -> None:
        self._credits: dict[T, int] = {}

    def take(self, holders: Sequence[tuple[T, int]]) -> T:
        """Whose turn it is among these (at least one), with their weights; a weight of 0 gets one only among its like."""
        weights = {holder: weight for holder, weight in holders if weight > 0} or {holder: 1 for holder, _ in holders}
        credits_ = self._credits
        if len(credits_) > 2 * len(weights):  # holders that are gone
            self._credits = credits_ = {holder: value for holder, value in credits_.items() if holder in weights}
        for holder, weight in weights.items():
            credits_[holder] = credits_.get(holder, 0) + weight
        chosen = max(weights, key=lambda holder: credits_[holder])
        credits_[chosen] -= sum(weights.values())
        return chosen
