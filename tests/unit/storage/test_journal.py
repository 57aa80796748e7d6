"""Files: rotation, a disk that is full, what is left at the end. (What is read back: tests/property/test_journal.py.)"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anyrouter.storage.journal import INTENT, SETTLEMENT, Journal, list_segments, read_segment


def contents(directory: Path) -> list[bytes]:
    return [content for _, path in list_segments(directory) for _, content, _ in read_segment(path).records]


def test_a_full_segment_is_followed_by_another(tmp_path: Path):
    journal = Journal(tmp_path, segment_bytes=100)
    texts = [bytes([65 + index]) * 40 for index in range(5)]
    ends = [journal.append(INTENT, text) for text in texts]
    assert ends == [(1, 57), (2, 57), (3, 57), (4, 57), (5, 57)]
    assert ends[-1] == journal.end
    assert contents(tmp_path) == texts
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())
    journal.close()


def test_a_record_longer_than_a_segment_is_written(tmp_path: Path):
    journal = Journal(tmp_path, segment_bytes=10)
    journal.append(SETTLEMENT, b"x" * 1_000)
    assert contents(tmp_path) == [b"x" * 1_000]
    journal.close()


def test_segments_go_in_order_when_nothing_holds_them(tmp_path: Path):
    journal = Journal(tmp_path, segment_bytes=10)
    for _ in range(3):
        journal.append(INTENT, b"x")
    one, two, three, four = journal.segments
    assert four is journal.current
    one.held = 0
    two.held = 1
    assert journal.take_finished() == [one.path]
    assert journal.take_finished() == []
    two.held = 0
    assert journal.take_finished() == [two.path, three.path]
    four.held = 1
    journal.close()
    journal.close()
    assert four.path.exists()


def test_numbers_go_on_behind_what_is_in_the_directory(tmp_path: Path):
    (tmp_path / "0000000007.damaged").touch()
    (tmp_path / "notes.journal").touch()
    journal = Journal(tmp_path)
    assert journal.current.path.name == "0000000008.journal"
    journal.close()
    assert list_segments(tmp_path) == []


def test_a_record_that_the_disk_takes_half_of_is_taken_back(tmp_path: Path, full_disk: Callable[[int], Any]):
    journal = Journal(tmp_path)
    journal.append(INTENT, b"first")
    size = journal.current.path.stat().st_size
    with full_disk(size + 20):
        with pytest.raises(OSError, match="20 of 110 bytes"):
            journal.append(INTENT, b"x" * 101)
        assert journal.current.path.stat().st_size == size
        journal.append(INTENT, b"short")
        with pytest.raises(OSError, match="6 of 14 bytes"):
            journal.append(INTENT, b"short")
    journal.append(INTENT, b"last")
    assert contents(tmp_path) == [b"first", b"short", b"last"]
    journal.close()


def test_where_no_segment_can_be_added_the_current_one_grows(tmp_path: Path):
    journal = Journal(tmp_path / ".", segment_bytes=30)
    journal.append(INTENT, b"x")
    (tmp_path / "0000000002.journal").touch()  # the next name is taken: the file system refuses
    journal.append(INTENT, b"y" * 40)
    assert len(journal.segments) == 1
    assert contents(tmp_path) == [b"x", b"y" * 40]
    journal.close()
