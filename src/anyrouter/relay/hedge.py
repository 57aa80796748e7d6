"""Asks a second target beside a first one that is silent for too long: `policy.hedge` decides, this carries it out.

    first       is asked as ever
    second      is asked too, when its time has come and the budget allows it
    end         one has replied, or it is the next candidate's turn: a race in which both failed is two failed attempts

At most one second attempt is made for a request, and only beside its first.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from anyrouter.core.errors import ClientError, UpstreamError
from anyrouter.core.vault import KekUnavailable, SealBroken
from anyrouter.policy.hedge import HedgeBudget, HedgePolicy, find_delay_s
from anyrouter.policy.succession import Attempt
from anyrouter.relay.ending import Ending
from anyrouter.relay.generation import Generation
from anyrouter.relay.ports import Ledger
from anyrouter.relay.race import HedgedGeneration, Race
from anyrouter.relay.stats import RelayStats
from anyrouter.relay.successors import Successors


class Hedger:
    """Serves requests that a second target may be asked for. `ask` asks a generation's target and delivers what it says."""

    def __init__(
        self, policy: HedgePolicy, *, ask: Callable[[Generation], Awaitable[None]], ending: Ending, ledger: Ledger, stats: RelayStats
    ) -> None:
        self._policy, self._budget = policy, HedgeBudget(policy)
        self._ask, self._ending, self._ledger, self._stats = ask, ending, ledger, stats

    def enter(self, generation: Generation) -> HedgedGeneration:
        """The generation as one that may be hedged. Nobody has been asked yet."""
        hedged = HedgedGeneration.of(generation)
        hedged.reply_to_client()
        return hedged

    async def race(self, generation: HedgedGeneration, succession: Successors) -> Attempt | None:
        """Make the first attempt, and a second one beside it if that is due. The attempt that is to be made then, if it is not over.

        Where there is no race that is the first one.
        """
        order, now_s, attempt = generation.order, time.monotonic(), succession.begin()
        if attempt is None or attempt.candidate is not order[0]:
            return attempt
        delay_s = find_delay_s(order, self._policy, now_s, is_streamed=generation.request.is_streamed)
        if delay_s is None:
            return attempt
        self._budget.deposit()
        race = Race(generation, self._ask, self._ending, self._ledger, self._stats)
        try:
            race.start(attempt)
            ended, _ = await asyncio.wait(race.running, timeout=delay_s)
            if not ended and race.can_start() and order[1].health.is_well and self._budget.withdraw():
                second = succession.next()
                if second is not None:
                    race.start_second(second)
            generation.is_over = await self._follow(race, succession)
        except BaseException:
            await race.abandon()
            raise
        if generation.is_over:
            return None
        race.leave(now_s)
        return succession.next()

    async def _follow(self, race: "Race", succession: Successors) -> bool:
        """Wait for the attempts' ends; whether the client has its reply then."""
        while race.running:
            done, _ = await asyncio.wait(race.running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                generation = race.running.pop(task, None)
                if generation is not None and self._take(race, generation, task.result(), succession):
                    return True
        return False

    def _take(self, race: "Race", generation: HedgedGeneration, error: Exception | None, succession: Successors) -> bool:
        if error is None:
            return True
        if isinstance(error, UpstreamError):
            is_fallback_allowed = self._ending.take_failure(generation, error)
            if generation.is_begun or generation.is_settled:
                generation.fail(error)
                self._ending.break_off(generation, error)
                return True
            attempt, generation.attempt = generation.attempt, None
            if attempt is not None:
                succession.fail(attempt, error, is_fallback_allowed=is_fallback_allowed)
        elif isinstance(error, ClientError):
            generation.attempts.skip(error.denied)
            generation.release()
        elif race.running and isinstance(error, SealBroken | KekUnavailable):
            generation.release()  # its credential was not opened, so nothing was sent
        elif race.running and not generation.is_asked:
            self._ending.report(generation.head, error)
            generation.release()
        else:
            race.lose_others()
            self._ending.mend(generation.head, generation.principal, generation.downstream, generation, error)
            return True
        race.fail(generation)
        return False
