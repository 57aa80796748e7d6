"""Entries that the database can never take (it says so itself): kept as JSON lines in the journal's directory for a person."""

import json
import os
from pathlib import Path

import msgspec
import structlog

from anyrouter.core.errors import StorageUnavailable
from anyrouter.core.ledger import LedgerEntry

_log = structlog.get_logger(__name__)

FILE_NAME = "rejected.jsonl"


class RejectedEntries:
    """Appends to `rejected.jsonl`, synced: nothing is dropped because of one bad value."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME

    def keep(self, entry: LedgerEntry) -> None:
        """Write it down and log that; StorageUnavailable when the disk refuses."""
        line = json.dumps(msgspec.to_builtins(entry)) + "\n"
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, line.encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StorageUnavailable("Usage cannot be recorded now.", internal=f"{FILE_NAME}: {error}") from error
        _log.error("ledger_entry_rejected_by_database", generation_id=entry.generation_id, file=str(self._path))
