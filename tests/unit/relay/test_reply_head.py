"""Header lines of replies: what they tell of limits and refusals, and that nothing breaks out of a line."""

from datetime import UTC, datetime

import pytest

from anyrouter.core.errors import CODES, Denied
from anyrouter.core.scopes import ALL_SCOPES
from anyrouter.policy.limit import LimitState
from anyrouter.relay.reply_head import limit_lines, refusal_lines

NOW_MS = 1_700_000_000_000


def read(lines: bytes) -> dict[str, str]:
    assert lines == b"" or lines.endswith(b"\r\n")
    rows = [line.split(": ", 1) for line in lines.decode("ascii").split("\r\n")[:-1]]
    assert len({name.lower() for name, _ in rows}) == len(rows)
    return {name: value for name, value in rows}  # noqa: C416 -- rows are lists


def test_a_limit_is_told_in_every_form_of_the_openai_dialect() -> None:
    state = LimitState(limit=60, remaining=59, reset_s=30.2)
    assert read(limit_lines(state, "openai", NOW_MS)) == {
        "X-RateLimit-Limit": "60",
        "X-RateLimit-Remaining": "59",
        "X-RateLimit-Reset": "1700000031",
        "RateLimit-Policy": '"requests";q=60;w=60',
        "RateLimit": '"requests";r=59;t=31',
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "31s",
    }


def test_a_limit_is_told_in_the_form_of_the_anthropic_dialect() -> None:
    told = read(limit_lines(LimitState(limit=60, remaining=0, reset_s=60.0), "anthropic", NOW_MS))
    assert told["anthropic-ratelimit-requests-limit"] == "60"
    assert told["anthropic-ratelimit-requests-remaining"] == "0"
    assert datetime.fromisoformat(told["anthropic-ratelimit-requests-reset"]) == datetime.fromtimestamp(1_700_000_060, UTC)
    assert not any(name.startswith("x-ratelimit") for name in told)


@pytest.mark.parametrize(("reset_s", "told_s"), [(0.0, 0), (0.001, 1), (1.0, 1), (1.0001, 2), (59.999, 60)])
def test_seconds_are_rounded_up(reset_s: float, told_s: int) -> None:
    told = read(limit_lines(LimitState(limit=1, remaining=0, reset_s=reset_s), "openai", NOW_MS))
    assert told["RateLimit"] == f'"requests";r=0;t={told_s}'


@pytest.mark.parametrize("past_ms", [1, 500, 999])
def test_the_reset_is_never_told_earlier_than_it_is(past_ms: int) -> None:
    told = read(limit_lines(LimitState(limit=1, remaining=0, reset_s=1.0), "openai", NOW_MS + past_ms))
    assert int(told["X-RateLimit-Reset"]) >= (NOW_MS + past_ms) / 1000 + 1.0


@pytest.mark.parametrize("code", CODES)
def test_refusals_that_may_pass_say_when_to_come_again(code: str) -> None:
    told = read(refusal_lines(Denied(code=code, message="x", scope="models:read")))
    assert ("Retry-After" in told) == (CODES[code].status in (429, 503))
    assert ("WWW-Authenticate" in told) == (CODES[code].status == 401 or code == "insufficient_scope")


@pytest.mark.parametrize(
    ("wait_s", "told"), [(0.0, "1"), (0.001, "1"), (1.0, "1"), (1.0001, "2"), (59.5, "60"), (60.0, "60"), (3600.0, "3600"), (-5.0, "1")]
)
def test_retry_after_is_never_early_and_never_nothing(wait_s: float, told: str) -> None:
    assert read(refusal_lines(Denied(code="rate_limited", message="x", retry_after_s=wait_s)))["Retry-After"] == told


@pytest.mark.parametrize("code", [code for code, facts in CODES.items() if facts.status == 401])
def test_a_challenge_names_the_error_except_where_no_credential_came(code: str) -> None:
    challenge = read(refusal_lines(Denied(code=code, message="x")))["WWW-Authenticate"]
    assert challenge == ('Bearer realm="anyrouter"' if code == "missing_api_key" else 'Bearer realm="anyrouter", error="invalid_token"')


@pytest.mark.parametrize("scope", ALL_SCOPES)
def test_a_missing_scope_is_named(scope: str) -> None:
    challenge = read(refusal_lines(Denied(code="insufficient_scope", message="x", scope=scope)))["WWW-Authenticate"]
    assert challenge == f'Bearer realm="anyrouter", error="insufficient_scope", scope="{scope}"'
