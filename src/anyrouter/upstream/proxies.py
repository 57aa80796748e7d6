"""Which proxy leads to an origin: the meaning of HTTP_PROXY, HTTPS_PROXY and NO_PROXY. Pure; the environment is an argument.

There is no standard for these variables; this is what curl and the Python world agree on. The lower-case name wins. Loopback is
never proxied. ALL_PROXY and proxies other than plain http ones (https, socks) are not understood.
"""

import base64
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from anyrouter.relay.ports import Origin

_DEFAULT_PORT = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A forward proxy. `authorization` is the value of Proxy-Authorization; it is not in the repr."""

    host: str
    port: int
    authorization: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """The proxies by scheme of the origin. `exempt` are NO_PROXY's entries in lower case: names, `.suffixes`, addresses, networks, `*`."""

    http: Proxy | None = None
    https: Proxy | None = None
    exempt: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Proxies":
        """What the variables say; ValueError names the variable, never its value."""
        exempt = environment.get("no_proxy", environment.get("NO_PROXY", ""))
        return cls(
            http=_read_proxy("HTTP_PROXY", environment),
            https=_read_proxy("HTTPS_PROXY", environment),
            exempt=tuple(entry for entry in exempt.lower().replace(",", " ").split() if entry),
        )

    def find(self, origin: Origin) -> Proxy | None:
        """The proxy to use for an origin; None leads straight to it."""
        proxy = self.https if origin.scheme == "https" else self.http
        if proxy is None:
            return None
        host = origin.host.lower().rstrip(".")
        address = _read_address(host)
        is_loopback = address.is_loopback if address else host == "localhost" or host.endswith(".localhost")
        if is_loopback or any(_is_match(entry, host, address, origin.port) for entry in self.exempt):
            return None
        return proxy


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _read_proxy(name: str, environment: Mapping[str, str]) -> Proxy | None:
    text = environment.get(name.lower(), environment.get(name, "")).strip()
    if not text:
        return None
    try:
        url = urlsplit(text if "://" in text else f"http://{text}")
        host, port = url.hostname, url.port
    except ValueError:
        raise ValueError(f"{name} is not a proxy's address") from None
    if url.scheme != "http" or not host:
        raise ValueError(f"{name} must be of the form http://[user:password@]host[:port]; other kinds of proxy are not supported")
    authorization = None
    if url.username is not None:
        credentials = f"{unquote(url.username)}:{unquote(url.password or '')}"
        authorization = b"Basic " + base64.b64encode(credentials.encode())
    return Proxy(host=host, port=port or _DEFAULT_PORT, authorization=authorization)


def _is_match(entry: str, host: str, address: _Address | None, port: int) -> bool:
    if entry == "*":
        return True
    name, entry_port = _split_port(entry)
    if entry_port is not None and entry_port != port:
        return False
    if address is not None:
        return _is_in_network(name, address)
    name = name.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _split_port(entry: str) -> tuple[str, int | None]:
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, int(rest[1:]) if rest[:1] == ":" and rest[1:].isdecimal() else None
    name, colon, port = entry.rpartition(":")
    if colon and ":" not in name and port.isdecimal():
        return name, int(port)
    return entry, None


def _is_in_network(entry: str, address: _Address) -> bool:
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def _read_address(host: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
