"""A reader of heads that remembers says of every head what a reader says that sees it first."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict

from anyrouter.core.errors import Denied
from anyrouter.web.front.head import Head, HeadReader

USUAL = b"POST /v1/messages HTTP/1.1"
REQUEST_LINES = (
    b"POST /api/v1/chat/completions HTTP/1.1",
    b"POST /v1/messages?beta=true HTTP/1.1",
    b"POST /v1/messages HTTP/1.0",
    b"POST /v1/models HTTP/1.1",
    b"POST /v1/responses HTTP/1.1",
    b"POST /v1beta/models/a/b:generateContent HTTP/1.1",
    b"POST /v1beta/models/a/c:generateContent HTTP/1.1",
    b"POST /v1/models/a/b:streamGenerateContent HTTP/1.1",
    b"POST /v1/models/a/b:streamGenerateContent?alt=sse HTTP/1.1",
    b"POST /v1/models/a%2Fb:streamGenerateContent?alt=sse&key=x HTTP/1.0",
    b"GET /v1/messages HTTP/1.1",
    b"POST /v1/messages?Content-Length: 5 HTTP/1.1",
    b"POST  /v1/messages HTTP/1.1",
    b"POST /v1/messages HTTP/2.0",
    b"TRACE /v1/messages HTTP/1.1",
    b"PRI * HTTP/2.0",
    b"",
)
GOOD_LINES = (
    b"Authorization: Bearer one",
    b"Authorization: Bearer two",
    b"Content-Type: application/json",
    b"Content-Type: text/plain",
    b"Content-Encoding: gzip",
    b"X-AnyRouter-Trace-Id: one",
    b"X-AnyRouter-Trace-Id: ",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Upgrade: h2c",
    b"Expect: 100-continue",
    # What looks like the line of the length.
    b"X-Strength: 5",
    b"X-Content-Length: 5",
    b"Content-Strength: 5",
    b"X: Content-Length: 5",
)
BAD_LINES = (
    b"Host: b",
    b"Connection: upgrade",
    b"Transfer-Encoding: chunked",
    b"transfer-encoding: gzip, chunked",
    b"Content-Length: 5",
    b"X : 1",
    b" X: 1",
    b"X",
    b": 1",
    b"X: a\x00",
    b"X: a\nContent-Length: 5",
    b"X: a\rContent-Length: 5",
)
LENGTH_NAMES = (b"content-length: ", b"Content-length: ", b"CONTENT-LENGTH: ", b"Content-Length:", b"Content-Length :")
GOOD_LENGTHS = (b"0", b"5", b"77", b"05", b"5 ", b" 5", b"9" * 15)
LENGTHS = (
    *(b"000", b"9" * 16, b"0" * 15 + b"5", b"9" * 30, b"+5", b"-5", b"\t5\t", b"", b" ", b"5,5", b"5, 5", b"5;", b"1e3", b"0x5", b"1_0"),
    *(b"5\x00", b"5\n", b"5\r", "\u0665".encode(), "\uff15".encode(), b"\xb2", b"\r\n 5", b"5\r\n 5", b"5\r\nContent-Length: 6"),
)
Lines = list[bytes | tuple[bytes]]  # a tuple: the name of the header that takes a length


def mostly(usual: st.SearchStrategy, others: st.SearchStrategy) -> st.SearchStrategy:
    return st.integers(0, 7).flatmap(lambda number: usual if number else others)


lengths = mostly(st.sampled_from(GOOD_LENGTHS), st.sampled_from(LENGTHS))


@st.composite
def patterns(draw: st.DrawFn) -> Lines:
    """Lines of heads that are the same but for their lengths."""
    lines: Lines = draw(st.lists(st.sampled_from(GOOD_LINES), max_size=4))
    lines += [b"Host: a", (draw(mostly(st.just(b"Content-Length: "), st.sampled_from(LENGTH_NAMES))),)]
    line = draw(mostly(st.just(USUAL), st.sampled_from(REQUEST_LINES)))
    return [line, *draw(st.permutations(lines))]


@st.composite
def relatives(draw: st.DrawFn, pattern: Lines) -> Lines:
    """The pattern with another first line, or with one of the others more, less, twice or of another kind."""
    if draw(st.booleans()):
        return [draw(st.sampled_from(REQUEST_LINES)), *pattern[1:]]
    at = draw(st.integers(1, len(pattern) - 1))
    added = draw(st.sampled_from([*GOOD_LINES, *BAD_LINES, pattern[at]]))
    return [*pattern[:at], *draw(st.sampled_from([(), (added,), (added, pattern[at])])), *pattern[at + 1 :]]


@st.composite
def sequences(draw: st.DrawFn) -> list[bytes]:
    """Heads of few patterns, in any order."""
    first = draw(patterns())
    known = [first, *draw(st.lists(relatives(first), max_size=2))]
    return [draw(heads_of(pattern)) for pattern in draw(st.lists(st.sampled_from(known), min_size=2, max_size=8))]


@st.composite
def heads_of(draw: st.DrawFn, pattern: Lines) -> bytes:
    return b"\r\n".join([*(line if isinstance(line, bytes) else line[0] + draw(lengths) for line in pattern), b"", b""])


def describe(said: Head | Denied) -> object:
    """All that is said of a head; what stands in the line of its length is said by the length."""
    if isinstance(said, Denied):
        return said
    headers = {name: value for name, value in said.headers.items() if name != b"content-length"}
    return {**asdict(said), "headers": headers, "has_length": b"content-length" in said.headers}


@settings(max_examples=500)
@given(sequences(), st.integers(2, 9), st.sets(st.integers(0, 7), max_size=1))
def test_a_reader_with_memory_says_what_a_fresh_one_says(heads: list[bytes], max_headers: int, forgotten: set[int]) -> None:
    reader = HeadReader(max_headers)
    for number, raw in enumerate(heads):
        if number in forgotten:
            reader.forget()
        assert describe(reader.read(raw)) == describe(HeadReader(max_headers).read(raw)), raw


@pytest.mark.parametrize("length", [*GOOD_LENGTHS, *LENGTHS])
@pytest.mark.parametrize("name", [b"Content-Length: ", *LENGTH_NAMES])
def test_a_length_is_the_heads_own_whatever_was_remembered(name: bytes, length: bytes) -> None:
    reader = HeadReader(20)
    for told in (b"5", length, b"77", length):
        raw = b"%b\r\nHost: a\r\n%b%b\r\nX: 1\r\n\r\n" % (USUAL, name, told)
        said = reader.read(raw)
        assert describe(said) == describe(HeadReader(20).read(raw))
        if isinstance(said, Head):
            assert said.length == int(told)


def usual(number: int = 0, length: int = 5, padding: bytes = b"") -> bytes:
    return b"%b\r\nHost: a\r\nX: %d%b\r\nContent-Length: %d\r\n\r\n" % (USUAL, number, padding, length)


def test_what_is_remembered_is_used() -> None:
    reader = HeadReader(10)
    first, second = reader.read(usual(length=5)), reader.read(usual(length=6))
    assert isinstance(first, Head)
    assert isinstance(second, Head)
    assert second.facts is first.facts
    assert (first.length, second.length) == (5, 6)


def test_no_more_than_1024_heads_are_remembered_and_the_next_are_read_as_well() -> None:
    reader = HeadReader(10)
    for number in range(1030):
        reader.read(usual(number))
    assert len(reader._kept) == 1024
    for number in (0, 1023, 1024, 1029):
        assert describe(reader.read(usual(number, 7))) == describe(HeadReader(10).read(usual(number, 7)))
    assert len(reader._kept) == 1024


@pytest.mark.parametrize(("size", "kept"), [(2048, 1), (2049, 0)])
def test_no_head_of_more_than_2048_bytes_without_its_length_is_remembered(size: int, kept: int) -> None:
    reader = HeadReader(10)
    bare = len(usual()) - len(b"5")
    raw = usual(padding=b"x" * (size - bare))
    assert isinstance(reader.read(raw), Head)
    assert len(reader._kept) == kept
    assert all(len(lines) <= 2048 for lines in reader._kept)


@pytest.mark.parametrize(
    "raw",
    [
        usual().replace(b"POST", b"GET"),
        usual().replace(b"/v1/messages", b"/v1/models"),
        usual().replace(b"Host: a\r\n", b""),
        usual().replace(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        usual().replace(b"5\r\n\r\n", b"x\r\n\r\n"),
        usual().replace(b"Content-Length: 5", b"X-Strength: 5"),
    ],
)
def test_only_whole_heads_of_inference_with_a_length_are_remembered(raw: bytes) -> None:
    reader = HeadReader(10)
    reader.read(raw)
    assert reader._kept == {}


def test_forgetting_drops_everything_and_the_reader_goes_on() -> None:
    reader = HeadReader(10)
    before = [reader.read(usual(number)) for number in range(3)]
    assert len(reader._kept) == 3
    reader.forget()
    assert reader._kept == {}
    after = [reader.read(usual(number)) for number in range(3)]
    assert [describe(said) for said in after] == [describe(said) for said in before]
    assert all(
        isinstance(new, Head) and isinstance(old, Head) and new.facts is not old.facts for new, old in zip(after, before, strict=True)
    )
