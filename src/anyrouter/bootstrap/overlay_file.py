"""The operator's file of models, followed while the gateway runs: what it says takes effect as a whole, or not at all."""

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog

from anyrouter.control.overlay import Overlay
from anyrouter.settings import Problem, SettingsError

INTERVAL_S = 0.5
_log = structlog.get_logger(__name__)

Mark = tuple[int, ...] | None  # what tells one state of a file from another; None: it is not there


class OverlayFile:
    """Looks at the file twice a second and reads it anew when it has changed and is no longer being written.

    `overlay` is the last one that was right, read at `read_at`; `problems` what is wrong with the file now.
    """

    def __init__(self, path: Path, read: Callable[[Path], Overlay]) -> None:
        """Read it. SettingsError when it cannot be used."""
        self._path, self._read = path, read
        self._mark = _look(path)
        self.overlay, self.read_at = read(path), datetime.now(UTC)
        self.problems: tuple[Problem, ...] = ()

    async def follow(self, on_change: Callable[[], None]) -> None:
        """Follow it until cancelled, and tell whenever `overlay` is another one."""
        seen = self._mark
        while True:
            await asyncio.sleep(INTERVAL_S)
            mark = await asyncio.to_thread(_look, self._path)
            if mark != self._mark and mark == seen and await self._take(mark):
                on_change()
            seen = mark

    async def _take(self, mark: Mark) -> bool:
        """Read the file in its state `mark`; whether there is another overlay now."""
        try:
            overlay = await asyncio.to_thread(self._read, self._path)
        except SettingsError as error:
            overlay, problems = self.overlay, error.problems
        except Exception as error:  # noqa: BLE001 -- whatever it is: the next change of the file must be noticed
            overlay, problems = self.overlay, (Problem(origin=str(self._path), setting="", text=f"cannot be read: {type(error).__name__}"),)
        else:
            problems = ()
        if await asyncio.to_thread(_look, self._path) != mark:
            return False  # it was written meanwhile: what was read may be half of it
        self._mark, self.problems = mark, problems
        if problems:
            _log.error("models_file_not_taken", file=str(self._path), problems=[str(problem) for problem in problems])
            return False
        is_other = overlay != self.overlay
        self.overlay, self.read_at = overlay, datetime.now(UTC)
        _log.info("models_file_taken", file=str(self._path), is_other=is_other)
        return is_other


def _look(path: Path) -> Mark:
    try:
        state = os.stat(path)  # noqa: PTH116 -- as cheap as it gets, twice a second
    except OSError:
        return None
    return state.st_mtime_ns, state.st_ctime_ns, state.st_size, state.st_ino, state.st_dev
