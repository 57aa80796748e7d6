import itertools

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrouter.web.front.body import MAX_CHUNK_LINE, ChunkedBody, LengthBody, Pace, PassedBody
from anyrouter.web.front.limits import FrontLimits

LIMIT = 100_000


def feed(raw: bytes, cuts: list[int]) -> tuple[ChunkedBody, int, bytes]:
    """The body, the bytes that it took, and what it decoded."""
    body, taken = ChunkedBody(LIMIT), 0
    for start, end in itertools.pairwise([0, *cuts, len(raw)]):
        if body.is_complete or body.fault is not None:
            break
        taken += body.feed(memoryview(raw)[start:end])
    return body, taken, body.take()


def cuts_of(raw: bytes) -> st.SearchStrategy[list[int]]:
    return st.sets(st.integers(1, max(1, len(raw) - 1)), max_size=12).map(sorted)


@given(st.data())
def test_what_h11_frames_is_decoded_and_ends_where_it_ends(data: st.DataObject) -> None:
    chunks = data.draw(st.lists(st.binary(min_size=1, max_size=50), max_size=6))
    writer = h11.Connection(h11.CLIENT)
    writer.send(h11.Request(method="POST", target="/", headers=[("Host", "x"), ("Transfer-Encoding", "chunked")]))
    raw = b"".join(writer.send(h11.Data(data=chunk)) for chunk in chunks)
    raw += writer.send(h11.EndOfMessage(headers=data.draw(st.sampled_from([[], [("X-Sum", "1")]]))))
    behind = data.draw(st.binary(max_size=20))
    body, taken, decoded = feed(raw + behind, data.draw(cuts_of(raw + behind)))
    assert (body.is_complete, body.fault, decoded, taken) == (True, None, b"".join(chunks), len(raw))
    assert body.received == len(raw)
    assert body.left == 0


@given(st.data())
def test_a_cut_changes_neither_what_is_decoded_nor_what_is_refused(data: st.DataObject) -> None:
    pieces = st.sampled_from(
        [b"1\r\na\r\n", b"0\r\n", b"\r\n", b"\n", b"\r", b"a", b"3;x=y\r\nabc\r\n", b"A: b\r\n", b"2\r\nab", b"ff\r\n", b" "]
    )
    raw = b"".join(data.draw(st.lists(pieces, min_size=1, max_size=8)))
    whole, taken, decoded = feed(raw, [])
    parts, taken_in_parts, decoded_in_parts = feed(raw, data.draw(cuts_of(raw)))
    assert (whole.is_complete, whole.fault) == (parts.is_complete, parts.fault)
    if whole.fault is None:
        assert (taken, decoded) == (taken_in_parts, decoded_in_parts)


@pytest.mark.parametrize(
    "raw", [b"x\r\n", b"0x1\r\n", b"-1\r\n", b"1 \r\n", b"\r\n", b"1\n", b"1\r\nab\r\n", b"1\r\na\n", b"1" * 9 + b"\r\n", b"1;\x00\r\n"]
)
def test_what_is_not_a_chunk_is_refused(raw: bytes) -> None:
    body, _, _ = feed(raw, [])
    assert body.fault is not None
    assert body.fault.http_status == 400
    assert not body.is_complete


def test_a_line_without_end_is_refused_before_it_fills_the_memory() -> None:
    body = ChunkedBody(LIMIT)
    for _ in range(MAX_CHUNK_LINE - 1):
        body.feed(memoryview(b"0"))
    assert body.fault is None
    body.feed(memoryview(b"0"))
    assert body.fault is not None


def test_too_much_is_refused_by_what_is_announced_and_by_what_has_come() -> None:
    announced, _, _ = feed(b"%x\r\n" % (LIMIT + 1), [])
    assert announced.fault is not None
    assert announced.fault.http_status == 413
    tiny, _, _ = feed(b"1\r\na\r\n" * (LIMIT // 6 + 1), [])
    assert tiny.fault is not None
    assert tiny.fault.http_status == 413
    just, _, decoded = feed(b"1\r\na\r\n" * (LIMIT // 6 - 1) + b"0\r\n\r\n", [])
    assert just.is_complete
    assert len(decoded) == LIMIT // 6 - 1


def test_decoded_parts_can_be_taken_as_they_come() -> None:
    body = ChunkedBody(LIMIT)
    body.feed(memoryview(b"3\r\nab"))
    assert (body.take(), body.left) == (b"ab", -1)
    body.feed(memoryview(b"c\r\n0\r\n\r\n"))
    assert (body.take(), body.take(), body.left) == (b"c", b"", 0)


@pytest.mark.parametrize("length", [1, 2, 300, 181_000])
def test_a_body_of_known_length_is_filled_in_place(length: int) -> None:
    source = bytes(index % 251 for index in range(length))
    body = LengthBody(length, memoryview(source)[: length // 3])
    at = length // 3
    while not body.is_complete:
        room = body.room
        size = min(len(room), 1000)
        room[:size] = source[at : at + size]
        body.received += size
        at += size
    assert body.take() == source


def test_two_bodies_do_not_share_their_memory() -> None:
    first, second = LengthBody(1, memoryview(b"")), LengthBody(1, memoryview(b""))
    first.room[:1], second.room[:1] = b"a", b"b"
    assert (first.take(), second.take(), bytes(1)) == (b"a", b"b", b"\0")


def test_a_passed_body_takes_what_is_its_own() -> None:
    body = PassedBody(5)
    assert body.feed(memoryview(b"abc")) == 3
    assert (body.left, body.is_complete) == (2, False)
    assert body.feed(memoryview(b"abc")) == 2
    assert (body.left, body.is_complete) == (0, True)


def test_a_pace_is_kept_by_what_comes_in_each_window_until_the_end() -> None:
    pace = Pace(FrontLimits(body_timeout_s=25, body_window_s=10, body_bytes_per_s=10), now_s=1000.0)
    assert pace.due_s == 1010
    assert pace.is_kept(1010.0, 100)
    assert pace.due_s == 1020
    assert not pace.is_kept(1020.0, 199)
    assert pace.is_kept(1020.0, 200)
    assert pace.due_s == 1025
    assert not pace.is_kept(1025.0, 10_000)


def test_time_that_is_not_the_clients_does_not_count() -> None:
    pace = Pace(FrontLimits(body_timeout_s=25, body_window_s=10, body_bytes_per_s=10), now_s=1000.0)
    pace.pardon(100.0)
    assert pace.due_s == 1110
    assert pace.is_kept(1110.0, 100)
    assert pace.is_kept(1120.0, 200)
    assert not pace.is_kept(1125.0, 10_000)


def test_no_least_rate_is_asked_when_it_is_0() -> None:
    pace = Pace(FrontLimits(body_timeout_s=25, body_window_s=10, body_bytes_per_s=0), now_s=0.0)
    assert pace.is_kept(10.0, 0)
