"""Whom a generation asks next: `policy.succession` with this moment's time and chance."""

import random
import time

from anyrouter.core.errors import Denied, UpstreamError
from anyrouter.policy.succession import Attempt, RetryPolicy, Succession
from anyrouter.relay.generation import Generation

_SIMULATED = RetryPolicy(retries=0)  # the simulated provider fails because it is asked to: asking again would only take time


class Successors:
    """The attempts of one generation, one after the other. All are over when its upstream's total time is, counted from its head."""

    __slots__ = ("_generation", "_succession")

    def __init__(self, generation: Generation, policy: RetryPolicy) -> None:
        upstream = generation.target.upstream
        deadline_s = None if upstream.total_s is None else generation.head.started_s + upstream.total_s
        self._generation = generation
        self._succession = Succession(generation.order, _SIMULATED if upstream.is_sandbox else policy, deadline_s=deadline_s)

    def begin(self) -> Attempt | None:
        """The first attempt: the one under way, if there is one."""
        attempt = self._generation.attempt
        if attempt is None:
            return self.next()
        self._succession.resume()
        return attempt

    def next(self) -> Attempt | None:
        """The next one; None when there is none."""
        tokens = self._generation.request.estimated_input_tokens
        return self._succession.next(time.monotonic(), random.random(), input_tokens=tokens)  # noqa: S311 -- a pause's length

    def fail(self, attempt: Attempt, error: UpstreamError, *, is_fallback_allowed: bool) -> None:
        """Be told that the attempt under way failed before its first byte."""
        self._generation.attempt = None
        self._succession.fail(attempt, error, time.monotonic(), is_fallback_allowed=is_fallback_allowed)

    def refusal(self) -> Denied:
        """What the client hears when nobody was asked."""
        return self._succession.refusal(time.monotonic())
