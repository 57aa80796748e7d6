"""The tenants of the moment: read from the store at the start, and again whenever something has changed."""

import asyncio
from collections.abc import Callable

import structlog

from anyrouter.core.budget import Budget
from anyrouter.core.byok import ProviderCredential
from anyrouter.core.preset import PresetTable
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Environment
from anyrouter.core.tenants import Tenants
from anyrouter.storage.opening import Storage

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0
_log = structlog.get_logger(__name__)


class TenantReader:
    """`current` is replaced as a whole by `read`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._changed = asyncio.Event()
        self.current = Tenants()

    def wake(self) -> None:
        """Have `keep_current` read again."""
        self._changed.set()

    async def keep_current(self, on_read: Callable[[], None]) -> None:
        """Read after every `wake` until cancelled, and tell. What cannot be read is tried again until it can: no change is missed."""
        while True:
            await self._changed.wait()
            self._changed.clear()  # before the reading: what changes during it is read again
            await self._read_at_last(on_read)

    async def _read_at_last(self, on_read: Callable[[], None]) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                await self.read()
                on_read()
            except Exception as error:  # noqa: BLE001 -- whatever it is: who goes on with old tenants lets in whom the new ones shut out
                _log.warning("tenants_not_read", reason=f"{type(error).__name__}: {error}")
            else:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def read(self) -> None:
        """Read everything. StorageUnavailable."""
        storage = self._storage
        organisations = await storage.organisations.list_organisations()
        environments = [row for owner in organisations for row in await storage.environments.list_environments(owner.id)]
        members = [row for owner in organisations for row in await storage.members.list_members(owner.id)]
        budgets: dict[str, tuple[Budget, ...]] = {}
        for owner in organisations:
            for budget in await storage.budgets.list_budgets(owner.id):
                budgets[budget.owner_id] = (*budgets.get(budget.owner_id, ()), budget)
        presets = [row for owner in organisations for row in await storage.presets.list_presets(owner.id)]
        credentials: dict[str, list[ProviderCredential]] = {}
        for owner in organisations:
            for credential in await storage.credentials.list_credentials(owner.id):
                credentials.setdefault(credential.environment_id, []).append(credential)
        self.current = Tenants(
            organisations={row.id: row for row in organisations},
            environments={row.id: row for row in environments},
            members={row.id: row for row in members},
            budgets=budgets,
            credentials={environment_id: tuple(rows) for environment_id, rows in credentials.items()},
            presets=PresetTable(presets),
        )

    def find_public(self) -> Environment | None:
        """The environment whose models the public sees."""
        return self.current.find_environment(DEFAULT_ORGANISATION_ID, "live")
