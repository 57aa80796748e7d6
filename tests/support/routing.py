"""Targets and candidates for tests of routing, and ways to make one ill."""

from anyrouter.core.catalogue import Tariff
from anyrouter.core.provider import Provider
from anyrouter.policy.candidate import NO_FACTS, Candidates, TargetFacts, make_candidates
from anyrouter.policy.circuit import REFUSED
from anyrouter.policy.health import HealthBook, TargetHealth
from anyrouter.policy.outcome import Outcome
from anyrouter.policy.preference import Strategy
from anyrouter.policy.route import Target, Upstream

MODEL = "vendor/model"
CHEAP = Tariff(input_nanousd=1_000_000_000, output_nanousd=2_000_000_000)
DEAR = Tariff(input_nanousd=3_000_000_000, output_nanousd=9_000_000_000, request_nanousd=5_000_000)


def make_provider(identity: str = "acme", name: str = "Acme AI Studio") -> Provider:
    return Provider(id=identity, name=name, dialect="openai", base_url="", vendors=("vendor",), paths={})


def make_target(
    identity: str, *, priority: int = 0, tariff: Tariff | None = None, provider: Provider | None = None, model: str = MODEL
) -> Target:
    upstream = Upstream(
        id=identity,
        provider=provider or make_provider(),
        scheme="https",
        host="upstream.test",
        port=443,
        base_path="/v1",
        priority=priority,
    )
    return Target(upstream=upstream, model=model, upstream_model=model.partition("/")[2], tariff=tariff)


def make_group(
    *targets: Target | str,
    strategy: Strategy = Strategy.PRIORITY,
    facts: dict[str, TargetFacts] | None = None,
    book: HealthBook | None = None,
    now_s: float = 0.0,
) -> Candidates:
    made = tuple(target if isinstance(target, Target) else make_target(target) for target in targets)
    known = facts or {}
    return make_candidates(
        made,
        HealthBook() if book is None else book,
        now_s,
        strategy=strategy,
        facts_of=lambda target: known.get(target.upstream.id, NO_FACTS),
    )


def health_of(group: Candidates, identity: str) -> TargetHealth:
    return next(candidate.health for candidate in group.all if candidate.target.upstream.id == identity)


def make_sick(health: TargetHealth, now_s: float = 0.0) -> None:
    for _ in range(5):
        permit = health.admit(now_s)
        assert permit != REFUSED
        health.fail(permit, now_s, Outcome.FAILED)
    assert health.admit(now_s) == REFUSED
