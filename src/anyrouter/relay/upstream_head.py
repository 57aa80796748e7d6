"""The head of a request to an upstream. An allow-list: what is not named here or in the provider's row never leaves."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from anyrouter.core.provider import Format
from anyrouter.policy.route import Target, Upstream
from anyrouter.providers.address import render_path
from anyrouter.relay.ports import Origin, Timeouts

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NO_FORM = Format(path="")


class UpstreamHead:
    """What of an upstream's request head is the same for every request to one target. `origin` and `timeouts` go with it.

    ClientError for a model's name that no path can hold.
    """

    __slots__ = ("_defaults", "_fixed", "_fixed_stream", "_passed", "origin", "timeouts")

    def __init__(self, target: Target) -> None:
        upstream, way = target.upstream, target.way
        provider, form = upstream.provider, way.form or _NO_FORM
        self.origin, base_path = _locate(upstream, form)
        self._passed = tuple(name.encode("latin-1") for name in sorted(provider.passed_headers))
        headers = {**provider.headers, **form.headers}
        self._defaults = {name.lower().encode("latin-1"): value.encode("latin-1") for name, value in headers.items()}
        lines = [
            f"Host: {_authority(self.origin)}",
            "Content-Type: application/json",
            f"Accept: {_ACCEPTED.get(way.dialect, _ACCEPTED_USUALLY)}",
            "Accept-Encoding: identity",
            "User-Agent: AnyRouter",
        ]
        if upstream.credential:
            name = provider.credential_header if form.credential_header is None else form.credential_header
            prefix = provider.credential_prefix if form.credential_prefix is None else form.credential_prefix
            lines.append(f"{name}: {prefix}{upstream.credential}")
        lines += [f"{name}: {value}" for name, value in headers.items() if name.lower() not in provider.passed_headers]
        fixed = "".join(f"{line}\r\n" for line in lines).encode("latin-1")
        self._fixed, self._fixed_stream = (
            b"POST %s%s HTTP/1.1\r\n%s"
            % (base_path.encode(), render_path(path, model=target.upstream_model, variables=upstream.variables).encode(), fixed)
            for path in (way.path, way.stream_path or way.path)
        )
        self.timeouts = Timeouts(
            connect_s=upstream.connect_s, first_byte_s=upstream.first_byte_s, idle_s=upstream.idle_s, total_s=upstream.total_s
        )

    def render(self, headers: Mapping[bytes, bytes], body_length: int, *, is_streamed: bool = False) -> bytes:
        """The request line and header lines for one request; `headers` are the client's."""
        passed = b""
        for name in self._passed:
            value = headers.get(name) or self._defaults.get(name)
            if value is not None:
                passed += b"%s: %s\r\n" % (name, value)
        return b"%s%sContent-Length: %d\r\n" % (self._fixed_stream if is_streamed else self._fixed, passed, body_length)


_ACCEPTED_USUALLY = "application/json, text/event-stream"
_ACCEPTED = {"bedrock": "application/json, application/vnd.amazon.eventstream"}


def _locate(upstream: Upstream, form: Format) -> tuple[Origin, str]:
    """Where the format is spoken, and the path that its own paths are below."""
    if form.base_url is None:
        return Origin(scheme=upstream.scheme, host=upstream.host, port=upstream.port), upstream.base_path
    address = urlsplit(render_path(form.base_url, model="-", variables=upstream.variables))
    port = address.port or _DEFAULT_PORTS[address.scheme]
    return Origin(scheme=address.scheme, host=address.hostname or "", port=port), address.path.rstrip("/")


def _authority(origin: Origin) -> str:
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return host if origin.port == _DEFAULT_PORTS.get(origin.scheme) else f"{host}:{origin.port}"
