"""TLS: who is trusted, under which name, and what a cut looks like."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from anyrouter.core.errors import ConnectFailed, UpstreamBroken
from anyrouter.relay.ports import Origin

Make = Callable[..., Any]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def answer_all(wire: Any) -> None:
    while True:
        await wire.request()
        await wire.send(OK)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_known_authority_is_trusted_for_the_name_that_was_asked(
    make_peer: Make, make_client: Make, post: Make, authority: Any, host: str
) -> None:
    client = make_client(ca_file=authority.path)
    peer = await make_peer(answer_all, context=authority.server_context("127.0.0.1", "localhost"))
    origin = peer.origin._replace(host=host)
    for _ in range(3):
        exchange = await post(client, origin)
        assert await exchange.read(10) == b"ok"
    assert len(peer.wires) == 1
    session = peer.wires[0].writer.get_extra_info("ssl_object")
    assert session.selected_alpn_protocol() == "http/1.1"
    assert session.version() in {"TLSv1.2", "TLSv1.3"}


async def test_the_environment_names_the_authorities(
    make_peer: Make, client: Any, post: Make, authority: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", authority.path)
    peer = await make_peer(answer_all, context=authority.server_context("127.0.0.1"))
    exchange = await post(client, peer.origin)
    assert await exchange.read(10) == b"ok"


async def is_refused(client: Any, post: Make, origin: Origin) -> bool:
    with pytest.raises(ConnectFailed) as caught:
        await post(client, origin)
    assert "certificate" in caught.value.public
    assert not caught.value.is_sent
    assert "MARKER" not in f"{caught.value} {caught.value.internal}"
    return client.statistics() == {}


async def test_an_unknown_authority_is_refused(
    make_peer: Make, make_client: Make, post: Make, authority: Any, other_authority: Any
) -> None:
    peer = await make_peer(answer_all, context=other_authority.server_context("127.0.0.1"))
    assert await is_refused(make_client(ca_file=authority.path), post, peer.origin)
    assert await is_refused(make_client(), post, peer.origin)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_certificate_for_another_name_is_refused(make_peer: Make, make_client: Make, post: Make, authority: Any, host: str) -> None:
    context = authority.server_context("other.example", "127.0.0.2", "127.0.0.1.example", "localhost.example")
    peer = await make_peer(answer_all, context=context)
    assert await is_refused(make_client(ca_file=authority.path), post, peer.origin._replace(host=host))


async def test_a_server_that_speaks_no_tls_is_unreachable(make_peer: Make, client: Any, post: Make) -> None:
    async def script(wire: Any) -> None:
        await wire.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await wire.gone()

    peer = await make_peer(script)
    with pytest.raises(ConnectFailed):
        await post(client, peer.origin._replace(scheme="https"))
    assert client.statistics() == {}


async def test_a_server_that_closes_during_the_handshake_is_unreachable(make_peer: Make, client: Any, post: Make) -> None:
    async def script(wire: Any) -> None:
        await wire.reader.read(10)

    peer = await make_peer(script)
    with pytest.raises(ConnectFailed):
        await post(client, peer.origin._replace(scheme="https"))
    assert client.statistics() == {}


async def test_a_reply_cut_without_notice_is_broken_even_when_it_lasts_until_the_close(
    make_peer: Make, make_client: Make, post: Make, authority: Any
) -> None:
    async def script(wire: Any) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\n\r\nall of it?")
        await asyncio.sleep(0.05)
        wire.reset()

    client = make_client(ca_file=authority.path)
    peer = await make_peer(script, context=authority.server_context("127.0.0.1"))
    exchange = await post(client, peer.origin)
    with pytest.raises(UpstreamBroken):
        await exchange.read(100)


async def test_a_reply_until_the_close_is_whole_after_a_notice(make_peer: Make, make_client: Make, post: Make, authority: Any) -> None:
    async def script(wire: Any) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")

    client = make_client(ca_file=authority.path)
    peer = await make_peer(script, context=authority.server_context("127.0.0.1"))
    exchange = await post(client, peer.origin)
    assert await exchange.read(100) == b"all of it"


async def test_large_bodies_both_ways(make_peer: Make, make_client: Make, post: Make, authority: Any) -> None:
    size = 3 << 20

    async def script(wire: Any) -> None:
        while True:
            await wire.head()
            await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (size, await wire.reader.readexactly(size)))

    client = make_client(ca_file=authority.path)
    peer = await make_peer(script, context=authority.server_context("127.0.0.1"))
    body = bytes(index % 251 for index in range(size))
    for _ in range(2):
        exchange = await post(client, peer.origin, [body[:100], memoryview(body)[100:]])
        assert await exchange.read(size) == body


async def test_a_stale_connection_is_replaced(make_peer: Make, make_client: Make, post: Make, authority: Any) -> None:
    async def script(wire: Any) -> None:
        await wire.request()
        await wire.send(OK)
        await wire.reader.read(1)
        wire.reset()

    client = make_client(ca_file=authority.path)
    peer = await make_peer(script, context=authority.server_context("127.0.0.1"))
    for _ in range(2):
        exchange = await post(client, peer.origin)
        assert await exchange.read(10) == b"ok"
    assert len(peer.wires) == 2
