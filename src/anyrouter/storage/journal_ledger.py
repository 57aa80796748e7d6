"""The ledger's writer: to the journal at once, to the database in groups.

`intend` and `settle` are synchronous and touch no database: one record each, no system call. A task hands what was settled to the
writer's thread twenty times a second, one transaction a group, and repeats that with growing pauses for as long as the
database is down. Until an entry is committed it is in the journal, in the queue and in `find_pending`.

A segment of the journal goes when it and all before it hold nothing that is not in the database. Since requests may last for
hours, intents that alone keep an old segment are copied into the current one.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

import msgspec
import structlog

from anyrouter.core.errors import InternalError, StorageUnavailable
from anyrouter.core.ledger import Intent, LedgerEntry, Outcome, join
from anyrouter.relay.ports import ModelUsage, UsageQuestion
from anyrouter.storage.database import DEADLINE_S, Database
from anyrouter.storage.journal import BESIDE, CHECKPOINT, INTENT, POSITION, RESULT, SETTLEMENT, Journal, Position, Segment
from anyrouter.storage.ledger_rows import Told, record_missing, record_new
from anyrouter.storage.usage_rows import AppNames
from anyrouter.storage.usage_sums import add_entries, read_sums

_log = structlog.get_logger(__name__)

QUEUE_BOUND = 10_000
GROUP_BOUND = 1024
GROUP_INTERVAL_S = 0.05  # the longer, the more rows share a page of the database, and a change of threads
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0
_KEPT_SEGMENTS = 4  # beyond these, intents are copied forward
_CLOSING_S = 10.0
_encode = msgspec.msgpack.Encoder().encode

# What a record or its values may raise besides OSError: lone surrogates, integers beyond 64 bits, a type msgpack does not know.
_UNWRITABLE = (OSError, ValueError, OverflowError, TypeError)


class _Settled(msgspec.Struct):
    """An entry on its way to the database. `position` is None when the journal could not take it."""

    intent: Intent
    outcome: Outcome
    segment: Segment
    position: Position | None
    is_alone: bool  # no intent is on record


class JournalLedger:
    """`Ledger`. For the event loop's thread.

    `intend` raises StorageUnavailable when the journal cannot be written (disk full): the upstream must not be asked then.
    `settle` never raises: the upstream has done its work, and losing the reply would help nobody. When the journal refuses it
    the entry is in memory and in the queue; should the process die before the database has it, the intent becomes an
    interrupted entry.
    """

    def __init__(self, database: Database, journal: Journal, *, reject: Callable[[LedgerEntry], None]) -> None:
        self._database, self._journal, self._reject = database, journal, reject
        self._open: dict[str, tuple[Intent, Segment]] = {}
        self._beside: dict[str, tuple[Intent, Segment]] = {}  # second attempts while the first is under way
        self._queue: deque[_Settled] = deque()
        self._pending: dict[str, _Settled] = {}
        self._something = asyncio.Event()
        self._apps = AppNames()
        self._is_told = False  # that there is something
        self._room = asyncio.Event()
        self._room.set()
        self._delivering = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._is_closing = False
        self._on_settled: Callable[[Intent, Outcome], None] | None = None
        self._is_out_of_order = False  # the journal has settlements in another order than the queue
        self._trouble = ""  # what the journal said when it last refused a settlement, not logged yet
        self.journal_failures = 0
        self.database_failures = 0

    def intend(self, intent: Intent) -> None:
        """Put on record that an upstream is about to be asked: one small write. StorageUnavailable when it cannot be."""
        try:
            self._journal.append(INTENT, _encode(intent))
        except _UNWRITABLE as error:
            self.journal_failures += 1
            raise StorageUnavailable("Usage cannot be recorded now.", internal=f"journal: {error}") from error
        segment = self._journal.segments[-1]
        segment.held += 1
        earlier = self._open.get(intent.generation_id)
        if earlier is not None:  # an earlier attempt: recovery looks at the last one only
            earlier[1].held -= 1
        self._open[intent.generation_id] = (intent, segment)

    def settle(self, intent: Intent, outcome: Outcome) -> None:
        """Put the outcome on record. Called before the last byte is delivered. Once for each generation."""
        generation_id = intent.generation_id
        opened = self._open.pop(generation_id, None)
        if opened is None:
            position = self._write_settlement(intent, outcome, is_alone=True)
            segment = self._journal.current
            segment.held += 1
        else:
            position = self._write_settlement(intent, outcome, is_alone=False)
            segment = opened[1]  # the older one: holding it holds all that follow
        queue = self._queue
        settled = _Settled(intent, outcome, segment, position, opened is None)
        queue.append(settled)
        self._pending[generation_id] = settled
        if not self._is_told:
            self._is_told = True
            self._something.set()
        if len(queue) >= QUEUE_BOUND:
            self._room.clear()
        if self._on_settled is not None:
            self._on_settled(intent, outcome)

    def intend_beside(self, intent: Intent) -> None:
        """As `intend`, of a second attempt while the generation's last one is still under way."""
        try:
            self._journal.append(BESIDE, _encode(intent))
        except _UNWRITABLE as error:
            self.journal_failures += 1
            raise StorageUnavailable("Usage cannot be recorded now.", internal=f"journal: {error}") from error
        self._journal.current.held += 1
        self._beside[intent.generation_id] = (intent, self._journal.current)

    def lose(self, intent: Intent, outcome: Outcome) -> None:
        """Settle one of the two: the other one goes on, and the generation's own entry will be its."""
        generation_id = intent.generation_id
        other = self._turn_to(intent)
        self.settle(intent, outcome)
        del self._pending[generation_id]  # who looks for the generation wants the other's entry
        if other is not None:
            self._open[generation_id] = other

    def go_on(self, intent: Intent) -> None:
        """Of the two only this one is still under way, and nothing is to be settled for the other. Raises nothing."""
        other = self._turn_to(intent)
        if other is not None:
            other[1].held -= 1
            with suppress(StorageUnavailable):  # then a recovery takes both for asked
                self.intend(intent)

    def _turn_to(self, intent: Intent) -> tuple[Intent, Segment] | None:
        """Make it the one that is open; returns the other one."""
        first, second = self._open.get(intent.generation_id), self._beside.pop(intent.generation_id, None)
        if second is None or second[0].attempt != intent.attempt:
            return second
        self._open[intent.generation_id] = second
        return first

    def has_room(self) -> bool:
        """Whether the queue to the database takes more; if not, `wait_for_room` first. Nothing is ever dropped."""
        return len(self._queue) < QUEUE_BOUND

    async def wait_for_room(self) -> None:
        """Return when the queue takes more."""
        while not self.has_room():
            await self._room.wait()

    def find_pending(self, generation_id: str) -> LedgerEntry | None:
        """An entry, by our id or the upstream's, that is settled and not yet in the database."""
        pending = self._pending
        found = pending.get(generation_id) or next(
            (item for item in reversed(pending.values()) if item.outcome.upstream_id == generation_id), None
        )
        return None if found is None else join(found.intent, found.outcome)

    async def read_usage(self, questions: Sequence[UsageQuestion]) -> list[Mapping[str, ModelUsage]]:
        """By public model id, for each question: exactly what was settled until this returns. StorageUnavailable.

        No group is on its way meanwhile: an entry is in the database or in the queue, and the queue is looked at last. From there to
        the caller nobody else runs.
        """
        try:
            async with asyncio.timeout(DEADLINE_S), self._delivering:
                sums = await self._database.on_writer(lambda: self._database.transact(lambda connection: read_sums(connection, questions)))
                waiting = [(item.intent, item.outcome) for item in self._queue]
                return [add_entries(usage, question, waiting) for usage, question in zip(sums, questions, strict=True)]
        except TimeoutError:
            raise StorageUnavailable("Usage cannot be read now.", internal="no answer in time") from None

    def watch(self, on_settled: Callable[[Intent, Outcome], None]) -> None:
        """Have it told every outcome from now on, in the moment when it is settled. It must be quick and not raise."""
        self._on_settled = on_settled

    @property
    def queue_length(self) -> int:
        """How many entries wait for the database."""
        return len(self._queue)

    def start(self) -> None:
        """Deliver to the database until `aclose`."""
        self._task = asyncio.get_running_loop().create_task(self._keep_delivering())

    async def flush(self) -> None:
        """Return when everything settled so far is in the database; StorageUnavailable when that fails."""
        while self._queue:
            await self._deliver()

    async def aclose(self) -> None:
        """Deliver what is queued, unless the database is down: then the journal keeps it for the next start."""
        self._is_closing = True
        self._something.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_CLOSING_S)
            self._task.cancel()
            await asyncio.wait([self._task])
        self._write_unwritten()
        self._report_trouble()
        self._journal.close()
        if self._queue or self._open:
            _report(_log.error, "journal_kept", queued=len(self._queue), unsettled=len(self._open))

    async def _keep_delivering(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not (self._is_closing and not self._queue):
            await self._something.wait()
            if not self._is_closing:
                await asyncio.sleep(GROUP_INTERVAL_S)
            self._report_trouble()
            try:
                await self._deliver()
            except Exception as error:  # noqa: BLE001 -- whatever it is: the queue must go on being delivered
                self.database_failures += 1
                self._write_unwritten()
                if self._is_closing:
                    return
                if pause_s == _FIRST_PAUSE_S:
                    _report(_log.error, "ledger_waits_for_database", queued=len(self._queue), reason=str(error))
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                if pause_s != _FIRST_PAUSE_S:
                    _report(_log.info, "ledger_reaches_database", queued=len(self._queue))
                pause_s = _FIRST_PAUSE_S

    def _report_trouble(self) -> None:
        if self._trouble:
            _report(_log.error, "settlements_not_in_journal", failures=self.journal_failures, last=self._trouble)
            self._trouble = ""

    async def _deliver(self) -> None:
        """Commit one group, and let go of it."""
        async with self._delivering:
            group = list(islice(self._queue, GROUP_BOUND))
            if group:
                refused = await self._database.on_writer(
                    lambda: record_group(self._database, [(item.intent, item.outcome) for item in group], self._apps)
                )
                for intent, outcome in refused:
                    self._reject(join(intent, outcome))
                self._let_go(group)
                await self._delete_finished()
            if not self._queue and not self._is_closing:
                self._is_told = False
                self._something.clear()

    def _let_go(self, group: Sequence[_Settled]) -> None:
        take, pending = self._queue.popleft, self._pending
        for item in group:
            take()
            item.segment.held -= 1
            generation_id = item.intent.generation_id
            if pending.get(generation_id) is item:
                del pending[generation_id]
            if item.position is None:  # its intent in the journal must not look unsettled
                self._write_late(item)
        if not self._queue:
            self._is_out_of_order = False
            self._write_checkpoint(self._journal.end)
        elif not self._is_out_of_order and group[-1].position is not None:
            self._write_checkpoint(group[-1].position)
        if self.has_room():
            self._room.set()

    async def _delete_finished(self) -> None:
        if len(self._journal.segments) == 1 or self._is_out_of_order:  # no checkpoint says what of the others is in the database
            return
        if len(self._journal.segments) > _KEPT_SEGMENTS:
            self._copy_intents_of(self._journal.segments[0])
        finished = self._journal.take_finished()
        if finished:
            await self._database.on_writer(lambda: _unlink(finished))

    def _copy_intents_of(self, oldest: Segment) -> None:
        mine = [intent for intent, segment in self._open.values() if segment is oldest]
        if len(mine) != oldest.held or self._beside:
            return  # settled ones are on their way to the database: it goes with them
        for intent in mine:
            try:
                self._journal.append(INTENT, _encode(intent))
            except _UNWRITABLE:
                self.journal_failures += 1
                return
            oldest.held -= 1
            self._journal.current.held += 1
            self._open[intent.generation_id] = (intent, self._journal.current)

    def _write_settlement(self, intent: Intent, outcome: Outcome, *, is_alone: bool) -> Position | None:
        try:
            if is_alone:
                return self._journal.append(SETTLEMENT, _encode(join(intent, outcome)))
            return self._journal.append(RESULT, _encode((intent.generation_id, intent.attempt, outcome)))
        except _UNWRITABLE as error:
            self.journal_failures += 1
            self._is_out_of_order = True
            self._trouble = f"{intent.generation_id}: {error}"  # logged later: the log may be on the same full disk
            return None

    def _write_late(self, item: _Settled) -> None:
        self._is_out_of_order = True
        item.position = self._write_settlement(item.intent, item.outcome, is_alone=item.is_alone)

    def _write_unwritten(self) -> None:
        if self._is_out_of_order:
            for item in self._queue:
                if item.position is None:
                    self._write_late(item)

    def _write_checkpoint(self, position: Position) -> None:
        try:
            self._journal.append(CHECKPOINT, POSITION.pack(*position))
        except OSError:
            self.journal_failures += 1  # a recovery will offer again what the database has: it is ignored there


def record_group(database: Database, entries: list[Told], apps: AppNames) -> list[Told]:
    """Commit the entries, on the writer's thread; returns those that the database can never take. StorageUnavailable as a whole.

    Entries that it has already (after a recovery that died) and entries that it refuses must not keep the others.
    """
    try:
        database.transact(lambda connection: record_new(connection, entries, apps))
    except StorageUnavailable:
        raise
    except (InternalError, *_UNWRITABLE):
        return [entry for entry in entries if not _record_one(database, entry, apps)]
    return []


def _record_one(database: Database, entry: Told, apps: AppNames) -> bool:
    try:
        database.transact(lambda connection: record_missing(connection, [entry], apps))
    except StorageUnavailable:
        raise
    except (InternalError, *_UNWRITABLE):
        return False
    return True


def _report(log: Callable[..., object], happening: str, **details: object) -> None:
    """Log, and go on when the log cannot be written: it may be on the disk that is full."""
    with suppress(OSError):
        log(happening, **details)


def _unlink(paths: Sequence[Path]) -> None:
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:  # the next start offers its records again: the database has them
            _report(_log.error, "journal_file_not_deleted", path=str(path), reason=str(error))
