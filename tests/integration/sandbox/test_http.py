"""The sandbox as an HTTP server, over raw sockets: framing, limits, and the failures that happen to connections."""

import asyncio
import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvloop

from anyrouter.sandbox.server import SandboxServer

KEY = b"authorization: Bearer sk-MARKER\r\n"


@pytest.fixture
async def server() -> AsyncIterator[SandboxServer]:
    async with SandboxServer(max_body_bytes=4 * 1024 * 1024) as server:
        server._terms.linger_s = 0.1
        yield server


def _post(members: dict[str, Any], *, path: str = "/v1/chat/completions", extra: bytes = b"", version: bytes = b"1.1") -> bytes:
    body = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "Hello there"}]} | members).encode()
    head = b"POST %b HTTP/%b\r\nhost: x\r\n%b%bcontent-length: %d\r\n\r\n" % (path.encode(), version, KEY, extra, len(body))
    return head + body


async def _exchange(server: SandboxServer, *writes: bytes, timeout_s: float = 10.0) -> bytes:
    """Everything that the server sends until it closes the connection."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        for data in writes:
            writer.write(data)
            await writer.drain()
        async with asyncio.timeout(timeout_s):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def _until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 -- what is waited for is inside the server, which tells nobody
            await asyncio.sleep(0.005)


CLOSE = b"connection: close\r\n"


async def test_a_request_may_come_byte_by_byte(server: SandboxServer) -> None:
    request = _post({}, extra=CLOSE)
    reply = await _exchange(server, *(request[place : place + 1] for place in range(len(request))))
    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Hello there" in reply
    assert b"connection: close\r\n" in reply


async def test_a_request_may_be_chunked(server: SandboxServer) -> None:
    body = _post({}).partition(b"\r\n\r\n")[2]
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n%b%btransfer-encoding: chunked\r\n\r\n" % (KEY, CLOSE)
    chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:10], body[10:])]
    assert b"Hello there" in await _exchange(server, head, *chunks, b"0\r\n\r\n")


async def test_pipelined_requests_are_answered_in_their_order(server: SandboxServer) -> None:
    requests = [_post({"messages": [{"role": "user", "content": f"number-{index}."}], "stream": index % 3 == 0}) for index in range(60)]
    reply = await _exchange(server, b"".join(requests), _post({}, extra=CLOSE))
    places = [reply.index(f"number-{index}.".encode()) for index in range(60)]
    assert places == sorted(places)
    assert reply.count(b"HTTP/1.1 200 OK") == 61


async def test_a_stream_to_an_old_client_is_not_chunked(server: SandboxServer) -> None:
    head, _, body = (await _exchange(server, _post({"stream": True}, version=b"1.0"))).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert body.startswith(b"data: {")
    assert body.endswith(b"data: [DONE]\n\n")


async def test_each_event_of_a_stream_is_a_chunk_of_its_own(server: SandboxServer) -> None:
    body = (await _exchange(server, _post({"stream": True}, extra=CLOSE))).partition(b"\r\n\r\n")[2]
    chunks = []
    while body:
        size, _, body = body.partition(b"\r\n")
        chunks.append(body[: int(size, 16)])
        body = body[int(size, 16) + 2 :]
    assert len(chunks) == 6
    assert all(chunk.startswith(b"data: ") and chunk.endswith(b"\n\n") for chunk in chunks[:-1])
    assert chunks[-1] == b""


async def test_head_has_no_body(server: SandboxServer) -> None:
    reply = await _exchange(server, b"HEAD /v1/models HTTP/1.1\r\nhost: x\r\n%b%b\r\n" % (KEY, CLOSE))
    head, _, body = reply.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"content-length: 0" not in head
    assert body == b""


async def test_a_client_that_asks_first_is_told_to_go_on(server: SandboxServer) -> None:
    head, _, body = _post({}, extra=CLOSE + b"expect: 100-continue\r\n").partition(b"\r\n\r\n")
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(head + b"\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
    writer.close()


@pytest.mark.parametrize(
    ("path", "kind"), [("/v1/chat/completions", b'"type": "invalid_request_error"'), ("/v1/messages", b'"type":"request_too_large"')]
)
async def test_a_body_that_is_too_large_is_refused_before_it_comes(server: SandboxServer, path: str, kind: bytes) -> None:
    head = b"POST %b HTTP/1.1\r\nhost: x\r\n%bcontent-length: 4194305\r\n\r\n" % (path.encode(), KEY)
    reply = await _exchange(server, head)
    assert reply.startswith(b"HTTP/1.1 413 ")
    assert kind in reply


async def test_a_chunked_body_that_grows_too_large_is_refused(server: SandboxServer) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n%btransfer-encoding: chunked\r\n\r\n" % KEY
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    assert (await _exchange(server, head, chunk * 5)).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET /v1/models HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n", 400),
        (b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcde", 400),
        (b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: " + b"9" * 400 + b"\r\n\r\n", 400),
        (b"GET /" + b"a" * 200_000, 431),
        (b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 200_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 40_000, 431),
        (b"CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\n\r\n", 400),
    ],
)  # fmt: skip
async def test_what_is_not_a_proper_request_is_refused_and_the_connection_ends(
    server: SandboxServer, request_bytes: bytes, status: int
) -> None:
    assert (await _exchange(server, request_bytes)).startswith(b"HTTP/1.1 %d " % status)


async def test_an_upgrade_is_answered_as_if_it_were_not_asked_for(server: SandboxServer) -> None:
    offer = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n"
    request = _post({}, extra=offer)
    reply = await _exchange(server, request[:-20], request[-20:] + request, _post({}, extra=CLOSE))
    assert reply.count(b"HTTP/1.1 200 OK") == reply.count(b"Hello there") == 3


async def test_an_upgrade_of_what_is_too_large_is_refused(server: SandboxServer) -> None:
    head = b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\ncontent-length: 9999999\r\n\r\n"
    assert (await _exchange(server, head)).startswith(b"HTTP/1.1 413 ")


async def test_a_bad_request_behind_a_stream_does_not_disturb_the_stream(server: SandboxServer) -> None:
    reply = await _exchange(server, _post({"model": "long", "stream": True}) + b"nonsense\r\n\r\n")
    assert b"data: [DONE]\n\n" in reply
    assert reply.index(b"HTTP/1.1 400 ") > reply.index(b"data: [DONE]")


async def test_a_cut_reply_promises_more_than_it_sends(server: SandboxServer) -> None:
    head, _, body = (await _exchange(server, _post({"model": "cut-stream"}))).partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert 0 < len(body) < length


async def test_a_cut_stream_has_no_end(server: SandboxServer) -> None:
    reply = await _exchange(server, _post({"model": "cut-stream", "stream": True}))
    assert b"data: {" in reply
    assert not reply.endswith(b"0\r\n\r\n")


async def test_a_client_that_leaves_ends_what_it_waited_for(server: SandboxServer) -> None:
    _, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(_post({"model": "timeout"}))
    await _until(lambda: any(connection._task for connection in server._terms.connections))
    (task,) = [connection._task for connection in server._terms.connections]
    writer.close()
    await _until(lambda: task.done() and not server._terms.connections)


async def test_the_silence_of_a_timeout_ends_by_itself() -> None:
    async with SandboxServer(delay_factor=0.0001) as server:
        assert await _exchange(server, _post({"model": "timeout"})) == b""


async def test_a_client_that_reads_nothing_is_not_buffered_for_without_bound(server: SandboxServer) -> None:
    server._terms.write_s = 0.3
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(_post({"n": 128, "stream": True, "messages": [{"role": "user", "content": "word " * 200_000}]}))
    await _until(lambda: any(not connection._writable.is_set() for connection in server._terms.connections))
    (connection,) = server._terms.connections
    assert connection._transport.get_write_buffer_size() < 1024 * 1024
    assert b"Hello there" in await _exchange(server, _post({}, extra=CLOSE))
    await _until(lambda: not server._terms.connections)
    writer.close()
    assert not reader.at_eof()


async def test_idle_and_half_sent_connections_are_closed(server: SandboxServer) -> None:
    server._terms.idle_s = server._terms.message_s = 0.05
    assert await _exchange(server) == b""
    assert await _exchange(server, b"POST /v1/messages HTTP/1.1\r\nhost:") == b""
    assert await _exchange(server, _post({})[:-1]) == b""
    assert (await _exchange(server, _post({}))).startswith(b"HTTP/1.1 200 OK")


async def test_closing_ends_running_streams_and_frees_the_port() -> None:
    server = SandboxServer()
    port = await server.start()
    exchange = asyncio.ensure_future(_exchange(server, _post({"model": "slow"})))
    await _until(lambda: any(connection._task for connection in server._terms.connections))
    await server.aclose()
    await server.aclose()
    assert await exchange == b""
    async with SandboxServer(port=port) as other:
        assert other.port == port


def test_it_runs_on_uvloop_too() -> None:
    async def main() -> list[bytes]:
        async with SandboxServer(delay_factor=0.001) as server:
            requests = [_post({"model": model, "stream": True}, extra=CLOSE) for model in ("echo", "slow", "cut-stream", "timeout")]
            return await asyncio.gather(*(_exchange(server, request) for request in requests))

    echo, slow, cut, silent = uvloop.run(main())
    assert echo.endswith(b"0\r\n\r\n")
    assert slow.endswith(b"0\r\n\r\n")
    assert b"data: {" in cut
    assert not cut.endswith(b"0\r\n\r\n")
    assert silent == b""


def test_it_runs_as_a_process_of_its_own_and_ends_on_a_signal() -> None:
    announce = "lambda server: print(server.base_url, flush=True)"
    code = f"from anyrouter.sandbox.command import run; run(host='127.0.0.1', port=0, announce={announce})"
    with subprocess.Popen([sys.executable, "-W", "error", "-c", code], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            request = urllib.request.Request(f"{process.stdout.readline().strip()}/v1/models", headers={"authorization": "Bearer MARKER"})  # noqa: S310 -- loopback
            with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310 -- loopback
                assert json.load(reply)["object"] == "list"
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()
