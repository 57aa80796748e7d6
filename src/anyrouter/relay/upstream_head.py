"""The head of a request to an upstream. An allow-list: what is not named here or in the provider's row never leaves."""

from collections.abc import Mapping

from anyrouter.policy.route import Upstream
from anyrouter.relay.ports import Origin, Timeouts

_DEFAULT_PORTS = {"http": 80, "https": 443}


class UpstreamHead:
    """What of an upstream's request head is the same for every request to one endpoint. `origin` and `timeouts` go with it."""

    __slots__ = ("_defaults", "_fixed", "_passed", "origin", "timeouts")

    def __init__(self, upstream: Upstream, endpoint: str) -> None:
        provider = upstream.provider
        host = f"[{upstream.host}]" if ":" in upstream.host else upstream.host
        if upstream.port != _DEFAULT_PORTS.get(upstream.scheme):
            host = f"{host}:{upstream.port}"
        lines = [
            f"POST {upstream.base_path}{provider.paths[endpoint]} HTTP/1.1",
            f"Host: {host}",
            "Content-Type: application/json",
            "Accept: application/json, text/event-stream",
            "Accept-Encoding: identity",
            "User-Agent: AnyRouter",
        ]
        if upstream.credential:
            lines.append(f"{provider.credential_header}: {provider.credential_prefix}{upstream.credential}")
        self._passed = tuple(name.encode("latin-1") for name in sorted(provider.passed_headers))
        self._defaults = {name.lower().encode("latin-1"): value.encode("latin-1") for name, value in provider.headers.items()}
        lines += [f"{name}: {value}" for name, value in provider.headers.items() if name.lower() not in provider.passed_headers]
        self._fixed = "".join(f"{line}\r\n" for line in lines).encode("latin-1")
        self.origin = Origin(scheme=upstream.scheme, host=upstream.host, port=upstream.port)
        self.timeouts = Timeouts(
            connect_s=upstream.connect_s, first_byte_s=upstream.first_byte_s, idle_s=upstream.idle_s, total_s=upstream.total_s
        )

    def render(self, headers: Mapping[bytes, bytes], body_length: int) -> bytes:
        """The request line and header lines for one request; `headers` are the client's."""
        passed = b""
        for name in self._passed:
            value = headers.get(name) or self._defaults.get(name)
            if value is not None:
                passed += b"%s: %s\r\n" % (name, value)
        return b"%s%sContent-Length: %d\r\n" % (self._fixed, passed, body_length)
