"""What the control plane needs of the store. One contract suite runs over every implementation."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from anyrouter.control.entry_search import EntryReader
from anyrouter.control.key_search import KeyPage, KeySearch
from anyrouter.control.usage_reader import UsageReader
from anyrouter.core.apikey import ApiKey
from anyrouter.core.audit import AuditEvent
from anyrouter.core.ledger import LedgerEntry
from anyrouter.core.preset import Preset
from anyrouter.core.tenancy import Environment


class KeyStore(Protocol):
    """API keys. Changes come with the event that records them, and rows have versions, as `control.stores` says.

    All methods may raise StorageUnavailable.
    """

    async def add_key(self, key: ApiKey, event: AuditEvent, *, most: int | None = None) -> None:
        """Store a new key; ClientError `duplicate_name` when a key of that name exists in its environment and is not deleted.

        ClientError `unprocessable` when its organisation has `most` keys that are not deleted, or more.
        """

    async def find_key(self, organisation_id: str, key_id: str) -> ApiKey | None:
        """One key by its public id, deleted ones excluded."""

    async def find_by_ids(self, ids: Sequence[str]) -> list[ApiKey]:
        """The keys of these ids that there are, deleted ones too, in no order."""

    async def find_by_digests(self, digests: Sequence[bytes]) -> list[ApiKey]:
        """All keys stored under any of the digests, deleted ones excluded, in no order."""

    async def list_keys(
        self,
        organisation_id: str,
        *,
        environment: str | None = None,
        environment_ids: Collection[str] | None = None,
        is_disabled: bool | None = None,
        limit: int = 100,
        after_id: str | None = None,
        offset: int = 0,
    ) -> list[ApiKey]:
        """Keys that are not deleted, oldest first, at most `limit`, those behind `after_id`, without the first `offset` of them."""

    async def search_keys(self, search: KeySearch) -> KeyPage:
        """The page of keys that is wanted, in the wanted order, and how many there are in all."""

    async def count_keys(self, organisation_id: str) -> Mapping[str, int]:
        """How many keys there are that are not deleted, by environment's id; environments without any are left out."""

    async def update_key(self, key: ApiKey, event: AuditEvent, *, keeps_admin: bool = False) -> None:
        """Replace the changeable fields of a key (everything but id, organisation, environment, digest, created_at, last use).

        ClientError `not_found` when it is not there or deleted. `keeps_admin`: ClientError `unprocessable` when no other key of the
        organisation could manage keys any more at the key's `updated_at`.
        """

    async def rotate_key(self, old: ApiKey, new: ApiKey, event: AuditEvent, *, most: int | None = None) -> None:
        """Store the old key's end and the new key; ClientError `rotation_in_progress` when the old one was changed meanwhile.

        `not_found` when the old one is not there or deleted, `unprocessable` as in `add_key`.
        """

    async def list_group(self, organisation_id: str, rotation_group: str) -> list[ApiKey]:
        """Every key of a rotation group, deleted ones too, oldest first."""

    async def list_waiting(self) -> list[ApiKey]:
        """The keys, of all organisations, whose grace is to begin with the first use of a later key of their group."""


class EnvironmentStore(Protocol):
    """Environments. Changes come with the event that records them, and rows have versions, as `control.stores` says."""

    async def list_environments(self, organisation_id: str) -> list[Environment]:
        """All of an organisation's, inactive and deleted ones too, by slug."""

    async def add_environment(self, environment: Environment, event: AuditEvent) -> None:
        """Store a new one; ClientError `duplicate_name` when its organisation has or had one of that slug."""

    async def update_environment(self, environment: Environment, event: AuditEvent) -> None:
        """Replace everything but id, organisation, slug and kind; ClientError `not_found`, `etag_mismatch`."""


class PresetStore(Protocol):
    """Presets. Every change writes its event and bumps the organisation's epoch in its transaction. All may raise StorageUnavailable."""

    async def add_preset(self, preset: Preset, event: AuditEvent) -> None:
        """Store a new preset; ClientError `duplicate_name` when its environment has one of that slug."""

    async def find_preset(self, organisation_id: str, environment_id: str, slug: str) -> Preset | None:
        """One preset."""

    async def list_presets(self, organisation_id: str, *, environment_id: str | None = None) -> list[Preset]:
        """All of an environment's, or of the organisation's, by slug."""

    async def update_preset(self, preset: Preset, event: AuditEvent) -> None:
        """Replace everything but id, organisation, environment, slug and created_at of the version before the preset's.

        ClientError `not_found` when it is not there, `etag_mismatch` when it is there in another version.
        """

    async def delete_preset(self, preset: Preset, event: AuditEvent) -> None:
        """Forget it; ClientError as for `update_preset`, `etag_mismatch` when it is not there in the preset's version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityFilter:
    """What `/activity` counts: days of UTC, both ends included; what is None is not asked for.

    `group_by` is any of date, hour, key, model, provider, environment, app, tag, trace. A key with several tags counts for each of them.
    Hours and apps are known from the sums by hour, which are kept for less long; traces from the ledger's entries.
    """

    organisation_id: str
    environment_id: str | None = None
    rotation_group: str | None = None
    date_from: date | None = None
    date_to: date | None = None
    group_by: tuple[str, ...] = ("date", "model", "provider")
    api_key_id: str | None = None
    model: str | None = None
    provider: str | None = None
    environment: str | None = None
    app: str | None = None
    tag: str | None = None
    trace_id: str | None = None
    max_groups: int = 10_000


_Day = date  # the name `date` is a field's below


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityRow:
    """Sums over one group; the dimensions not grouped by are None."""

    date: _Day | None = None
    hour: datetime | None = None
    model: str | None = None
    provider: str | None = None
    environment: str | None = None
    api_key_id: str | None = None
    app: str | None = None
    tag: str | None = None
    trace_id: str | None = None
    requests: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cache_read_tokens: int = 0
    cost_nanousd: int = 0
    upstream_cost_nanousd: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTotals:
    """What a rotation group has cost, in nano-dollars: in all, and since the start of the UTC day, ISO week and month."""

    total: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    byok: dict[str, int] = field(default_factory=dict)  # the same four names, upstream cost of BYOK requests


class LedgerReader(UsageReader, EntryReader, Protocol):
    """Reads what was settled. `/activity` and totals come from a roll-up by day, written with the entries."""

    async def find_entry(self, organisation_id: str, environment_id: str, generation_id: str) -> LedgerEntry | None:
        """A generation by our id or by the upstream's own."""

    async def list_entries(self, organisation_id: str, *, limit: int = 100, before_id: str | None = None) -> list[LedgerEntry]:
        """The newest entries first."""

    async def read_activity(self, query: ActivityFilter) -> list[ActivityRow]:
        """Sums by the query's groups, newest day first, then by the other dimensions."""

    async def read_totals(self, organisation_id: str, rotation_groups: Sequence[str], now: datetime) -> dict[str, KeyTotals]:
        """Totals by rotation group; a group without entries has zeros."""

    async def read_organisation_cost(self, organisation_id: str) -> int:
        """Everything that the organisation was charged, in nano-dollars."""


class StoreHealth(Protocol):
    """Whether the database answers."""

    async def check(self) -> None:
        """One cheap read; StorageUnavailable when it fails."""
