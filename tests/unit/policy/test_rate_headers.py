"""The rate limits in a reply's headers, in the spellings of the providers' own documentation."""

import pytest

from anyrouter.policy.rate_budget import Allowance, Quantity
from anyrouter.policy.rate_headers import read_allowances, read_reset, read_wait

NOW_S = 1_800_000_000.0  # 2027-01-15T08:00:00Z


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("20ms", 0.02),
        ("2m59.56s", 179.56),
        ("7.66s", 7.66),
        ("1h2m3.5s", 3723.5),
        ("8h38m24s", 31_104.0),
        ("1d", 86_400.0),
        ("0s", 0.0),
        ("12", 12.0),
        ("3.5", 3.5),
        ("1800000030", 30.0),
        ("1800000030500", 30.5),
        ("2027-01-15T08:01:00Z", 60.0),
        ("2027-01-15T09:01:00+01:00", 60.0),
        ("2027-01-15T08:00:00.250Z", 0.25),
        ("2027-01-15T07:00:00Z", 0.0),
        (" 1s ", 1.0),
        ("9999d", 86_400.0),
        ("2099-01-01T00:00:00Z", 86_400.0),
    ],
)
def test_a_reset_is_read_in_every_spelling(text: str, seconds: float) -> None:
    assert read_reset(text, NOW_S) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "soon",
        "-1",
        "-1s",
        "1x",
        "s",
        "ms",
        "NaN",
        "inf",
        "1e9",
        "2027-01-15T08:01:00",
        "2027-13-45T99:99:99Z",
        "\N{ARABIC-INDIC DIGIT ONE}s",
        "1s2m",
        "0x10",
        "1" * 100,
    ],
)
def test_what_is_no_reset_is_none(text: str) -> None:
    assert read_reset(text, NOW_S) is None


def test_openais_headers() -> None:
    assert read_allowances(
        [
            (b"date", b"Fri, 15 Jan 2027 08:00:00 GMT"),
            (b"x-ratelimit-limit-requests", b"60"),
            (b"x-ratelimit-limit-tokens", b"150000"),
            (b"x-ratelimit-remaining-requests", b"59"),
            (b"x-ratelimit-remaining-tokens", b"149984"),
            (b"x-ratelimit-reset-requests", b"1s"),
            (b"x-ratelimit-reset-tokens", b"6m0s"),
        ],
        NOW_S,
    ) == {
        Quantity.REQUESTS: Allowance(remaining=59, limit=60, reset_s=1.0),
        Quantity.TOKENS: Allowance(remaining=149984, limit=150000, reset_s=360.0),
    }


def test_anthropics_headers() -> None:
    assert read_allowances(
        [
            (b"anthropic-ratelimit-requests-limit", b"1000"),
            (b"anthropic-ratelimit-requests-remaining", b"999"),
            (b"anthropic-ratelimit-requests-reset", b"2027-01-15T08:00:01Z"),
            (b"anthropic-ratelimit-input-tokens-limit", b"80000"),
            (b"anthropic-ratelimit-input-tokens-remaining", b"0"),
            (b"anthropic-ratelimit-input-tokens-reset", b"2027-01-15T08:00:59Z"),
            (b"anthropic-ratelimit-output-tokens-remaining", b"16000"),
        ],
        NOW_S,
    ) == {
        Quantity.REQUESTS: Allowance(remaining=999, limit=1000, reset_s=1.0),
        Quantity.INPUT_TOKENS: Allowance(remaining=0, limit=80000, reset_s=59.0),
        Quantity.OUTPUT_TOKENS: Allowance(remaining=16000),
    }


@pytest.mark.parametrize("value", [b"-1", b"", b"many", b"1.5", b"9" * 40, b"\xff", b"+5", b"1 2"])
def test_a_number_that_is_none_says_nothing(value: bytes) -> None:
    assert read_allowances([(b"x-ratelimit-remaining-tokens", value)], NOW_S) == {}
    read = read_allowances([(b"x-ratelimit-remaining-tokens", b"5"), (b"x-ratelimit-limit-tokens", value)], NOW_S)
    assert read == {Quantity.TOKENS: Allowance(remaining=5)}


def test_a_limit_without_what_is_left_says_nothing() -> None:
    assert read_allowances([(b"x-ratelimit-limit-requests", b"60"), (b"x-ratelimit-reset-requests", b"1s")], NOW_S) == {}


def test_a_wait_in_milliseconds_goes_before_one_in_seconds() -> None:
    assert read_wait([(b"retry-after", b"2"), (b"retry-after-ms", b"1500")], NOW_S) == 1.5
    assert read_wait([(b"retry-after", b"2")], NOW_S) == 2.0
    assert read_wait([(b"retry-after", b"2"), (b"retry-after-ms", b"soon")], NOW_S) == 2.0
    assert read_wait([(b"retry-after", b"Fri, 15 Jan 2027 08:00:30 GMT")], NOW_S) == 30.0
    assert read_wait([(b"retry-after", b"soon")], NOW_S) is None
    assert read_wait([(b"content-type", b"1")], NOW_S) is None
    assert read_wait([(b"retry-after-ms", b"999999999999")], NOW_S) == 86_400.0
