from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrouter.control.expiry import check_expiry, parse_expiry
from anyrouter.core.errors import ClientError

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30d", NOW + timedelta(days=30)),
        ("12h", NOW + timedelta(hours=12)),
        ("90m", NOW + timedelta(minutes=90)),
        ("  30d\n", NOW + timedelta(days=30)),
        ("2030-01-31T12:00:00Z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31t12:00:00z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31 12:00:00Z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31T14:00:00+02:00", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31T12:00:00.250Z", datetime(2030, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)),
        ("2030-01-31T12:00:00.123456789Z", datetime(2030, 1, 31, 12, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-11-24T12:00:00.001Z", NOW + timedelta(milliseconds=1)),
        ("2028-02-29T00:00:00Z", datetime(2028, 2, 29, tzinfo=UTC)),
    ],
)
def test_spans_and_rfc_3339_times_become_moments_in_utc(text: str, expected: datetime) -> None:
    moment = parse_expiry(text, NOW)
    assert moment == expected
    assert moment.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "0d",
        "-1d",
        "1.5d",
        "1w",
        "1e3d",
        "99999999d",
        "9999999d",
        "٣d",  # digits, but not ASCII ones
        "never",
        "null",
        "nan",
        "inf",
        "2026-11-24T12:00:00Z",  # exactly now: `now >= expires_at` is expired
        "2026-11-24T11:59:59.999Z",
        "1970-01-01T00:00:00Z",
        "9999-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "9998-12-31T23:30:00-01:00",  # 9999 in UTC
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+05:00",
        "2026-02-30T00:00:00Z",
        "2027-02-29T00:00:00Z",
        "2027-13-01T00:00:00Z",
        "2027-01-01T24:00:00Z",
        "2027-01-01T23:59:60Z",
        "2027-01-01T00:00:00+24:00",
        "2027-01-01T00:00:00+25:99",
        "2027-06-01",
        "2027-06-01T02:30",
        "2027-03-28T02:30:00 Europe/Berlin",
        "2027-W01-1T00:00:00Z",
        "2027-01-01T00:00:00Z; DROP TABLE keys",
        "2027-01-01T00:00:00Z" + "0" * 1_000_000,
    ],
)
def test_other_texts_are_refused_with_the_parameter_named(text: str) -> None:
    with pytest.raises(ClientError) as refusal:
        parse_expiry(text, NOW)
    assert (refusal.value.denied.code, refusal.value.denied.param) == ("invalid_parameter", "expires_at")


@pytest.mark.parametrize("text", ["1893456000", "1893456000000", "-1", "1.5", "1893456000.5", "+5"])
def test_bare_numbers_are_refused_because_seconds_and_milliseconds_look_alike(text: str) -> None:
    with pytest.raises(ClientError, match="seconds or milliseconds"):
        parse_expiry(text, NOW)


def test_a_time_without_an_offset_is_refused_because_it_means_another_moment_elsewhere() -> None:
    with pytest.raises(ClientError, match="offset"):
        parse_expiry("2027-03-28T02:30:00", NOW)
    with pytest.raises(ClientError, match="offset"):
        check_expiry(datetime(2027, 3, 28, 2, 30), NOW)  # noqa: DTZ001 -- the naive time is the case


def test_a_moment_is_kept_in_utc() -> None:
    assert check_expiry(datetime(2027, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), NOW) == datetime(2027, 1, 1, tzinfo=UTC)


@given(st.text(max_size=60))
def test_no_text_makes_anything_but_a_future_moment_or_a_refusal(text: str) -> None:
    try:
        moment = parse_expiry(text, NOW)
    except ClientError:
        return
    assert NOW < moment < datetime(9999, 1, 1, tzinfo=UTC)
