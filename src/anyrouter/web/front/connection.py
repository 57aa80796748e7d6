"""One client's connection: messages in, in order, one at a time; each is served by the relay or by uvicorn's protocol.

    HEAD ──► MESSAGE ──► HEAD           served, and the connection lives on
                ├──────► DRAIN ──► HEAD  refused, and the rest of its body is small
                ├──────► LINGER          refused, and it is not
                └──────► CLOSING         the reply was the connection's last

While a message is served, what comes behind it is kept (one read at most) and the socket is not read on.
"""

import asyncio
import math
import re
import time
from typing import Protocol, cast

from anyrouter.core.errors import Denied
from anyrouter.web.front import refusals
from anyrouter.web.front.addresses import plain_host
from anyrouter.web.front.downstream import ConnectionDownstream
from anyrouter.web.front.ending import CLOSING, DRAIN, HEAD, LINGER, MESSAGE, EndingConnection
from anyrouter.web.front.handover import HandedOver
from anyrouter.web.front.head import Head
from anyrouter.web.front.inference_call import InferenceCall
from anyrouter.web.front.state import FrontState

_HEAD_END, _END_BYTES = b"\r\n\r\n", 4
_BLANK_LINES = re.compile(rb"[\r\n]*")
_METHOD = re.compile(rb"[A-Z]")
_LOOPBACK = "127.0.0.1"  # the other end of a Unix socket is on this machine


class Message(Protocol):
    """What is being received or served. The connection tells it what happens to its client."""

    def receive(self, view: memoryview) -> None:
        """Bytes have come; those behind the message's end it gives back by `Connection.keep`."""

    def end_input(self) -> bool:
        """The client has shut down its sending side. False: the message is lost with that."""

    def expire(self, now_s: float) -> None:
        """The deadline that it gave the connection has passed."""

    def pause(self) -> None:
        """The client takes bytes more slowly than they come."""

    def resume(self) -> None:
        """The client takes bytes again; the deadline is the message's again."""

    def stop(self) -> None:
        """The server stops: this is the connection's last message."""

    def lose(self) -> None:
        """The client has left."""


class Connection(EndingConnection):
    """What uvicorn calls as the protocol of an accepted connection."""

    __slots__ = ("_message", "_unread", "peer_host", "peer_port")

    def __init__(self, state: FrontState) -> None:
        super().__init__(state)
        self._message: Message | None = None
        self._unread = 0  # how much of the body has not come; negative: nobody knows

    # The transport's calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accepted."""
        # uvloop's has the methods and not the class
        self.transport = self.state.outbox.attach(cast("asyncio.Transport", transport))
        peer = transport.get_extra_info("peername")
        self.peer_host, self.peer_port = (plain_host(str(peer[0])), int(peer[1])) if isinstance(peer, tuple) else (_LOOPBACK, 0)
        limits = self.state.limits
        self.deadline_s = time.monotonic() + limits.keep_alive_s
        count = self.state.add(self)
        if limits.max_connections is not None and count > limits.max_connections:
            if count > 2 * limits.max_connections:
                self.transport.abort()  # those who are told so need room too
            else:
                self.reject(refusals.OVERLOADED)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- gone is gone
        """The client has left, or we have closed."""
        self.state.remove(self)
        self.phase, self.deadline_s, self.held = CLOSING, math.inf, None
        message, self._message = self._message, None
        if message is not None:
            message.lose()

    def buffer_updated(self, nbytes: int) -> None:
        """`nbytes` were read to where `get_buffer` said."""
        phase = self.phase
        if phase == HEAD:
            state = self.state
            if self.held is None:  # the usual case: a head from its first byte on
                end = state.memory.find(_HEAD_END, 0, nbytes) + _END_BYTES
                if _END_BYTES < end <= state.limits.head_bytes:
                    self._begin(state.view[:end].tobytes(), state.view[end:nbytes])
                    return
            self._receive_head(nbytes)
        elif phase == MESSAGE:
            if self._message is not None:
                self._message.receive(self.buffer[:nbytes])
        elif phase == DRAIN:
            self._drain(nbytes)
        elif phase == LINGER:
            self.discard(nbytes)

    def eof_received(self) -> bool:
        """The client has shut down its sending side.

        It may still want its reply. Over TLS that cannot be told from leaving: there it is lost.
        """
        self.is_eof = True
        if self.phase == MESSAGE and self._message is not None and self.transport.get_extra_info("sslcontext") is None:
            return self._message.end_input()
        self.state.outbox.flush()  # the loop closes the transport by itself, and does not know what waits
        return False

    def pause_writing(self) -> None:
        """The transport holds more than its high-water mark."""
        self.unsent = self.measure_unsent()
        self.deadline_s = time.monotonic() + self.state.limits.write_timeout_s
        if self._message is not None:
            self._message.pause()

    def resume_writing(self) -> None:
        """The transport holds less than its low-water mark again."""
        self.unsent = None
        if self.phase == HEAD:
            self._await_head()
        elif self._message is not None:
            self._message.resume()

    # The calls of uvicorn and of the sweep.

    def shutdown(self) -> None:
        """The server stops: what is being served is served to its end, and is the last."""
        self.is_last = True
        if self.phase == HEAD:
            self.close()
        elif self.phase == DRAIN:
            self.linger()
        elif self._message is not None:
            self._message.stop()

    def expire(self, now_s: float) -> None:
        """`deadline_s` has passed."""
        phase, message = self.phase, self._message
        if phase == CLOSING or (self.unsent is not None and phase != LINGER):
            self.judge_writing(now_s)
        elif message is not None:
            message.expire(now_s)
        elif phase == DRAIN:
            self.linger()
        elif phase == LINGER:
            self.close_transport()
        elif self.held is None:
            self.close()
        else:
            self.reject(refusals.HEAD_TOO_SLOW)

    # Heads.

    def _receive_head(self, nbytes: int) -> None:
        """A part of a head has come, or blank lines before one."""
        is_new, deadline_s = self.held is None, self.deadline_s
        if is_new:
            self.deadline_s = time.monotonic() + self.state.limits.head_timeout_s
        self.keep(self.state.view[:nbytes])
        self._advance()
        if is_new and self.phase == HEAD and self.held is None:
            self.deadline_s = deadline_s  # nothing but blank lines, which gain no time

    def _advance(self) -> None:
        """Begin the message at the start of what is held, if its head is whole."""
        held, limit = self.held, self.state.limits.head_bytes
        if held is None or self.phase != HEAD or self.unsent is not None:
            return
        blanks = _BLANK_LINES.match(held, self.at)
        self.at = self.at if blanks is None else blanks.end()
        found = held.find(_HEAD_END, self.at)
        end = len(held) if found < 0 else found + len(_HEAD_END)
        size = end - self.at
        if size > limit:
            self.reject(refusals.head_too_large(limit))
        elif size and _METHOD.match(held, self.at) is None:
            self.reject(refusals.NOT_HTTP)
        elif found >= 0:
            raw, self.held = held[self.at : end], None
            self.resume_reading()
            self._begin(raw, memoryview(held)[end:])
        elif self.is_eof:
            self.close_transport()
        else:
            if not size:
                self.held = None
            self.resume_reading()

    def _await_head(self) -> None:
        """Be ready for the next message, of which a part may have come."""
        self.phase = HEAD
        limits, now_s = self.state.limits, time.monotonic()
        if self.unsent is not None:  # replies to requests that follow without being read would fill the memory
            self.deadline_s = now_s + limits.write_timeout_s
            self.pause_reading()
        elif self.held is None:
            self.deadline_s = now_s + limits.keep_alive_s
            if self.is_read_paused:
                self.resume_reading()
        else:
            self.deadline_s = now_s + limits.head_timeout_s
            self.state.loop.call_soon(self._advance)  # a turn of the loop for each, lest a pipeline starves the other connections

    def _begin(self, raw: bytes, rest: memoryview) -> None:
        """A head has come, and `rest` behind it."""
        head = self.state.reader.read(raw)
        if isinstance(head, Denied):
            self.reject(head)
            return
        if not head.is_keep_alive:
            self.is_last = True
        self.phase, self.deadline_s = MESSAGE, math.inf
        if head.endpoint is not None:
            call = InferenceCall(self, head)
            self._message = call
            call.begin(head.endpoint, rest)
        elif head.length > self.state.limits.body_bytes:
            self.reject(refusals.body_too_large(self.state.limits.body_bytes))
        else:
            message = HandedOver(self, head)
            self._message = message
            message.begin(raw, rest)

    # What messages ask for.

    def client_host(self, head: Head) -> str:
        """The address of the client behind trusted proxies."""
        forwarded = head.headers.get(b"x-forwarded-for")
        return self.peer_host if forwarded is None else self.state.proxies.client_host(self.peer_host, forwarded)

    def is_secure(self, head: Head) -> bool:
        """Whether the client speaks TLS, to us or to a trusted proxy."""
        forwarded = head.headers.get(b"x-forwarded-proto") if self.state.proxies.is_trusted(self.peer_host) else None
        if forwarded is not None:
            return forwarded.lower() == b"https"
        return self.transport.get_extra_info("sslcontext") is not None

    def keep_pipelined(self, view: memoryview) -> None:
        """Hold what belongs to the next message, and take no more until it is its turn."""
        if view:
            self.keep(view)
            self.pause_reading()

    def leave_unread(self, size: int, head: Head) -> None:
        """`size` bytes of the body (negative: nobody knows how many) will not be read by the message, which is about to reply."""
        self._unread = size
        if size < 0 or size > self.state.limits.drain_bytes or (size and head.expects_continue):
            self.is_last = True

    def reject(self, denied: Denied) -> None:
        """Refuse what is no message, and the connection with it: where the next one would begin is not known."""
        self.held, self.is_last, self._unread = None, True, -1
        self.phase, self.deadline_s, self.buffer = MESSAGE, math.inf, self.state.view
        refusal = ConnectionDownstream(self, is_http10=False)
        refusal.reply(*refusals.render(denied, self.state.new_request_id(time.time_ns() // 1_000_000)))

    def end_message(self) -> None:
        """The reply is whole."""
        self._message = None
        unread = self._unread
        if self.is_last or (self.is_eof and self.held is None):
            if unread:
                self.linger()
            else:
                self.close()
        elif unread:
            self.phase, self.deadline_s = DRAIN, time.monotonic() + self.state.limits.body_window_s
            self.resume_reading()
        else:
            self._await_head()

    def break_message(self, *, is_reset: bool) -> None:
        """The reply will not be whole."""
        self._message = None
        self.break_off(is_reset=is_reset)

    def _drain(self, nbytes: int) -> None:
        size = min(nbytes, self._unread)
        self._unread -= size
        self.keep(self.state.view[size:nbytes])
        if not self._unread:
            self._await_head()
