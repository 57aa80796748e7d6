"""The rules of the home page: what is unusual, what counts as yesterday by now, what is left to do."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from anyrouter.control.home_facts import (
    DAY_HOURS,
    FLOOR_NANOUSD,
    Progress,
    compare_days,
    find_days_left,
    find_unusual,
    find_usual,
    first_needed,
    hour_of,
    list_steps,
)
from anyrouter.control.usage_reader import UsageSums

NOW = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
HOUR = hour_of(NOW)
DOLLAR = 1_000_000_000
NOTHING_DONE = Progress(has_key=False, has_request=False, has_provider=False, has_bound=False, has_colleague=False, has_own_login=False)


def cost(nanousd: int) -> UsageSums:
    return UsageSums(requests=1, cost_nanousd=nanousd)


def spend(*days: int) -> dict[int, UsageSums]:
    """In this hour, one, two, … days ago."""
    return {HOUR - DAY_HOURS * number: cost(nanousd) for number, nanousd in enumerate(days, 1) if nanousd}


def test_an_hour_that_cost_more_than_three_times_the_usual_is_unusual():
    before = spend(*[DOLLAR] * 14)
    assert find_unusual({**before, HOUR: cost(3 * DOLLAR)}, NOW) is None
    found = find_unusual({**before, HOUR: cost(3 * DOLLAR + 1)}, NOW)
    assert found is not None
    assert (found.hour, found.spent_nanousd, found.usual_nanousd) == (HOUR, 3 * DOLLAR + 1, DOLLAR)


def test_usual_is_the_median_so_that_one_wild_day_does_not_hide_the_next():
    before = spend(100 * DOLLAR, *[DOLLAR] * 13)
    assert find_usual(before, HOUR) == DOLLAR
    assert find_unusual({**before, HOUR: cost(5 * DOLLAR)}, NOW) is not None


def test_cents_are_never_unusual():
    before = spend(*[1] * 14)
    assert find_unusual({**before, HOUR: cost(FLOOR_NANOUSD - 1)}, NOW) is None
    assert find_unusual({**before, HOUR: cost(FLOOR_NANOUSD)}, NOW) is not None


def test_with_fewer_than_five_days_of_spend_nothing_is_usual():
    assert find_unusual({**spend(*[DOLLAR] * 4), HOUR: cost(99 * DOLLAR)}, NOW) is None
    assert find_unusual({**spend(*[DOLLAR] * 5), HOUR: cost(99 * DOLLAR)}, NOW) is not None
    assert find_unusual({}, NOW) is None


def test_days_without_any_spend_do_not_count_and_quiet_hours_of_other_days_do():
    weekdays = spend(DOLLAR, 0, 0, DOLLAR, DOLLAR, DOLLAR, DOLLAR, 0, 0, DOLLAR)
    assert find_usual(weekdays, HOUR) == DOLLAR
    mornings = {HOUR - DAY_HOURS * day - 5: cost(DOLLAR) for day in range(1, 15)}
    assert find_usual(mornings, HOUR) == 0
    assert find_unusual({**mornings, HOUR: cost(2 * DOLLAR)}, NOW) is not None


def test_the_hour_before_is_looked_at_too_and_what_own_accounts_pay_counts():
    before = {HOUR - 1 - DAY_HOURS * day: cost(DOLLAR) for day in range(1, 15)}
    found = find_unusual({**before, HOUR - 1: UsageSums(cost_nanousd=DOLLAR, upstream_cost_nanousd=9 * DOLLAR)}, NOW)
    assert found is not None
    assert (found.hour, found.spent_nanousd) == (HOUR - 1, 10 * DOLLAR)


def test_all_hours_that_the_rule_looks_at_are_asked_for():
    earliest = HOUR - 1 - 14 * DAY_HOURS - (DAY_HOURS - 1)
    assert first_needed(NOW) <= earliest


def test_yesterday_counts_up_to_the_same_time_with_a_part_of_the_hour():
    midnight = HOUR - 14
    hours = {
        midnight - DAY_HOURS: UsageSums(requests=10),
        HOUR - DAY_HOURS: UsageSums(requests=100, cost_nanousd=DOLLAR),
        HOUR - DAY_HOURS + 1: UsageSums(requests=1000),
        midnight - 1: UsageSums(requests=5000),
        midnight: UsageSums(requests=7),
        HOUR: UsageSums(requests=8, errors=1),
        HOUR + 1: UsageSums(requests=9000),
    }
    day = compare_days(hours, NOW)
    assert (day.today.requests, day.today.errors) == (15, 1)
    assert (day.yesterday.requests, day.yesterday.cost_nanousd) == (60, DOLLAR // 2)
    assert (len(day.todays), len(day.yesterdays), day.first_hour) == (24, 24, midnight)
    assert day.todays[15:] == [None] * 9
    assert day.yesterdays[23].requests == 5000


@pytest.mark.parametrize(("balance", "spent", "expected"), [(10, 0, None), (30, 7, None), (29, 70, 2), (1, 70, 0), (0, 0, 0), (-5, 7, 0)])
def test_credits_are_told_of_when_they_last_fewer_than_three_days(balance: int, spent: int, expected: int | None):
    hours = {HOUR - 3: cost(spent), HOUR - 8 * DAY_HOURS: cost(10**6)}
    assert find_days_left(balance, hours, NOW) == expected


def test_steps_tick_themselves():
    steps = list_steps(NOTHING_DONE)
    assert [step.title for step in steps if step.is_done] == ["Set up the owner"]
    for name in Progress.__slots__:
        ticked = [step.is_done for step in list_steps(replace(NOTHING_DONE, **{name: True}))]
        assert sum(ticked) == 2, name
    assert all(step.path for step in steps if not step.is_done)
