"""What requests are decided by of all organisations: read from the store when something changed, and replaced as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from anyrouter.core.apikey import ApiKey
from anyrouter.core.budget import Budget
from anyrouter.core.byok import ProviderCredential
from anyrouter.core.preset import PresetTable
from anyrouter.core.tenancy import Environment, Member, Organisation


class Owner(NamedTuple):
    """Whose a key is, as far as that is known. `member` is None for a key that is no person's."""

    organisation: Organisation | None
    environment: Environment | None
    member: Member | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tenants:
    """Immutable. `organisations`, `environments` and `members` are by id, deleted and inactive ones included.

    `budgets` are by their owner's id (a rotation group, an environment, an organisation), `credentials` by their environment's id, in
    the order in which they are tried.
    """

    organisations: Mapping[str, Organisation] = field(default_factory=dict)
    environments: Mapping[str, Environment] = field(default_factory=dict)
    members: Mapping[str, Member] = field(default_factory=dict)
    budgets: Mapping[str, tuple[Budget, ...]] = field(default_factory=dict)
    credentials: Mapping[str, tuple[ProviderCredential, ...]] = field(default_factory=dict)
    presets: PresetTable = field(default_factory=PresetTable)

    def find_owner(self, key: ApiKey) -> Owner:
        """Whose the key is."""
        member = None if key.member_id is None else self.members.get(key.member_id)
        return Owner(self.organisations.get(key.organisation_id), self.environments.get(key.environment_id), member)

    def find_environment(self, organisation_id: str, slug: str) -> Environment | None:
        """One of an organisation's environments."""
        found = (row for row in self.environments.values() if row.slug == slug and row.organisation_id == organisation_id)
        return next(found, None)

    def list_slugs(self, organisation_id: str) -> list[str]:
        """The slugs of an organisation's environments, without those of deleted ones."""
        return [row.slug for row in self.environments.values() if row.organisation_id == organisation_id and row.deleted_at is None]

    def list_budgets(self, owner_ids: Sequence[str]) -> tuple[Budget, ...]:
        """The budgets of all these owners, in their order."""
        return tuple(budget for owner_id in owner_ids for budget in self.budgets.get(owner_id, ()))
