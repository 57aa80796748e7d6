"""What the sandbox answers, as a value: the endpoints decide, `connection` carries it out, `staging` makes it misbehave.

Knows nothing of sockets or of the providers' formats.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from anyrouter.core.keys import ALPHABET

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One HTTP reply.

    A `body` of bytes is sent whole, with Content-Length; an iterator's parts are sent as they come, chunked, one write each.
    `delay_s` passes before the head and `part_delay_s` before each part but the first. `is_cut` ends the connection before
    the body's end (a whole body is cut in its middle, an iterator where it stops); `is_silent` ends it after the delay without a byte.
    `is_stream` says that the parts are a stream's events, one each.
    """

    status: int = 200
    headers: Headers = ()
    body: bytes | Iterator[bytes] = b""
    delay_s: float = 0.0
    part_delay_s: float = 0.0
    is_cut: bool = False
    is_silent: bool = False
    is_stream: bool = False


class ApiError(Exception):
    """A refusal in the words of the dialect that was spoken.

    `type` is the error's kind where the status alone does not tell it; `param` and `code` are shown in the OpenAI dialects only,
    `details` in Gemini's only.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",  # noqa: A002 -- the wire's own name
        param: str | None = None,
        code: str | None = None,
        headers: Headers = (),
        details: tuple[dict[str, Any], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.type, self.param, self.code, self.headers = status, message, type, param, code, headers
        self.details = details


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What makes one reply differ from another to the same request: its serial number and the time (Unix seconds)."""

    serial: int
    now_s: int

    def token(self, purpose: str, length: int) -> str:
        """Base62 characters, the same for the same serial number and purpose; at most 40."""
        digest = hashlib.blake2b(f"{purpose}{self.serial}".encode(), digest_size=32).digest()
        number, digits = int.from_bytes(digest), []
        for _ in range(length):
            number, digit = divmod(number, len(ALPHABET))
            digits.append(ALPHABET[digit])
        return "".join(digits)

    def hexadecimal(self, purpose: str, length: int) -> str:
        """Hexadecimal digits, the same for the same serial number and purpose; at most 64."""
        return hashlib.blake2b(f"{purpose}{self.serial}".encode(), digest_size=32).hexdigest()[:length]
