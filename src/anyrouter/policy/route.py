"""Which targets a request may go to, in which order.

The snapshot is immutable: a change of configuration makes a new one. Answers for a model, an endpoint and an environment are
kept in it, bounded, because clients ask for few models many times.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from anyrouter.core.apikey import ApiKey
from anyrouter.core.catalogue import Model, Tariff
from anyrouter.core.errors import Denied
from anyrouter.core.provider import Provider
from anyrouter.core.tenancy import Environment, EnvironmentKind
from anyrouter.policy.endpoints import ENDPOINTS

_MAX_KEPT_ROUTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """One configured provider account or server.

    `models` maps public ids to upstream names; a key `vendor/*` stands for every model of that vendor: those that the catalogue
    knows and, where `is_open`, any other name too. `environments` None: all of kind live. `is_sandbox` marks the simulated provider.
    """

    id: str
    provider: Provider
    scheme: str
    host: str
    port: int
    base_path: str
    credential: str = field(default="", repr=False)
    priority: int = 0
    models: Mapping[str, str] = field(default_factory=dict)
    environments: frozenset[str] | None = None
    is_open: bool = False
    is_sandbox: bool = False
    connect_s: float = 5.0
    first_byte_s: float = 120.0
    idle_s: float = 60.0
    total_s: float | None = 600.0

    def serves(self, environment: Environment) -> bool:
        """Whether an environment's requests may go here."""
        if self.is_sandbox or environment.kind is EnvironmentKind.SANDBOX:
            return self.is_sandbox and (
                environment.kind is EnvironmentKind.SANDBOX or (self.environments is not None and environment.slug in self.environments)
            )
        return self.environments is None or environment.slug in self.environments

    def upstream_name(self, model: str, known: Model | None) -> str | None:
        """This upstream's own name of a public model id; None when it does not serve it. `known` is the catalogue's row of it."""
        vendor, _, name = model.partition("/")
        if name == "*":
            return None  # a pattern, not a model
        own = self.models.get(model)
        if own is not None:
            return own
        if f"{vendor}/*" not in self.models:
            return None
        if known is not None:
            return known.upstream_name
        return name if name and self.is_open else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where one attempt goes: a model of an upstream, and what it costs there (None: nobody knows).

    The names that every request and reply carries are kept as JSON strings too.
    """

    upstream: Upstream
    model: str
    upstream_model: str
    tariff: Tariff | None
    model_json: bytes = field(init=False, repr=False, compare=False)
    upstream_model_json: bytes = field(init=False, repr=False, compare=False)
    provider_json: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, text in (("model", self.model), ("upstream_model", self.upstream_model), ("provider", self.upstream.provider.name)):
            object.__setattr__(self, f"{name}_json", msgspec.json.encode(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the data plane needs to route. `resolve` finds a catalogue row by a public or bare name, `nearest` names that look alike."""

    upstreams: tuple[Upstream, ...]
    resolve: Callable[[str], Model | None]
    nearest: Callable[[str], Sequence[str]]
    routes: dict[tuple[str, str, str], tuple[Target, ...] | Denied] = field(default_factory=dict)


def route(snapshot: Snapshot, environment: Environment, endpoint: str, name: str, pin: str | None = None) -> tuple[Target, ...] | Denied:
    """The ordered targets for a model's name in an environment, or why there is none. All targets are of one public model id."""
    asked = (environment.id, endpoint, name)
    targets = snapshot.routes.get(asked)
    if targets is None:
        targets = _find(snapshot, environment, endpoint, name)
        if len(snapshot.routes) >= _MAX_KEPT_ROUTES:
            snapshot.routes.clear()
        snapshot.routes[asked] = targets
    return targets if pin is None or isinstance(targets, Denied) else _pinned(snapshot, targets, pin)


def select_providers(key: ApiKey, targets: tuple[Target, ...]) -> tuple[Target, ...] | Denied:
    """Those of the targets whose provider the key may use; a refusal when there are none."""
    if key.providers is None:
        return targets
    allowed = tuple(target for target in targets if target.upstream.provider.id in key.providers)
    return allowed or Denied(
        code="provider_not_allowed",
        message=f"The API key {key.label}… may not use the providers that serve {targets[0].model} here.",
        metadata={"excluded": [{"upstream": target.upstream.id, "reason": "provider"} for target in targets]},
    )


def find_candidates(snapshot: Snapshot, environment: Environment, model: str) -> list[Upstream]:
    """The upstreams that serve a public model id to an environment, in any dialect, best first."""
    known = snapshot.resolve(model)
    serving = [
        upstream for upstream in snapshot.upstreams if upstream.serves(environment) and upstream.upstream_name(model, known) is not None
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
            [{"upstream": upstream.id, "reason": _reason(upstream, environment)} for upstream in snapshot.upstreams],
        )
    able = [upstream for upstream in candidates if endpoint in upstream.provider.paths]
    if not able:
        dialects = " and ".join(sorted({upstream.provider.dialect for upstream in candidates}))
        return _no_route(
            f"{model} is served in the {dialects} dialect only, and /{endpoint} speaks {ENDPOINTS[endpoint].dialect}. "
            f"Use an endpoint of that dialect: {', '.join(f'/{path}' for path in candidates[0].provider.paths)}.",
            [{"upstream": upstream.id, "reason": "dialect"} for upstream in candidates],
        )
    tariff = known.tariff if known is not None else None
    return tuple(
        Target(
            upstream=upstream,
            model=model,
            upstream_model=upstream.upstream_name(model, known) or name,
            tariff=tariff,
        )
        for upstream in able
    )


def _pinned(snapshot: Snapshot, targets: tuple[Target, ...], pin: str) -> tuple[Target, ...] | Denied:
    chosen = [target for target in targets if target.upstream.id == pin] or [
        target for target in targets if pin.lower() in (target.upstream.provider.id, target.upstream.provider.name.lower())
    ]
    if chosen:
        return (chosen[0],)
    names = {upstream.id for upstream in snapshot.upstreams} | {upstream.provider.id for upstream in snapshot.upstreams}
    names |= {upstream.provider.name.lower() for upstream in snapshot.upstreams}
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
