"""Two processes that open streams to each other: each new one is an end of a pair of sockets, sent over the socket between them."""

import asyncio
import socket
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from anyrouter.web.behind.stream import Broken, Stream

_log = structlog.get_logger(__name__)
_PAUSE_S = 0.005
_PATIENCE_S = 5.0


class Link:
    """One end. `serve` is called with each stream that the other end opens; `ended` is set when the other end is gone.

    Belongs to the loop that it was made in.
    """

    def __init__(self, between: socket.socket, serve: Callable[[Stream], Awaitable[None]]) -> None:
        self._socket, self._serve = between, serve
        self._loop = asyncio.get_running_loop()
        self._running: set[asyncio.Task[None]] = set()
        self.ended = asyncio.Event()
        between.settimeout(0)
        self._loop.add_reader(between.fileno(), self._accept)

    async def open(self) -> Stream:
        """A new stream; Broken when the other end is gone, or does not take any for long."""
        mine, other = socket.socketpair()
        try:
            with other:
                await self._send(other)
            return await Stream.over(mine)
        except BaseException:
            mine.close()
            raise

    async def aclose(self, patience_s: float = 0.0) -> None:
        """Say that nothing more comes, wait for the other end to say the same, and end what still runs here."""
        if not self.ended.is_set() and patience_s:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
            with suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self.ended.wait()
        self._end()
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    async def _send(self, other: socket.socket) -> None:
        deadline_s = self._loop.time() + _PATIENCE_S
        while not self.ended.is_set():
            try:
                socket.send_fds(self._socket, [b"."], [other.fileno()])
            except BlockingIOError:  # the other end has hundreds to take
                if self._loop.time() > deadline_s:
                    break
                await asyncio.sleep(_PAUSE_S)
            except OSError:
                break
            else:
                return
        raise Broken

    def _accept(self) -> None:
        while not self.ended.is_set():
            try:
                data, descriptors, _, _ = socket.recv_fds(self._socket, 1, 1)
            except BlockingIOError:
                return
            except OSError:
                data, descriptors = b"", []
            if not data:
                self._end()
                return
            for descriptor in descriptors:
                task = self._loop.create_task(self._take(socket.socket(fileno=descriptor)))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def _take(self, end: socket.socket) -> None:
        stream = await Stream.over(end)
        try:
            with suppress(Broken):
                await self._serve(stream)
        except Exception as error:  # noqa: BLE001 -- a mistake of ours, and nobody else to tell it
            # Its kind and place, not its text, which may quote a request.
            where = [f"{frame.filename.rpartition('anyrouter/')[2]}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
            _log.error("stream_failed", error=type(error).__name__, where=where)
        finally:
            await stream.finish()

    def _end(self) -> None:
        if not self.ended.is_set():
            self.ended.set()
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
