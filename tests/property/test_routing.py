"""Whatever is preferred, measured and ill: the order is total, stable and the same twice, and nobody is lost."""

import json
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from anyrouter.core.catalogue import Tariff
from anyrouter.core.errors import ConnectFailed, Denied, UpstreamBroken, UpstreamError, UpstreamStatus, UpstreamTimeout
from anyrouter.policy.affinity import Affinity, ConversationKey
from anyrouter.policy.candidate import Candidates, Selection, TargetFacts
from anyrouter.policy.circuit import ADMITTED
from anyrouter.policy.conversation import find_opening, name_conversation
from anyrouter.policy.outcome import Outcome
from anyrouter.policy.preference import Preferences, Strategy, read_preferences
from anyrouter.policy.selection import select
from anyrouter.policy.strategy import Demand, arrange
from anyrouter.policy.succession import RetryPolicy, Succession
from anyrouter.wire.members import Members
from support.routing import MODEL, make_group, make_sick, make_target

randoms = st.floats(0, 1, exclude_max=True)
prices = st.one_of(st.none(), st.builds(Tariff, input_nanousd=st.integers(0, 3), output_nanousd=st.integers(0, 3)))
abilities = st.one_of(st.none(), st.frozensets(st.sampled_from(["tools", "response_format", "reasoning"])))
facts = st.builds(
    TargetFacts,
    weight=st.integers(0, 3),
    region=st.sampled_from([None, "eu", "us"]),
    quantization=st.sampled_from([None, "fp8", "bf16"]),
    is_collecting=st.sampled_from([None, True, False]),
    is_retaining=st.sampled_from([None, True, False]),
    supported_parameters=abilities,
    is_byok=st.booleans(),
)
states = st.sampled_from(["well", "well", "slow", "quick", "resting", "sick", "probe due"])
names = st.lists(st.sampled_from(["t0", "t1", "T2", "t3/eu", "acme", "acme/us", "nobody"]), max_size=4)
preferences = st.fixed_dictionaries(
    {},
    optional={
        "order": names,
        "only": names,
        "ignore": names,
        "allow_fallbacks": st.booleans(),
        "sort": st.one_of(
            st.sampled_from(["price", "latency", "throughput"]),
            st.fixed_dictionaries({"by": st.sampled_from(["price", "latency"]), "partition": st.sampled_from(["model", "none"])}),
        ),
        "max_price": st.fixed_dictionaries({}, optional={"prompt": st.integers(0, 3), "completion": st.just("0.000000002")}),
        "require_parameters": st.booleans(),
        "data_collection": st.sampled_from(["allow", "deny"]),
        "zdr": st.booleans(),
        "quantizations": st.lists(st.sampled_from(["fp8", "unknown"]), max_size=2),
        "preferred_max_latency": st.sampled_from([0.1, 1, {"p90": 0.5, "p50": 0.1}]),
        "preferred_min_throughput": st.sampled_from([10, {"p99": 100}]),
        "byok": st.sampled_from(["only", "prefer", "last", "never"]),
    },
)


@st.composite
def groups(draw: st.DrawFn, model: str = MODEL, most: int = 5) -> Candidates:
    count = draw(st.integers(1, most))
    targets = [make_target(f"t{number}", priority=draw(st.integers(0, 2)), tariff=draw(prices), model=model) for number in range(count)]
    group = make_group(
        *targets, strategy=draw(st.sampled_from(list(Strategy))), facts={f"t{number}": draw(facts) for number in range(count)}
    )
    for candidate in group.all:
        state, health = draw(states), candidate.health
        if state in ("slow", "quick"):
            for _ in range(3):
                health.succeed(ADMITTED, 0.0, 500.0, 2000.0 if state == "slow" else 50.0, 20.0 if state == "slow" else 500.0)
        elif state == "resting":
            health.fail(ADMITTED, 0.0, Outcome.RATE_LIMITED, 1000.0)
        elif state == "sick":
            health.fail(ADMITTED, 0.0, Outcome.FAILED)
            health.fail(ADMITTED, 0.0, Outcome.REJECTED, 300.0)
        elif state == "probe due":
            make_sick(health)
    return group


demands = st.builds(
    Demand,
    now_s=st.just(10.0),
    random=randoms,
    input_tokens=st.integers(0, 10**6),
    parameters=st.frozensets(st.sampled_from(["model", "tools", "response_format", "reasoning", "seed"])),
    places=st.dictionaries(st.sampled_from([MODEL, "vendor/second"]), st.sampled_from(["t0", "t3", "gone"]), max_size=2),
)


def ids(selection: Selection) -> list[tuple[str, str]]:
    return [(candidate.target.model, candidate.target.upstream.id) for candidate in selection.candidates]


@settings(max_examples=250)
@given(groups(), groups(model="vendor/second", most=3), st.booleans(), st.one_of(st.none(), preferences), demands)
def test_everybody_is_tried_or_left_out_with_a_reason_and_twice_the_same(
    first: Candidates, second: Candidates, has_second: bool, wish: dict | None, demand: Demand
) -> None:
    asked = (first, second) if has_second else (first,)
    read = None if wish is None else read_preferences(json.dumps(wish).encode())
    assert not isinstance(read, Denied)
    answer = select(asked, read, demand)
    everybody = sorted((candidate.target.model, candidate.target.upstream.id) for group in asked for candidate in group.all)
    if isinstance(answer, Denied):
        assert answer.code == "no_route"
        assert sorted((row["model"], row["upstream"]) for row in answer.metadata["excluded"]) == everybody
        assert all(row["reason"] for row in answer.metadata["excluded"])
        return
    left_out = [(row.model, row.upstream) for row in answer.excluded]
    assert sorted(ids(answer) + left_out) == everybody
    again = select(asked, read, demand)
    assert isinstance(again, Selection)
    assert ids(again) == ids(answer)
    if read is None:
        assert answer.excluded == ()
    if read is None or not read.is_sorted_across_models:
        assert [model for model, _ in ids(answer)] == sorted((model for model, _ in ids(answer)), key=[MODEL, "vendor/second"].index)


@settings(max_examples=300)
@given(groups(), demands)
def test_the_shortcut_never_says_anything_else(group: Candidates, demand: Demand) -> None:
    shortcut = group.shortcut(remembered=len(demand.places))
    if shortcut is not None:
        answer = select((group,), None, demand)
        assert isinstance(answer, Selection)
        assert ids(shortcut) == ids(answer)


@settings(max_examples=300)
@given(groups(), st.one_of(st.none(), preferences), demands)
def test_health_and_place_only_move_whom_they_concern(group: Candidates, wish: dict | None, demand: Demand) -> None:
    """Among those of equal standing the order is the one without any health."""
    read = None if wish is None else read_preferences(json.dumps({**wish, "allow_fallbacks": True}).encode())
    assert not isinstance(read, Denied)
    answer = select((group,), read, demand)
    if isinstance(answer, Denied) or (
        isinstance(read, Preferences) and (read.latency or read.throughput or read.sort in (Strategy.LATENCY, Strategy.THROUGHPUT))
    ):
        return
    if group.strategy in (Strategy.LATENCY, Strategy.THROUGHPUT):
        return
    now_s = demand.now_s
    for candidate in group.all:
        assert candidate.health.rank(now_s) in (0, 1, 2)
    well = make_group(
        *(candidate.target for candidate in group.all),
        strategy=group.strategy,
        facts={candidate.target.upstream.id: candidate.facts for candidate in group.all},
    )
    ideal = select((well,), read, Demand(now_s=now_s, random=demand.random, input_tokens=demand.input_tokens, parameters=demand.parameters))
    assert isinstance(ideal, Selection)
    place = demand.places.get(MODEL)
    by_rank: dict[int, list[str]] = {}
    for candidate in answer.candidates:
        if candidate.target.upstream.id != place and not candidate.lacks(demand.parameters & {"tools", "response_format"}):
            by_rank.setdefault(candidate.health.rank(now_s, demand.input_tokens), []).append(candidate.target.upstream.id)
    order = [identity for _, identity in ids(ideal)]
    for identities in by_rank.values():
        assert identities == sorted(identities, key=order.index)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=6).filter(any))
def test_weights_are_shares(weights: list[int]) -> None:
    known = {f"t{number}": TargetFacts(weight=weight) for number, weight in enumerate(weights)}
    group = make_group(*known, facts=known)
    draws = 500
    first = Counter(
        arrange(group.all, Strategy.WEIGHTED, Demand(now_s=0.0, random=(step + 0.5) / draws))[0].target.upstream.id for step in range(draws)
    )
    for number, weight in enumerate(weights):
        assert abs(first[f"t{number}"] - draws * weight / sum(weights)) <= 1


@given(groups(), randoms, st.sampled_from(list(Strategy)))
def test_every_strategy_gives_each_target_one_place(group: Candidates, random: float, strategy: Strategy) -> None:
    ordered = arrange(group.all, strategy, Demand(now_s=10.0, random=random))
    assert sorted(candidate.position for candidate in ordered) == list(range(len(group.all)))


def make_error(kind: int, retry_after_s: float | None) -> UpstreamError:
    if kind < 0:
        return (ConnectFailed("x"), UpstreamBroken("x"), UpstreamTimeout("x", phase="first_byte"), UpstreamTimeout("x", phase="connect"))[
            kind
        ]
    return UpstreamStatus("x", status=kind, body=b"", retry_after_s=retry_after_s)


errors = st.builds(make_error, st.sampled_from([-4, -3, -2, -1, 400, 401, 403, 429, 500, 503, 529]), st.one_of(st.none(), st.floats(0, 3)))


@settings(max_examples=300)
@given(
    groups(),
    groups(model="vendor/second", most=2),
    st.lists(st.tuples(errors, randoms, st.floats(0, 5)), min_size=40, max_size=40),
    st.integers(0, 3),
)
def test_a_request_comes_to_an_end_and_asks_nobody_more_often_than_it_may(
    first: Candidates, second: Candidates, script: list[tuple[UpstreamError, float, float]], retries: int
) -> None:
    policy, now_s = RetryPolicy(retries=retries, attempts=12), 10.0
    succession, asked = Succession((*first.all, *second.all), policy, deadline_s=60.0), Counter[tuple[str, str]]()
    for error, random, took_s in script:
        attempt = succession.next(now_s, random)
        if attempt is None:
            break
        target = attempt.candidate.target
        asked[target.model, target.upstream.id] += 1
        assert attempt.delay_s >= 0.0
        assert 0 <= attempt.retry <= retries
        if sum(asked.values()) > 1:
            assert now_s + attempt.delay_s <= 60.0 - policy.least_left_s
        now_s += attempt.delay_s + took_s
        is_fallback_allowed = not (isinstance(error, UpstreamStatus) and error.status == 400)
        succession.fail(attempt, error, now_s, is_fallback_allowed=is_fallback_allowed)
    assert succession.next(now_s, 0.5) is None
    assert sum(asked.values()) <= policy.attempts
    assert max(asked.values(), default=0) <= 1 + retries


keys = st.builds(ConversationKey, st.sampled_from(["e1", "e2"]), st.sampled_from(["m1", "m2"]), st.sampled_from([b"a", b"b", b"c"]))


@given(st.integers(1, 6), st.lists(st.tuples(keys, st.sampled_from(["one", "two"]), st.floats(0, 20)), max_size=80))
def test_the_memory_of_places_is_bounded_and_never_wrong(limit: int, script: list[tuple[ConversationKey, str, float]]) -> None:
    affinity, now_s, truth = Affinity(limit=limit, ttl_s=30.0), 0.0, {}  # type: tuple[Affinity, float, dict[ConversationKey, tuple[str, float]]]
    for key, upstream, gap_s in script:
        now_s += gap_s
        affinity.keep(key, upstream, now_s)
        truth.pop(key, None)
        truth[key] = (upstream, now_s)
        assert len(affinity) <= limit
        counts = [affinity.count(environment_id, model, now_s) for environment_id in ("e1", "e2") for model in ("m1", "m2")]
        assert sum(counts) == len(affinity)
        assert affinity.find(key, now_s) == upstream
        newest = list(truth)[-limit:]
        for known, (place, at_s) in truth.items():
            if now_s >= at_s + 30.0:
                assert affinity.find(known, now_s) is None
            elif known in newest:
                assert affinity.find(known, now_s) == place
            else:
                assert affinity.find(known, now_s) is None


texts = st.text(st.sampled_from('ab"\\{}[]:, \n🙂role'), max_size=12)
contents = st.one_of(
    texts,
    st.none(),
    st.lists(st.fixed_dictionaries({"type": texts, "role": texts}, optional={"x": st.lists(texts, max_size=2)}), max_size=3),
)
messages = st.one_of(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "developer", "user", "assistant", "tool"]), "content": contents}),
    st.fixed_dictionaries({"content": contents, "role": st.sampled_from(["system", "user"])}),
)


@settings(max_examples=300)
@given(st.lists(messages, max_size=6), st.sampled_from([None, 1]), st.booleans())
def test_a_conversation_is_known_by_its_messages_up_to_the_first_that_is_not_the_systems(
    history: list[dict], indent: int | None, is_ascii: bool
) -> None:
    text = json.dumps(history, indent=indent, ensure_ascii=is_ascii).encode()
    first = next((number for number, message in enumerate(history) if message["role"] not in ("system", "developer")), len(history) - 1)
    assert json.loads(text[: find_opening(text)].rstrip() + b"]") == history[: first + 1]
    name = name_conversation(Members(json.dumps({"messages": history}).encode()))
    assert (
        name == name_conversation(Members(json.dumps({"messages": [*history, {"role": "user", "content": "more"}]}).encode()))
        or first == len(history) - 1
    )


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["prompt", "by", "partition", "p90", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)
members_of_provider = st.sampled_from(
    [
        "order",
        "only",
        "ignore",
        "allow_fallbacks",
        "sort",
        "max_price",
        "require_parameters",
        "data_collection",
        "zdr",
        "quantizations",
        "preferred_max_latency",
        "preferred_min_throughput",
        "byok",
        "x",
    ]
)


@settings(max_examples=300)
@given(st.one_of(json_values, st.dictionaries(members_of_provider, json_values, max_size=4)))
def test_any_value_is_preferences_or_nothing_or_a_named_mistake(value: object) -> None:
    read = read_preferences(json.dumps(value).encode())
    if isinstance(read, Denied):
        assert read.code == "invalid_parameter"
        assert read.param is not None
        assert read.param.startswith("provider.")
    else:
        assert read is None or isinstance(read, Preferences)
