"""What differs between the dialects besides their endpoints: the envelope of replies, and the words of refusals."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from anyrouter.sandbox.answer import WindowExceeded
from anyrouter.sandbox.fields import FieldFault
from anyrouter.sandbox.reply import ApiError, Reply, Stamp
from anyrouter.sandbox.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One provider's manners. The functions that make an ApiError say what it is about by their names.

    `check_head` raises the ApiError of a request whose head lacks something, a credential above all. `failure_event` is what a stream
    says when it fails half-way, None where its own events can say it; `garble` gives an event back with half of its JSON, still framed.
    """

    whole: Callable[[Any, Stamp], Reply]
    render_error: Callable[[ApiError, Stamp], Reply]
    of_fault: Callable[[FieldFault], ApiError]
    of_window: Callable[[WindowExceeded, str], ApiError]
    check_head: Callable[[Request], None]
    not_json: Callable[[str], ApiError]
    not_found: Callable[[str, str], ApiError]
    wrong_method: Callable[[str, str, str], ApiError]
    too_large: Callable[[], ApiError]
    rate_limited: Callable[[str, int], ApiError]
    server_error: Callable[[], ApiError]
    overloaded: Callable[[], ApiError]
    failure_event: Callable[[Stamp], bytes] | None
    garble: Callable[[bytes], bytes]


def garble_event(event: bytes) -> bytes:
    """A server-sent event without the last third of its text, and still an event."""
    return event[: len(event) * 2 // 3] + b"\n\n"


def has_any_key(request: Request) -> bool:
    """Whether there is a key in one of the two headers that OpenAI and Anthropic know; any one will do."""
    return request.has_header("x-api-key") or request.has_bearer()
