"""After a start: what the journal still holds goes to the ledger, exactly once however often this is interrupted and repeated.

Settlements are recorded as they are. An intent without a settlement belonged to a request that died with the process: its last
attempt becomes an entry marked interrupted, and of two attempts that were under way at once the second one's entry says that it
lost. Nobody knows what the client saw; the interrupted entry says 500 `internal_error`, the fault being ours. The usage is the
intent's estimate of the input, no output, source "estimated".
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog
from msgspec.structs import replace

from anyrouter.core.ledger import HEDGE_LOST, AttemptRecord, EntryState, Intent, LedgerEntry, Outcome, join
from anyrouter.core.usage import Usage, UsageSource
from anyrouter.storage.journal import BESIDE, CHECKPOINT, INTENT, POSITION, RESULT, SETTLEMENT, Position, list_segments, read_segment

_log = structlog.get_logger(__name__)

PriceInterrupted = Callable[[Intent], int]
Record = Callable[[list[LedgerEntry]], None]

INTERRUPTED_STATUS = 500
INTERRUPTED_CODE = "internal_error"
_AT_ONCE = 500

_intents = msgspec.msgpack.Decoder(Intent)
_results = msgspec.msgpack.Decoder(tuple[str, int, Outcome])
_entries = msgspec.msgpack.Decoder(LedgerEntry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """How many entries were recorded (those that the database had already are not told apart), and how many files were damaged."""

    settled: int = 0
    interrupted: int = 0
    damaged_files: int = 0


@dataclass(slots=True)
class _Contents:
    settlements: list[tuple[Position, LedgerEntry]]
    open_intents: dict[str, Intent]
    beside: dict[str, Intent]  # second attempts at what is open
    lost: dict[str, LedgerEntry]  # what lost, of generations that are open
    committed: Position
    lone_results: list[Position]  # their intents are not there: deleted with an older file, once the database had them, or damaged
    damaged: list[Path]


def recover(directory: Path, *, record: Record, price_interrupted: PriceInterrupted) -> Recovered:
    """Record everything that the journal in `directory` holds, then delete its files; damaged ones are kept as `*.damaged`.

    `record` must store entries that it knows already without counting them again; what it raises is passed on, and the files stay.
    """
    segments = list_segments(directory)
    contents = _read(segments)
    # What the journal calls committed is not offered again: retention may have deleted it meanwhile.
    settled = [entry for position, entry in contents.settlements if position > contents.committed]
    lost = [_lost_entry(intent, price_interrupted(intent)) for intent in contents.beside.values()]
    contents.lost |= {entry.generation_id: entry for entry in lost}
    interrupted = [
        interrupted_entry(intent, price_interrupted(intent), contents.lost.get(intent.generation_id))
        for intent in contents.open_intents.values()
    ]
    entries = settled + lost + interrupted
    for first in range(0, len(entries), _AT_ONCE):
        record(entries[first : first + _AT_ONCE])
    for _, path in segments:  # the oldest first: an intent is never left without the settlement that follows it
        if path in contents.damaged:
            path.rename(path.with_suffix(".damaged"))
        else:
            path.unlink()
    result = Recovered(settled=len(settled), interrupted=len(interrupted), damaged_files=len(contents.damaged))
    if entries or contents.damaged:
        _log.warning("journal_recovered", settled=result.settled, interrupted=result.interrupted, damaged_files=result.damaged_files)
    return result


def interrupted_entry(intent: Intent, cost_nanousd: int, lost: LedgerEntry | None = None) -> LedgerEntry:
    """The entry of a generation whose process died. `lost` is that of an attempt beside it."""
    return LedgerEntry(
        **{name: getattr(intent, name) for name in Intent.__struct_fields__},
        state=EntryState.INTERRUPTED,
        status=INTERRUPTED_STATUS,
        error_code=INTERRUPTED_CODE,
        usage=Usage(input_tokens=intent.estimated_input_tokens, source=UsageSource.ESTIMATED),
        cost_nanousd=cost_nanousd,
        attempts=() if lost is None else (_lost_attempt(lost),),
    )


def _lost_entry(intent: Intent, cost_nanousd: int) -> LedgerEntry:
    return replace(interrupted_entry(intent, cost_nanousd), state=EntryState.CANCELLED, error_code=HEDGE_LOST)


def _lost_attempt(entry: LedgerEntry) -> AttemptRecord:
    return AttemptRecord(
        upstream=entry.upstream,
        provider=entry.provider,
        model=entry.upstream_model,
        latency_ms=entry.latency_ms,
        error=HEDGE_LOST,
        cost_nanousd=entry.cost_nanousd,
        upstream_cost_nanousd=entry.upstream_cost_nanousd,
        shadow_cost_nanousd=entry.shadow_cost_nanousd,
    )


def _read(segments: list[tuple[int, Path]]) -> _Contents:
    contents = _Contents([], {}, {}, {}, (0, 0), [], [])
    damaged: set[int] = set()
    for number, path in segments:
        found = read_segment(path)
        if found.is_damaged:
            damaged.add(number)
        for kind, content, end in found.records:
            try:
                _take(contents, kind, content, (number, end))
            except (msgspec.MsgspecError, ValueError):  # a whole record that makes no sense: keep it for a person to look at
                damaged.add(number)
    damaged |= {position[0] for position in contents.lone_results if position > contents.committed}
    contents.damaged = [path for number, path in segments if number in damaged]
    return contents


def _take(contents: _Contents, kind: bytes, content: bytes, position: Position) -> None:
    if kind == INTENT:
        intent = _intents.decode(content)
        known = contents.open_intents.get(intent.generation_id)
        if known is None or intent.attempt >= known.attempt:
            contents.open_intents[intent.generation_id] = intent
            contents.beside.pop(intent.generation_id, None)
    elif kind == BESIDE:
        intent = _intents.decode(content)
        contents.beside[intent.generation_id] = intent
    elif kind == RESULT:
        generation_id, attempt, outcome = _results.decode(content)
        opened = contents.open_intents.get(generation_id)
        if opened is None or opened.attempt != attempt:
            opened = contents.beside.get(generation_id)
        if opened is None or opened.attempt != attempt:
            contents.lone_results.append(position)
            return
        _settle(contents, join(opened, outcome), position)
    elif kind == SETTLEMENT:
        _settle(contents, _entries.decode(content), position)
    elif kind == CHECKPOINT:
        if len(content) != POSITION.size:
            raise ValueError("a checkpoint has two numbers")
        segment, offset = POSITION.unpack(content)
        contents.committed = max(contents.committed, (segment, offset))


def _settle(contents: _Contents, entry: LedgerEntry, position: Position) -> None:
    contents.settlements.append((position, entry))
    generation_id = entry.generation_id
    second = contents.beside.pop(generation_id, None)
    if entry.error_code != HEDGE_LOST:
        contents.open_intents.pop(generation_id, None)
        contents.lost.pop(generation_id, None)
        return
    contents.lost[generation_id] = entry
    if second is not None and second.attempt != entry.attempt:
        contents.open_intents[generation_id] = second
