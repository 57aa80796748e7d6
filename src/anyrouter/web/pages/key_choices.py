"""What a form of a key offers: environments with what they reach, models, providers, regions, endpoints; and a model to try a key with."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from anyrouter.core import scopes
from anyrouter.core.apikey import ApiKey
from anyrouter.core.catalogue import Model
from anyrouter.core.tenancy import Environment, EnvironmentKind
from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.policy.rights import has_environment, may
from anyrouter.policy.route import find_way
from anyrouter.providers.registry import PROVIDERS
from anyrouter.relay.call import Principal
from anyrouter.web.api.reach import Reach, ReachableModel
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.visit import PageVisit

MAX_MATCHES = 30
_MAX_NAMED = 3
_CHAT = "chat/completions"
_SIMULATED = "sandbox"
_ECHO = "sandbox/echo"  # the other simulated ones fail in their ways
SCOPE_MEANINGS: Mapping[str, str] = {
    scopes.COMPLETIONS_WRITE: "Ask models: chat completions, messages, responses and all other ways of generating text. Costs money.",
    scopes.EMBEDDINGS_WRITE: "Turn text into embeddings. Costs money.",
    scopes.MODELS_READ: "Read the lists of models and providers.",
    scopes.USAGE_READ: "Read its own usage: generations, activity, what is left of its budget.",
    scopes.ADMIN_ALL: "Everything below, and the presets of its environment.",
    scopes.ADMIN_KEYS: "Make, change, rotate and delete keys of its environment, within its own rights.",
    scopes.ADMIN_BYOK: "Enter and change the credentials for providers (BYOK).",
    scopes.ADMIN_ORG: "Manage the organisation: environments, members, webhooks, the audit log.",
    scopes.ADMIN_BILLING: "Manage credits and budgets.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentChoice:
    """An environment that a key can be made for. `is_own_only`: the visitor makes none but personal keys there.

    `is_dead`: it reaches no provider yet.
    """

    slug: str
    name: str
    reach: str
    is_own_only: bool
    is_dead: bool


class ModelMatches(NamedTuple):
    """What a search for models found: some of them, and how many there are."""

    ids: Sequence[str]
    total: int


class KeyChoices:
    """Asks the routing snapshot of the moment; no I/O."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports, api = ports, ports.api
        self._reach = Reach(
            snapshot=api.snapshot, catalogue=api.catalogue, public_environment=api.public_environment, is_hidden=api.is_hidden
        )

    def list_environments(self, visit: PageVisit) -> list[EnvironmentChoice]:
        """The active ones, those that the visitor works in first."""
        choices = [
            EnvironmentChoice(
                slug=row.slug,
                name=row.name,
                reach=self._describe_reach(row),
                is_own_only=not has_environment(visit.rights, row.id),
                is_dead=row.kind is not EnvironmentKind.SANDBOX and not self._list_providers(row),
            )
            for row in visit.environments
            if row.is_active
        ]
        return sorted(choices, key=lambda choice: choice.is_own_only)

    def list_scopes(self, visit: PageVisit, held: Sequence[str] = ()) -> list[tuple[str, str]]:
        """The scopes that the visitor may give, and those that are `held` already, with their meanings."""
        return [(scope, text) for scope, text in SCOPE_MEANINGS.items() if scope in held or _may_give(visit, scope)]

    def find_models(self, visit: PageVisit, slug: str, text: str) -> ModelMatches:
        """Models that the environment reaches, or any of the visitor's, whose id or name has all words of the text."""
        words = text.lower().split()
        found: dict[str, None] = {}
        for environment in visit.environments:
            if slug in {"", environment.slug}:
                for row in self._reach.list_environment(environment):
                    model = row.model
                    if all(word in f"{model.id} {model.name}".lower() for word in words):
                        found.setdefault(model.canonical_id or model.id)
        return ModelMatches(list(found)[:MAX_MATCHES], len(found))

    def list_vendors(self, visit: PageVisit) -> list[str]:
        """The patterns of all vendors whose models can be reached."""
        vendors = {row.model.vendor for environment in visit.environments for row in self._reach.list_environment(environment)}
        return [f"{vendor}/*" for vendor in sorted(vendors)]

    def list_providers(self, visit: PageVisit, held: Sequence[str] = ()) -> list[tuple[str, str]]:
        """The providers that are configured for one of the environments, and those that are `held`: id and name."""
        snapshot = self._ports.api.snapshot()
        found = {
            upstream.provider.id: upstream.provider.name
            for environment in visit.environments
            for upstream in snapshot.list_upstreams(environment)
            if upstream.serves(environment)
        }
        found |= {name: PROVIDERS[name].name if name in PROVIDERS else name for name in held}
        counts = Counter(found.values())
        return sorted((name, title if counts[title] == 1 else f"{title} ({name})") for name, title in found.items())

    def list_regions(self) -> list[str]:
        """The regions that upstreams are known to be in."""
        return sorted({upstream.region for upstream in self._ports.api.snapshot().upstreams if upstream.region})

    def find_model(self, key: ApiKey) -> str | None:
        """A model that the key can chat with, the cheapest whose price is known; in a sandbox the one that answers well."""
        owner = self._ports.tenants().find_owner(key)
        if owner.environment is None or owner.organisation is None or not may_chat(key):
            return None
        principal = Principal(key=key, environment=owner.environment, organisation=owner.organisation, member=owner.member)
        rows = [row for row in self._reach.list(principal) if _can_chat(row)]
        best = min(rows, key=lambda row: _rank(row.model), default=None)
        return None if best is None else best.model.canonical_id or best.model.id

    def _describe_reach(self, environment: Environment) -> str:
        if environment.kind is EnvironmentKind.SANDBOX:
            return "the built-in simulated provider only; nothing costs money"
        names = self._list_providers(environment)
        if not names:
            return "no provider yet: requests are refused until an upstream or a credential (BYOK) is there"
        more = len(names) - _MAX_NAMED
        return "real providers: " + ", ".join(names[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")

    def _list_providers(self, environment: Environment) -> list[str]:
        upstreams = self._ports.api.snapshot().list_upstreams(environment)
        return sorted({row.provider.name for row in upstreams if row.serves(environment)})


def list_endpoints(held: Sequence[str] = ()) -> list[tuple[str, list[str]]]:
    """Paths that a key can be restricted to, by what they do."""
    rows = [row for row in ENDPOINTS.values() if not row.is_public]
    groups = {
        "Asking models": [row.path for row in rows if row.is_inference],
        "Reading": [row.path for row in rows if not row.is_inference and not row.is_control],
        "Managing": [row.path for row in rows if row.is_control],
    }
    unique = {name: list(dict.fromkeys(paths)) for name, paths in groups.items()}
    known = {path for paths in unique.values() for path in paths}
    others = [path for path in held if path not in known]
    return [(name, paths) for name, paths in (*unique.items(), ("Others", others)) if paths]


def may_chat(key: ApiKey) -> bool:
    """Whether the key may ask for chat completions at all."""
    return scopes.COMPLETIONS_WRITE in key.scopes and (key.endpoints is None or _CHAT in key.endpoints)


def _may_give(visit: PageVisit, scope: str) -> bool:
    return scope in scopes.DEFAULT_SCOPES or may(visit.rights, scope)


def _can_chat(row: ReachableModel) -> bool:
    return row.model.category == "text" and any(find_way(upstream, _CHAT) for upstream in row.upstreams)


def _rank(model: Model) -> tuple[bool, bool, bool, int, str]:
    tariff = model.tariff
    return (
        model.id != _ECHO,
        model.vendor == _SIMULATED,
        tariff is None,
        0 if tariff is None else tariff.input_nanousd + tariff.output_nanousd,
        model.id,
    )
