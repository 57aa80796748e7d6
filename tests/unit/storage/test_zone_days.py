"""Days of a zone made of days of UTC: every hour ends up in the day that it is on there, and in no other."""

from collections import Counter
from datetime import UTC, date, datetime

import pytest

from anyrouter.control.usage_range import RangeName, make_days
from anyrouter.storage.zone_days import cover, list_moves, number_hour

NOW = datetime(2026, 11, 20, tzinfo=UTC)
DAYS = (date(2026, 10, 20), date(2026, 11, 10))  # clocks are put back in Europe, in America, and forward in Australia before


@pytest.mark.parametrize(
    "zone",
    [
        "Europe/Berlin",
        "America/Los_Angeles",
        "Asia/Kolkata",
        "Pacific/Auckland",
        "Pacific/Kiritimati",
        "Pacific/Pago_Pago",
        "Europe/London",
    ],
)
def test_days_of_utc_with_the_moves_are_the_days_of_the_zone(zone: str) -> None:
    span = make_days(RangeName.CUSTOM, NOW, DAYS, zone).span
    assert span.shifts
    wanted = Counter((number_hour(span, hour), hour) for hour in range(span.first, span.end))
    whole = cover(span)
    found = Counter((hour // 24, hour) for hour in range(whole.first, whole.end))
    for move in list_moves(span):
        for hour in range(move.first, move.end):
            if move.utc_day is not None:
                found[move.utc_day, hour] -= 1
            if move.zone_day is not None:
                found[move.zone_day, hour] += 1
    assert +found == wanted
    assert min(found.values()) == 0
    assert len({day for day, _ in wanted}) == 22


def test_where_clocks_show_utc_nothing_moves() -> None:
    span = make_days(RangeName.CUSTOM, NOW, (date(2026, 11, 1), date(2026, 11, 3)), "Europe/London").span
    assert list_moves(span) == ()
