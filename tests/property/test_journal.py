"""The journal's promises, whatever the bytes: what was written whole is read back, and recovering again changes nothing."""

import tempfile
from pathlib import Path

import hypothesis.strategies as st
import msgspec
from hypothesis import given, settings

from anyrouter.core.ledger import AttemptRecord, EntryState, Intent, LedgerEntry
from anyrouter.core.usage import Usage, UsageSource
from anyrouter.storage.journal import INTENT, SETTLEMENT, Journal, list_segments, scan
from anyrouter.storage.recovery import recover

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
COUNT = st.integers(min_value=0, max_value=2**63 - 1)
USAGES = st.builds(Usage, input_tokens=COUNT, output_tokens=COUNT, source=st.sampled_from(UsageSource))
ATTEMPTS = st.lists(st.builds(AttemptRecord, upstream=TEXT, provider=TEXT, model=TEXT, status=st.integers(0, 599)), max_size=3)


def entry(generation: int, attempt: int, **fields: object) -> LedgerEntry:
    names = ("request_id", "organisation_id", "environment_id", "environment", "api_key_id", "rotation_group", "endpoint")
    texts = dict.fromkeys((*names, "model", "upstream_model", "provider", "upstream"), "text")
    values = {**texts, "created_at_ms": 1, "state": EntryState.SETTLED, "status": 200, **fields}
    return LedgerEntry(generation_id=f"gen-{generation}", attempt=attempt, **values)


def intent(generation: int, attempt: int) -> Intent:
    source = entry(generation, attempt)
    return Intent(**{name: getattr(source, name) for name in Intent.__struct_fields__})


ENTRIES = st.builds(
    entry,
    st.integers(0, 99),
    st.integers(1, 9),
    usage=USAGES,
    attempts=ATTEMPTS.map(tuple),
    cost_nanousd=COUNT,
    model=TEXT,
    trace_id=st.none() | TEXT,
    state=st.sampled_from(EntryState),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Intent | LedgerEntry]:
    """What a ledger is told: attempts one after the other, then a settlement, or none; many generations interleaved."""
    scripts = []
    for generation in range(draw(st.integers(1, 6))):
        attempts = draw(st.integers(0, 3))
        script: list[Intent | LedgerEntry] = [intent(generation, attempt) for attempt in range(1, attempts + 1)]
        if draw(st.booleans()) or not script:
            script.append(entry(generation, max(1, attempts)))
        scripts.append(script)
    order = draw(st.permutations([index for index, script in enumerate(scripts) for _ in script]))
    queues = [list(script) for script in scripts]
    return [queues[index].pop(0) for index in order]


def write(directory: Path, history: list[Intent | LedgerEntry], segment_bytes: int) -> None:
    journal = Journal(directory, segment_bytes=segment_bytes)
    for told in history:
        journal.append(SETTLEMENT if isinstance(told, LedgerEntry) else INTENT, msgspec.msgpack.encode(told))
        journal.current.held += 1
    journal.close()


class Database:
    """Stores what it does not know, and counts that, as `record_group` does; dies before the entry number `patience`."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, int], LedgerEntry] = {}
        self.patience = 10**9

    def record(self, entries: list[LedgerEntry]) -> None:
        for given_entry in entries:
            if self.patience == 0:
                raise InterruptedError
            self.patience -= 1
            self.entries.setdefault((given_entry.generation_id, given_entry.attempt), given_entry)


@settings(deadline=None)
@given(st.lists(ENTRIES, max_size=8), st.data())
def test_a_journal_cut_at_any_byte_gives_back_every_whole_record(entries: list[LedgerEntry], data: st.DataObject):
    with tempfile.TemporaryDirectory() as name:
        journal = Journal(Path(name))
        ends = [journal.append(SETTLEMENT, msgspec.msgpack.encode(told))[1] for told in entries]
        [(_, path)] = list_segments(Path(name))
        whole = path.read_bytes()
        journal.close()
    cut = data.draw(st.integers(0, len(whole)))
    found = scan(whole[:cut])
    assert not found.is_damaged
    expected = [told for told, end in zip(entries, ends, strict=True) if end <= cut]
    assert [msgspec.msgpack.decode(content, type=LedgerEntry) for _, content, _ in found.records] == expected


@settings(deadline=None)
@given(st.lists(ENTRIES, min_size=1, max_size=6), st.data())
def test_a_changed_byte_loses_one_record_at_most(entries: list[LedgerEntry], data: st.DataObject):
    with tempfile.TemporaryDirectory() as name:
        journal = Journal(Path(name))
        ends = [journal.append(SETTLEMENT, msgspec.msgpack.encode(told))[1] for told in entries]
        [(_, path)] = list_segments(Path(name))
        whole = bytearray(path.read_bytes())
        journal.close()
    place = data.draw(st.integers(8, ends[-1] - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    found = scan(bytes(whole))
    hit = next(index for index, end in enumerate(ends) if place < end)
    assert [end for _, _, end in found.records] == ends[:hit] + ends[hit + 1 :]
    assert found.is_damaged == (hit < len(ends) - 1)  # at the end it cannot be told from a record that was cut short


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_can_be_scanned(data: bytes):
    assert scan(data).records == []


@settings(deadline=None)
@given(histories(), st.sampled_from([1, 1_000, 2**20]))
def test_recovery_gives_each_generation_one_entry(history: list[Intent | LedgerEntry], segment_bytes: int):
    settled = {told.generation_id: told for told in history if isinstance(told, LedgerEntry)}
    attempts: dict[str, int] = {}
    for told in history:
        attempts[told.generation_id] = max(told.attempt, attempts.get(told.generation_id, 0))
    database = Database()
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), history, segment_bytes)
        recovered = recover(Path(name), record=database.record, price_interrupted=lambda _: 5)
        assert list(Path(name).iterdir()) == []
    assert set(database.entries) == set(attempts.items())
    assert (recovered.settled, recovered.interrupted) == (len(settled), len(attempts) - len(settled))
    for (generation_id, _), stored in database.entries.items():
        if generation_id in settled:
            assert stored == settled[generation_id]
        else:
            assert (stored.state, stored.cost_nanousd) == (EntryState.INTERRUPTED, 5)


@settings(deadline=None)
@given(histories(), st.lists(st.integers(0, 8), max_size=4))
def test_recovery_that_dies_and_is_repeated_ends_with_the_same_entries(history: list[Intent | LedgerEntry], deaths: list[int]):
    at_once, interrupted = Database(), Database()
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), history, 1_000)
        for patience in deaths:
            interrupted.patience = patience
            copy = {path: path.read_bytes() for path in Path(name).iterdir()}
            try:
                recover(Path(name), record=interrupted.record, price_interrupted=lambda _: 5)
            except InterruptedError:
                assert {path: path.read_bytes() for path in Path(name).iterdir()} == copy
            for path, content in copy.items():  # as if it had died before the files were gone
                path.write_bytes(content)
        interrupted.patience = 10**9
        recover(Path(name), record=interrupted.record, price_interrupted=lambda _: 5)
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), history, 1_000)
        recover(Path(name), record=at_once.record, price_interrupted=lambda _: 5)
    assert interrupted.entries == at_once.entries
