from datetime import UTC, datetime, timedelta, timezone

import pytest

from anyrouter.storage import ledger_rows
from anyrouter.storage.records import from_ms, to_ms
from anyrouter.storage.schema import ledger


def test_times_are_kept_to_the_millisecond_and_never_rounded_up():
    moment = datetime(2026, 3, 4, 5, 6, 7, 89_999, tzinfo=timezone(timedelta(hours=2)))
    assert to_ms(moment) == 1_772_593_567_089
    assert from_ms(to_ms(moment)) == datetime(2026, 3, 4, 3, 6, 7, 89_000, tzinfo=UTC)
    assert to_ms(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(TypeError):
        to_ms(datetime(2026, 3, 4))  # noqa: DTZ001 -- what is refused


def test_every_field_of_an_entry_has_a_column():
    assert sorted(ledger_rows._COLUMNS) == sorted(column.name for column in ledger.columns)
