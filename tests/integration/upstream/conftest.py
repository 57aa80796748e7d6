"""Peers that follow a script, over real sockets; every test runs on asyncio's loop and on uvloop."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import h11
import pytest
import trustme
import uvloop

from anyrouter.relay.ports import Origin, Timeouts
from anyrouter.upstream.client import HttpUpstreamClient
from anyrouter.upstream.exchange import HttpExchange


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Wire:
    """One connection, seen from the peer. Requests are read with h11; replies are raw bytes, or h11's own rendering."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.http = h11.Connection(h11.SERVER)

    async def request(self) -> tuple[h11.Request, bytes]:
        """The next request, whole."""
        if self.http.our_state is not h11.IDLE:
            leftover = self.http.trailing_data[0]
            self.http = h11.Connection(h11.SERVER)
            if leftover:
                self.http.receive_data(leftover)
        request, body = None, b""
        while True:
            event = self.http.next_event()
            if event is h11.NEED_DATA:
                data = await self.reader.read(65536)
                if not data:
                    raise EOFError
                self.http.receive_data(data)
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                assert isinstance(event, h11.EndOfMessage)
                assert request is not None
                # Replies are raw: the next request is parsed afresh.
                self.http.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                return request, body

    async def head(self) -> bytes:
        """The next request's head, raw."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            if len(parts) > 1:
                await asyncio.sleep(0.002)

    async def flood(self, data: bytes) -> None:
        """Send the same again and again until the client closes the connection."""
        with contextlib.suppress(ConnectionError):
            while True:
                await self.send(data)

    async def gone(self) -> bool:
        """Wait until the client has closed the connection."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass
        return True

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        with contextlib.suppress(AttributeError):  # asyncio's TLS transport, closed twice, forgets its protocol (CPython 3.11.2)
            self.writer.transport.abort()


Script = Callable[[Wire], Awaitable[None]]


class Peer:
    """A server on a loopback port whose connections follow `script`; its end closes the connection."""

    def __init__(self, script: Script, scheme: str) -> None:
        self.script, self.scheme = script, scheme
        self.wires: list[Wire] = []
        self.errors: list[BaseException] = []
        self.tasks: set[asyncio.Task[Any]] = set()
        self.server: asyncio.Server | None = None

    @property
    def origin(self) -> Origin:
        assert self.server is not None
        return Origin(scheme=self.scheme, host="127.0.0.1", port=self.server.sockets[0].getsockname()[1])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        wire = Wire(reader, writer)
        self.wires.append(wire)
        try:
            await self.script(wire)
        except (asyncio.CancelledError, ConnectionError, EOFError):
            pass
        except BaseException as error:  # noqa: BLE001 -- told to the test at its end
            self.errors.append(error)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
                await writer.wait_closed()
            self.tasks.discard(task)

    async def stop(self) -> None:
        assert self.server is not None
        self.server.close()
        for wire in self.wires:
            wire.reset()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.server.wait_closed()


class Authority:
    """A certificate authority of this test run's own; `path` names its certificate's file."""

    def __init__(self, path: str) -> None:
        self.path, self.ca = path, trustme.CA()
        self.ca.cert_pem.write_to_path(path)

    def server_context(self, *names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*names).configure_cert(context)
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(str(tmp_path_factory.mktemp("ca") / "ca.pem"))


@pytest.fixture(scope="session")
def other_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(str(tmp_path_factory.mktemp("ca") / "other.pem"))


@pytest.fixture
async def make_peer() -> AsyncIterator[Callable[..., Awaitable[Peer]]]:
    peers: list[Peer] = []

    async def make(script: Script, *, context: ssl.SSLContext | None = None, sock: socket.socket | None = None) -> Peer:
        peer = Peer(script, "https" if context else "http")
        place: dict[str, Any] = {"sock": sock} if sock else {"host": "127.0.0.1", "port": 0}
        peer.server = await asyncio.start_server(peer.serve, ssl=context, limit=1 << 20, backlog=1024, **place)
        peers.append(peer)
        return peer

    yield make
    for peer in peers:
        await peer.stop()
    assert [error for peer in peers for error in peer.errors] == []


@pytest.fixture
async def make_client() -> AsyncIterator[Callable[..., HttpUpstreamClient]]:
    clients: list[HttpUpstreamClient] = []

    def make(**settings: Any) -> HttpUpstreamClient:
        clients.append(HttpUpstreamClient(**settings))
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()
        for _ in range(100):
            if not any(each.open for each in client.statistics().values()):
                break
            await asyncio.sleep(0.01)
        assert {origin: each for origin, each in client.statistics().items() if each.open} == {}


@pytest.fixture
def client(make_client: Callable[..., HttpUpstreamClient]) -> HttpUpstreamClient:
    return make_client()


@pytest.fixture
def post() -> Callable[..., Awaitable[HttpExchange]]:
    """Send a POST request with a body."""

    async def send(client: HttpUpstreamClient, origin: Origin, body: bytes | list[Any] = b"{}", **timeouts: Any) -> HttpExchange:
        parts = [body] if isinstance(body, bytes) else body
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: %s:%d\r\nAuthorization: Bearer MARKER\r\nContent-Length: %d\r\n" % (
            origin.host.encode(),
            origin.port,
            sum(map(len, parts)),
        )
        return await client.send(origin, head, parts, Timeouts(**timeouts))

    return send
