"""Budgets beside those that keys bring themselves: of a key's group, an environment or the organisation, for some models or all."""

import builtins
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from anyrouter.control.audit import find_differences, make_event
from anyrouter.control.key_checks import check_models, check_name
from anyrouter.control.ports import EnvironmentStore, KeyStore
from anyrouter.control.stores import BudgetStore
from anyrouter.core.audit import Actor, AuditEvent
from anyrouter.core.budget import Budget, BudgetOwner, BudgetPeriod
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.ids import new_id
from anyrouter.core.money import MAX_USD, NANO, to_usd_string
from anyrouter.policy.rights import Rights, has_environment

MAX_BUDGETS = 1000
_CHANGEABLE = frozenset({"limit_nanousd", "period", "models", "name"})
_ATTEMPTS = 100  # of a change that names no version: each of many at once is made in its turn
_NO_BUDGET = Denied(code="not_found", message="There is no such budget.")


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetWish:
    """A budget as it is asked for. `owner_id` is a key's id or an environment's slug, and nothing for the organisation."""

    owner: BudgetOwner
    owner_id: str | None
    limit_nanousd: int
    period: BudgetPeriod = BudgetPeriod.MONTHLY
    models: Sequence[str] | None = None
    name: str = ""


class BudgetService:
    """Budgets of one organisation at a time. Whoever does not work in an environment does not see its budgets."""

    def __init__(self, *, store: BudgetStore, keys: KeyStore, environments: EnvironmentStore, clock: Callable[[], datetime]) -> None:
        self._store, self._keys, self._environments, self._clock = store, keys, environments, clock

    async def list(self, rights: Rights, organisation_id: str) -> builtins.list[Budget]:
        """All that the holder of these rights may see, oldest first."""
        found = await self._store.list_budgets(organisation_id)
        environment_of = await self._find_places(organisation_id, found)
        return [budget for budget in found if _is_visible(rights, environment_of[budget.id])]

    async def show(self, rights: Rights, organisation_id: str, budget_id: str) -> Budget:
        """One of them; ClientError `not_found`."""
        for budget in await self.list(rights, organisation_id):
            if budget.id == budget_id:
                return budget
        raise ClientError(_NO_BUDGET)

    async def create(self, actor: Actor, rights: Rights, organisation_id: str, wish: BudgetWish) -> Budget:
        """A new budget. It holds from now on, and counts what was spent in its period before too."""
        if len(await self._store.list_budgets(organisation_id)) >= MAX_BUDGETS:
            raise ClientError(Denied(code="unprocessable", message=f"An organisation has at most {MAX_BUDGETS} budgets; delete one first."))
        now = self._clock().astimezone(UTC)
        budget = Budget(
            id=new_id("bud", int(now.timestamp() * 1000)),
            organisation_id=organisation_id,
            owner=wish.owner,
            owner_id=await self._find_owner(rights, organisation_id, wish),
            limit_nanousd=_check_limit(wish.limit_nanousd),
            period=wish.period,
            models=None if wish.models is None else check_models(wish.models),
            name=check_name(wish.name) if wish.name else "",
            created_at=now,
        )
        await self._store.add_budget(budget, self._event(actor, "budget.create", budget, None))
        return budget

    async def change(
        self,
        actor: Actor,
        rights: Rights,
        organisation_id: str,
        budget_id: str,
        changes: Mapping[str, Any],
        *,
        version: int | None = None,
    ) -> Budget:
        """Change limit, period, models or name. `version`: only if it is still that one, else ClientError `etag_mismatch`."""
        checked = _check_changes(changes)
        for attempt in range(_ATTEMPTS):
            before = await self.show(rights, organisation_id, budget_id)
            if version is not None and before.version != version:
                raise ClientError(
                    Denied(code="etag_mismatch", message="The budget was changed meanwhile. Read it again, then repeat the change.")
                )
            after = replace(before, **checked, version=before.version + 1)
            try:
                await self._store.update_budget(after, self._event(actor, "budget.update", after, before))
            except ClientError as error:
                if error.code != "etag_mismatch" or version is not None or attempt == _ATTEMPTS - 1:
                    raise
            else:
                return after
        raise AssertionError  # the loop returns or raises

    async def delete(self, actor: Actor, rights: Rights, organisation_id: str, budget_id: str) -> Budget:
        """Forget a budget: nothing is bounded by it from now on."""
        budget = await self.show(rights, organisation_id, budget_id)
        await self._store.delete_budget(budget, self._event(actor, "budget.delete", None, budget))
        return budget

    async def _find_owner(self, rights: Rights, organisation_id: str, wish: BudgetWish) -> str:
        if wish.owner is BudgetOwner.ORGANISATION:
            if wish.owner_id is not None:
                raise _refusal("owner_id", "the organisation's own budget names nothing else")
            return organisation_id
        if wish.owner_id is None:
            raise ClientError(Denied(code="missing_parameter", message="owner_id is missing.", param="owner_id"))
        if wish.owner is BudgetOwner.ENVIRONMENT:
            for environment in await self._environments.list_environments(organisation_id):
                if environment.slug == wish.owner_id and environment.deleted_at is None and has_environment(rights, environment.id):
                    return environment.id
            raise ClientError(Denied(code="not_found", message="There is no such environment.", param="owner_id"))
        key = await self._keys.find_key(organisation_id, wish.owner_id)
        if key is None or not has_environment(rights, key.environment_id):
            raise ClientError(Denied(code="not_found", message="There is no such key.", param="owner_id"))
        return key.rotation_group

    async def _find_places(self, organisation_id: str, budgets: Sequence[Budget]) -> dict[str, str | None]:
        """The environment of each budget, by its id; None for the organisation's."""
        places: dict[str, str | None] = {}
        named = [budget.owner_id for budget in budgets if budget.owner is BudgetOwner.KEY]
        groups = await self._find_groups(organisation_id, named) if named else {}
        for budget in budgets:
            if budget.owner is BudgetOwner.KEY:
                places[budget.id] = groups.get(budget.owner_id, "")
            else:
                places[budget.id] = budget.owner_id if budget.owner is BudgetOwner.ENVIRONMENT else None
        return places

    async def _find_groups(self, organisation_id: str, groups: Sequence[str]) -> dict[str, str]:
        """The environment of each rotation group, which has the id of its first key."""
        found = await self._keys.find_by_ids(groups)
        return {key.id: key.environment_id for key in found if key.organisation_id == organisation_id}

    def _event(self, actor: Actor, action: str, after: Budget | None, before: Budget | None) -> AuditEvent:
        budget = after or before
        assert budget is not None  # noqa: S101 -- one of them is there
        old, new = ({} if row is None else describe_budget(row) for row in (before, after))
        changed = find_differences(old, new) if after is not None else (old, {})
        return make_event(
            actor,
            budget.organisation_id,
            action,
            self._clock(),
            target_id=budget.id,
            target_label=budget.name,
            before=changed[0] if before is not None else {},
            after=changed[1],
        )


def describe_budget(budget: Budget) -> dict[str, Any]:
    """What may be shown of a budget."""
    return {
        "owner": budget.owner.value,
        "owner_id": budget.owner_id,
        "limit_usd": to_usd_string(budget.limit_nanousd),
        "period": budget.period.value,
        "models": None if budget.models is None else list(budget.models),
        "name": budget.name,
    }


def _is_visible(rights: Rights, environment_id: str | None) -> bool:
    return environment_id is None or has_environment(rights, environment_id)


def _check_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    unknown = next((name for name in changes if name not in _CHANGEABLE), None)
    if unknown is not None:
        raise _refusal(unknown, "this is not changed; make another budget")
    checked = dict(changes)
    if "limit_nanousd" in checked:
        checked["limit_nanousd"] = _check_limit(checked["limit_nanousd"])
    if checked.get("models") is not None:
        checked["models"] = check_models(checked["models"])
    if checked.get("name"):
        checked["name"] = check_name(checked["name"])
    return checked


def _check_limit(limit_nanousd: int) -> int:
    if not 0 <= limit_nanousd <= MAX_USD * NANO:
        raise _refusal("limit", f"an amount from 0 to {MAX_USD} USD is needed")
    return limit_nanousd


def _refusal(param: str, reason: str) -> ClientError:
    return ClientError(Denied(code="invalid_parameter", message=f"{param}: {reason}.", param=param))
