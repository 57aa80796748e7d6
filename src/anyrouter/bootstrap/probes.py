"""Active probes: upstreams that are left alone are asked for their list of models, which costs nothing, instead of waiting for a client.

A probe takes the place of a request that a half-open circuit lets through. It shows that the upstream answers and takes the credential,
not that it generates: what then fails for clients opens the circuit again.
"""

import asyncio
import time
from collections.abc import Callable, Collection

from anyrouter.control.discovery import ModelLists
from anyrouter.core.errors import UpstreamError
from anyrouter.policy.circuit import REFUSED
from anyrouter.policy.health import HealthBook
from anyrouter.policy.outcome import Outcome, judge_outcome


class Probes:
    """Probes the targets in `book` of those upstreams that `lists` can ask."""

    def __init__(
        self, book: HealthBook, lists: ModelLists, upstreams: Collection[str], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._book, self._lists, self._upstreams, self._monotonic = book, lists, frozenset(upstreams), monotonic

    async def keep_probing(self, interval_s: float) -> None:
        """Probe until cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            await self.probe()

    async def probe(self) -> None:
        """Ask each upstream once that has a target which wants it; all at the same time."""
        now_s = self._monotonic()
        wanting = {key[0] for key, health in self._book.items() if key[0] in self._upstreams and health.wants_probe(now_s)}
        await asyncio.gather(*map(self._probe, wanting))

    async def _probe(self, upstream_id: str) -> None:
        now_s = self._monotonic()
        targets = [health for key, health in self._book.items() if key[0] == upstream_id and health.wants_probe(now_s)]
        permits = [(health, permit) for health in targets if (permit := health.admit(now_s)) != REFUSED]
        outcome = Outcome.UNTOLD
        try:
            outcome = await self._ask(upstream_id)
        finally:
            for health, permit in permits:
                health.fail(permit, self._monotonic(), outcome)

    async def _ask(self, upstream_id: str) -> Outcome:
        try:
            await self._lists.fetch(upstream_id)
        except UpstreamError as error:  # one without such a list says so itself, and lives
            return judge_outcome(error)
        return Outcome.ALIVE
