"""A target as routing sees it: with the names it answers to, what is known of it, and its health.

Made once for a model, an endpoint and an environment, and kept: what a request costs here is looking at it.
"""

import re
from collections.abc import Callable, Iterable

import msgspec

from anyrouter.core.provider import Effect, Provider
from anyrouter.policy.byok import Turns
from anyrouter.policy.health import HealthBook, HealthSettings, SteadyHealth, TargetHealth
from anyrouter.policy.preference import Strategy
from anyrouter.policy.route import Target
from anyrouter.wire.members import Members

# The request members that the catalogue's abilities stand for: a model that is known, and not known to take one, does not. Of all
# others the catalogue says nothing.
GOVERNED_PARAMETERS = frozenset(
    {
        "include_reasoning",
        "parallel_tool_calls",
        "reasoning",
        "reasoning_effort",
        "response_format",
        "structured_outputs",
        "thinking",
        "tool_choice",
        "tools",
        "web_search_options",
    }
)
# Without these an answer is wrong, not only different: targets that lack one are asked last even when nobody requires anything.
SOFTLY_REQUIRED = frozenset({"tools", "response_format"})
_SAME_ABILITY = {"reasoning_effort": "reasoning", "thinking": "reasoning"}
_STEADY = HealthSettings()
_NO_SLUG = re.compile(r"[^a-z0-9]+")


class TargetFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a target beside its price. None: nobody knows.

    `weight` is its share under the weighted strategy; 0 makes it a fallback only. `is_collecting`: prompts are stored or trained
    on (`data_collection`). `is_retaining`: prompts are kept at all (`zdr`). `supported_parameters` are those of
    `GOVERNED_PARAMETERS` that the model takes; `unsupported_parameters` are any that are known not to arrive, whatever the model
    can do: a quirk of the provider's, or what a translation cannot express.
    """

    weight: int = 1
    region: str | None = None
    quantization: str | None = None
    is_collecting: bool | None = None
    is_retaining: bool | None = None
    is_distillable: bool | None = None
    supported_parameters: frozenset[str] | None = None
    unsupported_parameters: frozenset[str] = frozenset()
    is_byok: bool = False


NO_FACTS = TargetFacts()


class Candidate(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One target of one model. `position` is its place among the model's targets by priority."""

    position: int
    target: Target
    facts: TargetFacts
    names: frozenset[str]
    health: TargetHealth

    def lacks(self, parameters: Iterable[str]) -> list[str]:
        """Those of a request's members that it is known not to take."""
        facts = self.facts
        supported = facts.supported_parameters
        return [
            name
            for name in parameters
            if name in facts.unsupported_parameters
            or (supported is not None and name in GOVERNED_PARAMETERS and _SAME_ABILITY.get(name, name) not in supported)
        ]


class RoutingRules(msgspec.Struct, frozen=True, kw_only=True):
    """The operator's part: what is known of a target beside its price, how the targets of a public model id are put in order.

    `is_hedged`: whether a second one is asked beside a first one that is silent for too long.
    """

    facts_of: Callable[[Target], TargetFacts] = lambda _target: NO_FACTS
    strategy_of: Callable[[str], Strategy] = lambda _model: Strategy.PRIORITY
    is_hedged: Callable[[str], bool] = lambda _model: False


NO_RULES = RoutingRules()


class Exclusion(msgspec.Struct, frozen=True, kw_only=True):
    """A target that is not tried. `reason` begins with the member of `provider` that says so."""

    upstream: str
    model: str
    reason: str


class Selection(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The candidates to try in their order, and those that are not.

    `is_settled`: the first one is what anybody would get; a conversation that was served by it need not be remembered.
    """

    candidates: tuple[Candidate, ...]
    excluded: tuple[Exclusion, ...] = ()
    is_settled: bool = False


class Candidates(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """All targets of one model, best priority first. Equal priorities keep the order of the configuration."""

    model: str
    all: tuple[Candidate, ...]
    strategy: Strategy
    settled: Selection
    is_steady: bool  # whether the order depends on nothing but health
    turns: Turns[str] | None = None  # where tenants' credentials of equal order take turns

    def shortcut(self, remembered: int = 0) -> Selection | None:
        """The answer for a request without preferences when nothing can change it; None when it has to be thought about.

        `remembered` is how many conversations have a place: one of them may be elsewhere.
        """
        if len(self.all) == 1:
            return self.settled
        if remembered or not self.is_steady:
            return None
        for candidate in self.all:
            if not candidate.health.is_well:
                return None
        return self.settled


def make_candidates(
    targets: tuple[Target, ...],
    book: HealthBook,
    now_s: float,
    *,
    strategy: Strategy = Strategy.PRIORITY,
    facts_of: Callable[[Target], TargetFacts] = lambda _target: NO_FACTS,
) -> Candidates:
    """The candidates of a model's targets, which are one or more and all of one public model id."""
    ordered = sorted(targets, key=lambda target: target.upstream.priority)
    candidates = tuple(
        Candidate(
            position=position,
            target=target,
            facts=(facts := facts_of(target)),
            names=list_names(target, facts.region),
            health=_find_health(target, book, now_s),
        )
        for position, target in enumerate(ordered)
    )
    is_alike = all(
        (candidate.facts.supported_parameters, candidate.facts.unsupported_parameters)
        == (candidates[0].facts.supported_parameters, candidates[0].facts.unsupported_parameters)
        for candidate in candidates
    )
    shared = [target.upstream.priority for target in ordered if target.upstream.byok is not None]
    is_taking_turns = len(set(shared)) < len(shared)
    return Candidates(
        model=ordered[0].model,
        all=candidates,
        strategy=strategy,
        settled=Selection(candidates=candidates, is_settled=True),
        is_steady=is_alike and strategy is Strategy.PRIORITY and not is_taking_turns,
        turns=Turns() if is_taking_turns else None,
    )


def _find_health(target: Target, book: HealthBook, now_s: float) -> TargetHealth:
    upstream = target.upstream
    if upstream.is_sandbox:
        return SteadyHealth(_STEADY, now_s)
    if upstream.byok is not None:
        # A tenant's account is ill or limited as a whole, and well again as soon as another secret was entered.
        return book.find((upstream.id, f"seal {upstream.byok.seal_version}"), now_s)
    return book.find((upstream.id, target.upstream_model), now_s)


def list_names(target: Target, region: str | None) -> frozenset[str]:
    """The names that `order`, `only` and `ignore` know it by, in lower case.

    The upstream's id, the provider's id, its name, its name as a slug, and each with "/region".
    """
    upstream = target.upstream
    name = upstream.provider.name.lower()
    names = {upstream.id.lower(), upstream.provider.id.lower(), name, _NO_SLUG.sub("-", name).strip("-")}
    return frozenset(names if region is None else names | {f"{name}/{region.lower()}" for name in names})


def list_parameters(members: Members) -> frozenset[str]:
    """The members that a request really has: null asks for nothing."""
    return frozenset(name for name in members.values if not members.raw_is_missing(name))


def list_unsupported(provider: Provider, upstream_model: str, dialect: str) -> frozenset[str]:
    """The members that a provider's row says are left out for a model of that name, in the wire format in which it is asked."""
    return frozenset(
        member
        for quirk in provider.quirks
        if quirk.effect is Effect.UNSUPPORTED and quirk.dialect == dialect and re.match(quirk.models, upstream_model)
        for member in quirk.members
    )
