"""As whom this gateway asks for passkeys (WebAuthn). Pure.

A passkey belongs to a domain. Browsers make none for a bare address, and none without TLS, but for `localhost`: there a gateway on this
very machine is visited, whatever address it listens on.
"""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

LOCALHOST = "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class RelyingParty:
    """`id` is the domain, `origin` the one origin whose pages may ask (`https://gateway.example.org`)."""

    id: str
    origin: str

    def is_at(self, origin: str) -> bool:
        """Whether a page of that origin may ask, seen from behind whatever ends TLS before us."""
        return urlsplit(origin).netloc == urlsplit(self.origin).netloc


def find_relying_party(base_url: str) -> RelyingParty | None:
    """By the address of the gateway; None when no browser would make a passkey for that."""
    parts = urlsplit(base_url)
    host = (parts.hostname or "").lower()
    port = parts.port
    is_standard = port is None or port == {"http": 80, "https": 443}.get(parts.scheme)
    place = "" if is_standard else f":{port}"
    if host == LOCALHOST or _is_loopback(host):
        return RelyingParty(id=LOCALHOST, origin=f"{parts.scheme}://{LOCALHOST}{place}")
    if parts.scheme != "https" or not host or _is_address(host):
        return None
    return RelyingParty(id=host, origin=f"https://{host}{place}")


def _is_loopback(host: str) -> bool:
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
