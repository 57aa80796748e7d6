"""Which connection serves a request, and what becomes of it afterwards."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from anyrouter.core.errors import ConnectFailed, UpstreamBroken, UpstreamTimeout

Make = Callable[..., Any]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def answer_all(wire: Any) -> None:
    while True:
        await wire.request()
        await wire.send(OK)


async def ask(post: Make, client: Any, peer: Any, **timeouts: Any) -> bytes:
    exchange = await post(client, peer.origin, **timeouts)
    body: bytes = await exchange.read(100)
    return body


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


def counts(client: Any, peer: Any) -> tuple[int, int, int]:
    each = client.statistics().get(peer.origin)
    return (each.open, each.idle, each.busy) if each else (0, 0, 0)


async def test_one_connection_serves_requests_one_after_the_other(make_peer: Make, client: Any, post: Make) -> None:
    peer = await make_peer(answer_all)
    for _ in range(20):
        assert await ask(post, client, peer) == b"ok"
    assert len(peer.wires) == 1
    assert counts(client, peer) == (1, 1, 0)


async def test_requests_at_the_same_time_have_a_connection_each(make_peer: Make, client: Any, post: Make) -> None:
    everybody = asyncio.Event()

    async def script(wire: Any) -> None:
        await wire.request()
        if len(peer.wires) == 5:
            everybody.set()
        await everybody.wait()
        await wire.send(OK)
        await wire.gone()

    peer = await make_peer(script)
    await asyncio.gather(*(ask(post, client, peer) for _ in range(5)))
    assert counts(client, peer) == (5, 5, 0)


async def test_the_last_one_used_serves_first_and_the_surplus_is_closed(make_peer: Make, make_client: Make, post: Make) -> None:
    served: list[int] = []

    async def script(wire: Any) -> None:
        number = len(peer.wires)
        while True:
            await wire.request()
            served.append(number)
            await asyncio.sleep(0.02 * number if len(served) <= 3 else 0)
            await wire.send(OK)

    client = make_client(max_idle_per_origin=2)
    peer = await make_peer(script)
    await asyncio.gather(*(ask(post, client, peer) for _ in range(3)))
    await until(lambda: counts(client, peer) == (2, 2, 0))
    served.clear()
    for _ in range(4):
        await ask(post, client, peer)
    assert served == [2, 2, 2, 2]


async def test_an_idle_connection_expires(make_peer: Make, make_client: Make, post: Make) -> None:
    client = make_client(idle_expiry_s=0.15)
    peer = await make_peer(answer_all)
    await ask(post, client, peer)
    await asyncio.sleep(0.2)
    await ask(post, client, peer)
    assert len(peer.wires) == 2
    await until(lambda: counts(client, peer) == (0, 0, 0))
    assert client.statistics() == {}
    await until(lambda: client._pools == {})


async def test_the_server_s_announced_patience_is_undercut(make_peer: Make, client: Any, post: Make) -> None:
    async def script(wire: Any) -> None:
        while True:
            await wire.request()
            await wire.send(b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok")

    peer = await make_peer(script)
    await ask(post, client, peer)
    await ask(post, client, peer)
    assert len(peer.wires) == 2


async def test_a_server_that_closes_an_idle_connection_takes_it_out_of_the_pool(make_peer: Make, client: Any, post: Make) -> None:
    async def script(wire: Any) -> None:
        await wire.request()
        await wire.send(OK)
        await asyncio.sleep(0.02)

    peer = await make_peer(script)
    await ask(post, client, peer)
    assert counts(client, peer) == (1, 1, 0)
    await until(lambda: counts(client, peer) == (0, 0, 0))
    assert await ask(post, client, peer) == b"ok"
    assert len(peer.wires) == 2


async def test_bytes_on_an_idle_connection_close_it(make_peer: Make, client: Any, post: Make) -> None:
    async def script(wire: Any) -> None:
        await wire.request()
        await wire.send(OK)
        await asyncio.sleep(0.02)
        await wire.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        assert await wire.gone()

    peer = await make_peer(script)
    await ask(post, client, peer)
    await until(lambda: counts(client, peer) == (0, 0, 0))


def stale(seen: list[int], *, reply: bytes = b"", is_reset: bool = False, delay_s: float = 0.0) -> Callable[[Any], Any]:
    """The first connection answers once, takes a second request and closes, perhaps after a part of a reply."""

    async def script(wire: Any) -> None:
        is_first = not seen
        await wire.request()
        seen.append(1)
        await wire.send(OK)
        await wire.request()
        seen.append(2)
        if not is_first:
            await wire.send(OK)
            await wire.gone()
        await asyncio.sleep(delay_s)
        if reply:
            await wire.send(reply)
            await asyncio.sleep(0.02)
        if is_reset:
            wire.reset()

    return script


@pytest.mark.parametrize("is_reset", [True, False])
async def test_a_stale_connection_is_replaced_once(make_peer: Make, client: Any, post: Make, *, is_reset: bool) -> None:
    seen: list[int] = []
    peer = await make_peer(stale(seen, is_reset=is_reset))
    await ask(post, client, peer)
    assert await ask(post, client, peer) == b"ok"
    assert seen == [1, 2, 1]
    assert len(peer.wires) == 2


async def test_a_large_request_is_sent_again_on_a_fresh_connection(make_peer: Make, client: Any, post: Make) -> None:
    async def script(wire: Any) -> None:
        _, body = await wire.request()
        assert len(body) in {2, 3_000_000}
        await wire.send(OK)
        await wire.reader.read(1000)
        wire.reset()

    peer = await make_peer(script)
    await ask(post, client, peer)
    exchange = await post(client, peer.origin, [bytes(3_000_000)])
    assert await exchange.read(100) == b"ok"
    assert len(peer.wires) == 2


async def test_a_second_stale_connection_is_not_tried(make_peer: Make, client: Any, post: Make) -> None:
    tried: list[Any] = []

    async def script(wire: Any) -> None:
        await wire.request()
        if len(peer.wires) <= 2:
            await wire.send(OK)
            await wire.request()
        tried.append(wire)

    peer = await make_peer(script)
    await asyncio.gather(ask(post, client, peer), ask(post, client, peer))
    assert counts(client, peer) == (2, 2, 0)
    with pytest.raises(UpstreamBroken):
        await ask(post, client, peer)
    assert len(tried) == 2
    assert tried[1] is peer.wires[2], "one retry, on a fresh connection"


@pytest.mark.parametrize("reply", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no"])
async def test_after_a_byte_of_a_reply_there_is_no_retry(make_peer: Make, client: Any, post: Make, reply: bytes) -> None:
    seen: list[int] = []
    peer = await make_peer(stale(seen, reply=reply))
    await ask(post, client, peer)
    with pytest.raises(UpstreamBroken) as caught:
        await ask(post, client, peer)
    assert caught.value.is_sent
    assert seen == [1, 2]


async def test_a_fresh_connection_that_breaks_is_not_retried(make_peer: Make, client: Any, post: Make) -> None:
    async def script(wire: Any) -> None:
        await wire.request()

    peer = await make_peer(script)
    with pytest.raises(UpstreamBroken):
        await ask(post, client, peer)
    assert len(peer.wires) == 1


async def test_a_connection_that_breaks_late_was_not_stale(make_peer: Make, make_client: Make, post: Make) -> None:
    client = make_client(stale_within_s=0.02)
    seen: list[int] = []
    peer = await make_peer(stale(seen, delay_s=0.1))
    await ask(post, client, peer)
    with pytest.raises(UpstreamBroken):
        await ask(post, client, peer)
    assert seen == [1, 2]


async def test_a_timeout_is_not_retried(make_peer: Make, client: Any, post: Make) -> None:
    seen: list[int] = []
    peer = await make_peer(stale(seen, delay_s=1))
    await ask(post, client, peer)
    with pytest.raises(UpstreamTimeout):
        await ask(post, client, peer, first_byte_s=0.1)
    assert seen == [1, 2]


async def test_no_more_connections_than_allowed(make_peer: Make, make_client: Make, post: Make) -> None:
    most = running = 0

    async def script(wire: Any) -> None:
        nonlocal most, running
        while True:
            await wire.request()
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.005)
            running -= 1
            await wire.send(OK)

    client = make_client(max_open_per_origin=3)
    peer = await make_peer(script)
    assert await asyncio.gather(*(ask(post, client, peer) for _ in range(30))) == [b"ok"] * 30
    assert most == 3
    assert len(peer.wires) == 3


async def test_a_request_that_gets_no_connection_times_out_and_leaves_the_queue(make_peer: Make, make_client: Make, post: Make) -> None:
    release = asyncio.Event()

    async def script(wire: Any) -> None:
        while True:
            await wire.request()
            await release.wait()
            await wire.send(OK)

    client = make_client(max_open_per_origin=1)
    peer = await make_peer(script)
    first = asyncio.create_task(ask(post, client, peer))
    await until(lambda: len(peer.wires) == 1)
    with pytest.raises(UpstreamTimeout) as caught:
        await ask(post, client, peer, connect_s=0.05)
    assert (caught.value.phase, caught.value.is_sent) == ("connect", False)
    waiting = [asyncio.create_task(ask(post, client, peer)) for _ in range(3)]
    await asyncio.sleep(0.01)
    waiting[0].cancel()
    release.set()
    assert await first == b"ok"
    assert await asyncio.gather(*waiting[1:]) == [b"ok", b"ok"]
    assert len(peer.wires) == 1


async def test_a_stale_connection_leaves_its_place_to_the_fresh_one(make_peer: Make, make_client: Make, post: Make) -> None:
    seen: list[int] = []
    client = make_client(max_open_per_origin=1)
    peer = await make_peer(stale(seen))
    await ask(post, client, peer)
    assert await ask(post, client, peer) == b"ok"
    assert seen == [1, 2, 1]


async def test_a_closed_client_closes_what_idles_and_lets_running_requests_end(make_peer: Make, client: Any, post: Make) -> None:
    async def script(wire: Any) -> None:
        await wire.request()
        await wire.send(OK)
        if len(peer.wires) == 1:
            assert await wire.gone()
        await wire.request()
        await asyncio.sleep(0.05)
        await wire.send(OK)
        assert await wire.gone()

    peer = await make_peer(script)
    await asyncio.gather(ask(post, client, peer), ask(post, client, peer))
    running = asyncio.create_task(ask(post, client, peer))
    await asyncio.sleep(0.01)
    await client.aclose()
    assert counts(client, peer) == (1, 0, 1)
    with pytest.raises(ConnectFailed):
        await ask(post, client, peer)
    assert await running == b"ok"
    await until(lambda: client.statistics() == {})
    with pytest.raises(ConnectFailed):
        await ask(post, client, peer)


async def test_origins_do_not_share_connections(make_peer: Make, client: Any, post: Make) -> None:
    first, second = await make_peer(answer_all), await make_peer(answer_all)
    for peer in (first, second, first):
        await ask(post, client, peer)
    assert set(client.statistics()) == {first.origin, second.origin}
    assert (len(first.wires), len(second.wires)) == (1, 1)


async def test_nothing_listens(make_peer: Make, client: Any, post: Make) -> None:
    peer = await make_peer(answer_all)
    origin = peer.origin
    await peer.stop()
    with pytest.raises(ConnectFailed) as caught:
        await post(client, origin)
    assert not caught.value.is_sent
    assert client.statistics() == {}
