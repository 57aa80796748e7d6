"""The attempts at one request that run at once, each a generation of its own, made of the one that was admitted.

Whoever has a good first byte for the client has won, and the other is cancelled in that very moment. What lost was asked, so it is
billed: by an entry of its own, and as a part of what the client is told that the request has cost.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from anyrouter.core.errors import StorageUnavailable
from anyrouter.core.ledger import HEDGE_LOST, AttemptRecord, EntryState, Outcome
from anyrouter.core.money import parse_usd, to_usd_string
from anyrouter.core.usage import Usage, UsageSource
from anyrouter.policy.attempt import Attempts
from anyrouter.policy.hedge import HedgeRace, HedgeStep
from anyrouter.policy.succession import Attempt
from anyrouter.relay.ending import Ending
from anyrouter.relay.generation import Generation
from anyrouter.relay.ports import Ledger
from anyrouter.relay.replay import Recording
from anyrouter.relay.stats import RelayStats
from anyrouter.wire.reply import CostFields, ReplyFacts

_OK = 200
_FIRST, _SECOND = 0, 1


class HedgedGeneration(Generation, kw_only=True):
    """A generation that a second target may be asked for; in a race, one of its two attempts."""

    race: "Race | None" = None
    place: int = _FIRST
    lost: list[AttemptRecord] = msgspec.field(default_factory=list)  # what lost, with its cost; one list for all attempts
    is_over: bool = False  # the client has its reply, or is gone

    @classmethod
    def of(cls, generation: Generation) -> "HedgedGeneration":
        """The same one, as one that may be hedged."""
        fields: dict[str, Any] = {name: getattr(generation, name) for name in generation.__struct_fields__}
        return cls(**fields)

    def reply_to_client(self) -> None:
        """It is the one that replies: the client's side looks at it, where that keeps replies."""
        if isinstance(self.downstream, Recording):
            self.downstream.turn_to(self)

    def hear(self, now_s: float) -> None:
        """The target's first byte has come: the other attempt has lost."""
        Generation.hear(self, now_s)
        if self.race is not None:
            self.race.hear(self)

    @property
    def is_contested(self) -> bool:
        """Whether another attempt may yet be the one that replies, or is."""
        return self.race is not None and self.race.is_contested(self)

    def find_serving(self) -> Generation:
        """The attempt that has won, or the first that runs."""
        return self if self.race is None else next(iter(self.race.running.values()), self)

    def show_cost(self, cost_nanousd: int) -> CostFields:
        """The cost block for the client: with what the attempt has cost that lost."""
        own = Generation.show_cost(self, cost_nanousd)
        for lost in self.lost:
            own = CostFields(
                _add(own.cost, lost.cost_nanousd),
                _add(own.upstream_inference_cost, lost.upstream_cost_nanousd),
                own.is_byok,
                _add(own.shadow_cost or b"0", lost.shadow_cost_nanousd) if lost.shadow_cost_nanousd else own.shadow_cost,
            )
        return own

    def outcome(self, state: EntryState, status: int, usage: Usage, cost: int, error_code: str | None = None) -> Outcome:
        """The record of how the attempt ended. The generation's own entry names all attempts, that of a lost one just itself."""
        outcome = Generation.outcome(self, state, status, usage, cost, error_code)
        if self.race is None:
            return outcome
        records = self.attempts.records[-1:] if error_code == HEDGE_LOST else self.race.list_records()
        return msgspec.structs.replace(outcome, attempts=tuple(records))


class Race:
    """The attempts of one request that run at once."""

    def __init__(
        self, root: HedgedGeneration, ask: Callable[[Generation], Awaitable[None]], ending: Ending, ledger: Ledger, stats: RelayStats
    ) -> None:
        self._root, self._ask, self._ending, self._ledger, self._stats = root, ask, ending, ledger, stats
        self._race = HedgeRace()
        self._generations: list[HedgedGeneration] = []
        self.running: dict[asyncio.Task[Exception | None], HedgedGeneration] = {}

    def start(self, attempt: Attempt) -> None:
        """Begin the first attempt."""
        self._run(self._make(attempt, Attempts()))

    def can_start(self) -> bool:
        """Whether a second attempt makes sense."""
        return self._race.can_start()

    def start_second(self, attempt: Attempt) -> None:
        """Begin the second one, if it can be put on record."""
        (first,) = self._generations
        attempts = Attempts()
        attempts.abandon(first.target, HEDGE_LOST)  # its number is the second's whatever becomes of the first
        second = self._make(attempt, attempts)
        second.place, second.upstream_s = _SECOND, time.monotonic() - first.asked_s  # the time until now went to waiting for the first
        try:
            self._ledger.intend_beside(second.intend())
        except StorageUnavailable:
            self._generations.remove(second)
            second.release()
            return
        self._race.start()
        self._stats.hedges += 1
        self._run(second)

    def hear(self, generation: HedgedGeneration) -> None:
        """An attempt's first byte is here, and is about to go to the client."""
        if self._race.answer(generation.place) is HedgeStep.DISCARD:
            return
        self._root.is_begun = generation.request.is_streamed
        self._stats.hedges_won += generation.place == _SECOND
        self.lose_others()
        generation.reply_to_client()
        generation.downstream.watch(generation)

    def is_contested(self, generation: HedgedGeneration) -> bool:
        """Whether another attempt may yet be the one that replies, or is."""
        winner = self._race.winner
        return self._race.is_undecided if winner is None else winner != generation.place

    def list_records(self) -> list[AttemptRecord]:
        """What became of the attempts, in the order in which they began."""
        first, *others = self._generations
        return first.attempts.records + [record for other in others for record in other.attempts.records[1:]]

    def fail(self, generation: HedgedGeneration) -> None:
        """An attempt has failed. If another one runs, that is the only one now."""
        self._race.fail(generation.place)
        self._tell_second()
        for other in self.running.values():
            self._go_on(other)

    def lose_others(self) -> None:
        """All attempts that run have lost, but the one that won."""
        winner = self._race.winner
        for task, generation in list(self.running.items()):
            if generation.place != winner:
                del self.running[task]
                task.cancel()
                self._lose(generation)

    async def abandon(self) -> None:
        """The client is gone, its key may not go on, or the process is about to end: all are cancelled and billed."""
        running = list(self.running.values())
        for task in self.running:
            task.cancel()
        try:
            if running:
                await asyncio.wait(self.running)  # a stream that is cancelled tells what it has used
        finally:
            asked = [generation for generation in running if generation.is_asked] or running
            for other in running:
                if other is not asked[0]:
                    self._lose(other)
            if asked and self._root.cut is not None:
                self._root.is_over = True
                self._ending.cut(asked[0], self._root.cut)
            elif asked:
                self._ending.abandon(asked[0])

    def leave(self, began_s: float) -> None:
        """Nobody has served the request: whoever is asked next is told of those that were."""
        root, self._root.race = self._root, None
        root.attempts.join([generation.attempts for generation in self._generations], self.list_records())
        root.upstream_s += time.monotonic() - began_s
        root.reply_to_client()

    def _make(self, attempt: Attempt, attempts: Attempts) -> HedgedGeneration:
        generation = HedgedGeneration.of(self._root)
        generation.race, generation.attempts = self, attempts
        generation.facts = ReplyFacts()
        generation.turn_to(attempt)
        self._generations.append(generation)
        return generation

    def _run(self, generation: HedgedGeneration) -> None:
        self.running[asyncio.create_task(self._try(generation))] = generation

    async def _try(self, generation: HedgedGeneration) -> Exception | None:
        """Make the attempt; what it failed with. A cancelled one is cancelled at the upstream too."""
        try:
            await self._ask(generation)
        except asyncio.CancelledError:
            if generation.exchange is not None:
                generation.exchange.cancel()
            raise
        except Exception as error:  # noqa: BLE001 -- judged by who waits for it
            return error
        return None

    def _lose(self, generation: HedgedGeneration) -> None:
        """An attempt is given up: what it was asked is billed, its input at least."""
        if generation.exchange is not None:
            generation.exchange.cancel()
        generation.release()
        if generation.is_settled:
            return
        if not generation.is_asked:
            for other in self._generations:
                if other is not generation:
                    self._go_on(other)
            return
        usage = generation.partial
        if usage.source is UsageSource.NONE:
            usage = Usage(input_tokens=generation.request.estimated_input_tokens, source=UsageSource.ESTIMATED)
        attempts, waited_s = generation.attempts, time.monotonic() - generation.asked_s
        if generation.exchange is None:
            generation.upstream_s += waited_s
        attempts.abandon(generation.target, HEDGE_LOST, int(waited_s * 1000))
        outcome = generation.outcome(EntryState.CANCELLED, _OK, usage, generation.price(usage), HEDGE_LOST)
        attempts.records[-1] = record = msgspec.structs.replace(
            attempts.records[-1],
            cost_nanousd=outcome.cost_nanousd,
            upstream_cost_nanousd=outcome.upstream_cost_nanousd,
            shadow_cost_nanousd=outcome.shadow_cost_nanousd,
        )
        generation.lost.append(record)
        self._tell_second()
        self._ending.lose(generation, outcome)

    def _tell_second(self) -> None:
        """What became of the first is known: the second's list of attempts begins with it."""
        first, *others = self._generations
        for second in others:
            second.attempts.records[:1] = first.attempts.records or second.attempts.records[:1]

    def _go_on(self, generation: HedgedGeneration) -> None:
        if generation.intent is not None:
            self._ledger.go_on(generation.intent)


def _add(amount: bytes, nanousd: int) -> bytes:
    return to_usd_string(parse_usd(amount.decode()) + nanousd).encode() if nanousd else amount
