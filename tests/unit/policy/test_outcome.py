"""What an attempt's end says about its target, and whether asking again may help."""

import pytest

from anyrouter.core.errors import ConnectFailed, UpstreamBroken, UpstreamError, UpstreamStatus, UpstreamTimeout
from anyrouter.policy.outcome import Outcome, is_worth_retrying, judge_outcome


def status(code: int, body: bytes = b"") -> UpstreamStatus:
    return UpstreamStatus("it failed", status=code, body=body)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        *((status(code), Outcome.ALIVE) for code in (400, 404, 405, 409, 413, 415, 418, 422, 501)),
        *((status(code), Outcome.FAILED) for code in (302, 403, 408, 500, 502, 503, 504, 529, 599)),
        *((status(code), Outcome.REJECTED) for code in (401, 402)),
        (status(429), Outcome.RATE_LIMITED),
        (status(429, b'{"error":{"code":"insufficient_quota"}}'), Outcome.REJECTED),
        (ConnectFailed("refused"), Outcome.FAILED),
        (UpstreamBroken("cut"), Outcome.FAILED),
        *((UpstreamTimeout("late", phase=phase), Outcome.FAILED) for phase in ("connect", "first_byte", "idle")),
        (UpstreamTimeout("late", phase="total"), Outcome.UNTOLD),
    ],
)
def test_whose_fault_it_was(error: UpstreamError, outcome: Outcome) -> None:
    assert judge_outcome(error) is outcome


@pytest.mark.parametrize("error", [ConnectFailed("refused"), UpstreamTimeout("late", phase="connect"), *map(status, (500, 502, 503, 529))])
def test_what_passes_by_itself_and_cost_nothing_may_be_asked_again(error: UpstreamError) -> None:
    assert is_worth_retrying(error, None, 1.0)
    assert is_worth_retrying(error, 1.0, 1.0)
    assert not is_worth_retrying(error, 1.1, 1.0)


@pytest.mark.parametrize(
    "error",
    [
        *map(status, (400, 401, 402, 403, 404, 408, 422, 501, 504)),
        UpstreamBroken("cut"),
        *(UpstreamTimeout("late", phase=phase) for phase in ("first_byte", "idle", "total")),
    ],
)
def test_what_may_have_cost_something_or_will_not_change_is_not(error: UpstreamError) -> None:
    assert not is_worth_retrying(error, None, 1.0)


def test_a_429_is_asked_again_only_when_it_says_when() -> None:
    assert not is_worth_retrying(status(429), None, 1.0)
    assert is_worth_retrying(status(429), 0.5, 1.0)
    assert not is_worth_retrying(status(429), 2.0, 1.0)
    assert not is_worth_retrying(status(429, b"insufficient_quota"), 0.5, 1.0)
