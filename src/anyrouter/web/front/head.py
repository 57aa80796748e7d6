"""The head of a request: parsed by llhttp (strict), then held to what it leaves open.

A head that reads as a whole is judged alone: where the body ends is known from it before one byte of the body is looked at, so two
parsers can never disagree about the border between two messages. What is ambiguous there is refused, never repaired:
Content-Length beside Transfer-Encoding, either of them twice, any coding but `chunked`, chunked in HTTP/1.0.
"""

from copy import copy

import httptools
import msgspec

from anyrouter.core.errors import Denied
from anyrouter.policy.endpoints import INFERENCE_PATHS
from anyrouter.relay.call import HeadFacts, read_facts
from anyrouter.web.front import refusals
from anyrouter.web.front.refusals import malformed
from anyrouter.web.front.target import read_target

CHUNKED = -1
_MAX_LENGTH_DIGITS = 15
_LENGTH_TAIL, _LENGTH_HEADS = b"ength: ", (b"\r\nContent-L", b"\r\ncontent-l")
_TAIL_BYTES, _HEADS_BYTES = len(_LENGTH_TAIL), len(_LENGTH_HEADS[0])
_KEPT_HEADS, _KEPT_BYTES = 1024, 2048
_NO_NAMES: frozenset[bytes] = frozenset()
_Parser = httptools.HttpRequestParser
_LINES = {b"POST %b HTTP/1.1" % path: endpoint for path, endpoint in INFERENCE_PATHS.items()}
_BAD_HEAD = malformed("Its head cannot be parsed.")
_BAD_LINE = malformed("Its first line is not a method, a target and HTTP/1.1 or HTTP/1.0, separated by single spaces.")
_NO_HOST = malformed("HTTP/1.1 needs the Host header.")
_TWO_HOSTS = malformed("There is more than one Host header.")
_BAD_CODING = malformed("Transfer-Encoding may only be chunked, in HTTP/1.1, and without Content-Length.")
_BAD_LENGTH = malformed("Content-Length is not a number.")
_NO_TUNNEL = Denied(code="method_not_allowed", message="This method is not supported here.")


class Head(msgspec.Struct):
    """A well-formed head. `endpoint` is None where the request is not an inference POST. `length` is the body's, or CHUNKED.

    `facts` are shared by heads whose lines are the same but for the body's length; so is `body_fault`, the refusal of a body of the
    announced kind, whatever its length. Header names are in lower case; values of a repeated header are joined with ", " and its
    name is in `repeated`. `model` and `is_array` are the first line's (see `target.Target`).
    """

    headers: dict[bytes, bytes]
    repeated: frozenset[bytes]
    endpoint: str | None = None
    length: int = 0
    is_http10: bool = False
    is_keep_alive: bool = True
    expects_continue: bool = False
    is_asking_upgrade: bool = False
    facts: HeadFacts | None = None
    body_fault: Denied | None = None
    model: str | None = None
    is_array: bool = False


class HeadReader:
    """Reads whole heads, one after the other. What one says never depends on another.

    Clients send the same lines with every request, but for the body's length. A short head is therefore kept, without the digits of
    its length, and one that equals it in all other bytes is not parsed again. What is kept holds credentials: `forget` drops it,
    and is called every second.
    """

    __slots__ = ("_completed", "_extra", "_headers", "_kept", "_limit", "_repeated")

    def __init__(self, max_headers: int) -> None:
        self._limit = max_headers
        self._headers: dict[bytes, bytes] = {}
        self._repeated = _NO_NAMES
        self._extra, self._completed = 0, 0
        self._kept: dict[bytes, Head] = {}

    def forget(self) -> None:
        """Drop the heads that were kept."""
        self._kept.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        name = name.lower()
        if value and value[-1] <= 0x20:  # noqa: PLR2004 -- the parser leaves spaces and tabs behind a value
            value = value.rstrip(b" \t")
        if name in self._headers:
            self._extra += 1
            if self._extra > self._limit:
                raise ValueError("too many headers")
            self._repeated |= {name}
            self._headers[name] += b", " + value
        else:
            self._headers[name] = value

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._completed += 1

    def read(self, raw: bytes) -> Head | Denied:
        """Read `raw`, which ends in the first empty line that follows its first line."""
        at = raw.find(_LENGTH_TAIL)
        if at < 0 or raw[at - _HEADS_BYTES : at] not in _LENGTH_HEADS:  # the line's name is whole: other names end so too
            return self._parse(raw)
        at += _TAIL_BYTES
        end = raw.find(b"\r\n", at)
        digits, lines = raw[at:end], raw[:at] + raw[end:]
        kept = self._kept.get(lines)
        if kept is not None and digits.isdigit() and len(digits) <= _MAX_LENGTH_DIGITS:
            head = copy(kept)
            head.length = int(digits)
            return head
        parsed = self._parse(raw)
        if isinstance(parsed, Head) and parsed.facts is not None and len(lines) <= _KEPT_BYTES and len(self._kept) < _KEPT_HEADS:
            self._kept[lines] = parsed
        return parsed

    def _parse(self, raw: bytes) -> Head | Denied:
        headers: dict[bytes, bytes] = {}  # handed out with the head
        self._headers, self._repeated, self._extra = headers, _NO_NAMES, 0
        completed = self._completed + 1
        try:
            _Parser(self).feed_data(raw)
        except httptools.HttpParserUpgrade:
            pass  # Upgrade is not honoured: RFC 9110, 7.8 allows to ignore it, and Java's client sends it with every first request
        except httptools.HttpParserError:
            is_counted_out = self._extra > self._limit
            return refusals.too_many_headers(self._limit) if is_counted_out else _explain(raw)
        if self._completed != completed:
            return _explain(raw)
        if len(headers) + self._extra > self._limit:
            return refusals.too_many_headers(self._limit)
        line = raw[: raw.find(b"\r\n")]
        head = Head(headers, self._repeated, _LINES.get(line))
        if head.endpoint is None and (denied := _read_line(head, line or raw.lstrip(b"\r\n").partition(b"\r\n")[0])):
            return denied
        if denied := _read_framing(head):
            return denied
        _read_wishes(head)
        if head.endpoint is not None:
            head.facts = read_facts(head.endpoint, headers)
            head.body_fault = _judge_media(headers)
        return head


def _read_line(head: Head, line: bytes) -> Denied | None:
    """Take what the first line says when it is not one of the usual ones."""
    words = line.split(b" ")
    if len(words) != 3 or words[2] not in (b"HTTP/1.1", b"HTTP/1.0"):  # noqa: PLR2004 -- method, target, version
        return _BAD_LINE
    method, target, version = words
    if method in (b"CONNECT", b"TRACE"):
        return _NO_TUNNEL
    head.is_http10 = version == b"HTTP/1.0"
    if method == b"POST" and (asked := read_target(target)) is not None:
        head.endpoint, head.model, head.is_array = asked
    return None


def _read_framing(head: Head) -> Denied | None:
    """Take the body's length, or say why it is not clear."""
    headers = head.headers
    if b"host" not in headers:
        if not head.is_http10:
            return _NO_HOST
    elif b"host" in head.repeated:
        return _TWO_HOSTS
    length, coding = headers.get(b"content-length"), headers.get(b"transfer-encoding")
    if coding is not None:
        if length is not None or head.is_http10 or coding.lower() != b"chunked":
            return _BAD_CODING
        head.length = CHUNKED
    elif length is not None:
        if not length.isdigit() or len(length) > _MAX_LENGTH_DIGITS:
            return _BAD_LENGTH
        head.length = int(length)
    return None


def _read_wishes(head: Head) -> None:
    """Take what the client wants of the connection."""
    headers = head.headers
    connection = headers.get(b"connection")
    if connection is not None or head.is_http10:
        options = {option.strip() for option in (connection or b"").lower().split(b",")}
        head.is_keep_alive = b"close" not in options and (not head.is_http10 or b"keep-alive" in options)
    if b"expect" in headers:
        head.expects_continue = not head.is_http10 and headers[b"expect"].lower() == b"100-continue"
    if b"upgrade" in headers:
        head.is_asking_upgrade = True


def _explain(raw: bytes) -> Denied:
    return refusals.HTTP2_PREFACE if raw.lstrip(b"\r\n").startswith(b"PRI * HTTP/2") else _BAD_HEAD


def without_upgrade(raw: bytes) -> bytes:
    """The head without its Upgrade lines, so that no parser behind this one leaves HTTP because of them."""
    lines = raw.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.lower().startswith(b"upgrade:"))


def judge_body(head: Head, max_bytes: int) -> Denied | None:
    """Why the body that this head announces is not taken, before a byte of it is read."""
    return refusals.body_too_large(max_bytes) if head.length > max_bytes else head.body_fault


def _judge_media(headers: dict[bytes, bytes]) -> Denied | None:
    media = headers.get(b"content-type")
    if media is not None and media != b"application/json" and not _is_json(media):
        return refusals.not_json(media)
    coding = headers.get(b"content-encoding")
    if coding is not None and coding.lower() not in (b"identity", b""):
        return refusals.ENCODED_BODY
    return None


def _is_json(content_type: bytes) -> bool:
    media = content_type.partition(b";")[0].strip(b" \t").lower()
    return media in (b"", b"application/json") or (media.startswith(b"application/") and media.endswith(b"+json"))
