"""Whose limits a request counts against, and that it counts against all of them or none."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import Denied
from anyrouter.core.tenancy import Environment, EnvironmentKind
from anyrouter.policy.limit import LimitState
from anyrouter.relay.call import Principal
from anyrouter.relay.limiter import DEFAULT_CEILING_RPM, RateLimiter
from support.tenants import ORGANISATION

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIVE = Environment(id="env_live", organisation_id="org_default", slug="live", name="live", kind=EnvironmentKind.LIVE)
KEY = ApiKey(
    id="key_1",
    organisation_id="org_default",
    environment_id="env_live",
    environment="live",
    name="test",
    label="ar-live-MARKER",
    digest=bytes(32),
    pepper_version=1,
    rotation_group="key_1",
    scopes=frozenset(),
    created_at=NOW,
    updated_at=NOW,
)


def caller(rpm: int | None = None, environment_rpm: int | None = None, group: str = "key_1", **changes: object) -> Principal:
    environment = replace(LIVE, rate_limit_rpm=environment_rpm, **{f"{name}": value for name, value in changes.items()})
    return Principal(key=replace(KEY, rate_limit_rpm=rpm, rotation_group=group), environment=environment, organisation=ORGANISATION)


def admitted(limiter: RateLimiter, principal: Principal, now_s: float, times: int) -> int:
    return sum(not isinstance(limiter.admit(principal, now_s), Denied) for _ in range(times))


def refused(limiter: RateLimiter, principal: Principal, now_s: float) -> Denied:
    denied = limiter.admit(principal, now_s)
    assert isinstance(denied, Denied)
    assert (denied.code, denied.http_status) == ("rate_limited", 429)
    return denied


def test_a_key_is_limited_by_its_own_limit() -> None:
    limiter = RateLimiter()
    assert admitted(limiter, caller(3), 100.0, 10) == 3
    denied = refused(limiter, caller(3), 110.0)
    assert denied.metadata == {
        "limited_by": "key",
        "limit_kind": "requests_per_minute",
        "limit": 3,
        "remaining": 0,
        "retry_after_s": 50.0,
    }
    assert denied.retry_after_s == 50.0
    assert "3 requests per minute" in denied.message
    assert admitted(limiter, caller(3), 160.0, 10) == 3


def test_keys_of_one_environment_share_its_limit_and_others_do_not() -> None:
    limiter = RateLimiter()
    assert admitted(limiter, caller(None, 5, "a"), 0.0, 3) == 3
    assert admitted(limiter, caller(None, 5, "b"), 0.0, 9) == 2
    denied = refused(limiter, caller(None, 5, "c"), 1.0)
    assert denied.metadata["limited_by"] == "environment"
    assert "environment live" in denied.message
    assert admitted(limiter, caller(None, 5, "c", id="env_other"), 1.0, 9) == 5


def test_the_server_has_a_ceiling_for_all() -> None:
    limiter = RateLimiter(ceiling_rpm=4)
    assert admitted(limiter, caller(None), 0.0, 2) == 2
    assert admitted(limiter, caller(10, 10), 0.0, 9) == 2
    assert refused(limiter, caller(None), 0.0).metadata["limited_by"] == "server"
    assert refused(limiter, caller(10, 10), 0.0).metadata["limited_by"] == "server"


def test_a_request_counts_against_every_limit_or_against_none() -> None:
    limiter = RateLimiter(ceiling_rpm=100)
    tight, wide = caller(2, 50, "tight"), caller(50, 50, "wide")
    assert admitted(limiter, tight, 0.0, 20) == 2
    # The 18 refused ones have taken nothing of the environment's 50 and the server's 100.
    assert admitted(limiter, wide, 0.0, 100) == 48
    assert admitted(limiter, caller(None, None, "x"), 0.0, 200) == 50


def test_the_environments_refusal_takes_nothing_of_the_keys_limit() -> None:
    limiter = RateLimiter()
    assert admitted(limiter, caller(None, 1, "other"), 0.0, 1) == 1
    assert admitted(limiter, caller(2, 1, "mine"), 30.0, 10) == 0
    state = limiter.peek(caller(2, 1, "mine"), 30.0)
    assert (state.limit, state.remaining) == (2, 2)


def test_keys_of_one_rotation_group_share_one_bucket() -> None:
    limiter = RateLimiter()
    old = caller(4, group="group")
    new = Principal(key=replace(old.key, id="key_2", digest=b"x" * 32), environment=LIVE, organisation=ORGANISATION)
    assert admitted(limiter, old, 0.0, 3) + admitted(limiter, new, 0.0, 3) + admitted(limiter, old, 0.0, 3) == 4


@pytest.mark.parametrize(("one", "other"), [(4, 5), (5, 4), (1, 9_999), (0, 5)])
def test_keys_of_one_group_under_two_limits_do_not_give_each_other_more(one: int, other: int) -> None:
    limiter = RateLimiter()
    total = sum(admitted(limiter, caller(rpm, group="group"), 0.0, 1) for _ in range(300) for rpm in (one, other))
    assert total <= max(one, other)


def test_a_group_under_an_exact_and_a_large_limit_is_limited_by_their_sum_at_most() -> None:
    limiter = RateLimiter()
    total = sum(admitted(limiter, caller(rpm, group="group"), 0.0, 1) for _ in range(3000) for rpm in (5, 12_000))
    assert total <= 5 + 2000


def test_a_limit_that_is_lowered_or_raised_keeps_what_was_taken() -> None:
    limiter = RateLimiter()
    assert admitted(limiter, caller(10), 0.0, 10) == 10
    assert admitted(limiter, caller(3), 1.0, 10) == 0
    assert admitted(limiter, caller(12), 1.0, 10) == 2
    assert admitted(limiter, caller(3), 60.5, 10) == 1


def test_of_several_refusals_the_last_to_end_is_told() -> None:
    limiter = RateLimiter()
    mine = caller(1, 100, "mine")
    assert admitted(limiter, mine, 0.0, 1) == 1
    assert admitted(limiter, caller(None, 100, "other"), 50.0, 5) == 5
    # The environment's limit was lowered: it frees at 110 s, the key's at 60 s.
    denied = refused(limiter, caller(1, 2, "mine"), 55.0)
    assert (denied.retry_after_s, denied.metadata["limited_by"]) == (55.0, "environment")


def test_a_limit_of_zero_blocks_and_says_so() -> None:
    limiter = RateLimiter()
    denied = refused(limiter, caller(0), 0.0)
    assert "blocked" in denied.message
    assert (denied.retry_after_s, denied.metadata["limit"]) == (60.0, 0)
    assert refused(limiter, caller(5, 0), 0.0).metadata["limited_by"] == "environment"
    assert admitted(limiter, caller(None, None), 0.0, 1) == 1


@pytest.mark.parametrize(
    ("principal", "limit"),
    [(caller(7, 9), 7), (caller(None, 9), 9), (caller(None, None), DEFAULT_CEILING_RPM), (caller(9, 7), 9)],
)
def test_the_state_told_is_that_of_the_narrowest_owner(principal: Principal, limit: int) -> None:
    limiter = RateLimiter()
    state = limiter.admit(principal, 0.0)
    assert isinstance(state, LimitState)
    assert state.limit == limiter.peek(principal, 0.0).limit == limit
    if limit < 100:
        assert state.remaining == limit - 1


def test_looking_counts_nothing() -> None:
    limiter = RateLimiter(ceiling_rpm=2)
    for _ in range(10):
        limiter.peek(caller(2, 2), 0.0)
        limiter.peek(caller(None), 0.0)
    assert admitted(limiter, caller(2, 2), 0.0, 10) == 2


def test_counters_of_idle_keys_are_forgotten_and_hot_ones_are_not() -> None:
    limiter = RateLimiter(max_counters=1000)
    for number in range(1000):
        limiter.admit(caller_of(number), 0.0)
    hot = caller(3, group="hot")
    assert admitted(limiter, hot, 30.0, 3) == 3
    assert len(limiter._counters) > 1000
    assert admitted(limiter, caller(5, group="new"), 61.0, 1) == 1
    assert len(limiter._counters) < 10
    assert admitted(limiter, hot, 62.0, 5) == 0
    assert admitted(limiter, caller(5, group="new"), 62.0, 5) == 4


def caller_of(number: int) -> Principal:
    return Principal(key=replace(KEY, rate_limit_rpm=1, rotation_group=f"key_{number}"), environment=LIVE, organisation=ORGANISATION)


def test_no_count_is_lost_while_the_counters_are_swept() -> None:
    limiter = RateLimiter(max_counters=1000)
    for number in range(1001):
        limiter.admit(caller_of(number), 0.0)
    fresh = caller(2, 3, "fresh", id="env_fresh")
    assert admitted(limiter, fresh, 61.0, 10) == 2
    assert admitted(limiter, caller(9, 3, "another", id="env_fresh"), 61.0, 10) == 1


async def test_requests_whose_bodies_were_slow_count_when_they_are_admitted(make_world, json_reply) -> None:
    world = make_world(rate_limit_rpm=2)
    body = json.dumps({"model": "openai/gpt-4o", "messages": []}).encode()
    reply = {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
    }
    statuses = []
    for age_s in (61.0, 61.0, 0.0, 0.0):
        world.client.replies = [json_reply(reply)]
        head, downstream = world.head(), world.new_downstream()
        head.started_s = time.monotonic() - age_s
        principal = await world.relay.find(head)
        await world.run(head, principal, body, downstream)
        statuses.append(downstream.status)
    assert statuses == [200, 200, 429, 429]
