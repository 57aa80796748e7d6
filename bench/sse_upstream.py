"""An upstream that streams: 200 chunks of about 250 bytes, one each 5 ms, then usage and [DONE].

    python -m bench.sse_upstream PORT

It answers every POST, streamed or not, with the stream; chunks of one stream leave at its own times, so that streams do not march in step.
"""

import asyncio
import json
import sys
from typing import cast

import httptools
import uvloop

from bench.bodies import PROMPT_TOKENS

CHUNKS = 200
INTERVAL_S = 0.005
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
WORDS = ("The", " loop", " ends", " one", " step", " early", ":", " compare", " with", ' "<="', ".\n")


def event(choices: list[dict[str, object]], usage: dict[str, int] | None = None) -> bytes:
    body: dict[str, object] = {
        "id": "chatcmpl-BenchBenchBenchBenchBenchBench",
        "object": "chat.completion.chunk",
        "created": 1767225600,
        "model": "gpt-4o-2024-08-06",
        "system_fingerprint": "fp_0123456789",
        "choices": choices,
    }
    if usage:
        body["usage"] = usage
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


def choice(delta: dict[str, str], finish_reason: str | None = None) -> list[dict[str, object]]:
    return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]


def events() -> list[bytes]:
    """`CHUNKS` events with a choice, the usage event, [DONE]."""
    texts = [WORDS[number % len(WORDS)] for number in range(CHUNKS - 2)]
    listed = [event(choice({"role": "assistant", "content": ""}))]
    listed += [event(choice({"content": text})) for text in texts]
    listed.append(event(choice({}, "stop")))
    listed.append(event([], {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": len(texts), "total_tokens": PROMPT_TOKENS + len(texts)}))
    listed.append(b"data: [DONE]\n\n")
    return listed


def framed() -> list[bytes]:
    """The writes of one stream: the head with the first event, then an event each; usage, [DONE] and the end in one."""
    chunks = [b"%x\r\n%s\r\n" % (len(data), data) for data in events()]
    return [HEAD + chunks[0], *chunks[1:CHUNKS], b"".join(chunks[CHUNKS:]) + LAST]


class Stream(asyncio.Protocol):
    writes = framed()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.loop = asyncio.get_running_loop()
        self.parser = httptools.HttpRequestParser(self)
        self.timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        if self.timer:
            self.timer.cancel()

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.number, self.start_at = 0, self.loop.time()
        self.tick()

    def tick(self) -> None:
        self.transport.write(self.writes[self.number])
        self.number += 1
        if self.number < len(self.writes):
            self.timer = self.loop.call_at(self.start_at + self.number * INTERVAL_S, self.tick)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Stream, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
