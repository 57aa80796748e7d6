"""Requests for what an upstream says of itself, as `doctor` and the discovery of models send them."""

from urllib.parse import urlsplit

from anyrouter.core.provider import AuthKind, Provider
from anyrouter.relay.ports import Origin
from anyrouter.settings.upstreams import Upstream

_DEFAULT_PORTS = {"http": 80, "https": 443}


def make_model_request(upstream: Upstream) -> tuple[Origin, bytes]:
    """The one for its own list of models: where it goes, and its head. A credential that is a key travels as with any other request."""
    return _make_request(upstream, models_path(upstream.provider))


def make_check_request(upstream: Upstream) -> tuple[Origin, bytes]:
    """The one that tells whether its credential is taken; of one that is no key nothing is in the head."""
    return _make_request(upstream, upstream.provider.check_path or models_path(upstream.provider))


def _make_request(upstream: Upstream, path: str) -> tuple[Origin, bytes]:
    address, provider = urlsplit(upstream.base_url), upstream.provider
    origin = Origin(scheme=address.scheme, host=address.hostname or "", port=address.port or _DEFAULT_PORTS[address.scheme])
    lines = [
        f"GET {address.path}{path} HTTP/1.1",
        f"Host: {address.netloc}",
        "Accept: application/json",
        "Accept-Encoding: identity",
        "User-Agent: AnyRouter",
    ]
    lines += [f"{name}: {value}" for name, value in provider.headers.items()]
    if upstream.credential is not None and upstream.credential_kind is AuthKind.HEADER:
        lines.append(f"{provider.credential_header}: {provider.credential_prefix}{upstream.credential.reveal()}")
    return origin, "".join(f"{line}\r\n" for line in lines).encode("latin-1")


def models_path(provider: Provider) -> str:
    """The path below `base_url` of the provider's list of models: beside its other endpoints, where its row does not name one."""
    if provider.models_path is not None:
        return provider.models_path
    public, below = next(iter(provider.paths.items()), ("", "/"))
    return f"{below.removesuffix(public)}models"
