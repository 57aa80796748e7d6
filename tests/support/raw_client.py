"""A client that sends any bytes at all, and reads replies with h11, which nobody here wrote."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import h11

PATIENCE_S = 20.0
PROTOCOL_BYTES = 1 << 20


class Reply(NamedTuple):
    """A whole reply. Names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes
    interim: tuple[int, ...] = ()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error, of either dialect's envelope."""
        read: dict[str, Any] = self.json["error"]
        return read

    @property
    def code(self) -> str:
        """The stable code, in any dialect's envelope: Google's has the status in its place."""
        return str(self.error["code"] if "status" not in self.error else self.error["details"][0]["metadata"]["code"])


class RawClient:
    """One connection. `source` is an address of this machine to come from."""

    def __init__(self, base_url: str, *, source: str | None = None, receive_buffer: int | None = None) -> None:
        address = urlsplit(base_url)
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE_S)
        if source is not None:
            self.socket.bind((source, 0))
        self.socket.connect((address.hostname, address.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *parts: bytes) -> "RawClient":
        for part in parts:
            self.socket.sendall(part)
        return self

    def end(self) -> "RawClient":
        """Shut the sending side down."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def read(self, method: bytes = b"POST") -> Reply:
        """The next reply; h11 raises when it is cut or malformed."""
        http = h11.Connection(h11.CLIENT, max_incomplete_event_size=PROTOCOL_BYTES)
        http.send(h11.Request(method=method, target=b"/", headers=[(b"Host", b"x"), (b"Content-Length", b"0")]))
        http.send(h11.EndOfMessage())
        if self.received:
            http.receive_data(self.received)
        head: h11.Response | None = None
        interim: list[int] = []
        body = bytearray()
        while not isinstance(event := http.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                http.receive_data(self.socket.recv(65_536))
            elif isinstance(event, h11.InformationalResponse):
                interim.append(event.status_code)
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                raise AssertionError(event)
        assert head is not None
        self.received = http.trailing_data[0]
        headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
        assert len(headers) == len(head.headers), f"a header of the reply is repeated: {head.headers}"
        return Reply(head.status_code, headers, bytes(body), tuple(interim))

    def read_rest(self) -> bytes:
        """Everything that comes until the server closes."""
        rest, self.received = self.received, b""
        while data := self.socket.recv(65_536):
            rest += data
        return rest

    def is_silent(self, for_s: float = 0.15) -> bool:
        """Whether nothing more comes for a while: no reply that nobody asked for."""
        if self.received:
            return False
        self.socket.settimeout(for_s)
        try:
            return self.socket.recv(1) == b""
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(PATIENCE_S)


@contextmanager
def connect(base_url: str, **options: Any) -> Iterator[RawClient]:
    with RawClient(base_url, **options) as client:
        yield client


def raw_request(
    method: bytes,
    path: bytes,
    *lines: bytes,
    key: str | bytes | None = None,
    body: bytes | None = None,
    host: bytes | None = b"localhost",
    version: bytes = b"HTTP/1.1",
) -> bytes:
    """A request. `key` goes into a Bearer header; a `body` that is not None brings Content-Length and Content-Type: application/json."""
    head = [b"%b %b %b" % (method, path, version)]
    if host is not None:
        head.append(b"Host: " + host)
    if key is not None:
        head.append(b"Authorization: Bearer " + (key.encode() if isinstance(key, str) else key))
    head += lines
    if body is not None:
        head += [b"Content-Type: application/json", b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*head, b"", b""]) + (body or b"")


def chunked(*chunks: bytes) -> bytes:
    """A chunked body, with its end."""
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
