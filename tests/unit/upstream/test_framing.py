import pytest

from anyrouter.core.errors import UpstreamBroken
from anyrouter.upstream.framing import read_framing, without_coding

JSON = (b"content-type", b"application/json")


def test_a_sized_reply_has_a_length() -> None:
    framing = read_framing(200, [JSON, (b"content-length", b"12")])
    assert (framing.length, framing.is_until_close, framing.coding) == (12, False, b"")


def test_a_chunked_reply_has_no_length() -> None:
    framing = read_framing(200, [(b"transfer-encoding", b" Chunked ")])
    assert (framing.length, framing.is_until_close) == (None, False)


def test_a_reply_that_says_nothing_lasts_until_the_close() -> None:
    assert read_framing(200, [JSON]).is_until_close


@pytest.mark.parametrize("status", [204, 304])
def test_a_reply_without_content_is_empty_whatever_it_says(status: int) -> None:
    framing = read_framing(status, [(b"content-length", b"12"), (b"content-encoding", b"br")])
    assert (framing.length, framing.is_until_close, framing.coding) == (0, False, b"")


@pytest.mark.parametrize(
    ("value", "coding"), [(b"gzip", b"gzip"), (b" X-GZip", b"gzip"), (b"deflate", b"deflate"), (b"identity", b""), (b"", b"")]
)
def test_the_coding_is_found(value: bytes, coding: bytes) -> None:
    assert read_framing(200, [(b"content-encoding", value), (b"content-length", b"3")]).coding == coding


@pytest.mark.parametrize(
    "headers",
    [
        [(b"content-encoding", b"br")],
        [(b"content-encoding", b"gzip, gzip")],
        [(b"content-encoding", b"gzip"), (b"content-encoding", b"gzip")],
        [(b"content-encoding", b"br"), JSON, (b"content-encoding", b"gzip")],
        [(b"transfer-encoding", b"gzip, chunked")],
        [(b"transfer-encoding", b"gzip")],
        [(b"transfer-encoding", b"identity")],
        [(b"transfer-encoding", b"gzip"), (b"transfer-encoding", b"chunked")],
        [(b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")],
    ],
)
def test_codings_that_are_not_understood_are_broken(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(UpstreamBroken):
        read_framing(200, headers)


def test_repeated_headers_that_do_not_frame_are_kept_apart() -> None:
    headers = [(b"set-cookie", b"a"), (b"content-length", b"3"), (b"set-cookie", b"b")]
    assert read_framing(200, headers).length == 3


@pytest.mark.parametrize(
    ("value", "seconds"), [(b"timeout=5", 5), (b"max=100, timeout=72", 72), (b"Timeout=1", 1), (b"max=5", None), (b"x", None)]
)
def test_the_server_s_patience_is_read(value: bytes, seconds: int | None) -> None:
    assert read_framing(200, [(b"keep-alive", value)]).keep_alive_s == seconds


def test_an_event_stream_is_told_apart() -> None:
    assert read_framing(200, [(b"content-type", b"text/event-stream; charset=utf-8")]).is_event_stream
    assert not read_framing(200, [JSON]).is_event_stream


def test_the_decoded_reply_has_neither_coding_nor_coded_length() -> None:
    assert without_coding([JSON, (b"content-encoding", b"gzip"), (b"content-length", b"3")]) == [JSON]
