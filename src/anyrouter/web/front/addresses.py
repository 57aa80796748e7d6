"""Whose request it is behind proxies: only what trusted hops have added to X-Forwarded-For is believed."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
_MAX_HOPS = 32
_MAX_PORT_DIGITS = 5


def plain_host(text: str) -> str:
    """A socket's address as one canonical text: an IPv4 address mapped into IPv6 is the IPv4 address, a zone is dropped."""
    try:
        return str(_unmapped(ip_address(text.partition("%")[0])))
    except ValueError:
        return text


def read_hop(entry: bytes) -> str | None:
    """The address in one entry of X-Forwarded-For, with or without brackets and port; None when there is none."""
    text = entry.strip(b" \t").decode("latin-1")
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        if not bracket or (port and not _is_port(port[1:] if port.startswith(":") else "")):
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _is_port(port):
            return None
    if "%" in text:
        return None
    try:
        return str(_unmapped(ip_address(text)))
    except ValueError:
        return None


class TrustedProxies:
    """The networks whose word on X-Forwarded-For and X-Forwarded-Proto counts."""

    def __init__(self, networks: Iterable[str | Network] = ()) -> None:
        self._networks = tuple(ip_network(network) if isinstance(network, str) else network for network in networks)

    def is_trusted(self, host: str) -> bool:
        """Whether the address (canonical text) is in one of the networks."""
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def client_host(self, peer: str, forwarded: bytes | None) -> str:
        """The right-most hop that is not trusted.

        `peer` is the connection's other end, `forwarded` the X-Forwarded-For values joined by commas. An untrusted peer is the client,
        whatever it says. A hop that is not an address ends the walk: the client is then the trusted hop that reported it.
        """
        host = peer
        for _ in range(_MAX_HOPS):
            if forwarded is None or not self.is_trusted(host):
                break
            before, comma, entry = forwarded.rpartition(b",")
            hop = read_hop(entry)
            if hop is None:
                break
            host, forwarded = hop, before if comma else None
        return host


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def _is_port(text: str) -> bool:
    return 0 < len(text) <= _MAX_PORT_DIGITS and text.isascii() and text.isdigit()
