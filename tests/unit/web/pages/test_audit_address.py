"""What the audit log's address means, and how changes are written."""

from datetime import UTC, datetime
from typing import Any

import pytest

from anyrouter.control.audit import make_event
from anyrouter.core.audit import OPERATOR
from anyrouter.core.errors import ClientError
from anyrouter.web.pages.audit_address import list_changes, read_filter, write_link
from anyrouter.web.pages.forms import Fields

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def fields(**said: str) -> Fields:
    return Fields(tuple(said.items()))


def test_both_days_count() -> None:
    found = read_filter(fields(since="2026-02-28", until="2026-02-28"), "org_a", NOW)
    assert (found.since, found.until) == (datetime(2026, 2, 28, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))


def test_spans_and_moments_are_taken_as_they_are() -> None:
    found = read_filter(fields(since="2d", until="2026-11-24T11:00:00Z"), "org_a", NOW)
    assert (found.since, found.until) == (datetime(2026, 11, 22, 12, tzinfo=UTC), datetime(2026, 11, 24, 11, tzinfo=UTC))


@pytest.mark.parametrize(("said", "meant"), [("", None), ("yes", True), ("no", False)])
def test_an_outcome_is_all_refused_or_done(said: str, meant: object) -> None:
    assert read_filter(fields(denied=said), "org_a", NOW).is_denied is meant


@pytest.mark.parametrize("until", ["2026-02-30", "9999-12-31", "0000-00-00"])
def test_a_day_that_is_none_is_refused_by_its_name(until: str) -> None:
    with pytest.raises(ClientError) as refused:
        read_filter(fields(until=until), "org_a", NOW)
    assert refused.value.denied.param == "until"


def test_a_link_keeps_the_filters_and_leaves_out_what_is_not_said() -> None:
    query = fields(q="a&b=c", action="key.*", environment="", cursor="7", other="x")
    assert write_link("/log", query, cursor="5") == "/log?q=a%26b%3Dc&action=key.%2A&cursor=5"
    assert write_link("/log", fields()) == "/log"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("abc", "abc"),
        ("", '""'),
        (None, "none"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (["a", "b"], "a, b"),
        ([], "none"),
        ([1, "b"], '[1,"b"]'),
        ({"a": {"b": None}}, '{"a":{"b":null}}'),
    ],
)
def test_values_are_written_for_people(value: Any, text: str) -> None:
    event = make_event(OPERATOR, "org_a", "key.update", NOW, before={"x": value}, after={"y": value})
    assert list_changes(event) == [("x", text, ""), ("y", "", text)]
