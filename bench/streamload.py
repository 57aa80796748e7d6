"""A client of many streams at once, which checks each: every chunk, the [DONE], and the end.

    python -m bench.streamload --port P --request FILE --concurrency N --rounds R

N connections, each R streams one after the other; they start spread over the time of one stream, so that their chunks do not march in step.
"""

import argparse
import asyncio
import gc
import json
import random
import time
from pathlib import Path
from typing import cast

import httptools
import uvloop

from bench.openloop import percentile
from bench.sse_upstream import CHUNKS, INTERVAL_S

STREAM_S = CHUNKS * INTERVAL_S


class Client(asyncio.Protocol):
    """One connection; `failures` says what was wrong with a stream, `first_bytes_s` how long each took to begin."""

    def __init__(self, request: bytes, rounds: int) -> None:
        self.request, self.rounds = request, rounds
        self.loop = asyncio.get_running_loop()
        self.finished: asyncio.Future[None] = self.loop.create_future()
        self.first_bytes_s: list[float] = []
        self.failures: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.send()

    def send(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.body: list[bytes] = []
        self.is_begun = False
        self.sent_at = time.perf_counter()  # the loop's own clock counts milliseconds
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        if not self.is_begun:
            self.is_begun = True
            self.first_bytes_s.append(time.perf_counter() - self.sent_at)
        self.body.append(data)

    def on_message_complete(self) -> None:
        if failure := judge(self.parser.get_status_code(), b"".join(self.body)):
            self.failures.append(failure)
        self.rounds -= 1
        if self.rounds:
            self.loop.call_soon(self.send)
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        if self.rounds:
            self.failures.append(f"connection lost with {self.rounds} streams to go")
        if not self.finished.done():
            self.finished.set_result(None)


def judge(status: int, body: bytes) -> str | None:
    """What is wrong with a stream, None when it is whole."""
    if status != 200:
        return f"status {status}: {body[:200]!r}"
    if (chunks := body.count(b'"choices":[{')) != CHUNKS:
        return f"{chunks} chunks of {CHUNKS}"
    return None if body.endswith(b"data: [DONE]\n\n") else f"no [DONE] at the end: {body[-80:]!r}"


async def load(port: int, request: bytes, concurrency: int, rounds: int) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    gc.disable()
    shuffled = random.Random(concurrency)  # noqa: S311 -- not a secret
    clients: list[Client] = []

    async def start(delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        _, client = await loop.create_connection(lambda: Client(request, rounds), "127.0.0.1", port)
        clients.append(client)
        await client.finished

    deadline = STREAM_S * (rounds + 1) * 5 + 30
    await asyncio.wait_for(asyncio.gather(*(start(shuffled.random() * STREAM_S) for _ in range(concurrency))), deadline)
    first_bytes = sorted(seconds for client in clients for seconds in client.first_bytes_s)
    failures = [failure for client in clients for failure in client.failures]
    return {
        "streams": concurrency * rounds,
        "chunks": concurrency * rounds * CHUNKS,
        "failed": len(failures),
        "failure": failures[0] if failures else "",
        "ttfb_p50_us": percentile(first_bytes, 0.50) * 1e6,
        "ttfb_p99_us": percentile(first_bytes, 0.99) * 1e6,
    }


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--request", type=Path, required=True)
    arguments.add_argument("--concurrency", type=int, required=True)
    arguments.add_argument("--rounds", type=int, required=True)
    given = arguments.parse_args()
    try:
        print(json.dumps(uvloop.run(load(given.port, given.request.read_bytes(), given.concurrency, given.rounds))))
    except TimeoutError:
        print(json.dumps({"overloaded": "the streams did not end in time"}))


if __name__ == "__main__":
    main()
