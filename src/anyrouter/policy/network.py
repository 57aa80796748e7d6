"""Addresses and networks as they are compared. Pure; knows no keys."""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_MAPPED_PREFIX = 96  # bits of ::ffff:0:0, before the IPv4 address


def is_inside(address: str, networks: tuple[str, ...]) -> bool:
    """Whether an address is in one of the networks. An IPv4 address in its mapped spelling is that IPv4 address."""
    try:
        judged = ip_address(address)
    except ValueError:
        return False
    judged = getattr(judged, "ipv4_mapped", None) or judged
    return any(network is not None and judged in network for network in map(read_network, networks))


def is_covered(network: str, networks: tuple[str, ...]) -> bool:
    """Whether every address of a network is in one and the same of the others. A text that is no network is covered by nothing."""
    inner = read_network(network)
    if inner is None:
        return False
    return any(_holds(outer, inner) for outer in map(read_network, networks))


@lru_cache(maxsize=4096)
def read_network(text: str) -> IPv4Network | IPv6Network | None:
    """A network as it is compared: one of mapped addresses is that of their IPv4 addresses. None for a text that is none."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is None or network.prefixlen < _MAPPED_PREFIX:
        return network
    return IPv4Network((mapped, network.prefixlen - _MAPPED_PREFIX), strict=False)


def source_of(address: str) -> str:
    """What an address is counted by: an IPv4 address, or the /64 that whoever has one IPv6 address has whole."""
    if ":" not in address:
        return address
    try:
        number = IPv6Address(address)
    except ValueError:
        return address
    return str(number.ipv4_mapped or int(number) >> 64)


def _holds(outer: IPv4Network | IPv6Network | None, inner: IPv4Network | IPv6Network) -> bool:
    if isinstance(outer, IPv4Network) and isinstance(inner, IPv4Network):
        return inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and isinstance(inner, IPv6Network) and inner.subnet_of(outer)
