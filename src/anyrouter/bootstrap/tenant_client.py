"""The client that connects where tenants say: to public addresses, and to what the operator allows by name. It follows nobody elsewhere."""

import os
from collections.abc import Collection, Mapping

from anyrouter.policy.addresses import is_public_address
from anyrouter.relay.ports import Origin
from anyrouter.relay.upstream_head import DEFAULT_PORTS
from anyrouter.upstream.client import HttpUpstreamClient
from anyrouter.upstream.connector import AddressGuard
from anyrouter.upstream.proxies import Proxies


def make_tenant_client(allowed_hosts: Collection[str], environ: Mapping[str, str] = os.environ) -> HttpUpstreamClient:
    """A client of its own: it shares no connection with the operator's. It belongs to one event loop, and is closed at the end."""
    return HttpUpstreamClient(proxies=Proxies.from_environment(environ), guard=make_guard(allowed_hosts))


def make_guard(allowed_hosts: Collection[str]) -> AddressGuard:
    """Whether a connection may be made to an address that an origin's name has just been resolved to. It is made to that very address."""
    allowed = frozenset(allowed_hosts)

    def guard(origin: Origin, address: str) -> bool:
        host = f"[{origin.host}]" if ":" in origin.host else origin.host.lower()
        is_allowed = not allowed.isdisjoint({host, f"{host}:{origin.port}"})
        return is_allowed or (origin.scheme in DEFAULT_PORTS and is_public_address(address))

    return guard
