"""A load generator of fixed rate: requests are sent when the clock says so, however slow the replies are.

    python -m bench.openloop --port P --request FILE --rate R --seconds S

Latency counts from the moment at which the request was due, so that a slow reply cannot hide the ones behind it.
The standard library's loop on select(2): its timers are exact to some 50 µs, those of epoll and libuv to a millisecond.
"""

import argparse
import asyncio
import gc
import json
import math
import selectors
from pathlib import Path
from typing import cast

import httptools

WARM_UP_S = 0.5
MOST_CONNECTIONS = 400  # select(2) takes 1024 descriptors


class Overloaded(Exception):
    """So many requests wait for their replies that the rate cannot be held."""


class Connection(asyncio.Protocol):
    """A kept-alive connection with at most one request in flight."""

    def __init__(self, generator: "Generator") -> None:
        self.generator = generator

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.due_at: float | None = None

    def send(self, due_at: float) -> None:
        self.due_at = due_at
        self.parser = httptools.HttpResponseParser(self)
        self.transport.write(self.generator.request)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.generator.note(self.parser.get_status_code(), self.due_at)
        self.due_at = None
        self.generator.idle.append(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        self.generator.lose(self)


class Generator:
    def __init__(self, port: int, request: bytes, rate: float, seconds: float) -> None:
        self.port, self.request, self.rate = port, request, rate
        self.warm_up, self.total = int(WARM_UP_S * rate), int((WARM_UP_S + seconds) * rate)
        self.sent = self.failed = self.open = 0
        self.latencies_s: list[float] = []
        self.replies = 0
        self.idle: list[Connection] = []
        self.opening: set[asyncio.Task[None]] = set()

    async def run(self) -> dict[str, float]:
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self.loop.create_future()
        gc.disable()
        self.start_at = self.loop.time() + 0.1
        self.loop.call_at(self.start_at, self.fire)
        await asyncio.wait_for(self.done, self.total / self.rate + 30)
        ordered = sorted(self.latencies_s)
        return {
            "sent": self.sent,
            "failed": self.failed,
            "connections": self.open,
            "p50_us": percentile(ordered, 0.50) * 1e6,
            "p99_us": percentile(ordered, 0.99) * 1e6,
            "max_us": ordered[-1] * 1e6,
        }

    def fire(self) -> None:
        due_at = self.start_at + self.sent / self.rate
        self.sent += 1
        if self.sent < self.total:
            self.loop.call_at(self.start_at + self.sent / self.rate, self.fire)
        if self.idle:
            self.idle.pop().send(due_at)
        elif self.open < MOST_CONNECTIONS:
            self.open += 1
            task = self.loop.create_task(self.send_on_new(due_at))
            self.opening.add(task)
            task.add_done_callback(self.opening.discard)
        elif not self.done.done():
            self.done.set_exception(Overloaded(f"{self.open} requests wait for their replies"))

    async def send_on_new(self, due_at: float) -> None:
        try:
            _, connection = await self.loop.create_connection(lambda: Connection(self), "127.0.0.1", self.port)
        except OSError:
            self.open -= 1
            self.note(0, due_at)
        else:
            connection.send(due_at)

    def lose(self, connection: Connection) -> None:
        self.open -= 1
        if connection in self.idle:
            self.idle.remove(connection)
        if connection.due_at is not None:
            self.note(0, connection.due_at)

    def note(self, status: int, due_at: float | None) -> None:
        self.replies += 1
        if status != 200:
            self.failed += 1
        if self.replies > self.warm_up and due_at is not None:
            self.latencies_s.append(self.loop.time() - due_at)
        if self.replies == self.total and not self.done.done():
            self.done.set_result(None)


def percentile(ordered: list[float], share: float) -> float:
    """The nearest-rank percentile of a sorted list that is not empty."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--request", type=Path, required=True)
    arguments.add_argument("--rate", type=float, required=True)
    arguments.add_argument("--seconds", type=float, required=True)
    given = arguments.parse_args()
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    generator = Generator(given.port, given.request.read_bytes(), given.rate, given.seconds)
    try:
        print(json.dumps(loop.run_until_complete(generator.run())))
    except (Overloaded, TimeoutError) as error:
        print(json.dumps({"overloaded": str(error) or "no reply within 30 s"}))


if __name__ == "__main__":
    main()
