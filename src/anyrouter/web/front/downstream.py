"""The client's side of one request, written straight to the connection's transport."""

import http
from collections.abc import Sequence
from typing import TYPE_CHECKING

from anyrouter.relay.ports import Watcher

if TYPE_CHECKING:
    from anyrouter.web.front.connection import Connection

JOINED_BYTES = 65_536  # one write of joined bytes is cheaper than a vector up to about here
FRESH, _CHUNKED, _UNFRAMED, _OVER = range(4)
_CLOSE, _KEEP_ALIVE = b"Connection: close\r\n", b"Connection: keep-alive\r\n"


def _status_line(status: int) -> bytes:
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return b"HTTP/1.1 %d %s\r\n" % (status, phrase.encode())


_STATUS_LINES = {status: _status_line(status) for status in range(200, 600)}


class ConnectionDownstream:
    """Implements `relay.ports.Downstream` over a client's connection, which is None once the reply is whole or nobody wants it."""

    __slots__ = ("_form", "_is_http10", "_watcher", "connection", "is_closed")

    def __init__(self, connection: "Connection", *, is_http10: bool) -> None:
        self.connection: Connection | None = connection
        self._form, self._is_http10 = FRESH, is_http10
        self.is_closed = False
        self._watcher: Watcher | None = None

    @property
    def is_started(self) -> bool:
        """Whether a head was sent."""
        return self._form != FRESH

    @property
    def is_half_closed(self) -> bool:
        """Whether the client has shut down its sending side: it waits for its reply, or it is gone."""
        return self.connection is not None and self.connection.is_eof

    @property
    def is_over(self) -> bool:
        """Whether the reply is whole, or was given up."""
        return self._form == _OVER

    def reply(self, status: int, head: bytes, body: bytes | Sequence[bytes | memoryview]) -> None:
        """Send a whole reply."""
        connection = self.connection
        if connection is None or self._form != FRESH:
            return
        parts = (body,) if isinstance(body, bytes) else body
        size = len(parts[0]) if len(parts) == 1 else sum(map(len, parts))
        fate = _CLOSE if connection.is_last else _KEEP_ALIVE if self._is_http10 else b""
        opening = (_STATUS_LINES[status], head, connection.state.date_line, fate, b"Content-Length: %d\r\n\r\n" % size)
        if size <= JOINED_BYTES:
            connection.transport.write(b"".join((*opening, *parts)))
        else:
            connection.transport.writelines((b"".join(opening), *parts))
        self.connection, self._form, self._watcher = None, _OVER, None  # as `_detach`, a call less
        connection.end_message()

    def start(self, status: int, head: bytes) -> None:
        """Send a head; the body follows."""
        connection = self.connection
        if connection is None or self._form != FRESH:
            return
        if self._is_http10:
            self._form, connection.is_last = _UNFRAMED, True
            framing = b"\r\n"
        else:
            self._form = _CHUNKED
            framing = b"Transfer-Encoding: chunked\r\n\r\n"
        fate = _CLOSE if connection.is_last else b""
        connection.transport.write(b"".join((_STATUS_LINES[status], head, connection.state.date_line, fate, framing)))

    def write(self, data: bytes) -> None:
        """Send a part of the body at once."""
        connection = self.connection
        if connection is None or not data:  # an empty chunk would end the body
            return
        if self._form == _CHUNKED:
            if len(data) <= JOINED_BYTES:
                connection.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
            else:
                connection.transport.writelines((b"%x\r\n" % len(data), data, b"\r\n"))
        elif self._form == _UNFRAMED:
            connection.transport.write(data)

    def finish(self) -> None:
        """End the body."""
        connection = self.connection
        if connection is None or self._form not in (_CHUNKED, _UNFRAMED):
            return
        if self._form == _CHUNKED:
            connection.transport.write(b"0\r\n\r\n")
        self._detach()
        connection.end_message()

    def abort(self) -> None:
        """End the connection so that the client sees that the reply is not whole."""
        connection, form = self.connection, self._form
        if connection is not None:
            self._detach()
            connection.break_message(is_reset=form == _UNFRAMED)

    def watch(self, watcher: Watcher) -> None:
        """See the port. A client that has left already is told of at once."""
        if self.connection is None:
            if self.is_closed:
                watcher.leave()
            return
        self._watcher = watcher
        if self.connection.unsent is not None:
            watcher.pause()

    def lose(self) -> None:
        """Called by the connection: the client has left."""
        watcher = self._watcher
        self._detach()
        self.is_closed = True
        if watcher is not None:
            watcher.leave()

    def pause(self) -> None:
        """Called by the connection: the client is slow."""
        if self._watcher is not None:
            self._watcher.pause()

    def resume(self) -> None:
        """Called by the connection: the client takes bytes again."""
        if self._watcher is not None:
            self._watcher.resume()

    def _detach(self) -> None:
        self.connection, self._form, self._watcher = None, _OVER, None
