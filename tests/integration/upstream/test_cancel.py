"""Whoever stops waiting closes the connection; the upstream sees it at once."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anyrouter.core.errors import UpstreamBroken
from anyrouter.relay.ports import Origin

Make = Callable[..., Any]


class Sink:
    def feed(self, data: bytes) -> None:
        pass


def count_open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


@pytest.mark.parametrize("phase", ["head", "small body", "read", "stream"])
async def test_a_cancelled_task_closes_its_connection(make_peer: Make, client: Any, post: Make, phase: str) -> None:
    reached, gone = asyncio.Event(), asyncio.Event()

    async def script(wire: Any) -> None:
        await wire.request()
        if phase == "small body":
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        elif phase != "head":
            await wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        await asyncio.sleep(0.02)
        reached.set()
        assert await wire.gone()
        gone.set()

    async def ask() -> None:
        exchange = await post(client, peer.origin)
        await (exchange.stream_to(Sink()) if phase == "stream" else exchange.read(1000))

    peer = await make_peer(script)
    task = asyncio.create_task(ask())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(2):
        await gone.wait()
    assert all(each.busy == each.idle == 0 for each in client.statistics().values())


async def test_cancel_from_elsewhere_ends_the_stream(make_peer: Make, client: Any, post: Make) -> None:
    async def script(wire: Any) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        assert await wire.gone()

    peer = await make_peer(script)
    exchange = await post(client, peer.origin)
    streaming = asyncio.create_task(exchange.stream_to(Sink()))
    await asyncio.sleep(0.02)
    exchange.cancel()
    with pytest.raises(UpstreamBroken):
        await streaming


async def test_cancel_after_the_end_leaves_the_connection_to_others(make_peer: Make, client: Any, post: Make) -> None:
    async def script(wire: Any) -> None:
        while True:
            await wire.request()
            await asyncio.sleep(0.01)
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    peer = await make_peer(script)
    first = await post(client, peer.origin)
    assert await first.read(10) == b"ok"
    second = asyncio.create_task(post(client, peer.origin))
    await asyncio.sleep(0)
    first.cancel()
    first.pause()
    assert await (await second).read(10) == b"ok"
    assert len(peer.wires) == 1


async def test_an_exchange_that_is_given_up_unread_closes_its_connection(make_peer: Make, client: Any, post: Make) -> None:
    async def script(wire: Any) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        assert await wire.gone()

    peer = await make_peer(script)
    exchange = await post(client, peer.origin)
    exchange.cancel()
    exchange.cancel()
    with pytest.raises(UpstreamBroken):
        await exchange.read(100)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_cancelling_while_connecting_leaves_nothing_open(client: Any, post: Make, scheme: str) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(100)
        origin = Origin(scheme=scheme, host="localhost", port=listening.getsockname()[1])
        before = 0
        for turns in [0, 1, 2, 3, 5, 8, 13, 100] * 3:
            before = before or count_open_files()
            task = asyncio.create_task(post(client, origin))
            for _ in range(turns):
                await asyncio.sleep(0)
            await asyncio.sleep(turns / 1000)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        for _ in range(200):
            if client.statistics() == {}:
                break
            await asyncio.sleep(0.01)
        assert client.statistics() == {}
        assert count_open_files() <= before + 3, "what the loop and the resolver keep for themselves"


async def test_a_request_cancelled_while_it_is_written_closes_its_connection(make_peer: Make, client: Any, post: Make) -> None:
    gone = asyncio.Event()

    async def script(wire: Any) -> None:
        wire.writer.transport.pause_reading()
        await asyncio.sleep(0.1)
        wire.writer.transport.resume_reading()
        assert await wire.gone()
        gone.set()

    peer = await make_peer(script)
    task = asyncio.create_task(post(client, peer.origin, [bytes(32 << 20)]))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(2):
        await gone.wait()
