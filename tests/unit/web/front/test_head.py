import pytest

from anyrouter.core.errors import Denied
from anyrouter.web.front.head import CHUNKED, Head, HeadReader, judge_body, without_upgrade


def read(*lines: bytes, line: bytes = b"POST /v1/messages HTTP/1.1") -> Head | Denied:
    return HeadReader(max_headers=10).read(b"\r\n".join([line, *lines, b"", b""]))


def read_well(*lines: bytes, line: bytes = b"POST /v1/messages HTTP/1.1") -> Head:
    head = read(b"Host: x", *lines, line=line)
    assert isinstance(head, Head)
    return head


@pytest.mark.parametrize(
    ("line", "endpoint"),
    [
        (b"POST /v1/messages HTTP/1.1", "messages"),
        (b"POST /v1/messages HTTP/1.0", "messages"),
        (b"POST /v1/messages/?beta=true HTTP/1.1", "messages"),
        (b"POST /api/v1/messages/count_tokens HTTP/1.1", "messages/count_tokens"),
        (b"POST /v1/responses HTTP/1.1", "responses"),
        (b"POST /api/v1/responses/ HTTP/1.0", "responses"),
        (b"POST /v1beta/models/x:generateContent HTTP/1.1", "generateContent"),
        (b"GET /v1beta/models/x:generateContent HTTP/1.1", None),
        (b"POST /v1/models HTTP/1.1", None),
        (b"GET /v1/messages HTTP/1.1", None),
    ],
)
def test_an_endpoint_is_known_by_method_and_path(line: bytes, endpoint: str | None) -> None:
    assert read_well(line=line).endpoint == endpoint


def test_a_reader_has_no_memory_of_the_last_head() -> None:
    reader = HeadReader(max_headers=3)
    first = reader.read(b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nX: 1\r\nX: 2\r\n\r\n")
    broken = reader.read(b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n")
    second = reader.read(b"POST /v1/messages HTTP/1.1\r\nHost: b\r\n\r\n")
    assert isinstance(broken, Denied)
    assert isinstance(first, Head)
    assert isinstance(second, Head)
    assert first.headers == {b"host": b"a", b"x": b"1, 2"}
    assert first.repeated == {b"x"}
    assert second.headers == {b"host": b"b"}
    assert second.repeated == frozenset()


def test_the_model_and_the_form_of_a_stream_are_of_the_head_that_names_them() -> None:
    reader = HeadReader(max_headers=10)
    lines = b"\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
    asked = {
        b"POST /v1beta/models/google/one:streamGenerateContent?alt=sse HTTP/1.1": ("streamGenerateContent", "google/one", False),
        b"POST /v1beta/models/google/one:streamGenerateContent HTTP/1.1": ("streamGenerateContent", "google/one", True),
        b"POST /v1beta/models/google/two:streamGenerateContent HTTP/1.1": ("streamGenerateContent", "google/two", True),
        b"POST /v1beta/models/google/two:generateContent HTTP/1.1": ("generateContent", "google/two", False),
        b"POST /v1/messages HTTP/1.1": ("messages", None, False),
    }
    for length in (5, 6, 77):
        for line, said in asked.items():
            head = reader.read(line + lines % length)
            assert isinstance(head, Head)
            assert (head.endpoint, head.model, head.is_array) == said
            assert head.length == length
    assert len(reader._kept) == len(asked)


def test_a_body_in_one_head_does_not_shift_the_next() -> None:
    reader = HeadReader(max_headers=10)
    raw = b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"
    for _ in range(3):
        head = reader.read(raw)
        assert isinstance(head, Head)
        assert head.length == 100


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        ([], 0),
        ([b"Content-Length: 0"], 0),
        ([b"content-length:7 "], 7),
        ([b"Transfer-Encoding: chunked"], CHUNKED),
        ([b"TRANSFER-ENCODING:Chunked"], CHUNKED),
    ],
)
def test_a_bodys_length_is_read(lines: list[bytes], length: int) -> None:
    assert read_well(*lines).length == length


@pytest.mark.parametrize(
    ("line", "connection", "is_kept"),
    [
        (b"GET / HTTP/1.1", None, True),
        (b"GET / HTTP/1.1", b"keep-alive", True),
        (b"GET / HTTP/1.1", b"close", False),
        (b"GET / HTTP/1.1", b"keep-alive, CLOSE", False),
        (b"GET / HTTP/1.1", b"x-close", True),
        (b"GET / HTTP/1.0", None, False),
        (b"GET / HTTP/1.0", b"Keep-Alive", True),
        (b"GET / HTTP/1.0", b"keep-alive,close", False),
    ],
)
def test_the_connections_fate_is_read(line: bytes, connection: bytes | None, is_kept: bool) -> None:
    lines = [] if connection is None else [b"Connection: " + connection]
    assert read_well(*lines, line=line).is_keep_alive is is_kept


def test_only_http_1_1_expects_an_interim_reply() -> None:
    assert read_well(b"Expect: 100-CONTINUE").expects_continue
    assert not read_well(b"Expect: something").expects_continue
    assert not read_well(b"Expect: 100-continue", line=b"POST /v1/messages HTTP/1.0").expects_continue


def test_headers_are_counted_repeated_or_not() -> None:
    assert isinstance(read(b"Host: x", *[b"X-%d: 1" % number for number in range(9)]), Head)
    for names in (range(10), [0] * 10, [0] * 500):
        denied = read(b"Host: x", *[b"X-%d: 1" % number for number in names])
        assert isinstance(denied, Denied)
        assert denied.code == "headers_too_large"


def test_upgrade_lines_are_cut_out_and_nothing_else() -> None:
    raw = b"GET /upgrade: HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nX-Upgrade: y\r\nUPGRADE:z\r\nConnection: upgrade\r\n\r\n"
    assert without_upgrade(raw) == b"GET /upgrade: HTTP/1.1\r\nHost: x\r\nX-Upgrade: y\r\nConnection: upgrade\r\n\r\n"


def test_refusals_quote_nothing_of_the_request() -> None:
    for lines in (
        [b"Host: x", b"MARKER: a", b"X : b"],
        [b"X: MARKER"],
        [b"Host: MARKER", b"Host: MARKER"],
        [b"Host: x", b"Content-Length: MARKER"],
    ):
        denied = read(*lines)
        assert isinstance(denied, Denied)
        assert "MARKER" not in denied.message


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([b"Content-Length: 1001"], "body_too_large"),
        ([b"Content-Length: 1000"], None),
        ([b"Content-Type: text/plain"], "unsupported_media_type"),
        ([b"Content-Type: application/json;charset=x"], None),
        ([b"Content-Encoding: br"], "unsupported_media_type"),
        ([b"Content-Encoding: identity"], None),
        ([b"Content-Encoding: identity, gzip"], "unsupported_media_type"),
    ],
)
def test_a_body_is_judged_by_what_announces_it(lines: list[bytes], code: str | None) -> None:
    denied = judge_body(read_well(*lines), 1000)
    assert (None if denied is None else denied.code) == code
