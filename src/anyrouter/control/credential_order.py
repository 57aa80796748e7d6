"""The order in which the credentials of a provider are tried, changed by a step up or down. Pure."""

from collections.abc import Sequence
from itertools import groupby
from typing import Literal

from anyrouter.core.byok import ProviderCredential

Direction = Literal["up", "down"]


def list_tiers(rows: Sequence[ProviderCredential]) -> list[list[ProviderCredential]]:
    """Credentials of one environment and provider by their order: those of a tier take turns."""
    ordered = sorted(rows, key=lambda row: (row.sort_order, row.id))
    return [list(tier) for _, tier in groupby(ordered, key=lambda row: row.sort_order)]


def plan_move(rows: Sequence[ProviderCredential], credential_id: str, direction: Direction) -> dict[str, int]:
    """The new `sort_order` of each credential that gets another one, by id.

    One that takes turns with others steps out of its tier; one that stands alone changes places with the tier before or behind it.
    """
    tiers = list_tiers(rows)
    at = next((index for index, tier in enumerate(tiers) if any(row.id == credential_id for row in tier)), None)
    if at is None:
        return {}
    own = next(row for row in tiers[at] if row.id == credential_id)
    if len(tiers[at]) > 1:
        rest = [row for row in tiers[at] if row is not own]
        tiers[at : at + 1] = [[own], rest] if direction == "up" else [rest, [own]]
    else:
        to = at - 1 if direction == "up" else at + 1
        if not 0 <= to < len(tiers):
            return {}
        tiers[at], tiers[to] = tiers[to], tiers[at]
    return {row.id: order for order, tier in enumerate(tiers) for row in tier if row.sort_order != order}
