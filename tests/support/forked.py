"""The program in a process of its own, forked from one that has imported it.

Imports are three quarters of what a start or a command costs, and tests have some two hundred of them: a second of a processor
each. The tests of the command line start the program as a user does.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import json
import multiprocessing
import os
import runpy
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

_FORKS = multiprocessing.get_context("forkserver")
_PAGES = "anyrouter.cli.pages"
_FORKS.set_forkserver_preload(["anyrouter.cli.app", "anyrouter.bootstrap.gateway", "anyrouter.storage.opening", "pydantic.v1", _PAGES])
_BETWEEN = 3  # behind the streams: the socket of a pages' process
_PROGRAM = """#!{python} -SsE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect({path!r})
    socket.send_fds(asked, [b"."], [0, 1, 2, *{more}])
    asked.sendall(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode())
    asked.shutdown(socket.SHUT_WR)
    sys.exit(int(asked.recv(8)))
"""


class Forked:
    """`anyrouter` with these arguments, in this environment alone; it ends with the tests at the latest.

    The process of its pages is forked as it is, unless `starts_pages`: then it starts one as it does elsewhere.
    """

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], *, starts_pages: bool = False) -> None:
        pages = None if starts_pages else str(_find_pages_program())
        reading, writing = _FORKS.Pipe(duplex=False)
        with writing:
            self._process = _fork(arguments, environment, str(Path.cwd()), {1: writing, 2: writing}, pages)
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
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, timeout_s: float) -> int | None:
        """The exit code, as `subprocess` has it; None when it still runs then."""
        self._process.join(timeout_s)
        return self._process.exitcode


@contextlib.contextmanager
def forked_program() -> Iterator[Path]:
    """A directory for PATH: its `anyrouter` is the program, with the caller's streams, environment and directory."""
    with TemporaryDirectory(prefix="anyrouter-") as directory, socket.socket(socket.AF_UNIX) as listener:
        answering = _offer(Path(directory, "anyrouter"), listener)
        yield Path(directory)
        listener.shutdown(socket.SHUT_RDWR)
        answering.join()


@functools.cache
def _find_pages_program() -> Path:
    """The process of a gateway's pages, for as long as the tests run."""
    directory = TemporaryDirectory(prefix="anyrouter-")
    atexit.register(directory.cleanup)
    _offer(Path(directory.name, "pages"), socket.socket(socket.AF_UNIX), more="map(int, sys.argv[1:])")
    return Path(directory.name, "pages")


def _offer(program: Path, listener: socket.socket, *, more: str = "()") -> threading.Thread:
    """Make a program that has a process forked. `more` are the descriptors that it passes on beside its streams."""
    path = f"{program}.socket"
    listener.bind(path)
    listener.listen()
    program.write_text(_PROGRAM.format(python=sys.executable, path=path, more=more), encoding="utf-8")
    program.chmod(0o755)
    answering = threading.Thread(target=_answer_all, args=(listener,), daemon=True)
    answering.start()
    return answering


def _answer_all(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it was shut down
        while True:
            threading.Thread(target=_answer, args=(listener.accept()[0],), daemon=True).start()


def _answer(asked: socket.socket) -> None:
    with asked, contextlib.ExitStack() as streams:
        _, descriptors, _, _ = socket.recv_fds(asked, 1, 4)
        given = {stream: streams.enter_context(Connection(descriptor)) for stream, descriptor in enumerate(descriptors)}
        with asked.makefile("rb") as said:
            arguments, environment, directory = json.load(said)
        process = _fork(arguments, environment, directory, given)
        process.join()
        with contextlib.suppress(BrokenPipeError):  # who asked may have been killed
            asked.sendall(str(process.exitcode).encode())


def _fork(
    arguments: Sequence[str], environment: Mapping[str, str], directory: str, streams: Mapping[int, Connection], pages: str | None = None
) -> multiprocessing.context.ForkServerProcess:
    process = _FORKS.Process(target=_run, args=(list(arguments), dict(environment), directory, dict(streams), pages), daemon=True)
    process.start()
    return process


def _run(arguments: list[str], environment: dict[str, str], directory: str, streams: dict[int, Connection], pages: str | None) -> None:
    gc.freeze()  # what was imported before the fork is no garbage, and to look at it is to copy it
    between = streams.pop(_BETWEEN, None)
    for stream, given in streams.items():
        os.dup2(given.fileno(), stream)
    if 0 in streams:
        sys.stdin = os.fdopen(0, encoding="utf-8")
    sys.stdout, sys.stderr = (os.fdopen(stream, "w", buffering=1, encoding="utf-8") for stream in (1, 2))
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    if between is not None:
        sys.argv = ["", str(os.dup(between.fileno()))]
        between.close()
        importlib.import_module(_PAGES).main()
        return
    if pages is not None:
        importlib.import_module("anyrouter.cli.serve").PAGES = (pages,)  # type: ignore[attr-defined]
    sys.argv = ["", *arguments]
    runpy.run_module("anyrouter", run_name="__main__", alter_sys=True)
