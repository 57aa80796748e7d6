"""After a start: what the journal still holds goes to the ledger, exactly once however often this is interrupted and repeated.

Settlements are recorded as they are. An intent without a settlement belonged to a request that died with the process: its last
attempt becomes an entry marked interrupted. Nobody knows what the client saw; the entry says 500 `internal_error`, the fault
being ours. Its usage is the intent's estimate of the input, no output, source "estimated".
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from anyrouter.core.ledger import EntryState, Intent, LedgerEntry, Outcome, join
from anyrouter.core.usage import Usage, UsageSource
from anyrouter.storage.journal import CHECKPOINT, INTENT, POSITION, RESULT, SETTLEMENT, Position, list_segments, read_segment

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
    interrupted = [interrupted_entry(intent, price_interrupted(intent)) for intent in contents.open_intents.values()]
    entries = settled + interrupted
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


def interrupted_entry(intent: Intent, cost_nanousd: int) -> LedgerEntry:
    """The entry of a generation whose process died."""
    return LedgerEntry(
        **{name: getattr(intent, name) for name in Intent.__struct_fields__},
        state=EntryState.INTERRUPTED,
        status=INTERRUPTED_STATUS,
        error_code=INTERRUPTED_CODE,
        usage=Usage(input_tokens=intent.estimated_input_tokens, source=UsageSource.ESTIMATED),
        cost_nanousd=cost_nanousd,
    )


def _read(segments: list[tuple[int, Path]]) -> _Contents:
    contents = _Contents([], {}, (0, 0), [], [])
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
    elif kind == RESULT:
        generation_id, attempt, outcome = _results.decode(content)
        opened = contents.open_intents.get(generation_id)
        if opened is None or opened.attempt != attempt:
            contents.lone_results.append(position)
            return
        del contents.open_intents[generation_id]
        contents.settlements.append((position, join(opened, outcome)))
    elif kind == SETTLEMENT:
        entry = _entries.decode(content)
        contents.open_intents.pop(entry.generation_id, None)
        contents.settlements.append((position, entry))
    elif kind == CHECKPOINT:
        if len(content) != POSITION.size:
            raise ValueError("a checkpoint has two numbers")
        segment, offset = POSITION.unpack(content)
        contents.committed = max(contents.committed, (segment, offset))
