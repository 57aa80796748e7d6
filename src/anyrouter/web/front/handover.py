"""Messages that are not inference, served by uvicorn's own protocol and the ASGI application behind it.

The connection stays the front's: it gives this protocol one message after the other, each in an object of its own, with exactly the
bytes that the front's framing says are its own. So every limit of the front holds here too, the application sees the client behind
trusted proxies, and the end of a reply is the place where the next message, of whichever kind, begins.
"""

import math
import time
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_local_addr

from anyrouter.core.errors import Denied
from anyrouter.web.front import refusals
from anyrouter.web.front.body import ChunkedBody, Pace, PassedBody
from anyrouter.web.front.head import CHUNKED, Head, without_upgrade

if TYPE_CHECKING:
    import asyncio

    from anyrouter.web.front.connection import Connection


class HandedOver(HttpToolsProtocol):
    """uvicorn's protocol for one message of a connection. `connection` is None once it has nothing to do with it any more."""

    def __init__(self, connection: "Connection", head: Head) -> None:
        state = connection.state
        assert state.config is not None  # noqa: S101 -- a connection exists only in a server
        super().__init__(state.config, state.server_state, state.app_state, state.loop)
        self.connection: Connection | None = connection
        self.access_log = False  # it would print query strings, where people put keys
        self.ws_protocol_class = None
        self.transport = cast("asyncio.Transport", MessageTransport(self, connection.transport))
        self.flow = MessageFlow(self, connection.transport)
        self.server = get_local_addr(connection.transport)
        self.client = (connection.client_host(head), connection.peer_port)
        self.scheme = "https" if connection.is_secure(head) else "http"
        self._head, limits = head, state.limits
        self._body = ChunkedBody(limits.body_bytes) if head.length == CHUNKED else PassedBody(head.length)
        self._pace = Pace(limits, time.monotonic())
        self._paused_at_s: float | None = None

    def begin(self, raw: bytes, rest: memoryview) -> None:
        """Start the application; `rest` is what has come behind the head."""
        super().data_received(without_upgrade(raw) if self._head.is_asking_upgrade else raw)
        connection = self.connection
        if connection is not None and connection.is_last:
            self.stop()
        self.receive(rest)

    # What the connection tells.

    def receive(self, view: memoryview) -> None:
        """Bytes have come."""
        connection, body = self.connection, self._body
        if connection is None:
            return
        size = 0 if body.is_complete else body.feed(view)
        if body.fault is not None:
            self.give_up(body.fault)
            return
        if size:
            super().data_received(_chunk(body) if isinstance(body, ChunkedBody) else view[:size].tobytes())
        if self.connection is None:
            return
        if body.is_complete:
            connection.keep_pipelined(view[size:])
        elif connection.is_eof:
            self.give_up(refusals.EARLY_END)
            return
        self._arm()

    def end_input(self) -> bool:
        """The client will send nothing more."""
        connection = self.connection
        if connection is None:
            return False
        if not self._body.is_complete:
            self.give_up(refusals.EARLY_END)
        else:
            connection.is_last = connection.is_last or connection.held is None
        return True

    def expire(self, now_s: float) -> None:
        """The body is late."""
        connection = self.connection
        if connection is None:
            return
        if self._pace.is_kept(now_s, self._body.received):
            connection.deadline_s = self._pace.due_s
        else:
            self.give_up(refusals.BODY_TOO_SLOW)

    def pause(self) -> None:
        """The client is slow."""
        self.flow.pause_writing()

    def resume(self) -> None:
        """The client takes bytes again."""
        self._arm()
        self.flow.resume_writing()

    def stop(self) -> None:
        """This reply is the connection's last."""
        if self._has_cycle():
            self.cycle.keep_alive = False

    def lose(self) -> None:
        """The client has left, or the front answers in the application's place."""
        self.connection = None
        self.flow.resume_writing()
        if self._has_cycle():
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    # What uvicorn calls.

    def on_headers_complete(self) -> None:
        """The application starts. Its replies have the front's Date, and no Server, whatever uvicorn was told."""
        super().on_headers_complete()
        if self.connection is not None:
            self.cycle.default_headers = self.connection.state.date_header

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 -- uvicorn's text says less than ours
        """It cannot use a head that the front could: the target is not a path."""
        self.give_up(refusals.BAD_TARGET)

    def on_response_complete(self) -> None:
        """The reply is whole."""
        self.server_state.total_requests += 1
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.leave_unread(self._body.left, self._head)
            connection.end_message()

    def give_up(self, denied: Denied) -> None:
        """Answer in the application's place, or break off its reply when that has begun."""
        connection = self.connection
        if connection is None:
            return
        is_replying = self._has_cycle() and self.cycle.response_started
        self.lose()
        if is_replying:
            connection.break_message(is_reset=False)
        else:
            connection.reject(denied)

    def _has_cycle(self) -> bool:
        cycle: object | None = self.cycle  # uvicorn's annotation leaves out that it begins as None
        return cycle is not None

    def hold_back(self) -> None:
        """The application has enough of the body for now."""
        if self.connection is not None:
            self._paused_at_s = time.monotonic()
            self.connection.pause_reading()
            self._arm()

    def go_on(self) -> None:
        """The application reads on; the time that it took is not the client's."""
        if self._paused_at_s is not None:
            self._pace.pardon(time.monotonic() - self._paused_at_s)
            self._paused_at_s = None
        if self.connection is not None:
            if self.connection.held is None:
                self.connection.resume_reading()
            self._arm()

    def _arm(self) -> None:
        """A body that is coming has its deadline, unless it is the application that does not read."""
        connection = self.connection
        if connection is not None and connection.unsent is None:
            is_coming = not self._body.is_complete and self._paused_at_s is None
            connection.deadline_s = self._pace.due_s if is_coming else math.inf


def _chunk(body: ChunkedBody) -> bytes:
    """What has come of the body, chunked anew: no two parsers need to agree about extensions and trailers."""
    data = body.take()
    chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
    return chunk + b"0\r\n\r\n" if body.is_complete else chunk


class MessageTransport:
    """What uvicorn sees as the transport: it ends with the message, so late words of an application reach nobody."""

    def __init__(self, message: HandedOver, transport: "asyncio.Transport") -> None:
        self._message, self._transport = message, transport

    def write(self, data: bytes) -> None:
        """Send bytes of the reply."""
        if self._message.connection is not None:
            self._transport.write(data)

    def close(self) -> None:
        """The connection ends after this reply; or the reply cannot be completed."""
        connection, cycle = self._message.connection, self._message.cycle
        if connection is None:
            return
        connection.is_last = True
        if not cycle.response_complete:
            self._message.lose()
            connection.break_message(is_reset=False)

    def is_closing(self) -> bool:
        """Whether a reply reaches nobody."""
        return self._message.connection is None or self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the real transport knows."""
        return self._transport.get_extra_info(name, default)


class MessageFlow(FlowControl):
    """uvicorn's wish to read on or not is the connection's to fulfil."""

    def __init__(self, message: HandedOver, transport: "asyncio.Transport") -> None:
        super().__init__(transport)
        self._message = message

    def pause_reading(self) -> None:
        """Enough for now."""
        if not self.read_paused:
            self.read_paused = True
            self._message.hold_back()

    def resume_reading(self) -> None:
        """More, please."""
        if self.read_paused:
            self.read_paused = False
            self._message.go_on()
