"""Where passkeys are of use, seen from where a visitor is: a passkey belongs to one domain. Pure but for what the ports tell."""

from dataclasses import dataclass

from anyrouter.policy.relying_party import find_relying_party
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.visit import PageVisit


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyPlace:
    """`is_here`: at this very address. `origin` is where they are of use, empty when no browser makes any for this gateway."""

    is_here: bool
    origin: str


def find_place(ports: PagePorts, visit: PageVisit) -> PasskeyPlace:
    """For a visit."""
    party = find_relying_party(ports.base_url())
    return PasskeyPlace(is_here=party is not None and party.is_at(visit.origin), origin="" if party is None else party.origin)
