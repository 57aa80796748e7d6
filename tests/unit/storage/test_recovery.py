from collections.abc import Callable
from pathlib import Path

import msgspec

from anyrouter.core.ledger import LedgerEntry
from anyrouter.storage.journal import CHECKPOINT, INTENT, POSITION, RESULT, SETTLEMENT, Journal
from anyrouter.storage.recovery import recover


def test_a_damaged_file_gives_what_can_be_read_and_is_kept(tmp_path: Path, make_entry: Callable[..., LedgerEntry]):
    journal = Journal(tmp_path)
    entries = [make_entry() for _ in range(3)]
    ends = [journal.append(SETTLEMENT, msgspec.msgpack.encode(entry))[1] for entry in entries]
    journal.append(b"Z", b"of a later program")
    journal.append(INTENT, b"\xc0")
    journal.current.held = 1
    journal.close()
    path = journal.current.path
    data = bytearray(path.read_bytes())
    data[ends[0] + 20] ^= 1
    path.write_bytes(data)
    kept: list[LedgerEntry] = []
    recovered = recover(tmp_path, record=kept.extend, price_interrupted=lambda _: 0)
    assert kept == [entries[0], entries[2]]
    assert (recovered.settled, recovered.interrupted, recovered.damaged_files) == (2, 0, 1)
    assert [(found.name, found.read_bytes()) for found in tmp_path.iterdir()] == [("0000000001.damaged", bytes(data))]


def test_an_empty_or_cut_off_file_is_no_damage(tmp_path: Path):
    (tmp_path / "0000000001.journal").touch()
    (tmp_path / "0000000002.journal").write_bytes(b"arjr")
    (tmp_path / "0000000003.journal").write_bytes(b"arjrnl1\n" + bytes(4096))
    recovered = recover(tmp_path, record=lambda _: None, price_interrupted=lambda _: 0)
    assert recovered.damaged_files == 0
    assert list(tmp_path.iterdir()) == []


def test_a_result_finds_its_intent_in_an_older_file(tmp_path: Path, make_entry: Callable[..., LedgerEntry]):
    entry = make_entry(cost_nanousd=7)
    intent, outcome = entry.split()
    journal = Journal(tmp_path, segment_bytes=1)
    for kind, content in ((INTENT, intent), (RESULT, (intent.generation_id, 1, outcome))):
        journal.append(kind, msgspec.msgpack.encode(content))
        journal.current.held += 1
    journal.close()
    kept: list[LedgerEntry] = []
    recovered = recover(tmp_path, record=kept.extend, price_interrupted=lambda _: 0)
    assert kept == [entry]
    assert (recovered.settled, recovered.interrupted, recovered.damaged_files) == (1, 0, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_result_without_its_intent_is_damage_unless_it_is_committed(tmp_path: Path, make_entry: Callable[..., LedgerEntry]):
    _, outcome = make_entry().split()
    journal = Journal(tmp_path)
    committed = journal.append(RESULT, msgspec.msgpack.encode(("gen-1", 1, outcome)))
    journal.append(CHECKPOINT, POSITION.pack(*committed))
    journal.current.held = 1
    journal.close()
    assert recover(tmp_path, record=[].extend, price_interrupted=lambda _: 0).damaged_files == 0
    assert list(tmp_path.iterdir()) == []
    journal = Journal(tmp_path)
    journal.append(RESULT, msgspec.msgpack.encode(("gen-2", 1, outcome)))
    journal.current.held = 1
    journal.close()
    kept: list[LedgerEntry] = []
    assert recover(tmp_path, record=kept.extend, price_interrupted=lambda _: 0).damaged_files == 1
    assert kept == []
    assert [path.suffix for path in tmp_path.iterdir()] == [".damaged"]
