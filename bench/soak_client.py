"""The clients of a soak: many connections at once, each with one request after the other, each reply read as a strict client reads it."""

import asyncio
import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from bench.soak_plan import MESSAGES, Planned

PATIENCE_S = 15.0
_ID = re.compile(rb"\r\nx-generation-id: (gen-[0-9a-f]+)\r\n", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
ANSWERED, REFUSED, BROKEN, LEFT, HUNG, INVALID = "answered", "refused", "broken", "left", "hung", "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What became of a request, as its client saw it.

    answered   a whole reply
    refused    an error's status; `is_asked`: it says that upstreams were asked
    broken     a stream that ended with an error event, as the contract says
    left       the client ended the connection
    hung       nothing for PATIENCE_S: a defect
    invalid    what the contract does not allow: a defect, told by `note`
    """

    number: int
    how: str
    status: int = 0
    generation_id: str = ""
    is_asked: bool = False
    note: str = ""


class Crowd:
    """`width` clients at once. What each heard goes to `heard`, by the request's number."""

    def __init__(self, port: int, key: str, plan: Iterator[Planned], width: int = 32) -> None:
        self.port, self.key, self.plan, self.width = port, key, plan, width
        self.heard: dict[int, Heard] = {}

    async def run(self, until: int) -> None:
        """Ask until so many requests are over, those of earlier runs counted."""
        self._until = until
        await asyncio.gather(*(self._client() for _ in range(self.width)))

    async def _client(self) -> None:
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        try:
            while self._until > len(self.heard) + self._under_way and (planned := next(self.plan, None)) is not None:
                self._under_way += 1
                if connection is None:
                    connection = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 22)
                heard = await self._ask(planned, *connection)
                self._under_way -= 1
                self.heard[planned.number] = heard
                if heard.how in (LEFT, HUNG, INVALID):
                    connection[1].transport.abort()
                    connection = None
        finally:
            if connection is not None:
                connection[1].close()

    _under_way = 0

    async def _ask(self, planned: Planned, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Heard:
        writer.write(planned.render(self.key))
        is_leaving = planned.leaves_after_s is not None
        try:
            async with asyncio.timeout(planned.leaves_after_s if is_leaving else PATIENCE_S):
                return await _read(planned, reader)
        except TimeoutError:
            return Heard(number=planned.number, how=LEFT if is_leaving else HUNG)
        except (OSError, EOFError, ValueError, AttributeError, KeyError, IndexError) as error:
            return Heard(number=planned.number, how=INVALID, note=repr(error)[:200])


async def _read(planned: Planned, reader: asyncio.StreamReader) -> Heard:
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    found, length = _ID.search(head), _LENGTH.search(head)
    generation_id = found[1].decode() if found else ""
    body = await (reader.readexactly(int(length[1])) if length else _read_chunks(reader))
    heard = {"number": planned.number, "status": status, "generation_id": generation_id}
    if not generation_id:
        return Heard(how=INVALID, note=f"no generation id: {head[:300]!r}", **heard)
    if status == 200 and planned.is_streamed:
        return _judge_stream(planned, body, heard)
    told = json.loads(body)
    if status == 200:
        is_good = bool(told["content"] if planned.endpoint == MESSAGES else told["choices"])
        return Heard(how=ANSWERED if is_good else INVALID, note="" if is_good else body[:200].decode(), **heard)
    is_asked = bool((told["error"].get("metadata") or {}).get("attempts"))
    return Heard(how=REFUSED, is_asked=is_asked, note=told["error"]["code"], **heard)


def _judge_stream(planned: Planned, body: bytes, heard: dict[str, object]) -> Heard:
    """A stream has its end, or one error event in its place."""
    last = body.rstrip(b"\n").rpartition(b"\n\n")[2]
    end = b"event: message_stop\n" if planned.endpoint == MESSAGES else b"data: [DONE]"
    errors = body.count(b'"code":"upstream_')
    how, note = INVALID, last[:300].decode("utf-8", "replace")
    if last.startswith(end) and not errors:
        how, note = ANSWERED, ""
    elif errors == 1 and b'"code":"upstream_' in last:
        how = BROKEN
    return Heard(how=how, note=note, **heard)  # type: ignore[arg-type]


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(parts)


async def fetch(port: int, path: str) -> bytes:
    """The body of a GET."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        return await (reader.readexactly(int(length[1])) if length else _read_chunks(reader))
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
