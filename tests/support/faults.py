"""What goes wrong at an upstream, as a table: each row's answer on the wire, and what the contract says a client hears of it.

A fault that comes before the reply's first event is mended by the next target; `begins` marks those that come later in a stream.
"""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from support.served import MESSAGE, message_events, named_event
from support.upstream import COMPLETION, Answer, chat_events, json_answer, stream_answer

WHOLE, STREAMED = "whole", "streamed"
BOTH = (WHOLE, STREAMED)
ALONE, MENDED = COMPANIES = ("alone", "mended")
DIALECTS = ("openai", "anthropic")
CONNECT_S, FIRST_BYTE_S, IDLE_S, TOTAL_S = 5.0, 0.2, 0.2, 8.0
RETRY_AFTER_S = 7
PAGE = b"<html><head><title>Bad gateway</title></head><body>Something is wrong at the edge</body></html>"
TEXT = "Hello from upstream"
_EVENT_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
_FLOOD = b"x" * (1 << 20)
_FLOOD_CHUNK = b"%x\r\n%s\r\n" % (len(_FLOOD), _FLOOD)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A row. `answer` is asked with the upstream's dialect and how the request wants its reply.

    `status` is the upstream's as the ledger has it, None when it never gave a good one or none that counts; `error` the attempt's
    code there. `alone` is what the client hears when nobody stands in: status and code. `begins`: of a stream the client has had a
    part by then. `at`: the upstream that has this fault by where it is, for those that lie in the address.
    """

    answer: Callable[[str, str], Answer] | None = None
    status: int | None
    error: str
    alone: tuple[int, str]
    begins: bool = False
    at: str = "faulty"
    how: tuple[str, ...] = BOTH
    least_s: float = 0.0
    most_s: float = 1.5
    retry_after_s: tuple[int, int] | None = None
    raw: bytes = b""


def name_model(name: str, how: str, company: str, client: str, upstream: str) -> str:
    """A model of its own for each request: what is learned of one target says nothing of another."""
    return f"lab/{name} {how} {company} {client} {upstream}".replace(" ", "-").lower()


def error_body(dialect: str, kind: str = "server_error", message: str = "It broke") -> dict[str, object]:
    """An error as the provider sends it, as a body or as an event."""
    if dialect == "anthropic":
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_upstream"}
    return {"error": {"message": message, "type": kind, "param": None, "code": kind}}


def error_event(dialect: str, kind: str = "server_error") -> bytes:
    body = error_body(dialect, kind)
    if dialect == "anthropic":
        return named_event("error", **{name: value for name, value in body.items() if name != "type"})
    return b"data: %s\n\n" % json.dumps(body).encode()


def events(dialect: str) -> list[bytes]:
    """A good stream."""
    return message_events(TEXT) if dialect == "anthropic" else chat_events(TEXT)


def begun(dialect: str) -> list[bytes]:
    """The first part of a good stream: up to some of its text."""
    return events(dialect)[:4] if dialect == "anthropic" else events(dialect)[:2]


def good(dialect: str, how: str) -> Answer:
    """What an upstream answers that is well."""
    if how == STREAMED:
        return stream_answer(*events(dialect))
    return json_answer(_whole(dialect))


def _whole(dialect: str) -> dict[str, object]:
    return MESSAGE if dialect == "anthropic" else COMPLETION


def _scripted(*parts: bytes, then: str) -> Answer:
    """The parts, and then: `reset`, `close`, `silence` until the client ends the connection, or `flood` until it does."""

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
        if then == "reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        elif then == "silence":
            with contextlib.suppress(ConnectionError):
                await reader.read()
        elif then == "flood":
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(_FLOOD_CHUNK)
                    await writer.drain()

    return Answer(script=run)


def _half(dialect: str, how: str) -> bytes:
    """The bytes of a reply up to the middle: of a body, or of an event behind some that are whole."""
    if how == STREAMED:
        sent, cut = b"".join(begun(dialect)), events(dialect)[4][:25]
        return _EVENT_STREAM_HEAD + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (sent, cut))
    body = json.dumps(_whole(dialect)).encode()
    return _JSON_HEAD + b"content-length: %d\r\n\r\n%s" % (len(body), body[: len(body) // 2])


def _flood(_dialect: str, how: str) -> Answer:
    """A body, or an event, without an end."""
    head = _EVENT_STREAM_HEAD + b"6\r\ndata: \r\n" if how == STREAMED else _JSON_HEAD + b"transfer-encoding: chunked\r\n\r\n"
    return _scripted(head, then="flood")


def _refusing(status: int, **headers: str) -> Callable[[str, str], Answer]:
    return lambda dialect, _how: json_answer(error_body(dialect), status, **headers)


def _page(status: int) -> Callable[[str, str], Answer]:
    return lambda _dialect, _how: Answer(status=status, headers={"content-type": "text/html"}, body=PAGE)


def _invalid_json(dialect: str, how: str) -> Answer:
    if how == STREAMED:
        return stream_answer(b'data: {"id": "x", "choices": [{"index"\n\n', *events(dialect))
    return Answer(body=json.dumps(_whole(dialect)).encode()[:-2])


def _invalid_json_later(dialect: str, _how: str) -> Answer:
    """Of a kind that is read: what passes from one side to the other as it came, such as a piece of text, is not looked into."""
    if dialect == "anthropic":
        return stream_answer(*begun(dialect), b'event: message_delta\ndata: {"type": "message_delta", "delta"\n\n')
    return stream_answer(*begun(dialect), b'data: {"id": "x", "choices": [{"index"\n\n')


def _first_event(kind: str) -> Callable[[str, str], Answer]:
    return lambda dialect, _how: stream_answer(error_event(dialect, kind))


def _later_event(kind: str) -> Callable[[str, str], Answer]:
    return lambda dialect, _how: stream_answer(*begun(dialect), error_event(dialect, kind))


_BROKEN = {"status": None, "error": "upstream_invalid_response", "alone": (502, "upstream_invalid_response")}
_LATE = {"status": None, "error": "upstream_timeout", "alone": (504, "upstream_timeout")}
_UNREACHED = {"status": None, "error": "upstream_error", "alone": (502, "upstream_error")}
FAULTS: dict[str, Fault] = {
    "connection refused": Fault(at="refused", **_UNREACHED),
    "no TLS": Fault(at="no-tls", **_UNREACHED),
    "no such host": Fault(at="no-host", most_s=CONNECT_S, **_UNREACHED),
    "reset before the head": Fault(answer=lambda _dialect, _how: _scripted(then="reset"), **_BROKEN),
    "closed before the head": Fault(answer=lambda _dialect, _how: _scripted(then="close"), **_BROKEN),
    "reset in the head": Fault(answer=lambda _dialect, _how: _scripted(b"HTTP/1.1 200 OK\r\ncontent-ty", then="reset"), **_BROKEN),
    "no HTTP": Fault(answer=lambda _dialect, _how: _scripted(b"SSH-2.0-OpenSSH_9.6\r\n", then="close"), **_BROKEN),
    "slow head": Fault(answer=lambda _dialect, _how: _scripted(then="silence"), least_s=FIRST_BYTE_S, **_LATE),
    "stalls in its head": Fault(answer=lambda _dialect, _how: _scripted(b"HTTP/1.1 200 OK\r\n", then="silence"), least_s=IDLE_S, **_LATE),
    "stalls after its head": Fault(
        answer=lambda _dialect, _how: _scripted(_EVENT_STREAM_HEAD, then="silence"), how=(STREAMED,), least_s=IDLE_S, **_LATE
    ),
    "stalls": Fault(answer=lambda dialect, how: _scripted(_half(dialect, how), then="silence"), least_s=IDLE_S, begins=True, **_LATE),
    "cut": Fault(answer=lambda dialect, how: _scripted(_half(dialect, how), then="close"), begins=True, **_BROKEN),
    "reset in the body": Fault(answer=lambda dialect, how: _scripted(_half(dialect, how), then="reset"), begins=True, **_BROKEN),
    "ends without its end": Fault(answer=lambda dialect, _how: stream_answer(*begun(dialect)), how=(STREAMED,), begins=True, **_BROKEN),
    "empty": Fault(answer=lambda _dialect, how: stream_answer() if how == STREAMED else Answer(), **_BROKEN),
    "429": Fault(
        answer=_refusing(429), status=429, error="upstream_rate_limited", alone=(429, "upstream_rate_limited"), retry_after_s=(1, 1)
    ),
    "429 with Retry-After": Fault(
        answer=_refusing(429, retry_after=str(RETRY_AFTER_S)),
        status=429,
        error="upstream_rate_limited",
        alone=(429, "upstream_rate_limited"),
        retry_after_s=(RETRY_AFTER_S, RETRY_AFTER_S + 1),
    ),
    "401": Fault(answer=_refusing(401), status=401, error="upstream_error", alone=(502, "upstream_error")),
    "500": Fault(answer=_refusing(500), status=500, error="upstream_error", alone=(502, "upstream_error"), raw=b"It broke"),
    "502": Fault(answer=_refusing(502), status=502, error="upstream_error", alone=(502, "upstream_error"), raw=b"It broke"),
    "503": Fault(answer=_refusing(503), status=503, error="upstream_error", alone=(503, "no_healthy_upstream"), retry_after_s=(1, 1)),
    "503 with Retry-After": Fault(
        answer=_refusing(503, retry_after=str(RETRY_AFTER_S)),
        status=503,
        error="upstream_error",
        alone=(503, "no_healthy_upstream"),
        retry_after_s=(RETRY_AFTER_S, RETRY_AFTER_S + 1),
    ),
    "504": Fault(answer=_refusing(504), status=504, error="upstream_timeout", alone=(504, "upstream_timeout")),
    "529": Fault(answer=_refusing(529), status=529, error="upstream_error", alone=(503, "no_healthy_upstream"), retry_after_s=(1, 1)),
    "a page with 200": Fault(answer=_page(200), **_BROKEN),
    "a page with 502": Fault(
        answer=_page(502), status=502, error="upstream_error", alone=(502, "upstream_error"), raw=b"<title>Bad gateway"
    ),
    "invalid JSON": Fault(answer=_invalid_json, **_BROKEN),
    "invalid JSON later": Fault(answer=_invalid_json_later, how=(STREAMED,), begins=True, **_BROKEN),
    "endless": Fault(answer=_flood, most_s=6.0, **_BROKEN),
    "no stream": Fault(answer=lambda dialect, _how: json_answer(_whole(dialect)), how=(STREAMED,), **_BROKEN),
    "a mistake with 200": Fault(answer=lambda dialect, _how: json_answer(error_body(dialect)), **_BROKEN),
    "a mistake as the first event": Fault(
        answer=_first_event("server_error"), how=(STREAMED,), status=502, error="upstream_error", alone=(502, "upstream_error")
    ),
    "an overload as the first event": Fault(
        answer=_first_event("overloaded_error"),
        how=(STREAMED,),
        status=529,
        error="upstream_error",
        alone=(503, "no_healthy_upstream"),
        retry_after_s=(1, 1),
    ),
    "a limit as the first event": Fault(
        answer=_first_event("rate_limit_error"),
        how=(STREAMED,),
        status=429,
        error="upstream_rate_limited",
        alone=(429, "upstream_rate_limited"),
        retry_after_s=(1, 1),
    ),
    "a mistake as a later event": Fault(
        answer=_later_event("server_error"), how=(STREAMED,), begins=True, status=502, error="upstream_error", alone=(502, "upstream_error")
    ),
    "an overload as a later event": Fault(
        answer=_later_event("overloaded_error"), how=(STREAMED,), begins=True, status=529, error="overloaded", alone=(503, "overloaded")
    ),
    "a limit as a later event": Fault(
        answer=_later_event("rate_limit_error"),
        how=(STREAMED,),
        begins=True,
        status=429,
        error="upstream_rate_limited",
        alone=(429, "upstream_rate_limited"),
    ),
}
