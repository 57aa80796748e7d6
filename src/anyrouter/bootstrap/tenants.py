"""The tenants of the moment: read from the store at the start, and again whenever something has changed."""

from anyrouter.core.budget import Budget
from anyrouter.core.byok import ProviderCredential
from anyrouter.core.preset import PresetTable
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Environment
from anyrouter.core.tenants import Tenants
from anyrouter.storage.opening import Storage


class TenantReader:
    """`current` is replaced as a whole by `read`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.current = Tenants()

    async def read(self) -> None:
        """Read everything. StorageUnavailable."""
        storage = self._storage
        organisations = await storage.organisations.list_organisations()
        environments = [row for owner in organisations for row in await storage.environments.list_environments(owner.id)]
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
            budgets=budgets,
            credentials={environment_id: tuple(rows) for environment_id, rows in credentials.items()},
            presets=PresetTable(presets),
        )

    def find_public(self) -> Environment | None:
        """The environment whose models the public sees."""
        return self.current.find_environment(DEFAULT_ORGANISATION_ID, "live")
