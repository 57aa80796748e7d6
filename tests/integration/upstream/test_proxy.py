"""Ways to an origin: through a small real proxy, by a name with several addresses, past the guard."""

import asyncio
import base64
import contextlib
import socket
from collections.abc import Callable
from typing import Any

import pytest

from anyrouter.core.errors import ConnectFailed, UpstreamTimeout
from anyrouter.relay.ports import Origin, Timeouts
from anyrouter.upstream.dialing import dial
from anyrouter.upstream.proxies import Proxies

Make = Callable[..., Any]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
AUTHORIZATION = b"Basic " + base64.b64encode(b"user:MARKER")


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class ForwardProxy:
    """Opens tunnels and forwards plain requests to the one target that it knows, whatever name is asked for."""

    def __init__(self, target: Origin) -> None:
        self.target = target
        self.heads: list[bytes] = []

    async def __call__(self, wire: Any) -> None:
        head = await wire.head()
        self.heads.append(head)
        if b"Proxy-Authorization: %s\r\n" % AUTHORIZATION not in head:
            await wire.send(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n")
            return
        reader, writer = await asyncio.open_connection(self.target.host, self.target.port)
        if head.startswith(b"CONNECT "):
            await wire.send(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
        else:
            method, target, rest = head.split(b" ", 2)
            path = b"/" + target.split(b"/", 3)[3]
            kept = [line for line in rest.split(b"\r\n") if not line.startswith(b"Proxy-")]
            writer.write(b"%s %s %s" % (method, path, b"\r\n".join(kept)))
        await asyncio.gather(pump(wire.reader, writer), pump(reader, wire.writer))


async def answer_all(wire: Any) -> None:
    while True:
        request, _ = await wire.request()
        assert request.target == b"/v1/chat/completions"
        assert not any(name.startswith(b"proxy-") for name, _ in request.headers)
        await wire.send(OK)


def through(peer: Any, userinfo: str = "user:MARKER@") -> Proxies:
    address = f"http://{userinfo}127.0.0.1:{peer.origin.port}"
    return Proxies.from_environment({"HTTPS_PROXY": address, "HTTP_PROXY": address})


async def test_https_goes_through_a_tunnel(make_peer: Make, make_client: Make, post: Make, authority: Any) -> None:
    peer = await make_peer(answer_all, context=authority.server_context("api.example"))
    forward = ForwardProxy(peer.origin)
    proxy = await make_peer(forward)
    client = make_client(proxies=through(proxy), ca_file=authority.path)
    for _ in range(3):
        exchange = await post(client, Origin(scheme="https", host="api.example", port=443))
        assert await exchange.read(10) == b"ok"
    assert len(forward.heads) == 1, "the tunnel is pooled"
    assert forward.heads[0].startswith(b"CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n")


async def test_http_is_forwarded_with_an_absolute_target(make_peer: Make, make_client: Make, post: Make) -> None:
    peer = await make_peer(answer_all)
    forward = ForwardProxy(peer.origin)
    proxy = await make_peer(forward)
    client = make_client(proxies=through(proxy))
    exchange = await post(client, Origin(scheme="http", host="api.example", port=8080))
    assert await exchange.read(10) == b"ok"
    assert forward.heads[0].startswith(b"POST http://api.example:8080/v1/chat/completions HTTP/1.1\r\n")


async def test_credentials_that_the_proxy_refuses_are_not_told(make_peer: Make, make_client: Make, post: Make) -> None:
    proxy = await make_peer(ForwardProxy(Origin(scheme="https", host="127.0.0.1", port=1)))
    client = make_client(proxies=through(proxy, "user:MARKER-wrong@"))
    with pytest.raises(ConnectFailed) as caught:
        await post(client, Origin(scheme="https", host="api.example", port=443))
    assert "407" in caught.value.internal
    told = f"{caught.value!r} {caught.value.public} {caught.value.internal} {client._connector._proxies!r}"
    assert "MARKER" not in told
    assert base64.b64encode(b"user:MARKER-wrong").decode() not in told
    assert client.statistics() == {}


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"", "closed"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "502"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\nNo.", "403"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\n", "closed"),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "bytes follow"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, "too large"),
    ],
)
async def test_a_proxy_that_opens_no_tunnel_is_a_failed_connection(
    make_peer: Make, make_client: Make, post: Make, reply: bytes, reason: str
) -> None:
    async def script(wire: Any) -> None:
        await wire.head()
        await wire.send(reply)

    proxy = await make_peer(script)
    client = make_client(proxies=through(proxy))
    with pytest.raises(ConnectFailed, match=reason) as caught:
        await post(client, Origin(scheme="https", host="api.example", port=443))
    assert not caught.value.is_sent
    assert client.statistics() == {}


async def test_a_proxy_that_does_not_answer_is_a_timeout_of_connecting(make_peer: Make, make_client: Make, post: Make) -> None:
    async def script(wire: Any) -> None:
        await wire.head()
        assert await wire.gone()

    proxy = await make_peer(script)
    client = make_client(proxies=through(proxy))
    with pytest.raises(UpstreamTimeout) as caught:
        await post(client, Origin(scheme="https", host="api.example", port=443), connect_s=0.1)
    assert caught.value.phase == "connect"


@pytest.mark.parametrize("host", ["api.example\r\nX-Evil: 1", "api example", "api.example/", "", "a@b", "a..b\u00e9"])
async def test_a_host_that_would_break_out_of_the_line_is_refused(make_peer: Make, make_client: Make, post: Make, host: str) -> None:
    async def script(wire: Any) -> None:
        assert await wire.reader.read(1000) == b""

    proxy = await make_peer(script)
    client = make_client(proxies=through(proxy))
    for scheme in ("http", "https"):
        with pytest.raises(ConnectFailed):
            await client.send(Origin(scheme=scheme, host=host, port=443), b"GET / HTTP/1.1\r\n", (), Timeouts())


async def test_loopback_is_reached_straight(make_peer: Make, make_client: Make, post: Make) -> None:
    peer = await make_peer(answer_all)
    client = make_client(proxies=Proxies.from_environment({"HTTP_PROXY": "http://127.0.0.1:1"}))
    exchange = await post(client, peer.origin)
    assert await exchange.read(10) == b"ok"


async def test_a_name_that_does_not_resolve_is_a_failed_connection(client: Any, post: Make) -> None:
    for host in ("nowhere.invalid", "a" * 70 + ".example", "a..b", "\u00e9" * 300):
        with pytest.raises(ConnectFailed) as caught:
            await client.send(Origin(scheme="https", host=host, port=443), b"GET / HTTP/1.1\r\n", (), Timeouts())
        assert not caught.value.is_sent
    assert client.statistics() == {}


async def test_the_guard_sees_the_resolved_address_and_can_refuse(make_peer: Make, make_client: Make, post: Make) -> None:
    asked: list[tuple[Origin, str]] = []
    peer = await make_peer(answer_all)
    origin = peer.origin._replace(host="localhost")

    def allow(origin: Origin, address: str) -> bool:
        asked.append((origin, address))
        return True

    exchange = await post(make_client(guard=allow), origin)
    assert await exchange.read(10) == b"ok"
    assert (origin, "127.0.0.1") in asked

    with pytest.raises(ConnectFailed, match="refused"):
        await post(make_client(guard=lambda _, address: address != "127.0.0.1"), origin)
    assert len(peer.wires) == 1


class Resolving:
    """A loop whose resolver gives these addresses; everything else is the real loop's."""

    def __init__(self, *addresses: tuple[str, int]) -> None:
        self.addresses = addresses

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio.get_running_loop(), name)

    async def getaddrinfo(self, *_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address) for address in self.addresses]


async def test_an_address_that_refuses_gives_way_to_the_next(make_peer: Make) -> None:
    peer = await make_peer(answer_all)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        loop: Any = Resolving(unused.getsockname(), ("127.0.0.1", peer.origin.port))
        with await dial(loop, "two.example", 0) as connected:
            assert connected.getpeername() == ("127.0.0.1", peer.origin.port)
        with pytest.raises(ConnectFailed):
            await dial(Resolving(unused.getsockname(), unused.getsockname()), "two.example", 0)  # type: ignore[arg-type]


async def test_one_refused_address_refuses_the_name(make_peer: Make) -> None:
    peer = await make_peer(answer_all)
    loop: Any = Resolving(("127.0.0.1", peer.origin.port), ("127.0.0.2", peer.origin.port))
    with pytest.raises(ConnectFailed, match="refused"):
        await dial(loop, "two.example", 0, lambda address: address == "127.0.0.1")
    assert peer.wires == []


async def test_an_address_that_does_not_answer_is_overtaken(make_peer: Make) -> None:
    peer = await make_peer(answer_all)
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # fill the queue: from then on the kernel drops attempts silently
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(full.getsockname())
        loop: Any = Resolving(full.getsockname(), ("127.0.0.1", peer.origin.port))
        async with asyncio.timeout(0.9):
            with await dial(loop, "two.example", 0) as connected:
                assert connected.getpeername() == ("127.0.0.1", peer.origin.port)
