"""How an upstream is told whose requests it gets, where that takes more than one fixed header line.

It stands here because an upstream carries it, and decisions about an upstream's errors must know what not to repeat.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, Protocol

from anyrouter.core.secret import Secret


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


class Opening(Protocol):
    """A tenant's credential that stands in a header, kept sealed and opened when a request needs it; one upstream's."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What was opened lately: no error may show it."""

    def read(self) -> Secret | None:
        """The credential, None when `prepare` is needed first."""

    async def prepare(self, wait_s: float) -> None:
        """Return when `read` has it; StorageUnavailable when it cannot be opened, or is not within `wait_s`.

        UpstreamError when there is nothing to open: that is as if the upstream had refused it.
        """


class OpenedHeader(Authorization):
    """A credential that was opened, in its header. `line` is the header's name and what stands before the credential."""

    __slots__ = ("_line", "_opening")

    def __init__(self, opening: Opening, line: str) -> None:
        self._opening, self._line = opening, line

    @property
    def secrets(self) -> tuple[str, ...]:
        """See the port."""
        return self._opening.secrets

    def render(self, request: OutgoingRequest) -> bytes:  # noqa: ARG002 -- a header is the same for all
        """See the port."""
        secret = self._opening.read()
        return b"" if secret is None else f"{self._line}{secret.reveal()}\r\n".encode("latin-1")

    async def prepare(self, wait_s: float) -> None:
        """See the port; StorageUnavailable when the credential cannot be opened."""
        await self._opening.prepare(wait_s)

    def reject(self) -> None:
        """Nothing follows: it is the credential as its owner has entered it."""
