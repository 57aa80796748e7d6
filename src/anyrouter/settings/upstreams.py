"""Upstreams, ready for use: the provider looked up, the credential read, the models' names completed.

Those of the file, and those that a provider's usual variables (the ones that its own SDK reads) imply.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from anyrouter.core.provider import AuthKind, Provider
from anyrouter.core.secret import Secret
from anyrouter.core.tenancy import EnvironmentKind
from anyrouter.providers.address import UnusableVariableError, expand_base_url, read_variables
from anyrouter.providers.sandbox import ANY_VENDOR
from anyrouter.relay.ports import Timeouts
from anyrouter.settings.credentials import load_credential
from anyrouter.settings.fields import HttpUrl, is_header_safe
from anyrouter.settings.problems import UnusableUpstreamError, nearest
from anyrouter.settings.sections import EnvironmentSettings, ServedModel, UpstreamSettings

SANDBOX_ID = "sandbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """One place to send requests to.

    `credential` None sends none; `credential_kind` is how it is used, and `credential_source` says in words where it came from. `models`
    have complete public names; a `vendor/*` has `upstream_name` None and stands for every model of that vendor. `environments` are slugs
    of the first organisation's, None for every live one of all. `discovery_vendor` is the vendor under which the models of its own list
    are public, None where that list is not read. `variables` are those of the provider's addresses and paths. `has_own_address`: it is at
    an address of the operator's choice. `weight` and what follows is what requests choose by (`policy.candidate.TargetFacts`), None where
    the operator does not say.
    """

    id: str
    provider: Provider
    base_url: str
    credential: Secret | None
    credential_source: str
    priority: int
    models: tuple[ServedModel, ...]
    timeouts: Timeouts
    environments: tuple[str, ...] | None
    is_implied: bool = False
    discovery_vendor: str | None = None
    credential_kind: AuthKind = AuthKind.HEADER
    variables: Mapping[str, str] = field(default_factory=dict)
    has_own_address: bool = False
    weight: int = 1
    region: str | None = None
    quantization: str | None = None
    is_collecting: bool | None = None
    is_retaining: bool | None = None
    is_distillable: bool | None = None

    def serves(self, model: str) -> bool:
        """Whether a public model id is among its models."""
        pattern = f"{model.partition('/')[0]}/*"
        return any(served.public in {model, pattern} for served in self.models)


def resolve(
    table: UpstreamSettings,
    *,
    providers: Mapping[str, Provider],
    environments: Collection[EnvironmentSettings],
    environ: Mapping[str, str],
    directory: Path,
) -> Upstream:
    """An upstream of the file, complete. `directory` is where relative paths start. UnusableUpstreamError says what is wrong."""
    if table.id == SANDBOX_ID:
        raise UnusableUpstreamError("id", "is taken by the built-in simulated provider")
    provider = providers.get(table.provider)
    if provider is None:
        raise UnusableUpstreamError("provider", f"is not known; {nearest(table.provider, providers)}")
    credential = load_credential(table, provider, environ, directory)
    if table.discover and credential.kind in {AuthKind.SIGV4, AuthKind.SERVICE_ACCOUNT}:
        raise UnusableUpstreamError("discover", f"cannot be on: {provider.name} has no list of models at a path of that kind")
    variables = _variables(table, provider, environ, credential.variables)
    base_url = table.base_url or expand_base_url(provider, variables)
    if not base_url:
        raise UnusableUpstreamError("base_url", f"is missing: {provider.name} has no address of its own")
    deadlines = table.timeouts
    return Upstream(
        id=table.id,
        provider=provider,
        base_url=base_url,
        credential=credential.text,
        credential_kind=credential.kind,
        credential_source=credential.source,
        priority=table.priority,
        models=tuple(_complete(model, table.id, provider) for model in table.models or ()) or _everything(table.id, provider),
        timeouts=Timeouts(
            connect_s=deadlines.connect_s,
            first_byte_s=deadlines.first_byte_s,
            idle_s=deadlines.idle_s,
            total_s=deadlines.total_s or None,
        ),
        environments=_environments(table, environments),
        discovery_vendor=_discovery_vendor(table, provider),
        variables=variables,
        has_own_address=table.base_url is not None,
        weight=table.weight,
        region=table.region,
        quantization=table.quantization,
        is_collecting=None if table.data_collection is None else table.data_collection == "allow",
        is_retaining=None if table.zdr is None else not table.zdr,
        is_distillable=table.distillable,
    )


def implied(provider: Provider, environ: Mapping[str, str]) -> Upstream | None:
    """The upstream that the provider's usual variables ask for, or None. UnusableUpstreamError's key is the variable's name."""
    text = environ.get(provider.credential_variable or "", "")
    base_url = environ.get(provider.base_url_variable or "", "")
    if not provider.is_implied or not (text or base_url) or not (provider.base_url or base_url):
        return None
    try:
        address = TypeAdapter(HttpUrl).validate_python(base_url or provider.base_url)
    except ValidationError as error:
        raise UnusableUpstreamError(str(provider.base_url_variable), error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    if text and not is_header_safe(text.strip()):
        raise UnusableUpstreamError(
            str(provider.credential_variable), "holds what no credential has: spaces, line breaks or non-ASCII characters"
        )
    return Upstream(
        id=provider.id,
        provider=provider,
        base_url=address,
        credential=Secret(text.strip()) if text.strip() else None,
        credential_source=f"variable {provider.credential_variable}" if text.strip() else "none",
        priority=100,
        models=_everything(provider.id, provider),
        timeouts=Timeouts(),
        environments=None,
        is_implied=True,
        discovery_vendor=_vendors(provider.id, provider)[0] if _is_local(provider) else None,
        has_own_address=bool(base_url),
    )


def _variables(table: UpstreamSettings, provider: Provider, environ: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    try:
        return read_variables(provider, table.variables, environ=environ, known=known, has_own_address=table.base_url is not None)
    except UnusableVariableError as problem:
        raise UnusableUpstreamError("variables", f"{problem.name} {problem}") from None


def _vendors(upstream_id: str, provider: Provider) -> tuple[str, ...]:
    """The vendors whose models it serves; a server of the operator's own is its own vendor."""
    return tuple(vendor for vendor in provider.vendors if vendor != ANY_VENDOR) or (upstream_id,)


def _discovery_vendor(table: UpstreamSettings, provider: Provider) -> str | None:
    is_wanted = table.discover if table.discover is not None else table.models is None and _is_local(provider)
    return _vendors(table.id, provider)[0] if is_wanted else None


def _is_local(provider: Provider) -> bool:
    """Whether the provider is a program on somebody's own machine: one that is known, or any at an address of the operator's."""
    return provider.is_local or (AuthKind.NONE in provider.auth and not provider.base_url)


def _everything(upstream_id: str, provider: Provider) -> tuple[ServedModel, ...]:
    return tuple(ServedModel(public=f"{vendor}/*") for vendor in _vendors(upstream_id, provider))


def _complete(model: ServedModel, upstream_id: str, provider: Provider) -> ServedModel:
    public = model.public if "/" in model.public else f"{_vendors(upstream_id, provider)[0]}/{model.public}"
    if public.endswith("/*"):
        return ServedModel(public=public)
    return ServedModel(public=public, upstream_name=model.upstream_name or public.partition("/")[2])


def _environments(table: UpstreamSettings, environments: Collection[EnvironmentSettings]) -> tuple[str, ...] | None:
    """As they are written: one that the file does not declare may have been made by the API."""
    kinds = {environment.slug: environment.kind for environment in environments}
    for slug in table.environments or ():
        if kinds.get(slug) is EnvironmentKind.SANDBOX:
            raise UnusableUpstreamError("environments", f"names {slug}, a sandbox: its keys reach nothing but the simulated provider")
    return table.environments
