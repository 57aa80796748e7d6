"""The address of the activity page: what it means, what it leads to, and that nothing in it is lost."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrouter.control.entry_search import EntryPlace, EntrySearch
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.ledger import EntryState
from anyrouter.web.pages.activity_address import LABELS, PATH, ActivityAddress, make_search, read_address
from anyrouter.web.pages.forms import parse_fields

NOW = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)


def search(query: str) -> EntrySearch:
    return make_search(read_address(parse_fields(query)), "org", NOW)


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def explain(address: ActivityAddress) -> Denied | None:
    """What cannot be understood; None when all can."""
    try:
        make_search(address, "org", NOW)
    except ClientError as error:
        return error.denied
    return None


def test_an_address_without_anything_asks_for_the_newest():
    assert search("") == EntrySearch(organisation_id="org")


def test_texts_become_what_the_store_is_asked():
    found = search("model=a/b&provider=p&upstream=u&app=(none)&status=errors&error=429&streamed=no&min_cost=0.5&min_latency=20&trace=t")
    assert found == EntrySearch(
        organisation_id="org",
        model="a/b",
        provider="p",
        upstream="u",
        app="",
        states=frozenset({EntryState.FAILED, EntryState.INTERRUPTED}),
        http_status=429,
        is_streamed=False,
        min_cost_nanousd=500_000_000,
        min_latency_ms=20,
        trace_id="t",
    )
    assert search("error=rate_limited").error == "rate_limited"


@pytest.mark.parametrize(
    ("query", "since", "until"),
    [
        ("range=1h", NOW - timedelta(hours=1), None),
        ("from=2026-03-09", datetime(2026, 3, 9, tzinfo=UTC), None),
        ("to=2026-03-09", None, datetime(2026, 3, 10, tzinfo=UTC)),
        ("from=2026-03-09T10:00&to=2026-03-09T10:00", datetime(2026, 3, 9, 10, tzinfo=UTC), datetime(2026, 3, 9, 10, 1, tzinfo=UTC)),
        ("range=7d&from=2026-03-09", datetime(2026, 3, 9, tzinfo=UTC), None),
    ],
)
def test_times_are_of_utc_and_their_end_is_within(query: str, since: datetime | None, until: datetime | None):
    found = search(query)
    assert found.since_ms == (0 if since is None else ms(since))
    assert found.until_ms == (None if until is None else ms(until))


def test_the_place_of_a_page_comes_back_as_it_was():
    address = read_address(parse_fields("model=a"))
    for place in (EntryPlace(5, "gen-0192f0c4a7e8"), EntryPlace(1_772_600_767_089), EntryPlace(0)):
        assert search(address.at(place).partition("?")[2]).before == place
    assert "before" not in read_address(parse_fields("before=5&model=a")).link()


def test_a_request_id_is_that_of_its_generation():
    assert search("id=req-0192f0c4a7e812345678").id_text == "gen-0192f0c4a7e812345678"


def test_filters_that_are_set_can_be_taken_away_one_by_one():
    address = read_address(parse_fields("range=24h&status=ok&min_cost=1&before=7"))
    chips = {chip.label: (chip.text, chip.without) for chip in address.list_chips()}
    assert chips == {
        "Time": ("Last 24 hours", f"{PATH}?status=ok&min_cost=1"),
        "Outcome": ("Delivered", f"{PATH}?range=24h&min_cost=1"),
        "Cost from": ("$1", f"{PATH}?range=24h&status=ok"),
    }


@given(st.dictionaries(st.sampled_from([*LABELS, "before"]), st.text(max_size=220), max_size=6))
def test_any_address_is_understood_or_explained_and_its_links_keep_what_they_say(texts: dict[str, str]):
    query = urlencode(texts, errors="replace")
    address = read_address(parse_fields(query))
    address.list_chips()
    again = read_address(parse_fields(address.link().partition("?")[2]))
    assert dict(again.given) == {name: text for name, text in address.given.items() if name != "before"}
    assert all(name in {*LABELS, "before"} for name, _ in parse_qsl(address.link().partition("?")[2]))
    said = explain(address)
    assert said is None or (said.param in texts and said.message.endswith("."))
