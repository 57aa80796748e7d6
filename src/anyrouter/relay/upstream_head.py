"""The head of a request to an upstream. An allow-list: what is not named here or in the provider's row never leaves."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from urllib.parse import urlsplit

from anyrouter.core.authorization import OpenedHeader, OutgoingRequest
from anyrouter.core.provider import Format
from anyrouter.policy.route import Target, Upstream
from anyrouter.providers.address import render_path
from anyrouter.relay.ports import Origin, Timeouts

DEFAULT_PORTS = {"http": 80, "https": 443}
_NO_FORM = Format(path="")


class UpstreamHead:
    """What of an upstream's request head is the same for every request to one target. `origin` and `timeouts` go with it.

    Where the upstream has an `authorization`, `authorize` makes the lines that differ. ClientError for a model's name that no path can
    hold.
    """

    __slots__ = (
        "_defaults",
        "_fixed",
        "_fixed_stream",
        "_host",
        "_passed",
        "_target",
        "_target_stream",
        "authorization",
        "origin",
        "timeouts",
    )

    def __init__(self, target: Target) -> None:
        upstream, way = target.upstream, target.way
        provider, form = upstream.provider, way.form or _NO_FORM
        self.origin, base_path = _locate(upstream, form)
        self._host, self.authorization = authority(self.origin), upstream.authorization
        name = provider.credential_header if form.credential_header is None else form.credential_header
        prefix = provider.credential_prefix if form.credential_prefix is None else form.credential_prefix
        if upstream.opening is not None:
            self.authorization = OpenedHeader(upstream.opening, f"{name}: {prefix}")
        self._passed = tuple(name.encode("latin-1") for name in sorted(provider.passed_headers))
        headers = {**provider.headers, **form.headers}
        self._defaults = {name.lower().encode("latin-1"): value.encode("latin-1") for name, value in headers.items()}
        lines = [
            f"Host: {self._host}",
            f"Content-Type: {_CONTENT_TYPE}",
            f"Accept: {_ACCEPTED.get(way.dialect, _ACCEPTED_USUALLY)}",
            "Accept-Encoding: identity",
            "User-Agent: AnyRouter",
        ]
        if upstream.credential:
            lines.append(f"{name}: {prefix}{upstream.credential}")
        lines += [f"{name}: {value}" for name, value in headers.items() if name.lower() not in provider.passed_headers]
        fixed = "".join(f"{line}\r\n" for line in lines).encode("latin-1")
        self._target, self._target_stream = (
            base_path + render_path(path, model=target.upstream_model, variables=upstream.variables)
            for path in (way.path, way.stream_path or way.path)
        )
        self._fixed, self._fixed_stream = (
            b"POST %s HTTP/1.1\r\n%s" % (request_target.encode(), fixed) for request_target in (self._target, self._target_stream)
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

    def authorize(self, body: Iterable[bytes | memoryview], now: datetime, *, is_streamed: bool = False) -> bytes:
        """The header lines of the upstream's authorization for one request; empty when it has to be prepared first."""
        assert self.authorization is not None  # noqa: S101 -- it is asked of those that have one
        target = self._target_stream if is_streamed else self._target
        return self.authorization.render(OutgoingRequest("POST", target, self._host, _CONTENT_TYPE, body, now))


_CONTENT_TYPE = "application/json"
_ACCEPTED_USUALLY = "application/json, text/event-stream"
_ACCEPTED = {"bedrock": "application/json, application/vnd.amazon.eventstream"}


def _locate(upstream: Upstream, form: Format) -> tuple[Origin, str]:
    """Where the format is spoken, and the path that its own paths are below."""
    if form.base_url is None:
        return Origin(upstream.scheme, upstream.host, upstream.port, upstream.is_guarded), upstream.base_path
    address = urlsplit(render_path(form.base_url, model="-", variables=upstream.variables))
    port = address.port or DEFAULT_PORTS[address.scheme]
    return Origin(address.scheme, address.hostname or "", port, upstream.is_guarded), address.path.rstrip("/")


def authority(origin: Origin) -> str:
    """An origin as the header Host names it."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return host if origin.port == DEFAULT_PORTS.get(origin.scheme) else f"{host}:{origin.port}"
