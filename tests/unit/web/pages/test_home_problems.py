"""What the home page says of trouble: each with its words, and where it is mended."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from anyrouter.control.budget_usage import BudgetUse
from anyrouter.control.home_facts import UnusualHour
from anyrouter.control.key_search import KeyPage
from anyrouter.core.budget import Budget, BudgetOwner, BudgetPeriod
from anyrouter.web.pages.home_problems import (
    UpstreamFacts,
    list_budget_problems,
    list_credential_problems,
    list_credit_problems,
    list_key_problems,
    list_spend_problems,
    list_upstream_problems,
)

NOW = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
DOLLAR = 1_000_000_000


def use(spent: int, *, owner_id: str = "org", **more: Any) -> BudgetUse:
    budget = Budget(
        id="bud",
        organisation_id="org",
        owner=BudgetOwner.ORGANISATION,
        owner_id=owner_id,
        limit_nanousd=10 * DOLLAR,
        period=BudgetPeriod.MONTHLY,
        **more,
    )
    return BudgetUse(budget=budget, spent_nanousd=spent, ends_at=datetime(2026, 4, 1, tzinfo=UTC))


def test_an_upstream_is_down_when_its_circuit_is_not_closed_and_fails_after_three_in_a_row():
    well, some = UpstreamFacts(name="a"), UpstreamFacts(name="b", failures=2)
    assert list_upstream_problems([well, some]) == []
    down, failing = list_upstream_problems(
        [UpstreamFacts(name="c", state="open", models=2), UpstreamFacts(name="d", failures=3, last_error="upstream_timeout")]
    )
    assert (down.kind, down.title, down.path) == ("bad", "The upstream c is down", "/dashboard/settings/upstreams")
    assert "2 of its models" in down.text
    assert (failing.kind, failing.title) == ("warn", "The upstream d fails")
    assert "upstream_timeout" in failing.text


def test_a_budget_is_told_of_from_four_fifths_on():
    assert list_budget_problems([use(8 * DOLLAR - 1)], {}) == []
    names = {"org": "the organisation"}
    near, spent = list_budget_problems([use(8 * DOLLAR), use(10 * DOLLAR, name="Cap")], names)
    assert (near.kind, near.title) == ("warn", "The budget of the organisation is nearly spent")
    assert "$8.00 of $10.00 this month" in near.text
    assert (spent.kind, spent.title) == ("bad", "The budget of the organisation (Cap) is spent")
    assert "are refused" in spent.text
    assert "2026-04-01" in spent.text


def test_keys_that_end_soon_are_named_and_the_rest_is_counted():
    keys = [SimpleNamespace(name=f"key {number}", expires_at=NOW + timedelta(days=number)) for number in (1, 2, 3)]
    page = KeyPage(keys=cast("Any", keys), total=7)
    (problem,) = list_key_problems(page, None, NOW)
    assert problem.title == "7 keys end soon"
    assert problem.text.startswith("key 1 (in 1 day), key 2 (in 2 days), key 3 (in 3 days) and 4 more.")
    assert list_key_problems(KeyPage(keys=[], total=0), KeyPage(keys=[], total=0), NOW) == []
    (rotated,) = list_key_problems(None, KeyPage(keys=cast("Any", keys[:1]), total=1), NOW)
    assert rotated.path == "/dashboard/keys?health=rotated_in_use"


def test_a_credential_is_told_of_while_it_is_quarantined_or_has_no_secret():
    def row(until: datetime | None, *, needs_secret: bool = False) -> Any:
        return SimpleNamespace(id="cred", name="main", environment="live", quarantined_until=until, needs_secret=needs_secret)

    assert list_credential_problems([row(None), row(NOW - timedelta(seconds=1))], NOW) == []
    quarantined, empty = list_credential_problems([row(NOW + timedelta(hours=1)), row(None, needs_secret=True)], NOW)
    assert (quarantined.kind, quarantined.path) == ("bad", "/dashboard/settings/byok/cred")
    assert (empty.kind, empty.title) == ("warn", "The credential main (live) has no secret")


def test_credits_that_end_are_told_of():
    assert list_credit_problems(None, 5) == []
    assert list_credit_problems(0, 0)[0].kind == "bad"
    assert "less than a day" in list_credit_problems(0, DOLLAR)[0].text
    assert "about 2 days" in list_credit_problems(2, DOLLAR)[0].text


def test_an_unusual_hour_leads_to_its_requests():
    assert list_spend_problems(None) == []
    hour = int(NOW.timestamp()) // 3600
    (problem,) = list_spend_problems(UnusualHour(hour=hour, spent_nanousd=40 * DOLLAR, usual_nanousd=DOLLAR))
    assert "$40.00 in the hour from 14:00 UTC, usually about $1.00" in problem.text
    assert problem.path == "/dashboard/activity?from=2026-03-10T14%3A00&to=2026-03-10T14%3A59"
