"""How an upstream is told whose requests it gets, where that takes more than one fixed header line.

It stands here because an upstream carries it, and decisions about an upstream's errors must know what not to repeat.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, Protocol


class OutgoingRequest(NamedTuple):
    """What of a request an authorization may depend on.

    `target` stands in the request line, with its query, encoded as it is sent; `host` in the header Host; `content_type` empty: there
    is none. `body` is what is sent, in parts. `now` is aware.
    """

    method: str
    target: str
    host: str
    content_type: str
    body: Iterable[bytes | memoryview]
    now: datetime


class Authorization(Protocol):
    """One upstream's, shared by all requests to it."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every text of the credential, and whatever was bought with it lately: no error may show any of them."""

    def render(self, request: OutgoingRequest) -> bytes:
        """The header lines that the request needs beside its own, each ending in CRLF; empty when `prepare` is needed first."""

    async def prepare(self, wait_s: float) -> None:
        """Return when `render` has lines; UpstreamError when it will not within `wait_s`. Cancelling it changes nothing for others."""

    def reject(self) -> None:
        """Be told that the upstream has answered 401 to what `render` gave."""
