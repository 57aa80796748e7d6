"""What a reply's head says about its body: how it ends, how it is coded. Pure; RFC 9112, section 6, read strictly."""

import re
from collections.abc import Sequence

import msgspec

from anyrouter.core.errors import UpstreamBroken

MALFORMED = "The upstream's reply is malformed."
_NO_BODY = frozenset((204, 304))
_JOINED = frozenset((b"transfer-encoding", b"content-encoding"))  # where a repetition changes the meaning
_OK = 200
_UNUSUAL = frozenset((b"transfer-encoding", b"content-encoding", b"keep-alive"))
_EVENT_STREAM = b"text/event-stream"
_EVENT_BYTES = len(_EVENT_STREAM)
_KEEP_ALIVE_TIMEOUT = re.compile(rb"(?:^|[,;\s])timeout=(\d{1,6})", re.IGNORECASE)


class Framing(msgspec.Struct, frozen=True, gc=False):
    """The body's extent. `length` None: chunked, or `is_until_close`. `coding` is gzip, deflate or empty.

    `keep_alive_s` is how long the server says that it keeps an idle connection.
    """

    length: int | None
    is_until_close: bool
    coding: bytes
    is_event_stream: bool
    keep_alive_s: int | None


def read_framing(status: int, headers: Sequence[tuple[bytes, bytes]]) -> Framing:
    """The framing by a final reply's status and headers (names in lower case); UpstreamBroken when it is not clear.

    The parser has refused Content-Length that is repeated, not a number, or beside Transfer-Encoding.
    """
    fields = dict(headers)
    if len(fields) != len(headers):
        fields = _join_repeated(headers)
    declared = fields.get(b"content-length")
    if declared is not None and status == _OK and _UNUSUAL.isdisjoint(fields):  # nearly every reply that is no stream
        kind = fields.get(b"content-type", b"")
        is_event_stream = kind != b"application/json" and kind[:_EVENT_BYTES].lower() == _EVENT_STREAM
        return Framing(int(declared), False, b"", is_event_stream, None)  # noqa: FBT003 -- by position
    transfer = fields.get(b"transfer-encoding")
    if transfer is not None and transfer.strip().lower() != b"chunked":
        raise UpstreamBroken(MALFORMED, internal="a transfer coding other than chunked")
    coding = fields.get(b"content-encoding")
    keep_alive = fields.get(b"keep-alive")
    if status in _NO_BODY:
        length: int | None = 0
        coding = None
    else:
        length = None if declared is None else int(declared)
    return Framing(
        length,
        length is None and transfer is None,
        _find_coding(coding) if coding is not None else b"",
        fields.get(b"content-type", b"")[:_EVENT_BYTES].lower() == _EVENT_STREAM,
        _find_timeout(keep_alive) if keep_alive is not None else None,
    )


def without_coding(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers as they are of the decoded body: the coding and the coded length are gone."""
    return [field for field in headers if field[0] not in {b"content-encoding", b"content-length"}]


def _find_coding(value: bytes) -> bytes:
    coding = value.strip().lower()
    if coding in {b"identity", b""}:
        return b""
    if coding in {b"gzip", b"x-gzip"}:
        return b"gzip"
    if coding == b"deflate":
        return coding
    raise UpstreamBroken(MALFORMED, internal="a content coding other than gzip and deflate")


def _find_timeout(value: bytes) -> int | None:
    match = _KEEP_ALIVE_TIMEOUT.search(value)
    return int(match.group(1)) if match else None


def _join_repeated(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        fields[name] = fields[name] + b", " + value if name in fields and name in _JOINED else value
    return fields
