"""Which targets a request may go to, in which order.

The snapshot is immutable: a change of configuration makes a new one. Answers for a model, an endpoint and an environment are
kept in it, bounded, because clients ask for few models many times.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from anyrouter.core.apikey import ApiKey
from anyrouter.core.authorization import Authorization, Opening
from anyrouter.core.byok import ProviderCredential
from anyrouter.core.catalogue import Model, Tariff
from anyrouter.core.errors import Denied
from anyrouter.core.provider import Format, Provider
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Environment, EnvironmentKind
from anyrouter.policy.authorize import is_model_allowed
from anyrouter.policy.byok import may_use
from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.wire.translation.translation import can_translate

# What is asked at these is a chat, whatever the dialect: an upstream of another one can be asked for it too.
CHAT_ENDPOINTS = frozenset({"chat/completions", "messages", "responses", "generateContent", "streamGenerateContent"})
_COUNT_TOKENS = "messages/count_tokens"
_MAX_KEPT_ROUTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """One configured provider account or server.

    `models` maps public ids to upstream names; a key `vendor/*` stands for every model of that vendor: those that the catalogue
    knows and, where `is_open`, any other name too. `environments` None: all of kind live. `is_sandbox` marks the simulated provider.
    `credential` stands in a header as it is; one that is used in another way is the `authorization`. A tenant's own account has its `byok`,
    is one environment's alone, and is asked with what `opening` gives; `is_guarded`: only at addresses of the public internet.
    """

    id: str
    provider: Provider
    scheme: str
    host: str
    port: int
    base_path: str
    credential: str = field(default="", repr=False)
    authorization: Authorization | None = field(default=None, repr=False)
    opening: Opening | None = field(default=None, repr=False)
    byok: ProviderCredential | None = field(default=None, repr=False)
    region: str | None = None
    is_guarded: bool = False
    priority: int = 0
    models: Mapping[str, str] = field(default_factory=dict)
    environments: frozenset[str] | None = None
    is_open: bool = False
    is_sandbox: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)  # of the provider's addresses and paths
    has_own_address: bool = False  # at an address of the operator's choice
    connect_s: float = 5.0
    first_byte_s: float = 120.0
    idle_s: float = 60.0
    total_s: float | None = 600.0

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no text that leaves may show of the credential."""
        own = (self.credential,) if self.credential else ()
        if self.opening is not None:
            own = (*own, *self.opening.secrets)
        return own if self.authorization is None else (*own, *self.authorization.secrets)

    def serves(self, environment: Environment) -> bool:
        """Whether an environment's requests may go here."""
        if self.byok is not None:
            return environment.kind is EnvironmentKind.LIVE and self.byok.environment_id == environment.id
        if self.is_sandbox or environment.kind is EnvironmentKind.SANDBOX:
            return self.is_sandbox and (
                environment.kind is EnvironmentKind.SANDBOX or (self.environments is not None and environment.slug in self.environments)
            )
        # The operator's file names the environments of the first organisation: another's of the same name is another one.
        is_named = self.environments is not None and environment.slug in self.environments
        return self.environments is None or (is_named and environment.organisation_id == DEFAULT_ORGANISATION_ID)

    def upstream_name(self, model: str, known: Model | None) -> str | None:
        """This upstream's own name of a public model id; None when it does not serve it. `known` is the catalogue's row of it."""
        vendor, _, name = model.partition("/")
        if name == "*":
            return None  # a pattern, not a model
        if self.byok is not None and self.byok.models is not None and not is_model_allowed(self.byok.models, model):
            return None
        own = self.models.get(model)
        if own is not None:
            return own
        if f"{vendor}/*" not in self.models:
            return None
        if known is not None:
            return known.upstream_name
        return name if name and self.is_open else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How an upstream is asked at an endpoint: in which wire format, at which paths below its base URL.

    `form` is the provider's row of that format, None where it has none. `is_translated`: it is not the client's own.
    """

    dialect: str
    path: str
    stream_path: str | None = None
    form: Format | None = None
    is_translated: bool = False


_NO_WAY = Way(dialect="openai", path="")


def find_way(upstream: Upstream, endpoint: str) -> Way | None:
    """The client's own format where the upstream speaks it, else the one that loses least; None when it cannot serve the endpoint."""
    provider, own = upstream.provider, ENDPOINTS[endpoint].dialect
    formats = provider.select_formats(has_own_address=upstream.has_own_address)
    form = formats.get(own)
    if endpoint in CHAT_ENDPOINTS and form is not None:
        return Way(dialect=own, path=form.path, stream_path=form.stream_path, form=form)
    if endpoint == _COUNT_TOKENS and form is not None and form.count_tokens_path is not None:
        return Way(dialect=own, path=form.count_tokens_path, form=form)
    if provider.dialect == own and endpoint in provider.paths:
        return Way(dialect=own, path=provider.paths[endpoint])
    if endpoint in CHAT_ENDPOINTS:
        for name, other in formats.items():
            if can_translate(own, name):
                return Way(dialect=name, path=other.path, stream_path=other.stream_path, form=other, is_translated=True)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where one attempt goes: a model of an upstream, how that is asked, and what it costs there (None: nobody knows).

    `known` is the catalogue's row of the model. The names that every request and reply carries are kept as JSON strings too.
    """

    upstream: Upstream
    model: str
    upstream_model: str
    tariff: Tariff | None
    way: Way = _NO_WAY
    known: Model | None = None
    model_json: bytes = field(init=False, repr=False, compare=False)
    upstream_model_json: bytes = field(init=False, repr=False, compare=False)
    provider_json: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, text in (("model", self.model), ("upstream_model", self.upstream_model), ("provider", self.upstream.provider.name)):
            object.__setattr__(self, f"{name}_json", msgspec.json.encode(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the data plane needs to route. `resolve` finds a catalogue row by a public or bare name, `nearest` names that look alike.

    `tenants` are the upstreams of tenants' own accounts, by the id of their environment.
    """

    upstreams: tuple[Upstream, ...]
    resolve: Callable[[str], Model | None]
    nearest: Callable[[str], Sequence[str]]
    routes: dict[tuple[str, str, str], tuple[Target, ...] | Denied] = field(default_factory=dict)
    tenants: Mapping[str, tuple[Upstream, ...]] = field(default_factory=dict)

    def list_upstreams(self, environment: Environment) -> tuple[Upstream, ...]:
        """All that an environment could ask, whether or not they serve it."""
        return (*self.tenants.get(environment.id, ()), *self.upstreams)


def route(snapshot: Snapshot, environment: Environment, endpoint: str, name: str) -> tuple[Target, ...] | Denied:
    """The ordered targets for a model's name in an environment, or why there is none. All targets are of one public model id."""
    asked = (environment.id, endpoint, name)
    targets = snapshot.routes.get(asked)
    if targets is None:
        targets = _find(snapshot, environment, endpoint, name)
        if len(snapshot.routes) >= _MAX_KEPT_ROUTES:
            snapshot.routes.clear()
        snapshot.routes[asked] = targets
    return targets


def select_allowed(key: ApiKey, targets: tuple[Target, ...]) -> tuple[Target, ...] | Denied:
    """Those of the targets that the key may use, by their provider, their credential and their region; a refusal when there are none.

    Where a tenant's credential that applies says `always_use`, the operator's are none of them. A region that is demanded and not known
    is not that region.
    """
    if key.providers is None and key.regions is None and not any(target.upstream.byok for target in targets):
        return targets
    usable = select_upstreams(key, tuple(target.upstream for target in targets))
    allowed = tuple(target for target in targets if target.upstream in usable)
    if allowed:
        return allowed
    reasons = [find_obstacle(key, target.upstream) for target in targets]
    model = targets[0].model
    metadata = {"excluded": [{"upstream": row.upstream.id, "reason": why or ""} for row, why in zip(targets, reasons, strict=True)]}
    if "region" in reasons:
        places = ", ".join(key.regions or ())
        message = f"The API key {key.label}… may use {model} in {places} only, and no upstream that it may use is known to be there."
        return Denied(code="region_not_allowed", message=message, metadata=metadata)
    message = f"The API key {key.label}… may not use the providers that serve {model} here."
    return Denied(code="provider_not_allowed", message=message, metadata=metadata)


def select_upstreams(key: ApiKey, upstreams: tuple[Upstream, ...]) -> tuple[Upstream, ...]:
    """Those of a model's upstreams that the key may use; where one is a tenant's that is always used, none of the operator's."""
    usable = tuple(upstream for upstream in upstreams if find_obstacle(key, upstream) is None)
    if any(upstream.byok is not None and upstream.byok.always_use for upstream in usable):
        return tuple(upstream for upstream in usable if upstream.byok is not None)
    return usable


def find_obstacle(key: ApiKey, upstream: Upstream) -> str | None:
    """Why the key may not use an upstream; None when it may."""
    if key.providers is not None and upstream.provider.id not in key.providers:
        return "provider"
    if upstream.byok is not None and not may_use(key, upstream.byok):
        return "credential"
    if key.regions is not None and not upstream.is_sandbox and (upstream.region or "").lower() not in map(str.lower, key.regions):
        return "region"
    return None


def find_candidates(snapshot: Snapshot, environment: Environment, model: str) -> list[Upstream]:
    """The upstreams that serve a public model id to an environment, in any dialect, best first."""
    known = snapshot.resolve(model)
    serving = [
        upstream
        for upstream in snapshot.list_upstreams(environment)
        if upstream.serves(environment) and upstream.upstream_name(model, known) is not None
    ]
    return sorted(serving, key=lambda upstream: upstream.priority)


def _find(snapshot: Snapshot, environment: Environment, endpoint: str, name: str) -> tuple[Target, ...] | Denied:
    known = snapshot.resolve(name)
    model = known.id if known is not None else name
    candidates = find_candidates(snapshot, environment, model)
    if not candidates:
        if known is None:
            return _not_found(snapshot, name)
        return _no_route(
            f"{model} is known, but no upstream of the environment {environment.slug} serves it. "
            "The operator configures upstreams; GET /models lists what this key can reach.",
            [{"upstream": upstream.id, "reason": _reason(upstream, environment)} for upstream in snapshot.list_upstreams(environment)],
        )
    ways = _find_ways(candidates, endpoint)
    if not ways:
        return _no_route(
            f"No upstream that serves {model} can be asked at /{endpoint}. It is served at "
            f"{', '.join(f'/{path}' for path in _list_endpoints(candidates)) or 'no endpoint'}.",
            [{"upstream": upstream.id, "reason": "endpoint"} for upstream in candidates],
        )
    tariff = known.tariff if known is not None else None
    return tuple(
        Target(
            upstream=upstream,
            model=model,
            upstream_model=upstream.upstream_name(model, known) or name,
            tariff=tariff,
            way=way,
            known=known,
        )
        for upstream, way in ways
    )


def _find_ways(candidates: Sequence[Upstream], endpoint: str) -> list[tuple[Upstream, Way]]:
    """Those that can be asked, in their order. One that is several rows is asked once: in the client's own format, if one has that."""
    found: dict[str, tuple[Upstream, Way]] = {}
    for upstream in candidates:
        way = find_way(upstream, endpoint)
        if way is not None and (upstream.id not in found or (found[upstream.id][1].is_translated and not way.is_translated)):
            found[upstream.id] = (upstream, way)
    return list(found.values())


def _list_endpoints(candidates: Sequence[Upstream]) -> list[str]:
    inference = (row.path for row in ENDPOINTS.values() if row.is_inference)
    return [path for path in inference if any(find_way(upstream, path) for upstream in candidates)]


def pin_target(snapshot: Snapshot, environment: Environment, targets: tuple[Target, ...], pin: str) -> tuple[Target, ...] | Denied:
    """The one of the targets that a pin names: an upstream's id, else the first of a provider's; a refusal when it is none of them."""
    chosen = [target for target in targets if target.upstream.id == pin] or [
        target for target in targets if pin.lower() in (target.upstream.provider.id, target.upstream.provider.name.lower())
    ]
    if chosen:
        return (chosen[0],)
    upstreams = snapshot.list_upstreams(environment)
    names = {name for upstream in upstreams for name in (upstream.id, upstream.provider.id, upstream.provider.name.lower())}
    if pin not in names and pin.lower() not in names:
        return Denied(
            code="invalid_parameter",
            param="X-AnyRouter-Provider",
            message="X-AnyRouter-Provider names an upstream that does not exist here.",
        )
    return _no_route(
        f"X-AnyRouter-Provider pins the request to {pin}, which does not serve {targets[0].model} to this environment and endpoint.",
        [{"upstream": target.upstream.id, "reason": "pinned elsewhere"} for target in targets],
    )


def _not_found(snapshot: Snapshot, name: str) -> Denied:
    similar = list(snapshot.nearest(name))[:3]
    hint = f" Did you mean {' or '.join(similar)}?" if similar else " GET /models lists what this key can reach."
    return Denied(code="model_not_found", param="model", message=f"There is no model {name!r} here.{hint}", metadata={"similar": similar})


def _no_route(message: str, excluded: list[dict[str, str]]) -> Denied:
    metadata: dict[str, Any] = {"excluded": excluded}
    return Denied(code="no_route", param="model", message=message, metadata=metadata)


def _reason(upstream: Upstream, environment: Environment) -> str:
    return "model" if upstream.serves(environment) else "environment"
