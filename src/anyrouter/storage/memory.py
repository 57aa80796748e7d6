"""The store in memory: for unit tests and trials. It gives the same answers as the databases, and forgets everything at its end."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from anyrouter.control.entry_search import EntryPage, EntrySearch
from anyrouter.control.ports import ActivityFilter, ActivityRow, KeyTotals
from anyrouter.control.usage_reader import LatencyRow, UsageFilter, UsageRow
from anyrouter.core.ledger import HEDGE_LOST, Intent, LedgerEntry, Outcome, join
from anyrouter.storage.activity_rows import day_range_hours, make_rows
from anyrouter.storage.ledger_rows import MAX_UPSTREAM_ID, sum_by_day
from anyrouter.storage.memory_audit import MemoryAuditLog, MemoryAuditStore
from anyrouter.storage.memory_credentials import MemoryCredentialStore, MemorySealStore
from anyrouter.storage.memory_entries import search_newest
from anyrouter.storage.memory_environments import MemoryEnvironmentStore
from anyrouter.storage.memory_idempotency import MemoryIdempotencyStore
from anyrouter.storage.memory_keys import MemoryKeyStore
from anyrouter.storage.memory_members import MemoryMemberStore
from anyrouter.storage.memory_money import MemoryBudgetStore, MemoryCreditStore
from anyrouter.storage.memory_organisations import MemoryOrganisationStore
from anyrouter.storage.memory_presets import MemoryPresetStore
from anyrouter.storage.memory_sessions import MemorySessionStore
from anyrouter.storage.memory_sign_in import MemorySignInStore
from anyrouter.storage.memory_sign_in_rows import MemorySignInRows
from anyrouter.storage.memory_usage import count_latencies, sum_usage
from anyrouter.storage.memory_webhooks import MemoryExpiryReader, MemoryNoticeStore, MemorySpendReader, MemoryWebhookStore
from anyrouter.storage.sql_ledger import key_totals, period_starts
from anyrouter.storage.usage_rows import AppNames, sum_by_hour

Row = dict[str, Any]


class MemoryWatch:
    """Announces the changes made through one store; there are no others, so it is always confirmed."""

    def __init__(self) -> None:
        self._subscribers: list[Callable[[frozenset[str]], None]] = []

    @property
    def confirmed_at(self) -> float:
        """Now, in monotonic seconds."""
        return time.monotonic()

    def subscribe(self, on_change: Callable[[frozenset[str]], None]) -> None:
        """Call `on_change` with the ids of organisations whose keys or environments changed."""
        self._subscribers.append(on_change)

    def announce(self, organisation_id: str) -> None:
        """Tell the subscribers."""
        for subscriber in self._subscribers:
            subscriber(frozenset({organisation_id}))


class MemoryLedger:
    """`Ledger`, `LedgerReader` and `StoreHealth`. What is settled can be read at once; `intents` are kept for a test to look at.

    `tags_of` gives the tags of an organisation's keys, by their ids.
    """

    def __init__(self, tags_of: Callable[[str], Mapping[str, tuple[str, ...]]] = lambda _: {}) -> None:
        self.intents: list[Intent] = []
        self._tags_of = tags_of
        self._entries: dict[tuple[str, int], LedgerEntry] = {}

    def intend(self, intent: Intent) -> None:
        """Keep the intent."""
        self.intents.append(intent)

    def settle(self, intent: Intent, outcome: Outcome) -> None:
        """Keep the entry, unless it is there already."""
        entry = join(intent, outcome)
        self._entries.setdefault((entry.generation_id, entry.attempt), entry)

    def intend_beside(self, intent: Intent) -> None:
        """Keep the intent."""
        self.intents.append(intent)

    def lose(self, intent: Intent, outcome: Outcome) -> None:
        """Keep the entry."""
        self.settle(intent, outcome)

    def go_on(self, intent: Intent) -> None:
        """Intents are only looked at."""

    def has_room(self) -> bool:
        """Always."""
        return True

    async def wait_for_room(self) -> None:
        """There is room."""

    def find_pending(self, generation_id: str) -> LedgerEntry | None:
        """Nothing is pending: `find_entry` knows everything."""

    async def flush(self) -> None:
        """Nothing waits here."""

    async def check(self) -> None:
        """Memory answers."""

    async def find_entry(self, organisation_id: str, environment_id: str, generation_id: str) -> LedgerEntry | None:
        """A generation by our id or by the upstream's own; the last attempt, the newest generation."""
        newest = [
            entry for entry in self._newest(organisation_id) if entry.environment_id == environment_id and entry.error_code != HEDGE_LOST
        ]
        for entry in newest:
            if entry.generation_id == generation_id:
                return entry
        return next((entry for entry in newest if (entry.upstream_id or "")[:MAX_UPSTREAM_ID] == generation_id), None)

    async def list_entries(self, organisation_id: str, *, limit: int = 100, before_id: str | None = None) -> list[LedgerEntry]:
        """The newest entries first, those older than `before_id` (none if it is unknown)."""
        entries = self._newest(organisation_id)
        if before_id is not None:
            places = [(entry.created_at_ms, entry.generation_id) for entry in entries if entry.generation_id == before_id]
            entries = [entry for entry in entries if places and (entry.created_at_ms, entry.generation_id) < places[0]]
        return entries[:limit]

    async def search_entries(self, search: EntrySearch) -> EntryPage:
        """See `EntryReader`."""
        return search_newest(self._newest(search.organisation_id), search)

    async def read_activity(self, query: ActivityFilter) -> list[ActivityRow]:
        """Sums by the query's groups, newest day first, then by the other dimensions. `errors` are failed and interrupted ones."""
        entries = [entry for entry in self._entries.values() if entry.organisation_id == query.organisation_id]
        rows = sum_by_hour((entry.split() for entry in entries if query.trace_id in {None, entry.trace_id}), AppNames())
        groups = [
            {**row, "date": row["hour"] // 24, "key": row["api_key_id"], "trace": query.trace_id} for row in rows if _matches(query, row)
        ]
        return make_rows(query, groups, self._tags_of(query.organisation_id))

    async def read_usage(self, query: UsageFilter) -> Sequence[UsageRow]:
        """See `UsageReader`."""
        return sum_usage(self._entries.values(), query)

    async def read_latencies(self, query: UsageFilter) -> Sequence[LatencyRow]:
        """See `UsageReader`."""
        return count_latencies(self._entries.values(), query)

    async def read_totals(self, organisation_id: str, rotation_groups: Sequence[str], now: datetime) -> dict[str, KeyTotals]:
        """Totals by rotation group; a group without entries has zeros."""
        starts = list(period_starts(now).values())
        totals = {}
        for group in rotation_groups:
            rows = [row for row in self._usage(organisation_id) if row["rotation_group"] == group]
            costs = ("cost_nanousd", "upstream_cost_nanousd")
            totals[group] = key_totals([sum(row[cost] for row in rows if row["day"] >= start) for cost in costs for start in starts])
        return totals

    async def read_organisation_cost(self, organisation_id: str) -> int:
        """Everything that the organisation was charged, in nano-dollars."""
        return sum(row["cost_nanousd"] for row in self._usage(organisation_id))

    def _newest(self, organisation_id: str) -> list[LedgerEntry]:
        mine = [entry for entry in self._entries.values() if entry.organisation_id == organisation_id]
        return sorted(mine, key=lambda entry: (entry.created_at_ms, entry.generation_id, entry.attempt), reverse=True)

    def _usage(self, organisation_id: str) -> Iterable[Row]:
        return [
            row
            for row in sum_by_day(entry.split() for entry in self._entries.values()).values()
            if row["organisation_id"] == organisation_id
        ]


class MemoryStorage:
    """The ports by the names that `Storage` and `ServingStorage` give them."""

    def __init__(self) -> None:
        self.watch = MemoryWatch()
        self.audit_log = MemoryAuditLog()
        self.idempotency = MemoryIdempotencyStore()
        self.keys = MemoryKeyStore(self.audit_log, on_change=self.watch.announce)
        self.audit = MemoryAuditStore(self.audit_log, self.keys.list_names)
        self.key_use = self.keys
        sign_in = MemorySignInRows()
        self.members = MemoryMemberStore(self.audit_log, self.keys, sign_in, on_change=self.watch.announce)
        self.environments = MemoryEnvironmentStore(self.audit_log, on_change=self.watch.announce)
        self.organisations = MemoryOrganisationStore(self.audit_log, on_change=self.watch.announce, put_environment=self.environments.keep)
        self.sessions = MemorySessionStore(self.audit_log, sign_in, members=self.members, organisations=self.organisations)
        self.sign_in = MemorySignInStore(self.audit_log, sign_in, members=self.members, organisations=self.organisations)
        self.presets = MemoryPresetStore(on_change=self.watch.announce, log=self.audit_log)
        self.ledger = MemoryLedger(self.keys.list_tags)
        self.reader = self.ledger
        self.budgets = MemoryBudgetStore(self.audit_log, on_change=self.watch.announce)
        self.credits = MemoryCreditStore(self.audit_log, self.reader, on_change=self.watch.announce)
        self.credentials = MemoryCredentialStore(self.audit_log, on_change=self.watch.announce)
        self.webhooks = MemoryWebhookStore(self.audit_log, on_change=self.watch.announce)
        self.notices = MemoryNoticeStore(self.audit_log)
        self.expiries = MemoryExpiryReader(self.keys, self.organisations)
        self.spend = MemorySpendReader(self.reader, self.keys)
        self.seals = MemorySealStore(self.credentials.rows, self.webhooks.rows, sign_in.factors, on_change=self.watch.announce)
        self.health = self.ledger

    async def aclose(self) -> None:
        """Nothing to close."""


def _matches(query: ActivityFilter, row: Row) -> bool:
    first, last = day_range_hours(query)
    same = ("environment_id", "rotation_group", "api_key_id", "model", "provider", "environment", "app")
    return (
        all(getattr(query, name) in {None, row[name]} for name in same)
        and (first is None or row["hour"] >= first)
        and (last is None or row["hour"] < last)
    )
