"""The tenants of the moment: read from the store at the start, and again whenever something has changed."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog

from anyrouter.core.budget import Budget
from anyrouter.core.byok import ProviderCredential
from anyrouter.core.preset import Preset, PresetTable
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Environment, Member, Organisation
from anyrouter.core.tenants import Tenants
from anyrouter.storage.opening import Storage

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What is one organisation's."""

    environments: Sequence[Environment]
    members: Sequence[Member]
    budgets: Sequence[Budget]
    credentials: Sequence[ProviderCredential]
    presets: Sequence[Preset]


class TenantReader:
    """`current` is replaced as a whole by `read`. Of many organisations those are read again that changed."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._changed = asyncio.Event()
        self._stale: set[str] = set()
        self._parts: dict[str, _Part] = {}
        self.current = Tenants()

    def wake(self, changed: Iterable[str] | None = None) -> None:
        """Have `keep_current` read again: what is these organisations', or everything."""
        self._stale.update(self._parts if changed is None else changed)
        self._changed.set()

    async def keep_current(self, on_read: Callable[[], None]) -> None:
        """Read after every `wake` until cancelled, and tell. What cannot be read is tried again until it can: no change is missed."""
        while True:
            await self._changed.wait()
            await self._read_at_last(on_read)

    async def _read_at_last(self, on_read: Callable[[], None]) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            self._changed.clear()  # before the reading: what changes during it is read again
            changed, self._stale = self._stale, set()
            try:
                await self._read(changed)
                on_read()
            except Exception as error:  # noqa: BLE001 -- whatever it is: who goes on with old tenants lets in whom the new ones shut out
                self._stale |= changed
                _log.warning("tenants_not_read", reason=f"{type(error).__name__}: {error}")
            else:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def read(self) -> None:
        """Read everything. StorageUnavailable."""
        await self._read(set(self._parts))

    async def _read(self, changed: set[str]) -> None:
        """Read what is these organisations', and all of those that were never read."""
        organisations = await self._storage.organisations.list_organisations()
        parts = {
            row.id: await self._read_part(row.id) if row.id in changed or row.id not in self._parts else self._parts[row.id]
            for row in organisations
        }
        self._parts = parts
        self.current = _join(organisations, list(parts.values()))

    async def _read_part(self, organisation_id: str) -> _Part:
        storage = self._storage
        return _Part(
            environments=await storage.environments.list_environments(organisation_id),
            members=await storage.members.list_members(organisation_id),
            budgets=await storage.budgets.list_budgets(organisation_id),
            credentials=await storage.credentials.list_credentials(organisation_id),
            presets=await storage.presets.list_presets(organisation_id),
        )

    def find_public(self) -> Environment | None:
        """The environment whose models the public sees."""
        return self.current.find_environment(DEFAULT_ORGANISATION_ID, "live")


def _join(organisations: Sequence[Organisation], parts: Sequence[_Part]) -> Tenants:
    budgets: dict[str, list[Budget]] = {}
    credentials: dict[str, list[ProviderCredential]] = {}
    for part in parts:
        for budget in part.budgets:
            budgets.setdefault(budget.owner_id, []).append(budget)
        for credential in part.credentials:
            credentials.setdefault(credential.environment_id, []).append(credential)
    return Tenants(
        organisations={row.id: row for row in organisations},
        environments={row.id: row for part in parts for row in part.environments},
        members={row.id: row for part in parts for row in part.members},
        budgets={owner_id: tuple(rows) for owner_id, rows in budgets.items()},
        credentials={environment_id: tuple(rows) for environment_id, rows in credentials.items()},
        presets=PresetTable([row for part in parts for row in part.presets]),
    )
