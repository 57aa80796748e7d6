"""A page as the relay's client: parts in their order, a slow reader, a reader who leaves, a reply that is not whole."""

import asyncio

from anyrouter.web.pages.downstream import MAX_WAITING_BYTES, PageDownstream

HEAD = b"Content-Type: text/event-stream\r\nX-Generation-Id: gen-1\r\n"


class Upstream:
    """Notes what a watcher is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def leave(self) -> None:
        self.told.append("leave")

    def pause(self) -> None:
        self.told.append("pause")

    def resume(self) -> None:
        self.told.append("resume")


async def read_all(downstream: PageDownstream) -> bytes:
    parts = []
    while (part := await downstream.read()) is not None:
        parts.append(part)
    return b"".join(parts)


async def test_a_reply_is_read_as_it_was_written() -> None:
    downstream = PageDownstream()
    downstream.reply(402, HEAD, [b"ab", memoryview(b"cd")])
    assert await downstream.read_head() == 402
    assert downstream.headers == {"content-type": "text/event-stream", "x-generation-id": "gen-1"}
    assert await read_all(downstream) == b"abcd"
    assert not downstream.is_aborted


async def test_a_reader_waits_for_what_comes_later() -> None:
    downstream = PageDownstream()

    async def write() -> None:
        await asyncio.sleep(0)
        downstream.start(200, HEAD)
        for part in (b"a", b"", b"b"):
            await asyncio.sleep(0)
            downstream.write(part)
        downstream.finish()

    downstream.follow(write())
    assert await downstream.read_head() == 200
    assert await read_all(downstream) == b"ab"


async def test_the_upstream_waits_for_a_slow_reader() -> None:
    downstream, upstream = PageDownstream(), Upstream()
    downstream.watch(upstream)
    downstream.start(200, HEAD)
    downstream.write(b"x" * MAX_WAITING_BYTES)
    assert upstream.told == []
    downstream.write(b"y")
    downstream.write(b"z")
    assert upstream.told == ["pause"]
    assert len(await downstream.read() or b"") == MAX_WAITING_BYTES + 2
    assert upstream.told == ["pause", "resume"]


async def test_a_reader_who_leaves_is_told_of_once_and_takes_nothing_more() -> None:
    downstream, upstream = PageDownstream(), Upstream()
    downstream.watch(upstream)
    downstream.start(200, HEAD)
    downstream.leave()
    downstream.leave()
    downstream.write(b"late")
    late = Upstream()
    downstream.watch(late)
    assert (upstream.told, late.told, downstream.is_closed) == (["leave"], ["leave"], True)
    assert await downstream.read() is None


async def test_who_leaves_behind_the_end_has_left_nothing() -> None:
    downstream, upstream = PageDownstream(), Upstream()
    downstream.watch(upstream)
    downstream.reply(200, HEAD, b"whole")
    downstream.leave()
    assert (upstream.told, downstream.is_closed) == ([], False)
    assert await read_all(downstream) == b"whole"


async def test_work_that_ends_without_the_end_of_the_reply_leaves_it_broken() -> None:
    async def fail() -> None:
        downstream.start(200, HEAD)
        downstream.write(b"half")
        raise RuntimeError("a mistake")

    downstream = PageDownstream()
    downstream.follow(fail())
    assert await downstream.read_head() == 200
    assert await read_all(downstream) == b"half"
    assert downstream.is_aborted


async def test_settling_waits_for_what_the_relay_still_does() -> None:
    done = []

    async def linger() -> None:
        await asyncio.sleep(0.01)
        done.append(True)

    downstream = PageDownstream()
    downstream.follow(linger())
    await downstream.settle(5)
    assert done == [True]
    assert await downstream.read_head() is None
