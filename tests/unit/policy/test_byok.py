"""Tenants' own credentials: who may use one, whose turn it is, and when the operator's stands in."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrouter.core.apikey import ApiKey
from anyrouter.core.byok import ProviderCredential, Sealed
from anyrouter.core.catalogue import Model
from anyrouter.core.errors import Denied, UpstreamStatus
from anyrouter.core.tenancy import Environment, EnvironmentKind
from anyrouter.policy.attempt import judge
from anyrouter.policy.byok import Turns, priority_of
from anyrouter.policy.candidate import Candidate, TargetFacts, make_candidates
from anyrouter.policy.circuit import ADMITTED
from anyrouter.policy.health import HealthBook
from anyrouter.policy.hedge import HedgePolicy, find_delay_s
from anyrouter.policy.outcome import Outcome
from anyrouter.policy.preference import Preferences, Strategy, read_preferences
from anyrouter.policy.route import Snapshot, Target, Upstream, find_obstacle, pin_target, route, select_allowed
from anyrouter.policy.selection import select
from anyrouter.policy.strategy import Demand
from anyrouter.policy.succession import RetryPolicy, Succession
from anyrouter.providers.registry import PROVIDERS

NOW = datetime(2026, 11, 24, tzinfo=UTC)
LIVE = Environment(id="env_live", organisation_id="org_default", slug="live", name="Live", kind=EnvironmentKind.LIVE)
OTHER = replace(LIVE, id="env_other", slug="other")
TEST = replace(LIVE, id="env_live", slug="test", kind=EnvironmentKind.SANDBOX)
KEY = ApiKey(
    id="key_1",
    organisation_id="org_default",
    environment_id="env_live",
    environment="live",
    name="k",
    label="ar-live-MARKER",
    digest=b"",
    pepper_version=1,
    rotation_group="key_0",
    scopes=frozenset(),
    created_at=NOW,
    updated_at=NOW,
)
MODEL = Model(id="openai/gpt-4o", vendor="openai", upstream_name="gpt-4o", name="GPT-4o")
SEALED = Sealed(kek_id="kek_1", wrapped_key=b"w", nonce=b"n", ciphertext=b"c")


def credential(letter: str, **fields: Any) -> ProviderCredential:
    return ProviderCredential(
        **{
            "id": f"byok_{letter}",
            "organisation_id": "org_default",
            "environment_id": "env_live",
            "environment": "live",
            "provider": "openai",
            "name": letter,
            "secret_label": "sk-…AbCd",
            "sealed": SEALED,
            "seal_version": 1,
            "host": "api.openai.com",
            "created_at": NOW,
            "updated_at": NOW,
            **fields,
        }
    )


def upstream(name: str, own: ProviderCredential | None = None, **fields: Any) -> Upstream:
    values: dict[str, Any] = {"models": {"openai/*": ""}, "is_open": True, "scheme": "https", "host": "x", "port": 443, "base_path": ""}
    if own is not None:
        values |= {"byok": own, "priority": priority_of(own), "region": own.region}
    return Upstream(id=name if own is None else own.id, provider=PROVIDERS["openai"], **(values | fields))


def snapshot(*own: ProviderCredential, **fields: Any) -> Snapshot:
    operators = fields.pop("operators", (upstream("openai"),))
    return Snapshot(
        upstreams=tuple(operators),
        resolve=lambda name: MODEL if name in {MODEL.id, "gpt-4o"} else None,
        nearest=lambda _: [],
        tenants={"env_live": tuple(upstream("", row) for row in own)},
    )


def find(state: Snapshot, key: ApiKey = KEY, environment: Environment = LIVE) -> list[str] | str:
    targets = route(state, environment, "chat/completions", MODEL.id)
    allowed = targets if isinstance(targets, Denied) else select_allowed(key, targets)
    if isinstance(allowed, Denied):
        return allowed.code
    candidates = make_candidates(allowed, HealthBook(), 0.0)
    return [candidate.target.upstream.id for candidate in candidates.all]


def test_a_tenants_own_credential_is_tried_before_the_operators() -> None:
    state = snapshot(credential("b", sort_order=1), credential("a"), credential("c", is_fallback=True))
    assert find(state) == ["byok_a", "byok_b", "byok_c", "openai"]


def test_the_operators_is_never_used_where_a_credential_that_applies_is_always_used() -> None:
    assert find(snapshot(credential("a", always_use=True), credential("b"))) == ["byok_a", "byok_b"]
    assert find(snapshot(credential("a", always_use=True, models=("openai/gpt-5",)))) == ["openai"]
    assert find(snapshot(credential("a", always_use=True, allowed_keys=("key_9",)))) == ["openai"]


def test_a_pin_does_not_lead_around_always_use() -> None:
    state = snapshot(credential("a", always_use=True))
    targets = route(state, LIVE, "chat/completions", MODEL.id)
    assert not isinstance(targets, Denied)
    allowed = select_allowed(KEY, targets)
    assert not isinstance(allowed, Denied)
    pinned = pin_target(state, LIVE, allowed, "openai")
    assert not isinstance(pinned, Denied)
    assert [target.upstream.id for target in pinned] == ["byok_a"]


def test_another_environments_credential_is_not_there() -> None:
    state = snapshot(credential("a"))
    assert find(state, environment=OTHER) == ["openai"]
    moved = replace(state, tenants={"env_other": state.tenants["env_live"]}, routes={})
    assert find(moved, environment=OTHER) == ["openai"]  # even if it were listed there
    assert find(state, environment=TEST) == "no_route"  # a sandbox reaches nothing real


@pytest.mark.parametrize(
    ("fields", "is_used"),
    [
        ({}, True),
        ({"models": ("openai/*",)}, True),
        ({"models": ("openai/gpt-4o",)}, True),
        ({"models": ("openai/GPT-4o",)}, False),
        ({"models": ("anthropic/*",)}, False),
        ({"allowed_keys": ("key_1",)}, True),
        ({"allowed_keys": ("key_0",)}, True),  # the one that it was rotated from
        ({"allowed_keys": ("key_2",)}, False),
        ({"allowed_keys": ()}, False),
    ],
)
def test_a_credential_is_used_for_its_own_models_and_keys(fields: dict[str, Any], is_used: bool) -> None:
    assert find(snapshot(credential("a", **fields))) == (["byok_a", "openai"] if is_used else ["openai"])


def test_a_credential_that_is_not_for_a_key_keeps_it_away_and_shows_nothing() -> None:
    row = upstream("", credential("a", allowed_keys=()))
    assert find_obstacle(KEY, row) == "credential"
    assert "byok=" not in repr(row)


def test_a_region_that_a_key_demands_is_the_only_one_and_what_is_unknown_is_not_there() -> None:
    european = replace(KEY, regions=("eu",))
    state = snapshot(credential("de", region="EU"), credential("us", region="us"), credential("somewhere"))
    assert find(state, european) == ["byok_de"]
    assert find(snapshot(credential("us", region="us")), european) == "region_not_allowed"
    assert find(snapshot(operators=(upstream("a"), upstream("b", region="eu"))), european) == ["b"]


def facts_of(target: Target) -> TargetFacts:
    own = target.upstream.byok
    return TargetFacts(weight=1 if own is None else own.weight, region=target.upstream.region, is_byok=own is not None)


def choose(state: Snapshot, preferences: Preferences | None = None) -> list[str] | Denied:
    targets = route(state, LIVE, "chat/completions", MODEL.id)
    assert not isinstance(targets, Denied)
    allowed = select_allowed(KEY, targets)
    assert not isinstance(allowed, Denied)
    group = make_candidates(allowed, HealthBook(), 0.0, facts_of=facts_of)
    chosen = select([group], preferences, Demand(now_s=0.0, random=0.5, input_tokens=1))
    return chosen if isinstance(chosen, Denied) else [candidate.target.upstream.id for candidate in chosen.candidates]


@pytest.mark.parametrize(
    ("wish", "order"),
    [
        ("only", ["byok_a", "byok_b"]),
        ("never", ["openai"]),
        ("last", ["openai", "byok_a", "byok_b"]),
        ("prefer", ["byok_a", "byok_b", "openai"]),
    ],
)
def test_a_request_says_when_own_credentials_are_used(wish: str, order: list[str]) -> None:
    preferences = read_preferences(b'{"byok": "%s"}' % wish.encode())
    assert isinstance(preferences, Preferences)
    assert choose(snapshot(credential("a"), credential("b", sort_order=1)), preferences) == order


@pytest.mark.parametrize("raw", [b'{"region": "eu"}', b'{"regions": ["EU", "ch"]}'])
def test_a_region_that_a_request_demands_is_the_only_one(raw: bytes) -> None:
    preferences = read_preferences(raw)
    assert isinstance(preferences, Preferences)
    assert choose(snapshot(credential("a", region="eu"), credential("b", region="us"), credential("c")), preferences) == ["byok_a"]
    refused = choose(snapshot(credential("b", region="us")), preferences)
    assert isinstance(refused, Denied)
    assert (refused.code, refused.http_status) == ("region_not_allowed", 403)


@pytest.mark.parametrize("raw", [b'{"region": ""}', b'{"region": 1}', b'{"regions": []}', b'{"regions": [1]}'])
def test_a_region_that_is_none_is_refused(raw: bytes) -> None:
    refused = read_preferences(raw)
    if raw == b'{"region": ""}':
        assert isinstance(refused, Preferences)  # a region of that name is nowhere: nothing serves it
    else:
        assert isinstance(refused, Denied)


def test_credentials_of_equal_order_take_turns_by_weight() -> None:
    targets = route(
        snapshot(credential("a", weight=3), credential("b", weight=1), credential("c", sort_order=5)), LIVE, "chat/completions", MODEL.id
    )
    assert not isinstance(targets, Denied)
    group = make_candidates(targets, HealthBook(), 0.0, facts_of=facts_of)
    assert group.shortcut() is None
    firsts = []
    for _ in range(8):
        chosen = select([group], None, Demand(now_s=0.0, random=0.5, input_tokens=1))
        assert not isinstance(chosen, Denied)
        order = [candidate.target.upstream.id for candidate in chosen.candidates]
        assert sorted(order[:2]) == ["byok_a", "byok_b"]
        assert order[2:] == ["byok_c", "openai"]
        firsts.append(order[0])
    assert firsts.count("byok_a") == 6
    assert all("byok_b" in firsts[start : start + 4] for start in (0, 4))


@given(weights=st.lists(st.integers(0, 5), min_size=1, max_size=6), rounds=st.integers(1, 5))
def test_everyone_gets_its_share_of_turns(weights: list[int], rounds: int) -> None:
    turns: Turns[int] = Turns()
    holders = list(enumerate(weights))
    effective = weights if any(weights) else [1] * len(weights)
    taken = [turns.take(holders) for _ in range(sum(effective) * rounds)]
    assert [taken.count(index) for index, _ in holders] == [weight * rounds for weight in effective]


def test_turns_are_not_remembered_of_holders_that_are_gone() -> None:
    turns: Turns[str] = Turns()
    turns.take([("a", 3), ("b", 1)])
    turns.take([("a", 3)])
    assert set(turns._credits) == {"a", "b"}  # of few they are: who is back goes on where it was
    for number in range(100):
        turns.take([(f"c{number}", 1), ("a", 1)])
    assert len(turns._credits) <= 5
    assert {"c99", "a"} <= set(turns._credits)


def target_of(own: ProviderCredential | None) -> Target:
    return Target(upstream=upstream("openai", own), model=MODEL.id, upstream_model="gpt-4o", tariff=None)


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_rejected_credential_is_told_as_its_owners_and_not_shown(status: int) -> None:
    error = UpstreamStatus("x", status=status, body=b'{"error": {"message": "Incorrect API key provided: sk-MARKER"}}')
    failure = judge(target_of(credential("a", name="Our OpenAI")), error)
    assert (failure.denied.code, failure.denied.http_status) == ("byok_credential_rejected", 502)
    assert "Our OpenAI" in failure.denied.message
    assert "MARKER" not in str(failure)
    assert judge(target_of(None), error).denied.code == "upstream_error"


@pytest.mark.parametrize(
    ("own", "status", "asked"),
    [
        ((credential("a"), credential("b", sort_order=1)), 401, ["byok_a", "byok_b"]),
        ((credential("a"),), 401, ["byok_a"]),
        ((credential("a"),), 403, ["byok_a"]),
        ((credential("a", is_fallback=True),), 401, ["byok_a", "openai"]),
        ((credential("a"),), 500, ["byok_a", "openai"]),
        ((credential("a"),), 429, ["byok_a", "openai"]),
    ],
)
def test_the_operators_credential_does_not_stand_in_for_a_rejected_one_in_silence(
    own: tuple[ProviderCredential, ...], status: int, asked: list[str]
) -> None:
    targets = route(snapshot(*own), LIVE, "chat/completions", MODEL.id)
    assert not isinstance(targets, Denied)
    candidates = make_candidates(targets, HealthBook(), 0.0).all
    succession = Succession(candidates, RetryPolicy(retries=0))
    tried = []
    error = UpstreamStatus("x", status=status, body=b"")
    while (attempt := succession.next(0.0, 0.5)) is not None:
        tried.append(attempt.candidate.target.upstream.id)
        succession.fail(attempt, error, 0.0, is_fallback_allowed=True)
    assert tried == asked


def reject(candidate: Candidate) -> None:
    """A request over it, to which the provider says 401."""
    succession = Succession([candidate], RetryPolicy(retries=0))
    attempt = succession.next(0.0, 0.5)
    assert attempt is not None
    succession.fail(attempt, UpstreamStatus("x", status=401, body=b""), 0.0, is_fallback_allowed=True)


@pytest.mark.parametrize(
    ("own", "wish", "asked"),
    [
        ((credential("a"),), b"{}", ["byok_a"]),
        ((credential("a"), credential("b", sort_order=1)), b"{}", ["byok_b", "byok_a"]),
        ((credential("a", is_fallback=True),), b"{}", ["openai", "byok_a"]),
        ((credential("a"),), b'{"byok": "never"}', ["openai"]),
        ((credential("a"),), b'{"byok": "last"}', ["openai", "byok_a"]),
        ((credential("a"),), b'{"order": ["byok_a", "openai"]}', ["byok_a"]),
    ],
)
def test_nor_does_it_in_later_requests_while_the_rejected_one_is_left_alone(
    own: tuple[ProviderCredential, ...], wish: bytes, asked: list[str]
) -> None:
    targets = route(snapshot(*own), LIVE, "chat/completions", MODEL.id)
    assert not isinstance(targets, Denied)
    group = make_candidates(targets, HealthBook(), 0.0, facts_of=lambda target: TargetFacts(is_byok=target.upstream.byok is not None))
    rejected = next(one for one in group.all if one.target.upstream.id == "byok_a")
    reject(rejected)
    preferences = read_preferences(wish)
    assert not isinstance(preferences, Denied)
    selection = select([group], preferences, Demand(now_s=1.0, random=0.5, input_tokens=1))
    assert not isinstance(selection, Denied)
    assert [one.target.upstream.id for one in selection.candidates] == asked


def test_a_credential_that_works_again_is_helped_out_again() -> None:
    targets = route(snapshot(credential("a")), LIVE, "chat/completions", MODEL.id)
    assert not isinstance(targets, Denied)
    group = make_candidates(targets, HealthBook(), 0.0)
    health = group.all[0].health
    reject(group.all[0])
    for now_s in (100.0, 101.0):
        health.succeed(health.admit(now_s), now_s, 10.0)
    health.fail(health.admit(102.0), 102.0, Outcome.RATE_LIMITED, 60.0)
    selection = select([group], None, Demand(now_s=103.0, random=0.5, input_tokens=1))
    assert not isinstance(selection, Denied)
    assert [one.target.upstream.id for one in selection.candidates] == ["openai", "byok_a"]


def test_one_health_for_all_models_of_a_credential_and_a_new_one_for_a_new_secret() -> None:
    book = HealthBook()
    first = make_candidates((target_of(credential("a")),), book, 0.0).all[0].health
    mini = replace(target_of(credential("a")), model="openai/gpt-4o-mini", upstream_model="gpt-4o-mini")
    assert make_candidates((mini,), book, 0.0).all[0].health is first
    assert make_candidates((target_of(credential("a", seal_version=2)),), book, 0.0).all[0].health is not first


@pytest.mark.parametrize(
    ("own", "is_hedged"),
    [
        ((credential("a"),), False),  # were it rejected meanwhile, the operator's would have helped in silence
        ((credential("a", is_fallback=True),), True),
        ((credential("a"), credential("b", sort_order=1)), True),
    ],
)
def test_the_operators_is_no_second_beside_a_credential_that_it_does_not_stand_in_for(
    own: tuple[ProviderCredential, ...], is_hedged: bool
) -> None:
    targets = route(snapshot(*own), LIVE, "chat/completions", MODEL.id)
    assert not isinstance(targets, Denied)
    group = make_candidates(targets, HealthBook(), 0.0, facts_of=facts_of)
    policy = HedgePolicy(least_samples=20)
    for _ in range(20):
        group.all[0].health.succeed(ADMITTED, 0.0, 1000.0)
    assert (find_delay_s(group.all, policy, 0.0, is_streamed=False) is not None) is is_hedged


@pytest.mark.parametrize("strategy", [Strategy.LATENCY, Strategy.THROUGHPUT, Strategy.PRICE, Strategy.WEIGHTED])
@pytest.mark.parametrize(
    ("raw", "order"),
    [
        (b"{}", ["byok_a", "byok_b", "byok_c", "openai"]),
        (b'{"byok": "last"}', ["openai", "byok_a", "byok_b", "byok_c"]),
        (b'{"order": ["byok_b"]}', ["byok_b", "byok_a", "byok_c", "openai"]),
    ],
)
def test_no_strategy_of_the_operators_puts_its_own_account_before_a_tenants(strategy: Strategy, raw: bytes, order: list[str]) -> None:
    own = credential("a"), credential("b", sort_order=1), credential("c", is_fallback=True)
    assert chosen_by(strategy, raw, snapshot(*own)) == order


@pytest.mark.parametrize("sort", ["latency", "throughput", "price"])
def test_a_request_that_sorts_is_tried_with_own_credentials_first_too(sort: str) -> None:
    chosen = chosen_by(Strategy.PRIORITY, b'{"sort": "%s"}' % sort.encode(), snapshot(credential("a"), credential("b", sort_order=1)))
    assert (set(chosen[:2]), chosen[2:]) == ({"byok_a", "byok_b"}, ["openai"])


def chosen_by(strategy: Strategy, raw: bytes, state: Snapshot) -> list[str]:
    """The order of candidates of which own ones were measured to be slow, the later the faster, and the operator's is fast."""
    targets = route(state, LIVE, "chat/completions", MODEL.id)
    assert not isinstance(targets, Denied)
    group = make_candidates(targets, HealthBook(), 0.0, facts_of=facts_of, strategy=strategy)
    for place, candidate in enumerate(group.all):
        for _ in range(5):
            candidate.health.succeed(ADMITTED, 0.0, 4000.0 / (place + 1), 4000.0 / (place + 1), 10.0 * (place + 1))
    preferences = read_preferences(raw)
    assert not isinstance(preferences, Denied)
    chosen = select([group], preferences, Demand(now_s=0.0, random=0.5, input_tokens=1))
    assert not isinstance(chosen, Denied)
    return [candidate.target.upstream.id for candidate in chosen.candidates]
