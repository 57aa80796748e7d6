"""A scripted provider on a loopback port, in a thread of its own: each request is answered by a function of the test's."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

TLS_HANDSHAKE = b"\x16"  # the first byte of a TLS record with a hello in it
COMPLETION = {
    "id": "chatcmpl-upstream",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello from upstream"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
}


@dataclass(frozen=True)
class Received:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict:
        return json.loads(self.body)


@dataclass
class Answer:
    """What is sent back. `body` is bytes, or a function giving parts as they are to be written; `is_cut` ends the connection early.

    `script` takes the connection over instead: whatever it writes is the answer, and the connection is closed at its end.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    body: bytes | Callable[[], AsyncIterator[bytes]] = b""
    is_cut: bool = False
    script: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] | None = None


def json_answer(value: object, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status=status, headers={"content-type": "application/json", **named}, body=json.dumps(value).encode())


def completion(_request: Received) -> Answer:
    return json_answer(COMPLETION)


def stream_answer(*parts: bytes, delay_s: float = 0.0, is_cut: bool = False) -> Answer:
    async def give() -> AsyncIterator[bytes]:
        for part in parts:
            yield part
            if delay_s:
                await asyncio.sleep(delay_s)

    return Answer(headers={"content-type": "text/event-stream"}, body=give, is_cut=is_cut)


def chat_events(text: str, *, usage: bool = True) -> list[bytes]:
    """A chat stream as OpenAI sends it: a role chunk, one chunk a word, the finish, usage, [DONE]."""
    base = {"id": "chatcmpl-stream", "object": "chat.completion.chunk", "created": 1700000000, "model": "gpt-4o-2024-08-06"}

    def event(**changes: object) -> bytes:
        return b"data: " + json.dumps({**base, **changes}, separators=(",", ":")).encode() + b"\n\n"

    def delta(value: dict, finish: str | None = None) -> bytes:
        return event(choices=[{"index": 0, "delta": value, "finish_reason": finish}])

    words = [delta({"content": word + " "}) for word in text.split()]
    counts = {"prompt_tokens": 100, "completion_tokens": len(words), "total_tokens": 100 + len(words)}
    told = [event(choices=[], usage=counts)] if usage else []
    return [delta({"role": "assistant", "content": ""}), *words, delta({}, "stop"), *told, b"data: [DONE]\n\n"]


class ScriptedUpstream:
    """Answers every request with `handle(received)`, which a test may replace; keeps what was received."""

    def __init__(self, handle: Callable[[Received], Answer] = completion) -> None:
        self.handle = handle
        self.received: list[Received] = []
        self.connections = 0
        self.busy = 0  # requests that are being answered: one whose script waits for its client's end is over when that has come
        self.gone = threading.Event()  # set whenever a client ended a connection while it was answered
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self.port = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def open(self) -> int:
        """The connections that there are now."""
        return len(self._tasks)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=1 << 22)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            self.gone.set()
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first = await reader.read(1)
        if not first:
            return False
        if first == TLS_HANDSHAKE:  # what a server without TLS says to that
            writer.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
            return False
        line = first + await reader.readline()
        method, path, _ = line.decode("latin-1").split(" ", 2)
        headers = {}
        while text := (await reader.readline()).decode("latin-1").rstrip("\r\n"):
            name, _, value = text.partition(":")
            headers[name.lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        received = Received(method, path, headers, body)
        self.received.append(received)
        self.busy += 1
        try:
            return await self._answer(self.handle(received), reader, writer)
        finally:
            self.busy -= 1

    async def _answer(self, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if answer.script is not None:
            await answer.script(reader, writer)
            return False
        lines = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
        if isinstance(answer.body, bytes):
            length = len(answer.body) + (1 if answer.is_cut else 0)
            writer.write(f"HTTP/1.1 {answer.status} X\r\n{lines}content-length: {length}\r\n\r\n".encode() + answer.body)
        else:
            writer.write(f"HTTP/1.1 {answer.status} X\r\n{lines}transfer-encoding: chunked\r\n\r\n".encode())
            async for part in answer.body():
                if reader.at_eof():
                    self.gone.set()
                    return False
                writer.write(b"%x\r\n%s\r\n" % (len(part), part))
                await writer.drain()
            if not answer.is_cut:
                writer.write(b"0\r\n\r\n")
        await writer.drain()
        return not answer.is_cut
