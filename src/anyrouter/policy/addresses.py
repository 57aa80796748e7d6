"""Which addresses a tenant may have the gateway talk to: public ones over https, and what the operator allows by name.

Pure: names are judged here as they are written. What they resolve to is judged by `is_public_address` when a connection is made.

Source: the IANA registries of special-purpose IPv4 and IPv6 addresses (RFC 6890 and its updates); RFC 4291 (mapped, compatible), 3056
(6to4), 4380 (Teredo), 6052 and 8215 (NAT64). The lists are kept here since `ipaddress.is_global` differs between Python's versions.
"""

import re
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import NamedTuple
from urllib.parse import urlsplit

from anyrouter.core.errors import Denied

MAX_URL_LENGTH = 2048
_MAX_HOST_LENGTH = 253
_PORTS = {443, 8443}
_DEFAULT_PORTS = {"https": 443, "http": 80}
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)  # what C libraries read as a number of an address
_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,=:@-]+)*/?", re.ASCII)
_INTERNAL_NAMES = frozenset(
    {
        *("localhost", "local", "localdomain", "internal", "intranet", "private", "corp", "home", "lan", "arpa"),
        *("invalid", "test", "onion", "metadata", "instance-data"),
    }
)
_IPV4_SPECIAL = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's own services for its machines
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
_IPV6_GLOBAL = ip_network("2000::/3")
_IPV6_SPECIAL = tuple(map(ip_network, ("2001::/23", "2001:db8::/32", "3fff::/20")))
_NAT64 = ip_network("64:ff9b::/96")
_COMPATIBLE = ip_network("::/96")
_ISATAP = 0x5EFE


class JudgedUrl(NamedTuple):
    """An address that may be used: as it is kept (no slash at its end), and where it leads."""

    url: str
    scheme: str
    host: str
    port: int
    is_allowed_by_operator: bool

    @property
    def authority(self) -> str:
        """Host and port, as one text."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def place(self) -> str:
        """What a credential's secret is sealed for: the host, its port unless that is https's own, and `http://` where it is that."""
        scheme, _, rest = self.url.partition("://")
        host = rest.partition("/")[0]
        return host if scheme == "https" else f"http://{host}"


def judge_url(text: str, *, param: str, allowed_hosts: Collection[str] = ()) -> JudgedUrl | Denied:
    """The address, when a tenant may use it.

    `allowed_hosts` are the operator's, in lower case: `host` or `host:port`, an IPv6 address in brackets. At those anything goes that is
    http or https.
    """
    judged = _read(text)
    if isinstance(judged, JudgedUrl):
        if not {judged.authority, judged.authority.rpartition(":")[0]}.isdisjoint(allowed_hosts):
            return judged._replace(is_allowed_by_operator=True)
        reason = _judge_public(judged)
        if reason is None:
            return judged
    else:
        reason = judged
    return Denied(code="unprocessable", param=param, message=f"{param} {reason}.")


def name_place(url: str) -> str | None:
    """The `place` of an address that was judged before; None for what is no address."""
    judged = _read(url)
    return judged.place if isinstance(judged, JudgedUrl) else None


def is_public_address(address: str | IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the public internet, itself and whatever IPv4 address is wrapped in it. False for what is none."""
    try:
        address = ip_address(address)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _IPV4_SPECIAL)
    wrapped = _unwrap(address)
    if address.scope_id is not None or not all(map(is_public_address, wrapped)):
        return False
    is_public_by_what_is_in_it = address.ipv4_mapped is not None or address.teredo is not None or address in _NAT64
    return is_public_by_what_is_in_it or (address in _IPV6_GLOBAL and not any(address in network for network in _IPV6_SPECIAL))


def _unwrap(address: IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that an IPv6 address leads to."""
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address.sixtofour]
    if address.teredo is not None:
        return list(address.teredo)
    number = int(address)
    is_isatap = (number >> 32) & 0xFCFF_FFFF == _ISATAP  # RFC 5214: the bits that are masked say whether it is unique
    if address in _NAT64 or address in _COMPATIBLE or is_isatap:
        return [IPv4Address(number & 0xFFFF_FFFF)]
    return []


def _read(text: str) -> JudgedUrl | str:
    """The address taken apart, or what is wrong with its form whoever wants it."""
    if not 0 < len(text) <= MAX_URL_LENGTH or not all("!" <= letter <= "~" for letter in text):
        return f"must be an address of at most {MAX_URL_LENGTH} characters, ASCII without spaces"
    if any(letter in text for letter in "?#\\@"):
        return "must have no user name, query, fragment or backslash"
    try:
        parts = urlsplit(text)
        port, host = parts.port, (parts.hostname or "").lower()
    except ValueError:
        host, port = "", None
    if not host or parts.scheme not in _DEFAULT_PORTS or parts.netloc.endswith(":") or port == 0:
        return "is not an address such as https://host/path"
    if not _is_host(host, is_literal=parts.netloc.startswith("[")):
        return "names a host that is none"
    if not _PATH.fullmatch(parts.path) or not all(segment.strip(".") for segment in parts.path.split("/") if segment):
        return "has a path with other than plain segments"
    number = port or _DEFAULT_PORTS[parts.scheme]
    shown = f"[{host}]" if ":" in host else host
    place = shown if number == _DEFAULT_PORTS[parts.scheme] else f"{shown}:{number}"
    return JudgedUrl(f"{parts.scheme}://{place}{parts.path.rstrip('/')}", parts.scheme, host, number, is_allowed_by_operator=False)


def _is_host(host: str, *, is_literal: bool) -> bool:
    if is_literal:
        try:
            return IPv6Address(host).scope_id is None
        except ValueError:
            return False
    labels = host.split(".")
    if len(host) > _MAX_HOST_LENGTH or not all(_LABEL.fullmatch(label) for label in labels):
        return False
    if not _NUMBER.fullmatch(labels[-1]):
        return True
    try:
        return str(IPv4Address(host)) == host  # not 127.1, 0x7f000001 or 2130706433
    except ValueError:
        return False


def _judge_public(judged: JudgedUrl) -> str | None:
    """What is wrong with an address that the operator has not allowed by name."""
    if judged.scheme != "https":
        return "must start with https://"
    if judged.port not in _PORTS:
        return f"must be at port {' or '.join(map(str, sorted(_PORTS)))}"
    labels = judged.host.split(".")
    if ":" in judged.host or _NUMBER.fullmatch(labels[-1]):
        return (
            None if is_public_address(judged.host) else "must be a public address; only the operator can allow others (byok.allowed_hosts)"
        )
    if len(labels) == 1 or labels[-1] in _INTERNAL_NAMES or labels[0] in {"metadata", "instance-data"}:
        return "must be a public name; only the operator can allow others (byok.allowed_hosts)"
    if any(label.startswith("xn--") for label in labels):
        return "must be a name in plain letters; only the operator can allow international ones (byok.allowed_hosts)"
    return None
