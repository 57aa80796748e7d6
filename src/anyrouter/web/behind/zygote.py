"""A process that does nothing but fork others: made while the gateway has no threads, since only such a process may be forked later.

It waits on a socket, and shares the memory of what was loaded by then. It ends with the gateway, however that ends.
"""

import gc
import os
import signal
import socket
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

Run = Callable[[socket.socket], None]


class Zygote:
    """To be made before the first thread and the first loop. `run` is what each process does, with its end of a pair of sockets."""

    def __init__(self, run: Run) -> None:
        self._asking, asked = socket.socketpair()
        gc.freeze()  # a collection would write into every page of memory that is shared
        self.pid = os.fork()
        if self.pid == 0:
            self._asking.close()
            _fork_when_asked(asked, run)
        gc.unfreeze()
        asked.close()

    def start(self) -> socket.socket:
        """Our end of the pair of sockets of a new process. OSError when there cannot be one."""
        mine, other = socket.socketpair()
        try:
            with other:
                socket.send_fds(self._asking, [b"."], [other.fileno()])
        except BaseException:
            mine.close()
            raise
        return mine

    def close(self) -> None:
        """No more processes. Those that run end when their sockets do."""
        self._asking.close()
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def _fork_when_asked(asked: socket.socket, run: Run) -> NoReturn:
    """Until the gateway is gone. Signals are its business: one from a terminal reaches all processes, and it ends in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how they ended
    with suppress(OSError):
        while True:
            data, descriptors, _, _ = socket.recv_fds(asked, 1, 1)
            if not data:
                break
            for descriptor in descriptors:
                _fork(asked, run, descriptor)
                os.close(descriptor)
    os._exit(0)


def _fork(asked: socket.socket, run: Run, descriptor: int) -> None:
    if os.fork() != 0:
        return
    code = 1
    try:
        asked.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        run(socket.socket(fileno=descriptor))
        code = 0
    except BaseException:  # noqa: BLE001 -- nobody else would tell
        traceback.print_exc()
    finally:
        os._exit(code)
