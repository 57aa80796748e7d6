"""The gateway's end of a page's request: the request goes out over a stream, the reply comes back over it, neither is looked at."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from starlette.types import Message, Receive, Scope, Send

from anyrouter.web.behind.stream import Broken, Kind, Stream, read_object

_PASSED = ("type", "http_version", "method", "scheme", "path", "raw_path", "query_string", "root_path", "headers", "client", "server")
_UNAVAILABLE = (
    b"<!doctype html><title>Not now</title><p>The dashboard does not answer now: its process is being started again, or could not be. "
    b"Requests to models are not affected. Try again in a moment; the gateway's log says more."
)
_REPEATABLE = frozenset({"GET", "HEAD"})
_PAUSE_S = 0.02
_log = structlog.get_logger(__name__)


class Forward:
    """An ASGI application over streams that `open_stream` opens. Broken from it, or before the reply, is a 503.

    What only reads is tried once more before that: by another process, where the first one was just ending.
    """

    def __init__(self, open_stream: Callable[[], Awaitable[Stream]]) -> None:
        self._open_stream = open_stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        is_begun = False

        async def send_out(message: Message) -> None:
            nonlocal is_begun
            is_begun = True
            await send(message)

        for is_last in (False, True) if scope["method"] in _REPEATABLE else (True,):
            try:
                await self._try(scope, receive, send_out)
            except Broken:
                if is_begun:  # the server closes the connection: what came is not whole
                    _log.warning("page_broken_off", path=scope["path"])
                    raise ConnectionError("The pages' process ended in the middle of a reply.") from None
                if is_last:
                    await _refuse(send)
                else:
                    await asyncio.sleep(_PAUSE_S)  # a process that was ending when it was asked is gone then
            else:
                return

    async def _try(self, scope: Scope, receive: Receive, send: Send) -> None:
        stream = await self._open_stream()
        try:
            await _exchange(stream, scope, receive, send)
        finally:
            stream.close()


async def _exchange(stream: Stream, scope: Scope, receive: Receive, send: Send) -> None:
    await stream.send_object(Kind.REQUEST, {name: scope[name] for name in _PASSED if name in scope})
    sending = asyncio.get_running_loop().create_task(_send_body(stream, receive))
    try:
        await _pass_on(stream, send)
    finally:
        sending.cancel()


async def _send_body(stream: Stream, receive: Receive) -> None:
    """The body, then nothing until the client leaves: the stream's end says so."""
    with suppress(Broken):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                stream.close()
                return
            await stream.send(Kind.BODY if message.get("more_body", False) else Kind.END, message.get("body", b""))


async def _pass_on(stream: Stream, send: Send) -> None:
    while True:
        kind, data = await stream.receive()
        if kind is Kind.REPLY:
            status, headers = read_object(data)
            await send({"type": "http.response.start", "status": status, "headers": headers})
        else:
            await send({"type": "http.response.body", "body": data, "more_body": kind is Kind.BODY})
            if kind is Kind.END:
                return


async def _refuse(send: Send) -> None:
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(_UNAVAILABLE)).encode()),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
        (b"retry-after", b"1"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": _UNAVAILABLE})
