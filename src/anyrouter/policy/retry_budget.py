"""How many retries a target may get: a share of its requests, so that trouble is not made worse by asking again.

A token bucket: every request puts `share` of a token in, a retry takes one out. In any stretch there are at most
`burst` + `share` x requests retries, whatever the failures.
"""

import msgspec


class RetrySettings(msgspec.Struct, frozen=True, kw_only=True):
    """`share`: retries per request in the long run. `burst`: retries that are there from the start, and the most that are saved up."""

    share: float = 0.1
    burst: int = 10


class RetryBudget:
    """The retries of one target."""

    __slots__ = ("_settings", "balance")

    def __init__(self, settings: RetrySettings) -> None:
        self._settings = settings
        self.balance = float(settings.burst)

    def deposit(self, requests: int = 1) -> None:
        """Count requests, retries not among them."""
        self.balance = min(float(self._settings.burst), self.balance + self._settings.share * requests)

    def withdraw(self) -> bool:
        """Whether a retry may be made; it is counted then."""
        # A share such as 0.1 is not exact: ten of them are a retry all the same.
        if self.balance < 1.0 - 1e-9:
            return False
        self.balance = max(0.0, self.balance - 1.0)
        return True
