"""Files: rotation, a disk that is full, what is left at the end. (What is read back: tests/property/test_journal.py.)"""

import os
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


def test_a_record_that_is_longer_than_a_segment_gets_one_of_its_own_size(tmp_path: Path):
    journal = Journal(tmp_path, segment_bytes=30)
    journal.append(INTENT, b"x")
    journal.append(INTENT, b"y" * 400)
    assert contents(tmp_path) == [b"x", b"y" * 400]
    journal.close()


def test_what_a_segment_reserved_and_did_not_use_is_given_back(tmp_path: Path):
    journal = Journal(tmp_path, segment_bytes=4096)
    first = journal.current
    first.held = 1
    _, end = journal.append(INTENT, b"x" * 3000)
    assert first.path.stat().st_size == 4096
    journal.append(INTENT, b"y" * 3000)
    assert first.path.stat().st_size == end
    journal.close()


@pytest.mark.parametrize("room", [0, 3])
def test_a_segment_that_could_not_be_begun_is_begun_later(tmp_path: Path, full_disk: Callable[[int], Any], room: int):
    journal = Journal(tmp_path, segment_bytes=30)
    journal.append(INTENT, b"x")
    with full_disk(room), pytest.raises(OSError, match="too large"):
        journal.append(INTENT, b"y" * 20)
    assert [path.name for path in tmp_path.iterdir()] == ["0000000001.journal"]
    assert journal.append(INTENT, b"z" * 20) == (2, 37)
    journal.close()


def test_where_blocks_cannot_be_reserved_they_are_written(tmp_path: Path, full_disk: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    journal = Journal(tmp_path, segment_bytes=100)
    journal.append(INTENT, b"x" * 50)
    with full_disk(60), pytest.raises(OSError, match="No space left"):
        journal.append(INTENT, b"y" * 50)
    journal.append(INTENT, b"z" * 50)
    assert contents(tmp_path) == [b"x" * 50, b"z" * 50]
    journal.close()
