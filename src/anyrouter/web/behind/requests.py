"""The pages' end of a request: what came over a stream is an ASGI call, and what the application sends goes back over it."""

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Scope

from anyrouter.web.behind.stream import Broken, Kind, Stream

_PART_BYTES = 32_768  # the gateway has its turns between parts
_DISCONNECT = {"type": "http.disconnect"}


async def serve_request(app: ASGIApp, scope: Scope, stream: Stream) -> None:
    """Answer the request whose scope has come; its body follows. Broken when the client has left in the middle."""
    call = _Call(stream)
    try:
        await app({**scope, "asgi": {"version": "3.0", "spec_version": "2.3"}, "state": {}}, call.receive, call.send)
    finally:
        await call.aclose()


class _Call:
    """The two functions that an application is called with. Behind the body any number may wait for the client to leave."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._leaving: asyncio.Task[None] | None = None

    async def receive(self) -> Message:
        if self._leaving is not None:
            await asyncio.shield(self._leaving)
            return _DISCONNECT
        try:
            kind, data = await self._stream.receive()
        except Broken:
            return _DISCONNECT
        if kind is Kind.END:
            self._leaving = asyncio.get_running_loop().create_task(self._wait_for_end())
        return {"type": "http.request", "body": data, "more_body": kind is Kind.BODY}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
            await self._stream.send_object(Kind.REPLY, (message["status"], headers))
        else:
            body = memoryview(message.get("body", b""))
            while len(body) > _PART_BYTES:
                await self._stream.send(Kind.BODY, body[:_PART_BYTES])
                body = body[_PART_BYTES:]
            await self._stream.send(Kind.BODY if message.get("more_body", False) else Kind.END, body)

    async def aclose(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            await asyncio.wait((self._leaving,))  # of two who read one stream the second fails

    async def _wait_for_end(self) -> None:
        with suppress(Broken):
            while True:
                await self._stream.receive()
