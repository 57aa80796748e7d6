"""The directory that holds what the gateway keeps: created private, and served by one process at a time.

anyrouter.db   SQLite, unless a database_url says otherwise
pepper         the secret under which keys are digested
kek            the keys under which provider credentials are sealed, once there is one
journal/       the ledger's journal
server.lock    locked by the serving process for as long as it lives
"""

import fcntl
import os
from pathlib import Path

from anyrouter.core.errors import InternalError

_DIRECTORY_MODE = 0o700
_FILE_MODE = 0o600


class DataDirectory:
    """Paths below the directory, which is made with mode 0700 when it is missing; InternalError when it cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.database = self.path / "anyrouter.db"
        self.pepper = self.path / "pepper"
        self.kek = self.path / "kek"
        self.journal = self.path / "journal"
        self.lock = self.path / "server.lock"
        try:
            self.path.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
            self.journal.mkdir(mode=_DIRECTORY_MODE, exist_ok=True)
        except OSError as error:
            raise InternalError(f"The data directory {self.path} cannot be used: {error.strerror}.") from error

    def create_database_file(self) -> None:
        """Make the SQLite file with mode 0600 before SQLite would make it with the umask's; its WAL takes the same mode."""
        try:
            os.close(os.open(self.database, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE))
        except OSError as error:
            raise InternalError(f"The database {self.database} cannot be opened: {error.strerror}.") from error


class ServerLock:
    """Held by the process that serves a data directory: the journal has one writer. Ends with the process, kill -9 included."""

    def __init__(self, directory: DataDirectory) -> None:
        """Take the lock or raise InternalError with the number of the process that has it."""
        try:
            self._descriptor = os.open(directory.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
        except OSError as error:
            raise InternalError(f"The lock {directory.lock} cannot be opened: {error.strerror}.") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise InternalError(
                f"Another AnyRouter server (process {holder}) is using the data directory {directory.path}. "
                "Stop it, or give this one a data directory of its own."
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next server in. The file stays: removing it would race with that server's opening it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
