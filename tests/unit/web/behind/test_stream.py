"""Frames over a real pair of sockets: whole, in order, and never lost because one end was quicker."""

import asyncio
import socket

import pytest

from anyrouter.core.secret import Secret
from anyrouter.web.behind.stream import Broken, Kind, Stream


async def make_pair() -> tuple[Stream, Stream]:
    mine, other = socket.socketpair()
    return await Stream.over(mine), await Stream.over(other)


async def test_frames_come_as_they_were_sent() -> None:
    here, there = await make_pair()
    await here.send(Kind.BODY, b"")
    await here.send(Kind.BODY, bytes(range(256)) * 300)
    await here.send_object(Kind.REPLY, (200, [(b"a", b"b")]))
    assert await there.receive() == (Kind.BODY, b"")
    assert await there.receive() == (Kind.BODY, bytes(range(256)) * 300)
    assert await there.receive_object(Kind.REPLY) == (200, [(b"a", b"b")])
    here.close()
    with pytest.raises(Broken):
        await there.receive()
    there.close()


async def test_an_answer_arrives_although_what_was_asked_is_not_read_to_its_end() -> None:
    here, there = await make_pair()
    await here.send(Kind.BODY, b"x" * 50_000)
    await there.send(Kind.END, b"answer")
    finishing = asyncio.create_task(there.finish())
    await asyncio.sleep(0.05)
    await here.send(Kind.END, b"the rest")
    assert await here.receive() == (Kind.END, b"answer")
    here.close()
    await asyncio.wait_for(finishing, 1)


async def test_who_sends_waits_for_who_reads() -> None:
    here, there = await make_pair()
    sending = asyncio.create_task(here.send(Kind.BODY, b"x" * 20_000_000))
    await asyncio.sleep(0.1)
    assert not sending.done()
    kind, data = await there.receive()
    assert (kind, len(data)) == (Kind.BODY, 20_000_000)
    await asyncio.wait_for(sending, 5)
    here.close()
    there.close()


async def test_the_end_of_the_other_process_is_told_to_who_sends_and_to_who_reads() -> None:
    here, there = await make_pair()
    there.close()
    with pytest.raises(Broken):
        await here.receive()
    with pytest.raises(Broken):
        await here.send(Kind.BODY, b"x" * 20_000_000)
    here.close()


async def test_a_secret_is_sent_only_where_that_is_said() -> None:
    here, there = await make_pair()
    with pytest.raises(TypeError, match="not pickled"):
        await here.send_object(Kind.NEWS, {"token": Secret("MARKER-secret")})
    await here.send_with_secrets(Kind.BEGIN, {"token": Secret("MARKER-secret")})
    assert await there.receive_object(Kind.BEGIN) == {"token": Secret("MARKER-secret")}
    here.close()
    there.close()
