"""Starts a program that is talked to over a pair of sockets. It inherits nothing else but the environment and the standard streams."""

import asyncio
import socket
import subprocess
from collections.abc import Sequence


class Program:
    """A program that runs, or did. `between` is our end of the pair of sockets; the program ends when that is closed."""

    def __init__(self, process: "subprocess.Popen[bytes]", between: socket.socket) -> None:
        self._process, self.between = process, between

    @classmethod
    async def start(cls, command: Sequence[str]) -> "Program":
        """Start it; the number of its end's descriptor is its last argument. OSError when that cannot be done."""
        mine, other = socket.socketpair()
        try:
            with other:
                return cls(await asyncio.to_thread(_start, (*command, str(other.fileno())), other.fileno()), mine)
        except BaseException:
            mine.close()
            raise

    async def aclose(self, patience_s: float) -> None:
        """Wait for it to end, and end it when it does not."""
        try:
            await asyncio.to_thread(self._process.wait, patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)


def _start(command: Sequence[str], descriptor: int) -> "subprocess.Popen[bytes]":
    # A group of its own: what a terminal sends to the gateway is the gateway's business. Not a session of its own: Linux shares the
    # processor between sessions (autogroups), and a priority would count within each alone.
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=(descriptor,), process_group=0)  # noqa: S603 -- our own
