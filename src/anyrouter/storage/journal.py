"""The journal: what the ledger was told, in files, until the database has it.

A segment's blocks are reserved when it is made, and records are copied into its mapping: no system call for each, and no moment
in which another thread takes the interpreter. What is in a shared mapping is the kernel's: it survives the death of this process
by any signal. There is no fsync. A crash of the machine (power, kernel) may lose the last seconds before it. A disk that breaks
under the mapping, or somebody who truncates the file, ends the process (SIGBUS); the next start recovers what can be read.

Compatibility law: a segment is a file `<number of ten digits>.journal`. It begins with `MAGIC`, then come records: length and
CRC32 of the payload, little-endian unsigned 32 bits each, and the payload, at least one byte long: a letter for the kind, then

    I   an Intent as a msgpack map by field name
    R   what became of an intent: msgpack, an array of the generation's id, the attempt's number and an Outcome as an array
    B   an Intent as a msgpack map by field name, of a second attempt beside the one that is on record
    S   a LedgerEntry as a msgpack map by field name, where no intent is on record
    C   two little-endian unsigned 64 bit numbers: settlements up to this segment and offset are in the database

Kinds and fields are added, never changed. Zeros may follow the last record: reserved and not used. A record that is cut short
ends its segment: the process died while writing it. Whatever else is unreadable is damage: it is passed over, to the next record
whose checksum is right.
"""

import contextlib
import errno
import mmap
import os
import struct
import zlib
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from anyrouter.core.errors import InternalError

MAGIC = b"arjrnl1\n"
SUFFIX = ".journal"
INTENT, BESIDE, RESULT, SETTLEMENT, CHECKPOINT = b"I", b"B", b"R", b"S", b"C"
_SEEDS = {kind: zlib.crc32(kind) for kind in (INTENT, BESIDE, RESULT, SETTLEMENT, CHECKPOINT)}
POSITION = struct.Struct("<QQ")

SEGMENT_BYTES = 8 * 1024 * 1024
_MAX_RECORD = 1024 * 1024
_HEADER = struct.Struct("<II")
_HEADER_BYTES = _HEADER.size
_frame, _checksum = struct.Struct("<II1s").pack, zlib.crc32

Position = tuple[int, int]  # number of the segment, offset behind the record


@dataclass(slots=True, eq=False)
class Segment:
    """One file. `held` counts what must be in the database before the file may go."""

    number: int
    path: Path
    held: int = 0


@dataclass(slots=True)
class Scan:
    """What one segment holds. `is_damaged`: something unreadable stands before a record that can be read."""

    records: list[tuple[bytes, bytes, int]] = field(default_factory=list)  # kind, content, offset behind it
    is_damaged: bool = False


class Journal:
    """Appends records to the current segment. For one thread; OSError when the file system has no room for the next segment."""

    def __init__(self, directory: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._directory, self._segment_bytes = directory, segment_bytes
        self._number = max((int(path.stem) for path in directory.iterdir() if path.stem.isdecimal()), default=0)
        self._descriptor = -1
        self._size = 0
        self._room: mmap.mmap | None = None
        self._room_bytes = 0
        self.segments: deque[Segment] = deque()
        self._rotate(0)

    @property
    def current(self) -> Segment:
        """The segment that takes records now."""
        return self.segments[-1]

    @property
    def end(self) -> Position:
        """Behind the last record."""
        return self._number, self._size

    def append(self, kind: bytes, content: bytes) -> Position:
        """Write one record; returns the position behind it. After OSError nothing of it counts."""
        size = len(content) + 1
        frame = _frame(size, _checksum(content, _SEEDS.get(kind) or _checksum(kind)), kind) + content
        room, end = self._room, self._size + _HEADER_BYTES + size
        if room is None or end > self._room_bytes:
            room, end = self._rotate(_HEADER_BYTES + size), len(MAGIC) + _HEADER_BYTES + size
        room[self._size : end] = frame
        self._size = end
        return self._number, end

    def take_finished(self) -> list[Path]:
        """The files of the oldest segments that hold nothing any more, taken off the list; the current one never."""
        finished = []
        while len(self.segments) > 1 and self.segments[0].held == 0:
            finished.append(self.segments.popleft().path)
        return finished

    def close(self) -> None:
        """Close the current file, and delete what holds nothing: after a clean end no segment is left."""
        self._leave()
        while self.segments and self.segments[0].held == 0:
            self.segments.popleft().path.unlink(missing_ok=True)

    def _rotate(self, needed: int) -> mmap.mmap:
        """Begin a segment with room for a record of `needed` bytes."""
        path = self._directory / f"{self._number + 1:010d}{SUFFIX}"
        size = max(self._segment_bytes, len(MAGIC) + needed)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _reserve(descriptor, size)  # without it a full disk would show as SIGBUS in the middle of a copy
            room = mmap.mmap(descriptor, size)
        except BaseException:
            os.close(descriptor)
            path.unlink()
            raise
        self._leave()
        room[: len(MAGIC)] = MAGIC
        self._descriptor, self._room, self._room_bytes, self._size = descriptor, room, size, len(MAGIC)
        self._number += 1
        self.segments.append(Segment(self._number, path))
        return room

    def _leave(self) -> None:
        """Close the current file and give back what it did not use."""
        if self._room is None:
            return
        self._room.close()
        self._room = None
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, self._size)
        os.close(self._descriptor)


def _reserve(descriptor: int, size: int) -> None:
    """Have the file's blocks allocated; OSError when the disk has not so many."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    elif os.write(descriptor, bytes(size)) != size:  # macOS
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def list_segments(directory: Path) -> list[tuple[int, Path]]:
    """The segments of a directory, the oldest first."""
    found = [(int(path.stem), path) for path in directory.glob(f"*{SUFFIX}") if path.stem.isdecimal()]
    return sorted(found)


def scan(data: bytes) -> Scan:
    """Every whole record of a segment's bytes, in their order."""
    result = Scan()
    offset = len(MAGIC)
    result.is_damaged = len(data) > offset and not data.startswith(MAGIC)
    while True:
        end = _end_of_record(data, offset)
        if end is None:
            start = _find_record(data, offset + 1)
            if start is None:
                return result
            result.is_damaged, offset = True, start
        else:
            payload = data[offset + _HEADER.size : end]
            result.records.append((payload[:1], payload[1:], end))
            offset = end


def read_segment(path: Path) -> Scan:
    """`scan` of a file; InternalError when it cannot be read."""
    try:
        return scan(path.read_bytes())
    except OSError as error:
        raise InternalError(f"The journal's file {path} cannot be read: {error.strerror}.") from error


def _end_of_record(data: bytes, offset: int) -> int | None:
    """Where the record that starts at `offset` ends, None if none starts there."""
    start = offset + _HEADER.size
    if start > len(data):
        return None
    length, checksum = _HEADER.unpack_from(data, offset)
    end: int = start + length
    if not 1 <= length <= _MAX_RECORD or end > len(data) or zlib.crc32(data[start:end]) != checksum:
        return None
    return end


def _find_record(data: bytes, offset: int) -> int | None:
    """The first place from `offset` on where a record of a known kind starts."""
    last = len(data.rstrip(b"\0"))  # a file system that grew the file and then lost power leaves zeros
    for place in range(offset, last - _HEADER.size):
        kind = data[place + _HEADER.size : place + _HEADER.size + 1]
        if kind in _SEEDS and _end_of_record(data, place) is not None:
            return place
    return None
