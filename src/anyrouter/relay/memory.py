"""The relay's ports in memory: for unit tests, and to see what a client would have got without a socket."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from anyrouter.core.apikey import ApiKey
from anyrouter.core.budget import BudgetOwner
from anyrouter.core.errors import StorageUnavailable
from anyrouter.core.ledger import HEDGE_LOST, Intent, LedgerEntry, Outcome, join
from anyrouter.policy.day_limit import DAY_MS
from anyrouter.relay.ports import ModelUsage, UsageQuestion, Watcher


class MemoryDownstream:
    """A client that takes everything: `status`, `head` and `body` are what it got, `is_finished` whether the reply was whole."""

    def __init__(self) -> None:
        self.is_closed, self.is_finished, self.is_aborted = False, False, False
        self.is_half_closed = False
        self.status: int | None = None
        self.head, self.body = b"", b""
        self.writes: list[bytes] = []
        self.watcher: Watcher | None = None
        self.task: asyncio.Task[None] | None = None

    def reply(self, status: int, head: bytes, body: bytes | Sequence[bytes | memoryview]) -> None:
        """Take a whole reply."""
        self.start(status, head)
        self.write(body if isinstance(body, bytes) else b"".join(body))
        self.finish()

    def start(self, status: int, head: bytes) -> None:
        """Take a head."""
        if self.status is not None:
            raise RuntimeError("a second reply to one request")
        self.status, self.head = status, head

    def write(self, data: bytes) -> None:
        """Take a part of the body."""
        self.writes.append(data)
        self.body += data

    def finish(self) -> None:
        """The body is whole."""
        self.is_finished = True

    def abort(self) -> None:
        """The connection ends before the body does."""
        self.is_aborted = True

    def watch(self, watcher: Watcher) -> None:
        """Keep the watcher for `leave` and for tests of backpressure."""
        self.watcher = watcher

    def follow(self, work: Coroutine[Any, Any, None]) -> None:
        """Start it; `task` is what does it."""
        self.task = asyncio.get_running_loop().create_task(work)

    def leave(self) -> None:
        """The client goes away."""
        self.is_closed = True
        if self.watcher is not None:
            self.watcher.leave()

    def header(self, name: str) -> str | None:
        """The value of a header of the reply."""
        for line in self.head.decode("latin-1").split("\r\n"):
            key, _, value = line.partition(": ")
            if key.lower() == name.lower():
                return value
        return None


class MemoryLedger:
    """A ledger that forgets everything with the process. `is_broken` makes intents fail as a full disk would."""

    def __init__(self) -> None:
        self.intents: list[Intent] = []
        self.entries: list[LedgerEntry] = []
        self.is_broken = False
        self._on_settled: Callable[[Intent, Outcome], None] | None = None

    def intend(self, intent: Intent) -> None:
        """Keep an intent."""
        if self.is_broken:
            raise StorageUnavailable("the ledger cannot be written")
        self.intents.append(intent)

    def settle(self, intent: Intent, outcome: Outcome) -> None:
        """Keep an entry."""
        self.entries.append(join(intent, outcome))
        if self._on_settled is not None:
            self._on_settled(intent, outcome)

    def intend_beside(self, intent: Intent) -> None:
        """Keep an intent."""
        self.intend(intent)

    def lose(self, intent: Intent, outcome: Outcome) -> None:
        """Keep an entry."""
        self.settle(intent, outcome)

    def go_on(self, intent: Intent) -> None:
        """Nothing is forgotten anyway."""

    def has_room(self) -> bool:
        """There is always room."""
        return True

    async def wait_for_room(self) -> None:
        """Return at once."""

    def find_pending(self, generation_id: str) -> LedgerEntry | None:
        """An entry by either id."""
        return next((entry for entry in self.entries if generation_id in (entry.generation_id, entry.upstream_id)), None)

    async def read_usage(self, questions: Sequence[UsageQuestion]) -> list[Mapping[str, ModelUsage]]:
        """The sums over the entries."""
        if self.is_broken:
            raise StorageUnavailable("the ledger cannot be read")
        return [sum_usage(self.entries, question) for question in questions]

    def watch(self, on_settled: Callable[[Intent, Outcome], None]) -> None:
        """Tell it from now on."""
        self._on_settled = on_settled


def sum_usage(entries: Sequence[LedgerEntry], question: UsageQuestion) -> dict[str, ModelUsage]:
    """What the entries come to that a question asks for."""
    sums: dict[str, ModelUsage] = {}
    for entry in entries:
        owners = {
            BudgetOwner.KEY: entry.rotation_group,
            BudgetOwner.ENVIRONMENT: entry.environment_id,
            BudgetOwner.ORGANISATION: entry.organisation_id,
        }
        is_mine = entry.organisation_id == question.organisation_id and owners[question.owner] == question.owner_id
        if is_mine and entry.created_at_ms // DAY_MS >= question.first_day:
            used = sums.get(entry.model, ModelUsage())
            sums[entry.model] = ModelUsage(used.cost + entry.cost_nanousd, used.requests + (entry.error_code != HEDGE_LOST))
    return sums


class MemoryKeys:
    """Keys by digest. `lookups` counts the questions; `is_broken` makes them fail as a lost database would."""

    def __init__(self, keys: Sequence[ApiKey] = ()) -> None:
        self.keys = {key.digest: key for key in keys}
        self.lookups, self.is_broken = 0, False

    async def find_by_digest(self, digests: Sequence[bytes]) -> ApiKey | None:
        """The first key that is found."""
        self.lookups += 1
        if self.is_broken:
            raise StorageUnavailable("the database does not answer")
        return next((self.keys[digest] for digest in digests if digest in self.keys), None)

    async def find_by_ids(self, ids: Sequence[str]) -> list[ApiKey]:
        """The keys of these ids."""
        if self.is_broken:
            raise StorageUnavailable("the database does not answer")
        return [key for key in self.keys.values() if key.id in ids]


class MemoryKeyUse:
    """The last use of each key."""

    def __init__(self) -> None:
        self.uses: dict[str, tuple[int, str, str | None]] = {}

    def note(self, key_id: str, at_ms: int, address: str, user_agent: str | None) -> None:
        """Keep the latest."""
        self.uses[key_id] = (at_ms, address, user_agent)
