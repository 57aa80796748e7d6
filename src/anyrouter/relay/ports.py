"""What the relay needs of the world. Implemented by `upstream`, `storage` and `web`; in memory by the unit tests' ports."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from anyrouter.core.apikey import ApiKey
from anyrouter.core.budget import BudgetOwner
from anyrouter.core.ledger import Intent, LedgerEntry, Outcome


class Watcher(Protocol):
    """Is told what the client does while its reply is made."""

    def leave(self) -> None:
        """It is gone."""

    def pause(self) -> None:
        """Its socket takes no more bytes for now."""

    def resume(self) -> None:
        """It takes bytes again."""


class Downstream(Protocol):
    """The client's side of one request. Single use: `reply`, or `start`, any number of `write`s and `finish`.

    `head` is a block of header lines, each ending in CRLF, without Content-Length, Transfer-Encoding, Connection and Date:
    the implementation frames the message. Nothing raises when the client is gone: `is_closed` says so.
    """

    @property
    def is_closed(self) -> bool:
        """Whether the client is gone."""

    @property
    def is_half_closed(self) -> bool:
        """Whether the client may be gone: it sends no more, which a client that is not gone may also do. Writing to it tells."""

    def reply(self, status: int, head: bytes, body: bytes | Sequence[bytes | memoryview]) -> None:
        """Send a whole reply."""

    def start(self, status: int, head: bytes) -> None:
        """Send a head; the body follows, chunked (until the connection's end for an HTTP/1.0 client)."""

    def write(self, data: bytes) -> None:
        """Send a part of the body at once. Never waits; `on_pause` tells when the client is slow."""

    def finish(self) -> None:
        """End the body: the client knows that it is whole."""

    def abort(self) -> None:
        """End the connection so that the client sees that the reply is not whole."""

    def watch(self, watcher: Watcher) -> None:
        """Have the watcher told once when the client leaves, and each time its socket stops or starts taking bytes."""

    def follow(self, work: Coroutine[Any, Any, None]) -> None:
        """Run what is left to do for the reply as a task, which is cancelled when the server has no patience left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Deadlines of one upstream request, in seconds. `total_s` None: a stream may run as long as it moves."""

    connect_s: float = 5.0
    first_byte_s: float = 120.0
    idle_s: float = 60.0
    total_s: float | None = 600.0


class Origin(NamedTuple):
    """Where a pooled connection leads. `scheme` is http or https, `host` a name or an address, without brackets.

    A tuple, because it is hashed for every request. `is_guarded`: a tenant named it, and it is connected to at public addresses only.
    """

    scheme: str
    host: str
    port: int
    is_guarded: bool = False


class BodySink(Protocol):
    """Takes an upstream's body as it arrives, from inside the event loop's read callback: fast, and it must not raise."""

    def feed(self, data: bytes) -> None:
        """A part of the body, decoded of its transfer and content coding. Never empty."""


class Exchange(Protocol):
    """One upstream reply, its head read. Exactly one of `read` and `stream_to` is awaited, else `cancel` is called.

    `failure` is what ended it early, if anything did.
    """

    status: int
    headers: Sequence[tuple[bytes, bytes]]  # names in lower case
    failure: Exception | None

    @property
    def is_stale(self) -> bool:
        """Whether it failed because its pooled connection had died before: then nobody has seen the request."""

    def take(self, max_bytes: int) -> bytes | None:
        """The whole body if it is here already, else None; UpstreamBroken when it is longer than that."""

    async def read(self, max_bytes: int) -> bytes:
        """The whole body; UpstreamBroken when it is longer, cut or malformed, UpstreamTimeout when it stalls."""

    async def stream_to(self, sink: BodySink) -> None:
        """Feed the body to `sink` as it comes and return at its end; the same errors as `read`."""

    def pause(self) -> None:
        """Stop reading from the upstream's socket: the client is slow. The idle deadline stands still."""

    def resume(self) -> None:
        """Read on."""

    def cancel(self) -> None:
        """Give the exchange up: the connection is closed at once. Harmless when it is over."""


class UpstreamClient(Protocol):
    """Sends requests to providers over pooled connections."""

    async def send(self, origin: Origin, head: bytes, body: Sequence[bytes | memoryview], timeouts: Timeouts) -> Exchange:
        """Send one request and return when the reply's head has come.

        `head` is the request line and all header lines, each ending in CRLF, without the empty line; Host and Content-Length
        are in it. The body's parts are written one after the other. ConnectFailed, UpstreamTimeout or UpstreamBroken.
        A pooled connection that turns out to be stale before any byte of a reply came is replaced by a fresh one, once.
        Cancelling the awaiting task closes the connection.
        """

    def is_ready(self, origin: Origin, size: int) -> bool:
        """Whether a request with a body of that size can be sent now, by `begin`: without waiting for a connection or the socket."""

    def begin(  # noqa: PLR0917 -- as `send`, and one caller
        self,
        origin: Origin,
        head: bytes,
        body: Sequence[bytes | memoryview],
        size: int,
        timeouts: Timeouts,
        on_arrived: Callable[[], None],
    ) -> Exchange:
        """Send one request without waiting, right after `is_ready` has said that it can be. `size` is the body's.

        `on_arrived` is called once, from the event loop and never before this returns: when the reply's head has come (a short
        reply that is no event stream: all of it), or when there is a `failure`. Not called after `cancel` has been.
        """


class KeyLookup(Protocol):
    """Finds keys by digest and, for requests that are under way, again by id."""

    async def find_by_digest(self, digests: Sequence[bytes]) -> ApiKey | None:
        """The key stored under one of the digests (current pepper first), deleted ones too; StorageUnavailable when nobody can say."""

    async def find_by_ids(self, ids: Sequence[str]) -> list[ApiKey]:
        """The keys of these ids that there are, deleted ones too, in no order; StorageUnavailable when nobody can say."""


class UsageQuestion(NamedTuple):
    """What an owner's generations came to since the beginning of a day of UTC (days since 1970-01-01) by the time they were asked for."""

    organisation_id: str
    owner: BudgetOwner
    owner_id: str
    first_day: int


class ModelUsage(NamedTuple):
    """What the generations of one model came to: what was charged in nano-USD, and how many requests there were."""

    cost: int = 0
    requests: int = 0


class Ledger(Protocol):
    """Keeps usage and cost, durable against the death of this process from the moment a call returns."""

    def intend(self, intent: Intent) -> None:
        """Put on record that an upstream is about to be asked: one small write. StorageUnavailable when it cannot be."""

    def settle(self, intent: Intent, outcome: Outcome) -> None:
        """Put on record what became of the last attempt's intent. Called before the last byte is delivered. Once for each generation."""

    def intend_beside(self, intent: Intent) -> None:
        """As `intend`, of a second attempt while the generation's last one is still under way."""

    def lose(self, intent: Intent, outcome: Outcome) -> None:
        """Settle one of the two: the other one goes on, and the generation's own entry will be its."""

    def go_on(self, intent: Intent) -> None:
        """Of the two only this one is still under way, and nothing is to be settled for the other. Raises nothing."""

    def has_room(self) -> bool:
        """Whether the queue to the database takes more; if not, `wait_for_room` first. Nothing is ever dropped."""

    async def wait_for_room(self) -> None:
        """Return when the queue takes more."""

    def find_pending(self, generation_id: str) -> LedgerEntry | None:
        """An entry, by our id or the upstream's, that is settled and not yet in the database."""

    async def read_usage(self, questions: Sequence[UsageQuestion]) -> list[Mapping[str, ModelUsage]]:
        """By public model id, for each question: exactly what was settled until this returns. StorageUnavailable."""

    def watch(self, on_settled: Callable[[Intent, Outcome], None]) -> None:
        """Have it told every outcome from now on, in the moment when it is settled. It must be quick and not raise."""


class KeyUse(Protocol):
    """Notes when and from where keys are used; flushed in batches, never in a request's path."""

    def note(self, key_id: str, at_ms: int, address: str, user_agent: str | None) -> None:
        """Remember the latest use of a key."""
