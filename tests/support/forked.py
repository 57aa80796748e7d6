"""The program in a process of its own, forked from one that has imported it.

Imports are three quarters of a start, which is a second of a processor, and tests start the gateway some sixty times. The tests of
the command line start the program as a user does.
"""

import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import TextIO

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["anyrouter.cli.app", "anyrouter.bootstrap.gateway"])


class Forked:
    """`anyrouter` with these arguments, in this environment alone; it ends with the tests at the latest."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        reading, writing = _FORKS.Pipe(duplex=False)
        with writing:
            self._process = _FORKS.Process(target=_run, args=(list(arguments), dict(environment), writing), daemon=True)
            self._process.start()
        with reading:
            self._output = os.dup(reading.fileno())

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process.pid is not None
        return self._process.pid

    def read_output(self) -> TextIO:
        """What it writes to either stream, for one reader, who closes it."""
        return os.fdopen(self._output, encoding="utf-8")

    def send_signal(self, number: signal.Signals) -> None:
        """Nothing where it has ended."""
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def wait(self, timeout_s: float) -> int | None:
        """The exit code, as `subprocess` has it; None when it still runs then."""
        self._process.join(timeout_s)
        return self._process.exitcode


def _run(arguments: list[str], environment: dict[str, str], output: Connection) -> None:
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    sys.stdout, sys.stderr = (os.fdopen(stream, "w", buffering=1, encoding="utf-8") for stream in (1, 2))
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["", *arguments]
    runpy.run_module("anyrouter", run_name="__main__", alter_sys=True)
