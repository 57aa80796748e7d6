"""The upstreams of a soak, in one process: OpenAI's chat completions and Anthropic's messages, good or with the fault that is asked for.

    python -m bench.soak_upstream PORT

What is asked for `first` happens to a request's first arrival only. `GET /received` tells how often each numbered request arrived.
"""

import asyncio
import json
import re
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import httptools
import uvloop

_ORDER = re.compile(rb"soak (\d+) (first|both) ([a-z0-9-]+)\.")
_STREAMED = re.compile(rb'"stream": ?true')
_WORDS = ("The", " loop", " ends", " one", " step", " early", ".")
_SLOW_S = 0.04
_FLOOD = b"%x\r\n%s\r\n" % (1 << 18, b"x" * (1 << 18))
RECEIVED: Counter[int] = Counter()


def _event(value: dict[str, Any], name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(value, separators=(',', ':'))}\n\n".encode()


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    return _event({**_CHUNK, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]})


def _named(kind: str, **members: Any) -> bytes:
    return _event({"type": kind, **members}, kind)


_CHUNK = {"id": "chatcmpl-soak", "object": "chat.completion.chunk", "created": 1767225600, "model": "gpt-4o"}
_MESSAGE = {"id": "msg_soak", "type": "message", "role": "assistant", "model": "claude", "content": [], "stop_reason": None}
_COUNTS = {"input_tokens": 20, "output_tokens": len(_WORDS)}
_USAGE = {"prompt_tokens": 20, "completion_tokens": len(_WORDS), "total_tokens": 20 + len(_WORDS)}
WHOLE = {
    "openai": {
        "id": "chatcmpl-soak",
        "object": "chat.completion",
        "created": 1767225600,
        "model": "gpt-4o",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "".join(_WORDS)}, "finish_reason": "stop"}],
        "usage": _USAGE,
    },
    "anthropic": {
        **_MESSAGE,
        "content": [{"type": "text", "text": "".join(_WORDS)}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": _COUNTS,
    },
}
EVENTS = {
    "openai": [
        _chunk({"role": "assistant", "content": ""}),
        *(_chunk({"content": word}) for word in _WORDS),
        _chunk({}, "stop"),
        _event({**_CHUNK, "choices": [], "usage": _USAGE}),
        b"data: [DONE]\n\n",
    ],
    "anthropic": [
        _named("message_start", message={**_MESSAGE, "usage": {"input_tokens": 20, "output_tokens": 1}}),
        _named("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *(_named("content_block_delta", index=0, delta={"type": "text_delta", "text": word}) for word in _WORDS),
        _named("content_block_stop", index=0),
        _named("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage=_COUNTS),
        _named("message_stop"),
    ],
}
ERRORS = {
    "openai": {"error": {"message": "It broke", "type": "server_error", "param": None, "code": None}},
    "anthropic": {"type": "error", "error": {"type": "api_error", "message": "It broke"}},
}
_PAGE = b"<html><body>Bad gateway</body></html>"


def _head(status: int, kind: str, *lines: str) -> str:
    return "\r\n".join([f"HTTP/1.1 {status} X", f"content-type: {kind}", *lines])


def _sized(status: int, body: bytes, kind: str = "application/json", *lines: str) -> bytes:
    return f"{_head(status, kind, *lines)}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def _chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


_STREAM_HEAD = f"{_head(200, 'text/event-stream')}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
_END = b"0\r\n\r\n"


class Replies:
    """The bytes of all replies in one dialect, made once."""

    def __init__(self, dialect: str) -> None:
        events, whole, error = EVENTS[dialect], json.dumps(WHOLE[dialect]).encode(), json.dumps(ERRORS[dialect]).encode()
        middle = len(events) // 2
        failed = _event(ERRORS[dialect], "error" if dialect == "anthropic" else "")
        self.begun = _STREAM_HEAD + _chunked(*events[:middle])
        self.rest = _chunked(*events[middle:]) + _END
        self.stream = self.begun + self.rest
        self.whole = _sized(200, whole)
        self.half = self.whole[: -len(whole) // 2]
        self.half_stream = self.begun + _chunked(events[middle][:20])
        self.no_end = self.begun + _END
        self.error_first = _STREAM_HEAD + _chunked(failed) + _END
        self.error_later = self.begun + _chunked(failed) + _END
        self.error_200 = _sized(200, error)
        self.bad_json = _sized(200, whole[:-3])
        self.bad_event = _STREAM_HEAD + _chunked(b'data: {"id": "x", "choices": [{"index"\n\n') + _END
        self.statuses = {status: _sized(int(status), error) for status in ("500", "502", "503", "529", "429")}
        self.limit = _sized(429, error, "application/json", "retry-after: 2")


REPLIES = {dialect: Replies(dialect) for dialect in WHOLE}
PAGES = {"page-200": _sized(200, _PAGE, "text/html"), "page-502": _sized(502, _PAGE, "text/html")}


class Connection(asyncio.Protocol):
    """One connection of the gateway's."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.loop = asyncio.get_running_loop()
        self.parser = httptools.HttpRequestParser(self)
        self.path, self.body, self.is_paused, self.is_flooding = "", b"", False, False
        self.timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        self.is_flooding = False
        if self.timer:
            self.timer.cancel()

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.path, self.body = "", b""

    def on_url(self, url: bytes) -> None:
        self.path += url.decode()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        if self.path == "/received":
            self.transport.write(_sized(200, json.dumps(RECEIVED).encode()))
            return
        order = _ORDER.search(self.body)
        replies = REPLIES["anthropic" if self.path.endswith("/messages") else "openai"]
        is_streamed = _STREAMED.search(self.body) is not None
        kind = "good"
        if order:
            number = int(order[1])
            RECEIVED[number] += 1
            if order[2] == b"both" or RECEIVED[number] == 1:
                kind = order[3].decode()
        self._answer(kind, replies, is_streamed=is_streamed)

    def _answer(self, kind: str, replies: Replies, *, is_streamed: bool) -> None:
        write = self.transport.write
        if kind in replies.statuses:
            write(replies.statuses[kind])
        elif kind in PAGES:
            write(PAGES[kind])
        elif kind in _ODD:
            _ODD[kind](self, replies, is_streamed)
        else:
            write(replies.stream if is_streamed else replies.whole)

    def hold(self, first: bytes, rest: bytes) -> None:
        """A reply in two parts."""
        self.transport.write(first)
        self.timer = self.loop.call_later(_SLOW_S, self.transport.write, rest)

    def send_and_close(self, data: bytes) -> None:
        self.transport.write(data)
        self.transport.close()

    def send_and_abort(self, data: bytes) -> None:
        """The end comes later than the data, which it would overtake."""
        self.transport.write(data)
        self.timer = self.loop.call_later(0.002, self.transport.abort)

    def flood(self, head: bytes) -> None:
        self.transport.write(head)
        self.is_flooding = True
        self._go_on()

    def pause_writing(self) -> None:
        self.is_paused = True

    def resume_writing(self) -> None:
        self.is_paused = False
        self._go_on()

    def _go_on(self) -> None:
        while self.is_flooding and not self.is_paused:
            self.transport.write(_FLOOD)


_JSON_HEAD = f"{_head(200, 'application/json')}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
_ODD: dict[str, Callable[[Connection, Replies, bool], None]] = {
    "slow": lambda one, replies, streamed: one.hold(replies.begun, replies.rest) if streamed else one.hold(b"", replies.whole),
    "reset": lambda one, _replies, _streamed: one.transport.abort(),
    "reset-head": lambda one, _replies, _streamed: one.send_and_abort(b"HTTP/1.1 200 OK\r\ncont"),
    "garbage": lambda one, _replies, _streamed: one.send_and_close(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "silence": lambda _one, _replies, _streamed: None,
    "stall": lambda one, replies, streamed: one.transport.write(replies.half_stream if streamed else replies.half),
    "cut": lambda one, replies, streamed: one.send_and_close(replies.half_stream if streamed else replies.half),
    "reset-body": lambda one, replies, streamed: one.send_and_abort(replies.half_stream if streamed else replies.half),
    "no-end": lambda one, replies, streamed: one.transport.write(replies.no_end if streamed else replies.bad_json),
    "429-wait": lambda one, replies, _streamed: one.transport.write(replies.limit),
    "bad-json": lambda one, replies, streamed: one.transport.write(replies.bad_event if streamed else replies.bad_json),
    "error-200": lambda one, replies, _streamed: one.transport.write(replies.error_200),
    "error-first": lambda one, replies, streamed: one.transport.write(replies.error_first if streamed else replies.error_200),
    "error-later": lambda one, replies, streamed: one.transport.write(replies.error_later if streamed else replies.error_200),
    "endless": lambda one, _replies, streamed: one.flood(_STREAM_HEAD if streamed else _JSON_HEAD),
}


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
