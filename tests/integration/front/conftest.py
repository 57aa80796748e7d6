"""A real uvicorn server with the front in it, in a thread of its own; a scripted relay and a tiny application behind it.

Clients are sockets that send raw bytes; replies are parsed by h11, which nobody here wrote.
"""

import asyncio
import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import h11
import pytest
import uvicorn
import uvloop

from anyrouter.core.errors import Denied
from anyrouter.relay.call import Principal, RequestHead
from anyrouter.relay.ports import Downstream
from anyrouter.web.front.front import make_front
from anyrouter.web.front.limits import FrontLimits

PATIENCE_S = 10.0
ALLOWED, UNKNOWN, LATE, LATE_DENIED = b"Bearer allowed", b"Bearer unknown", b"Bearer late", b"Bearer late-denied"
PRINCIPAL: Any = object()  # the front passes it on and never looks into it


class Job(NamedTuple):
    head: RequestHead
    body: bytes
    downstream: Downstream


def _nothing() -> None:
    pass


@dataclass
class Watch:
    """Writes down what the client does."""

    events: list[str]
    on_leave: Callable[[], None] = _nothing
    on_pause: Callable[[], None] = _nothing
    on_resume: Callable[[], None] = _nothing

    def leave(self) -> None:
        self.events.append("closed")
        self.on_leave()

    def pause(self) -> None:
        self.events.append("paused")
        self.on_pause()

    def resume(self) -> None:
        self.events.append("resumed")
        self.on_resume()


class ScriptedInference:
    """An `Inference` in memory. The credential says how the head is judged, the header x-do what is replied."""

    def __init__(self) -> None:
        self.heads: list[RequestHead] = []
        self.bodies: list[bytes] = []
        self.events: list[str] = []
        self.gate = threading.Event()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.tasks: list[asyncio.Task[Any] | None] = []

    def authorize(self, head: RequestHead) -> Principal | Denied | None:
        self.heads.append(head)
        credential = head.headers.get(b"authorization")
        if credential in (LATE, LATE_DENIED):
            return None
        if head.headers.get(b"x-do") == b"fail-authorize":
            raise RuntimeError("MARKER")
        return PRINCIPAL if credential == ALLOWED else _denied()

    async def find(self, head: RequestHead) -> Principal | Denied:
        if head.headers.get(b"x-do") == b"fail-find":
            raise RuntimeError("MARKER")
        await self._wait_for_gate()
        return PRINCIPAL if head.headers[b"authorization"] == LATE else _denied()

    def refuse(self, head: RequestHead, denied: Denied, downstream: Downstream) -> None:
        if head.headers.get(b"x-do") == b"fail-refuse":
            raise RuntimeError("MARKER")
        body = json.dumps({"code": denied.code, "message": denied.message, "endpoint": head.endpoint}).encode()
        downstream.reply(denied.http_status, b"X-Request-Id: %s\r\n" % head.request_id.encode(), body)

    async def serve(self, head: RequestHead, principal: Principal, body: bytes, downstream: Downstream) -> None:
        assert principal is PRINCIPAL
        assert type(body) is bytes
        self.bodies.append(body)
        self.tasks.append(asyncio.current_task())
        do = getattr(self, "do_" + head.headers.get(b"x-do", b"").decode("latin-1").replace("-", "_"), self.do_echo)
        await do(Job(head, body, downstream))

    async def do_echo(self, job: Job) -> None:
        reply = json.dumps({"endpoint": job.head.endpoint, "size": len(job.body), "client": job.head.client_host}).encode()
        job.downstream.reply(200, b"X-Request-Id: %s\r\n" % job.head.request_id.encode(), reply)

    async def do_return(self, job: Job) -> None:
        job.downstream.reply(200, b"", job.body)

    async def do_wait(self, job: Job) -> None:
        self._watch(job.downstream)
        self.events.append("waiting")
        await self._wait_for_gate()
        await self.do_echo(job)

    async def do_stream(self, job: Job) -> None:
        job.downstream.start(200, b"Content-Type: text/event-stream\r\n")
        for number in range(3):
            job.downstream.write(b"data: %d\n\n" % number)
            job.downstream.write(b"")
            await asyncio.sleep(0)
        job.downstream.finish()

    async def do_stream_at_gate(self, job: Job) -> None:
        self._watch(job.downstream)
        job.downstream.start(200, b"")
        job.downstream.write(b"first")
        self.events.append("waiting")
        await self._wait_for_gate()
        job.downstream.write(b" last")
        job.downstream.finish()

    async def do_stream_until_closed(self, job: Job) -> None:
        self._watch(job.downstream)
        job.downstream.start(200, b"")
        while not job.downstream.is_closed:
            job.downstream.write(b"tick")
            await asyncio.sleep(0.01)

    async def do_pour(self, job: Job) -> None:
        """Megabytes, as fast as the client takes them."""
        going = asyncio.Event()
        going.set()
        job.downstream.watch(Watch(self.events, on_leave=going.set, on_pause=going.clear, on_resume=going.set))
        job.downstream.start(200, b"")
        for _ in range(int(job.head.headers[b"x-chunks"])):
            await going.wait()
            if job.downstream.is_closed:
                return
            job.downstream.write(bytes(100_000))
        job.downstream.finish()

    async def do_parts(self, job: Job) -> None:
        job.downstream.reply(200, b"", [b"a" * 300_000, memoryview(b"b" * 400_000)[100_000:], b"c"])

    async def do_raise(self, _: Job) -> None:
        raise RuntimeError("MARKER")

    async def do_raise_midway(self, job: Job) -> None:
        job.downstream.start(200, b"")
        job.downstream.write(b"half")
        raise RuntimeError("MARKER")

    async def do_abort(self, job: Job) -> None:
        job.downstream.start(200, b"")
        job.downstream.write(b"half")
        await asyncio.sleep(0.05)
        job.downstream.abort()
        job.downstream.write(b"never")
        job.downstream.finish()

    async def do_nothing(self, _: Job) -> None:
        pass

    async def do_reply_twice(self, job: Job) -> None:
        job.downstream.reply(200, b"", b"once")
        job.downstream.reply(200, b"", b"twice")
        job.downstream.start(200, b"")
        job.downstream.write(b"thrice")
        job.downstream.finish()
        job.downstream.abort()

    async def do_work_on(self, job: Job) -> None:
        job.downstream.reply(200, b"", b"early")
        await self._wait_for_gate()
        self.events.append("settled")

    def open_gate(self) -> None:
        self.gate.set()

    def _watch(self, downstream: Downstream) -> None:
        downstream.watch(Watch(self.events))

    async def _wait_for_gate(self) -> None:
        assert await asyncio.to_thread(self.gate.wait, PATIENCE_S)


def _denied() -> Denied:
    return Denied(code="invalid_api_key", message="No such key.")


@dataclass
class Application:
    """What answers the paths that are handed over."""

    events: list[str] = field(default_factory=list)
    scopes: list[dict[str, Any]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve what the query says."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        self.scopes.append(scope)
        do = getattr(self, "_" + scope["query_string"].decode().replace("-", "_"), self._answer)
        await do(scope, receive, send)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        size = 0
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                self.events.append("disconnect")
                return
            size += len(event["body"])
            if not event["more_body"]:
                break
        await self._reply(send, json.dumps({"path": scope["path"], "method": scope["method"], "size": size}).encode())

    async def _crash(self, *_: Any) -> None:
        raise RuntimeError("MARKER")

    async def _crash_midway(self, _scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("MARKER")

    async def _deaf(self, _scope: Any, _receive: Any, send: Any) -> None:
        await self._reply(send, b"did not listen")

    async def _wait(self, _scope: Any, receive: Any, _send: Any) -> None:
        await receive()
        self.events.append("waiting")
        self.events.append((await receive())["type"].removeprefix("http."))

    async def _gate(self, scope: Any, receive: Any, send: Any) -> None:
        self.events.append("waiting")
        assert await asyncio.to_thread(self.gate.wait, PATIENCE_S)
        await self._answer(scope, receive, send)

    async def _pour(self, _scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(80):
            await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        self.events.append("poured")

    async def _live(self, receive: Any, send: Any) -> None:
        while True:
            event = await receive()
            await send({"type": event["type"] + ".complete"})
            if event["type"] == "lifespan.shutdown":
                return

    async def _reply(self, send: Any, body: bytes) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes
    interim: tuple[int, ...] = ()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error's code, in the front's own envelope or in the scripted relay's."""
        return str(self.json["error"]["code"] if "error" in self.json else self.json["code"])


class Client:
    """A socket that sends what it is told."""

    def __init__(self, port: int, *, context: ssl.SSLContext | None = None, receive_buffer: int | None = None) -> None:
        plain = socket.socket()
        if receive_buffer is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.settimeout(PATIENCE_S)
        plain.connect(("127.0.0.1", port))
        self.socket = plain if context is None else context.wrap_socket(plain, server_hostname="localhost")
        self.trailing = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *parts: bytes) -> Self:
        for part in parts:
            self.socket.sendall(part)
        return self

    def fill(self, raw: bytes, patience_s: float = 0.3) -> int:
        """Send `raw` over and over until nobody takes more for a while or the server has closed; returns how many bytes were taken."""
        sent = 0
        self.socket.settimeout(patience_s)
        with contextlib.suppress(TimeoutError, ConnectionError):
            while True:
                sent += self.socket.send(raw[sent % len(raw) :])
        self.socket.settimeout(PATIENCE_S)
        return sent

    def hears_nothing(self, for_s: float) -> bool:
        """Whether nothing comes in that time."""
        self.socket.settimeout(for_s)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(PATIENCE_S)
        return False

    def half_close(self) -> Self:
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def read(self, method: bytes = b"POST") -> Reply:
        """The next reply, whole; h11 raises when it is cut or malformed."""
        http = h11.Connection(h11.CLIENT)
        http.send(h11.Request(method=method, target=b"/", headers=[(b"Host", b"x"), (b"Content-Length", b"0")]))
        http.send(h11.EndOfMessage())
        if self.trailing:
            http.receive_data(self.trailing)
        head: h11.Response | None = None
        interim: list[int] = []
        body = bytearray()
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(self.socket.recv(65536))
            elif isinstance(event, h11.InformationalResponse):
                interim.append(event.status_code)
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                assert isinstance(event, h11.EndOfMessage), event
                break
        assert head is not None
        self.trailing = http.trailing_data[0]
        headers = {name.decode(): value.decode() for name, value in head.headers}
        assert len(headers) == len(head.headers), "a header of the reply is repeated"
        return Reply(head.status_code, headers, bytes(body), tuple(interim))

    def read_all(self) -> bytes:
        """Everything until the server closes. A reset raises."""
        received, self.trailing = self.trailing, b""
        while data := self.socket.recv(65536):
            received += data
        return received

    def is_closed_by_server(self) -> bool:
        return self.read_all() == b""


@dataclass(repr=False)
class Site:
    """A running server."""

    port: int
    inference: ScriptedInference
    application: Application
    server: uvicorn.Server
    thread: threading.Thread
    context: ssl.SSLContext | None = None

    def connect(self, **options: Any) -> Client:
        return Client(self.port, context=self.context, **options)

    def ask(self, *parts: bytes, method: bytes = b"POST") -> Reply:
        with self.connect() as client:
            return client.send(*parts).read(method)

    def stop(self) -> None:
        self.server.should_exit = True

    def join(self) -> None:
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()


def wait_until(condition: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def request(
    body: bytes = b"{}",
    *headers: bytes,
    path: bytes = b"/api/v1/chat/completions",
    method: bytes = b"POST",
    version: bytes = b"1.1",
    key: bytes = ALLOWED,
    do: bytes | None = None,
    length: int | None = None,
) -> bytes:
    """A well-formed request with a Content-Length."""
    lines = [b"%b %b HTTP/%b" % (method, path, version), b"Host: localhost", b"Authorization: " + key, b"Content-Type: application/json"]
    if do is not None:
        lines.append(b"X-Do: " + do)
    lines += [*headers, b"Content-Length: %d" % (len(body) if length is None else length)]
    return b"\r\n".join([*lines, b"", b""]) + body


def chunked_request(*chunks: bytes, path: bytes = b"/api/v1/chat/completions", key: bytes = ALLOWED, do: bytes = b"echo") -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nAuthorization: %b\r\nX-Do: %b\r\nTransfer-Encoding: chunked\r\n\r\n" % (path, key, do)
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks if chunk) + b"0\r\n\r\n"


def get(path: bytes = b"/api/v1/models", *headers: bytes) -> bytes:
    return b"\r\n".join([b"GET %b HTTP/1.1" % path, b"Host: localhost", *headers, b"", b""])


@contextlib.contextmanager
def running(
    limits: FrontLimits | None = None,
    *,
    trusted_proxies: tuple[str, ...] = (),
    graceful_s: int | None = None,
    tls: tuple[str, str, ssl.SSLContext] | None = None,
) -> Iterator[Site]:
    inference, application = ScriptedInference(), Application()
    config = uvicorn.Config(
        application,
        host="127.0.0.1",
        port=0,
        http=make_front(inference, limits, trusted_proxies=trusted_proxies),
        log_config=None,
        proxy_headers=False,
        timeout_graceful_shutdown=graceful_s,
        ssl_certfile=tls[0] if tls else None,
        ssl_keyfile=tls[1] if tls else None,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: uvloop.run(server.serve()), name="server")
    thread.start()
    try:
        wait_until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Site(port, inference, application, server, thread, tls[2] if tls else None)
    finally:
        inference.open_gate()
        application.gate.set()
        server.should_exit = True
        thread.join(PATIENCE_S)
        server.force_exit = True
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def shared_site() -> Iterator[Site]:
    with running() as site:
        yield site


@pytest.fixture
def site(shared_site: Site) -> Site:
    """A server with default limits, shared by a module's tests; what it has recorded is forgotten between them."""
    for record in (shared_site.inference.heads, shared_site.inference.bodies, shared_site.inference.events, shared_site.inference.tasks):
        record.clear()
    shared_site.inference.gate.clear()
    shared_site.application.events.clear()
    shared_site.application.scopes.clear()
    shared_site.application.gate.clear()
    return shared_site
