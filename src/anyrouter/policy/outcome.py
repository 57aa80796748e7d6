"""What the end of an attempt says about its target's health.

The caller's own mistakes say nothing bad about a target: it answered. A 429 is a matter of rate, with its own rest. 401 and 402
are about the credential and do not pass by themselves. A 403 may be about the credential or about one prompt (content policy,
region): it counts as a plain failure, so that one caller's prompts do not take a target from everybody at once. The total
deadline says more about how much was asked for than about who was asked.
"""

from enum import Enum

from anyrouter.core.errors import ConnectFailed, UpstreamError, UpstreamStatus, UpstreamTimeout

_CREDENTIAL_STATUSES = (401, 402)
_FAILURE_STATUSES = (403, 408)
_TOO_MANY, _NOT_IMPLEMENTED, _SERVER_ERROR = 429, 501, 500
_RETRYABLE_STATUSES = (500, 502, 503, 529)
_REDIRECTION = range(300, 400)
_NO_MONEY = b"insufficient_quota"  # OpenAI's code, with status 429, for an account without credit (error codes guide, read 2026-11)


class Outcome(Enum):
    """What is learned of a target."""

    ALIVE = "alive"  # it answered as it should, be it that the request was wrong
    FAILED = "failed"
    RATE_LIMITED = "rate_limited"
    REJECTED = "rejected"  # it does not take the credential, or the account has no money
    UNTOLD = "untold"  # the attempt ended for a reason that is not the target's


def judge_outcome(error: UpstreamError) -> Outcome:
    """What a failed attempt says about its target."""
    if isinstance(error, UpstreamTimeout):
        return Outcome.UNTOLD if error.phase == "total" else Outcome.FAILED
    if not isinstance(error, UpstreamStatus):
        return Outcome.FAILED
    status = error.status
    if status == _TOO_MANY:
        return Outcome.REJECTED if _NO_MONEY in error.body else Outcome.RATE_LIMITED
    if status in _CREDENTIAL_STATUSES:
        return Outcome.REJECTED
    if status in _FAILURE_STATUSES or status in _REDIRECTION or (status >= _SERVER_ERROR and status != _NOT_IMPLEMENTED):
        return Outcome.FAILED
    return Outcome.ALIVE


def is_worth_retrying(error: UpstreamError, wait_s: float | None, longest_wait_s: float) -> bool:
    """Whether the same target may answer the same request shortly after; `wait_s` is the Retry-After that came, None for none.

    Without a connection nothing was sent. 500, 502, 503 and 529 are answered before anything is generated, so nothing was
    billed; a deadline that passed or a reply that was cut may have cost money and time already: those go to the next target.
    A 429 is worth it only when it says how long, and that is not too long.
    """
    if wait_s is not None and wait_s > longest_wait_s:
        return False
    if isinstance(error, UpstreamStatus):
        return error.status in _RETRYABLE_STATUSES or (error.status == _TOO_MANY and wait_s is not None and _NO_MONEY not in error.body)
    return isinstance(error, ConnectFailed) or (isinstance(error, UpstreamTimeout) and error.phase == "connect")
