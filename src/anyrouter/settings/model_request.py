"""The request for an upstream's own list of models, as `doctor` and the discovery of models send it."""

from urllib.parse import urlsplit

from anyrouter.core.provider import Provider
from anyrouter.relay.ports import Origin
from anyrouter.settings.upstreams import Upstream

_DEFAULT_PORTS = {"http": 80, "https": 443}


def make_model_request(upstream: Upstream) -> tuple[Origin, bytes]:
    """Where it goes, and its head. The credential travels as with any other request."""
    address, provider = urlsplit(upstream.base_url), upstream.provider
    origin = Origin(scheme=address.scheme, host=address.hostname or "", port=address.port or _DEFAULT_PORTS[address.scheme])
    lines = [
        f"GET {address.path}{models_path(provider)} HTTP/1.1",
        f"Host: {address.netloc}",
        "Accept: application/json",
        "Accept-Encoding: identity",
        "User-Agent: AnyRouter",
    ]
    lines += [f"{name}: {value}" for name, value in provider.headers.items()]
    if upstream.credential is not None:
        lines.append(f"{provider.credential_header}: {provider.credential_prefix}{upstream.credential.reveal()}")
    return origin, "".join(f"{line}\r\n" for line in lines).encode("latin-1")


def models_path(provider: Provider) -> str:
    """The path below `base_url` of the provider's list of models: beside its other endpoints, where its row does not name one."""
    if provider.models_path is not None:
        return provider.models_path
    public, below = next(iter(provider.paths.items()), ("", "/"))
    return f"{below.removesuffix(public)}models"
