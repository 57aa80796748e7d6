"""Ranges of the usage page: which hours a day of a zone has, where clocks change too, and what cannot be understood."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from anyrouter.control.usage_range import (
    HOURLY_DAYS,
    RangeName,
    UsageRange,
    before,
    find_zone,
    first_hour,
    hour_of,
    list_zones,
    make_days,
    number_of,
    parse_range,
    slices,
)
from anyrouter.control.usage_reader import Span, Unit
from anyrouter.core.errors import ClientError

NOW = datetime(2026, 11, 24, 15, 7, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 28, tzinfo=UTC)


def number(span: Span, hour: int) -> int:
    """The day of an hour as stores number it."""
    offset = next((minutes for end, minutes in span.shifts if hour < end), 0)
    return (hour * 60 + offset) // 1440


def local_day(hour: int, zone: str) -> date:
    return datetime.fromtimestamp(hour * 3600, ZoneInfo(zone)).date()


@pytest.mark.parametrize(
    ("name", "zone", "days", "slots"),
    [
        ("", "", (date(2026, 10, 26), date(2026, 11, 24)), 30),
        ("30d", "UTC", (date(2026, 10, 26), date(2026, 11, 24)), 30),
        ("7d", "Asia/Tokyo", (date(2026, 11, 19), date(2026, 11, 25)), 7),
        ("90d", "America/New_York", (date(2026, 8, 27), date(2026, 11, 24)), 90),
        ("month", "Europe/Berlin", (date(2026, 11, 1), date(2026, 11, 24)), 24),
        ("24h", "Asia/Kolkata", (date(2026, 11, 23), date(2026, 11, 24)), 24),
    ],
)
def test_a_named_range_ends_now(name: str, zone: str, days: tuple[date, date], slots: int):
    shown = parse_range(NOW, name=name, zone=zone)
    assert (shown.first_day, shown.last_day) == days
    assert len(shown.slots) == slots
    assert shown.span.unit is (Unit.HOUR if name == "24h" else Unit.DAY)
    assert shown.span.end * 3600 > NOW.timestamp()


def test_the_last_24_hours_are_those_up_to_this_one():
    shown = parse_range(NOW, name="24h", zone="Asia/Kolkata")
    assert shown.tell(23) == "Tue 24 Nov, 20:30"
    assert shown.mark(23) == "20:30"
    assert shown.write(23) == "2026-11-24T20:30+05:30"
    assert [shown.slot_of(hour) for hour in (shown.span.first - 1, shown.span.first, shown.span.end - 1)] == [-1, 0, 23]


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 10, 25), 25), (date(2026, 10, 24), 24), (date(2026, 3, 29), 23)])
def test_a_day_has_23_or_25_hours_where_clocks_change(day: date, hours: int):
    shown = make_days(RangeName.CUSTOM, datetime(day.year, day.month, day.day, 23, tzinfo=UTC), (day, day), "Europe/Berlin")
    assert shown.span.unit is Unit.HOUR
    assert len(shown.slots) == hours
    assert len({shown.write(slot) for slot in range(hours)}) == hours
    assert all(local_day(hour, "Europe/Berlin") == day for hour in shown.slots)


@pytest.mark.parametrize(
    ("zone", "now", "days"),
    [
        ("Europe/Berlin", AUTUMN, (date(2026, 10, 20), date(2026, 10, 30))),
        ("America/New_York", NOW, (date(2026, 10, 28), date(2026, 11, 5))),
        ("Asia/Kolkata", NOW, (date(2026, 11, 1), date(2026, 11, 9))),
        ("Asia/Kathmandu", NOW, (date(2026, 11, 1), date(2026, 11, 9))),
        ("Australia/Lord_Howe", NOW, (date(2026, 9, 30), date(2026, 10, 9))),  # half an hour is put forward
        ("Africa/Cairo", NOW, (date(2026, 10, 25), date(2026, 11, 3))),  # at midnight
        ("Pacific/Apia", datetime(2012, 1, 5, tzinfo=UTC), (date(2011, 12, 26), date(2012, 1, 3))),  # a day that never was
        ("America/Sao_Paulo", datetime(2018, 11, 9, tzinfo=UTC), (date(2018, 11, 1), date(2018, 11, 8))),  # no midnight
    ],
)
def test_every_hour_is_in_the_day_in_which_it_begins(zone: str, now: datetime, days: tuple[date, date]):
    shown = make_days(RangeName.CUSTOM, now, days, zone)
    span = shown.span
    assert span.unit is Unit.DAY
    for hour in range(span.first, span.end):
        assert number(span, hour) == number_of(local_day(hour, zone))
    assert local_day(span.first, zone) == days[0] > local_day(span.first - 1, zone)
    assert local_day(span.end - 1, zone) == days[1] < local_day(span.end, zone)


def test_days_of_utc_need_no_hours_in_whatever_zone_they_are_utcs():
    for zone in ("UTC", "Europe/London", "Africa/Abidjan"):
        shown = make_days(RangeName.CUSTOM, NOW, (date(2026, 11, 1), date(2026, 11, 9)), zone)
        assert not shown.span.needs_hours
        assert not shown.is_utc_days


def test_days_whose_hours_are_gone_are_utcs_and_it_says_so():
    first = (NOW - timedelta(days=HOURLY_DAYS + 5)).date()
    shown = make_days(RangeName.CUSTOM, NOW, (first, first + timedelta(days=9)), "Asia/Tokyo")
    assert shown.is_utc_days
    assert not shown.span.needs_hours
    assert (shown.span.first, shown.span.end) == (number_of(first) * 24, (number_of(first) + 10) * 24)
    one = make_days(RangeName.CUSTOM, NOW, (first, first), "UTC")
    assert one.span.unit is Unit.DAY


def test_long_ranges_have_weeks():
    shown = make_days(RangeName.CUSTOM, NOW, (date(2026, 1, 1), date(2026, 11, 24)), "UTC")
    assert shown.is_weekly
    assert len(shown.slots) == 47
    assert shown.tell(1) == "Week of 08 Jan 2026"
    assert [shown.slot_of(number_of(date(2026, 1, day))) for day in (1, 7, 8)] == [0, 0, 1]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize("name", list(RangeName))
def test_the_period_before_is_as_long_and_ends_where_the_range_begins(name: RangeName, zone: str):
    shown = parse_range(NOW, name=name, zone=zone)
    earlier = before(shown, NOW)
    assert len(earlier.slots) == len(shown.slots)
    assert earlier.span.unit is shown.span.unit
    if earlier.span.needs_hours == shown.span.needs_hours:
        assert earlier.span.end == shown.span.first
    assert earlier.last_day <= shown.first_day


def test_the_day_before_a_change_of_clocks_is_a_whole_day():
    shown = make_days(RangeName.CUSTOM, AUTUMN, (date(2026, 10, 25), date(2026, 10, 25)), "Europe/Berlin")
    earlier = before(shown, AUTUMN)
    assert (len(shown.slots), len(earlier.slots)) == (25, 24)
    assert earlier.span.end == shown.span.first


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_slices_make_the_span(zone: str):
    shown = parse_range(NOW, name="30d", zone=zone)
    pieces = list(slices(shown, 7))
    assert [piece.end for piece in pieces][:-1] == [piece.first for piece in pieces][1:]
    assert (pieces[0].first, pieces[-1].end) == (shown.span.first, shown.span.end)
    assert len(pieces) == 5
    assert list(slices(parse_range(NOW, name="24h"), 7)) == [parse_range(NOW, name="24h").span]


@pytest.mark.parametrize(
    ("first", "end", "single"),
    [(30, 130, 6 + 10), (24, 130, 10), (42, 128, 6 + 8), (25, 143, 1 + 1), (24, 120, 0), (5, 20, 9), (30, 50, 8), (20, 28, 8), (37, 40, 3)],
)
def test_hours_are_cut_into_whole_days_and_as_few_single_ones_as_can_be(first: int, end: int, single: int):
    found, hours = Counter[int](), 0
    for piece in Span(first=first, end=end, unit=Unit.HOUR).cut():
        span, counts = piece.span, -1 if piece.is_taken_away else 1
        found.update(dict.fromkeys(range(span.first, span.end), counts))
        assert span.needs_hours or (span.first % 24, span.end % 24) == (0, 0)
        hours += (span.end - span.first) * span.needs_hours
    assert {hour: times for hour, times in found.items() if times} == dict.fromkeys(range(first, end), 1)
    assert hours == single


def test_of_the_day_that_is_not_over_no_hours_are_told_apart():
    shown = parse_range(NOW, name="30d", zone="Europe/Berlin")
    days, hours = [piece.span for piece in shown.span.cut()]
    assert (days.needs_hours, hours.needs_hours) == (False, True)
    assert days.end == (hour_of(NOW) // 24 + 1) * 24
    earlier = before(shown, NOW).span
    assert max(piece.span.end for piece in earlier.cut()) == -(-earlier.end // 24) * 24
    assert [span.is_last for span in slices(shown, 7)] == [False, False, False, False, True]


def ask(**texts: str) -> UsageRange:
    return parse_range(NOW, **texts)  # type: ignore[arg-type] -- names of parameters


@pytest.mark.parametrize(
    ("texts", "param"),
    [
        ({"name": "week"}, "range"),
        ({"date_from": "2026-02-30"}, "from"),
        ({"date_from": "26-01-01"}, "from"),
        ({"date_to": "\u0662\u0660\u0662\u0666-01-01"}, "to"),
        ({"date_from": "1999-12-31", "date_to": "2000-01-02"}, "from"),
        ({"date_to": "3000-01-01"}, "to"),
        ({"date_from": "2026-11-25"}, "from"),
        ({"date_from": "2025-01-01"}, "from"),
        ({"zone": "Berlin"}, "zone"),
        ({"zone": "../UTC"}, "zone"),
        ({"zone": "Europe"}, "zone"),
        ({"zone": "A" * 65}, "zone"),
        ({"zone": "Europe/\0"}, "zone"),
    ],
)
def test_what_is_no_range_is_refused_by_name(texts: dict[str, str], param: str):
    with pytest.raises(ClientError) as caught:
        ask(**texts)
    assert caught.value.denied.param == param
    assert caught.value.denied.http_status == 400


def test_one_end_of_days_is_enough():
    assert ask(date_from="2026-11-20").last_day == date(2026, 11, 24)
    assert ask(date_to="2026-11-20").first_day == date(2026, 10, 22)
    assert ask(date_from="2026-11-20", date_to="2026-11-20").span.unit is Unit.HOUR


def test_a_chosen_zone_is_among_those_to_choose_from():
    assert "Asia/Kathmandu" in list_zones("Asia/Kathmandu")
    assert list(list_zones("UTC")).count("UTC") == 1
    assert all(find_zone(name) for name in list_zones("UTC"))
    assert first_hour(date(1970, 1, 2), UTC) == 24
