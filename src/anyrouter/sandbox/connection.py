"""One client's connection: HTTP/1.1 on httptools, no framework. Carries out a `Reply`, its delays and its cuts included.

A server of its own and not ASGI because it must be able to do what a well-behaved server prevents: end a connection in the middle
of a body, and answer garbage. Bounded: head, body, pipelined requests, and the time that each may take.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import cast

import httptools

from anyrouter.sandbox.reply import Reply
from anyrouter.sandbox.request import Request

MAX_HEAD_BYTES = 64 * 1024
MAX_PIPELINED = 16
_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}


@dataclass(kw_only=True)
class Terms:
    """What a server's connections share. Times in seconds, sizes in bytes; `delay_factor` stretches the delays of replies."""

    answer: Callable[[Request], Reply]
    refuse: Callable[[Request, int, str], Reply]  # what to answer to a request that will not be read whole
    max_body_bytes: int
    delay_factor: float = 1.0
    idle_s: float = 120.0
    message_s: float = 60.0
    write_s: float = 60.0
    linger_s: float = 1.0
    connections: set["Connection"] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """A request that was read, and how its reply is framed. `refusal` is the reply to one that was not read to its end."""

    request: Request
    is_kept_alive: bool
    is_chunkable: bool
    refusal: Reply | None = None


class Connection(asyncio.Protocol):
    """Serves the requests of one connection, one after the other. The methods without a doc of their own are httptools' callbacks."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._parser = httptools.HttpRequestParser(self)
        self._turns: deque[_Turn] = deque()
        self._task: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._is_deaf = False  # takes no more requests
        self._has_head = False
        self._head_size = self._body_size = 0
        self._url, self._headers, self._body = b"", dict[str, str](), list[bytes]()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._terms.connections.add(self)
        self._arm(self._terms.idle_s)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        """Drop what was asked for: nobody is there to be told."""
        self._terms.connections.discard(self)
        self._disarm()
        self._turns.clear()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        """The client is slow: parts wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The client caught up."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Read on, and answer what is complete."""
        if self._is_deaf:
            return
        self._head_size += len(data)
        while data and not self._is_deaf:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._without_upgrade(data[upgrade.args[0] :])
            except httptools.HttpParserError:
                self._refuse(400, "The request is not HTTP/1.1.")
            else:
                break
        if not self._has_head and self._head_size > MAX_HEAD_BYTES:
            self._refuse(431, "The request's head is too large.")
        self._serve()

    def on_message_begin(self) -> None:  # noqa: D102 -- see the class
        self._has_head, self._head_size, self._body_size = False, 0, 0
        self._url, self._headers, self._body = b"", {}, []
        self._arm(self._terms.message_s)

    def on_url(self, url: bytes) -> None:  # noqa: D102 -- see the class
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: D102 -- see the class
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:  # noqa: D102 -- see the class
        self._has_head = True
        if int(self._headers.get("content-length", "0")) > self._terms.max_body_bytes:
            self._refuse(413, "")
        elif self._headers.get("expect", "").lower() == "100-continue" and not self._turns and self._task is None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:  # noqa: D102 -- see the class
        self._body_size += len(body)
        if self._body_size > self._terms.max_body_bytes:
            self._refuse(413, "")
        elif not self._is_deaf:
            self._body.append(body)

    def on_message_complete(self) -> None:  # noqa: D102 -- see the class
        if self._is_deaf:
            return
        self._disarm()
        is_current = self._parser.get_http_version() != "1.0"
        is_kept_alive = is_current and self._parser.should_keep_alive()
        self._turns.append(_Turn(request=self._request(), is_kept_alive=is_kept_alive, is_chunkable=is_current))
        self._body = []
        self._has_head, self._head_size = False, 0

    def _without_upgrade(self, rest: bytes) -> bytes:
        """A message that offered another protocol, to be read again without the offer: the parser skips such a message's body.

        Some clients offer HTTP/2 in every request.
        """
        if self._is_deaf:
            return b""
        turn = self._turns.pop() if self._turns else None
        if turn is None or turn.request.method == "CONNECT":
            self._refuse(400, "This server is no proxy.")
            return b""
        self._parser = httptools.HttpRequestParser(self)
        kept = [f"{name}: {value}" for name, value in turn.request.headers.items() if name not in {"connection", "upgrade"}]
        head = "\r\n".join([f"{turn.request.method} {turn.request.target} HTTP/1.1", *kept, "", ""])
        return head.encode("latin-1") + rest

    def shutdown(self) -> "asyncio.Task[None] | None":
        """End the connection now. What comes back is the task that was serving it, for the caller to cancel and await."""
        self._is_deaf = True
        self._transport.abort()
        return self._task

    def _serve(self) -> None:
        """Answer what has been read: at once where the reply is whole, in a task where it takes time."""
        while self._turns and self._task is None:
            turn = self._turns.popleft()
            reply = turn.refusal or self._terms.answer(turn.request)
            if isinstance(reply.body, bytes) and not (reply.delay_s or reply.is_cut or reply.is_silent):
                self._transport.write(_whole(reply, turn))
                self._finish(turn)
            else:
                self._task = asyncio.get_running_loop().create_task(self._perform(reply, turn))
        if len(self._turns) >= MAX_PIPELINED:
            self._transport.pause_reading()

    async def _perform(self, reply: Reply, turn: _Turn) -> None:
        try:
            await self._deliver(reply, turn)
        except TimeoutError:  # the client takes nothing
            self._transport.abort()
        except BaseException:  # it left, or the mistake is ours: no half reply may look whole
            self._transport.abort()
            raise
        finally:
            self._task = None
        if not self._transport.is_closing():
            self._finish(turn)
            self._serve()
            if len(self._turns) < MAX_PIPELINED:
                self._transport.resume_reading()

    async def _deliver(self, reply: Reply, turn: _Turn) -> None:
        factor = self._terms.delay_factor
        await asyncio.sleep(reply.delay_s * factor)
        if reply.is_silent:
            self._transport.close()
        elif isinstance(reply.body, bytes):
            self._transport.write(_whole(reply, turn))
        else:
            await self._send_parts(reply, reply.body, turn, reply.part_delay_s * factor)
        if reply.is_cut:
            self._transport.close()

    async def _send_parts(self, reply: Reply, parts: Iterator[bytes], turn: _Turn, delay_s: float) -> None:
        self._transport.write(_head(reply, turn, b"transfer-encoding: chunked\r\n" if turn.is_chunkable else b""))
        for count, part in enumerate(parts):
            await asyncio.sleep(delay_s if count else 0)  # also without a delay: each part reaches the socket by itself
            if part:
                self._transport.write(b"%x\r\n%b\r\n" % (len(part), part) if turn.is_chunkable else part)
            if not self._writable.is_set():
                async with asyncio.timeout(self._terms.write_s):
                    await self._writable.wait()
        if turn.is_chunkable and not reply.is_cut:
            self._transport.write(b"0\r\n\r\n")

    def _finish(self, turn: _Turn) -> None:
        if turn.is_kept_alive:
            self._arm(self._terms.idle_s)
            return
        self._is_deaf = True
        self._turns.clear()
        if turn.refusal is None:
            self._transport.close()
        else:  # a close while the client still sends would lose the reply on its way
            self._arm(self._terms.linger_s)

    def _refuse(self, status: int, message: str) -> None:
        """Answer a request that will not be read to its end, in its turn, and take nothing more."""
        if self._is_deaf:
            return
        self._is_deaf = True
        self._disarm()
        request = self._request()
        refusal = self._terms.refuse(request, status, message)
        self._turns.append(_Turn(request=request, is_kept_alive=False, is_chunkable=False, refusal=refusal))

    def _request(self) -> Request:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        method, target = self._parser.get_method().decode("latin-1"), self._url.decode("latin-1")
        return Request(method=method, target=target, headers=self._headers, body=body)

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._deadline = asyncio.get_running_loop().call_later(seconds, self._transport.abort)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _whole(reply: Reply, turn: _Turn) -> bytes:
    """A reply whose body is bytes, as it goes over the wire; the first half of the body when it is to be cut."""
    body = reply.body if isinstance(reply.body, bytes) else b"".join(reply.body)
    head = _head(reply, turn, b"content-length: %d\r\n" % len(body))
    if turn.request.method == "HEAD":
        return head
    return head + (body[: len(body) // 2] if reply.is_cut else body)


def _head(reply: Reply, turn: _Turn, framing: bytes) -> bytes:
    status = b"HTTP/1.1 %d %b\r\n" % (reply.status, _PHRASES.get(reply.status, b""))
    lines = [status, b"date: ", formatdate(usegmt=True).encode(), b"\r\n", framing]
    lines += [f"{name}: {value}\r\n".encode("latin-1") for name, value in reply.headers]
    if not turn.is_kept_alive:
        lines.append(b"connection: close\r\n")
    return b"".join([*lines, b"\r\n"])
