"""A page as the relay's client: takes a reply as it is made, and gives it on part by part. The data plane is the same as everybody's."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from anyrouter.relay.call import Principal, RequestHead
from anyrouter.relay.ports import Downstream, Watcher

# The relay's way to serve a request whose principal is known: it replies exactly once, and returns what is left to do.
Serve = Callable[[RequestHead, Principal, bytes, Downstream], Coroutine[Any, Any, None] | None]

MAX_WAITING_BYTES = 262_144  # what may wait for a slow reader before the upstream is told to wait


class PageDownstream:
    """Implements `relay.ports.Downstream`. `status` and `headers` (lower case) are known once `read_head` has returned."""

    is_half_closed = False

    def __init__(self) -> None:
        self.is_closed, self.is_aborted = False, False
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self._parts: list[bytes] = []
        self._waiting, self._is_paused, self._is_over = 0, False, False
        self._watcher: Watcher | None = None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # What the relay calls.

    def reply(self, status: int, head: bytes, body: bytes | Sequence[bytes | memoryview]) -> None:
        """Take a whole reply."""
        self.start(status, head)
        self.write(body if isinstance(body, bytes) else b"".join(body))
        self.finish()

    def start(self, status: int, head: bytes) -> None:
        """Take a head."""
        if self._is_over or self.status is not None:
            return
        lines = (line.partition(": ") for line in head.decode("latin-1").split("\r\n") if line)
        self.status, self.headers = status, {name.lower(): value for name, _, value in lines}
        self._changed.set()

    def write(self, data: bytes) -> None:
        """Take a part of the body."""
        if self._is_over or not data:
            return
        self._parts.append(data)
        self._waiting += len(data)
        self._changed.set()
        if self._waiting > MAX_WAITING_BYTES and not self._is_paused and self._watcher is not None:
            self._is_paused = True
            self._watcher.pause()

    def finish(self) -> None:
        """The body is whole."""
        self._end()

    def abort(self) -> None:
        """The body will not be whole."""
        self.is_aborted = not self._is_over
        self._end()

    def watch(self, watcher: Watcher) -> None:
        """Have the watcher told; at once where the reader has left already."""
        if self.is_closed:
            watcher.leave()
        elif not self._is_over:
            self._watcher = watcher

    def follow(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it. A reply that it leaves open is not whole."""
        self._task = task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._end_work)

    # What the page calls.

    async def read_head(self) -> int | None:
        """The status, once there is one; None when there will be none."""
        while self.status is None and not self._is_over:
            await self._wait()
        return self.status

    async def read(self) -> bytes | None:
        """What has come since; None behind the end."""
        while not self._parts and not self._is_over:
            await self._wait()
        if not self._parts:
            return None
        data = b"".join(self._parts)
        self._parts, self._waiting = [], 0
        if self._is_paused and self._watcher is not None:
            self._is_paused = False
            self._watcher.resume()
        return data

    def leave(self) -> None:
        """Nobody reads any more: the relay gives the request up, and bills what was delivered."""
        if self._is_over:
            return
        watcher, self.is_closed = self._watcher, True
        self._end()
        if watcher is not None:
            watcher.leave()

    async def settle(self, patience_s: float) -> None:
        """Leave, and give what the relay still does some time to end."""
        self.leave()
        if self._task is not None and not self._task.done():
            await asyncio.wait({self._task}, timeout=patience_s)

    def _end(self) -> None:
        self._is_over, self._watcher = True, None
        self._changed.set()

    def _end_work(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()  # the relay reports its own mistakes; here it is a reply that is not whole
        if not self._is_over:
            self.abort()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()
