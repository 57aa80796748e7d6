"""Reads what the home page shows: each part for who may see it, all at the same time."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anyrouter.control.budget_usage import BudgetUse
from anyrouter.control.credits import Balance
from anyrouter.control.home_facts import Progress, find_days_left, find_unusual, first_needed, hour_of
from anyrouter.control.key_health import KeyHint
from anyrouter.control.key_search import KeyPage, KeySearch, KeySort
from anyrouter.control.usage_reader import Span, Unit, UsageFilter, UsageSums
from anyrouter.core.apikey import FIRST_KEY_NAME
from anyrouter.core.byok import ProviderCredential
from anyrouter.core.scopes import ADMIN_BILLING, ADMIN_BYOK, ADMIN_KEYS, ADMIN_ORG
from anyrouter.core.tenancy import CreditMode, EnvironmentKind
from anyrouter.policy.health import TargetState
from anyrouter.policy.rights import has_environment, may
from anyrouter.policy.route import Upstream
from anyrouter.web.api.target_health import find_worst
from anyrouter.web.pages.home_problems import (
    Problem,
    UpstreamFacts,
    list_budget_problems,
    list_credential_problems,
    list_credit_problems,
    list_key_problems,
    list_spend_problems,
    list_upstream_problems,
    name_owners,
)
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.visit import PageVisit

_MOST_BUDGETS = 20
_LISTED_KEYS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeFacts:
    """What is wrong, the worst first; sums by hour, of the last weeks; how far the installation is.

    `unserved` are the live environments that reach no provider.
    """

    problems: Sequence[Problem]
    hours: Mapping[int, UsageSums]
    progress: Progress
    unserved: Sequence[str]


class HomeReader:
    """Everything is of the visitor's organisation, and what the role may not see is not read."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports = ports

    async def read(self, visit: PageVisit) -> HomeFacts:
        """What there is now. StorageUnavailable."""
        hours, uses, balance, ending, rotated, progress = await asyncio.gather(
            self._read_hours(visit),
            self._read_budgets(visit),
            self._read_balance(visit),
            self._find_keys(visit, KeyHint.EXPIRES_SOON),
            self._find_keys(visit, KeyHint.ROTATED_IN_USE),
            self._read_progress(visit),
        )
        days_left = None if balance is None else find_days_left(balance.balance_nanousd, hours, visit.now)
        problems = [
            *list_upstream_problems(await self._look_at_upstreams(visit)),
            *list_budget_problems(uses, name_owners(visit.organisation_id, visit.environments)),
            *list_credit_problems(days_left, 0 if balance is None else balance.balance_nanousd),
            *list_credential_problems(self._list_credentials(visit), visit.now),
            *list_spend_problems(find_unusual(hours, visit.now)),
            *list_key_problems(ending, rotated, visit.now),
        ]
        return HomeFacts(
            problems=sorted(problems, key=lambda problem: problem.kind != "bad"),
            hours=hours,
            progress=progress,
            unserved=self._list_unserved(visit),
        )

    async def _read_hours(self, visit: PageVisit) -> dict[int, UsageSums]:
        span = Span(first=first_needed(visit.now), end=hour_of(visit.now) + 1, unit=Unit.HOUR)
        rows = await self._ports.api.ledger.read_usage(UsageFilter(organisation_id=visit.organisation_id, span=span))
        return {row.time: row.sums for row in rows}

    async def _read_budgets(self, visit: PageVisit) -> list[BudgetUse]:
        if not may(visit.rights, ADMIN_BILLING):
            return []
        found = [
            budget for some in self._ports.tenants().budgets.values() for budget in some if budget.organisation_id == visit.organisation_id
        ]
        return await self._ports.settings.budget_usage.read(found[:_MOST_BUDGETS])

    async def _read_balance(self, visit: PageVisit) -> Balance | None:
        organisation = self._ports.tenants().organisations.get(visit.organisation_id)
        is_prepaid = organisation is not None and organisation.credit_mode is CreditMode.PREPAID
        if not is_prepaid or not may(visit.rights, ADMIN_BILLING):
            return None
        return await self._ports.api.credits.read_balance(visit.organisation_id)

    async def _find_keys(self, visit: PageVisit, hint: KeyHint) -> KeyPage | None:
        if not may(visit.rights, ADMIN_KEYS):
            return None
        search = KeySearch(
            organisation_id=visit.organisation_id,
            now=visit.now,
            hint=hint,
            sort=KeySort.EXPIRES,
            is_descending=False,
            limit=_LISTED_KEYS,
        )
        return await self._ports.api.key_service.search(search, rights=visit.rights)

    def _list_credentials(self, visit: PageVisit) -> list[ProviderCredential]:
        if not may(visit.rights, ADMIN_BYOK):
            return []
        credentials = self._ports.tenants().credentials
        mine = [row for row in visit.environments if has_environment(visit.rights, row.id)]
        return [row for environment in mine for row in credentials.get(environment.id, ()) if not row.is_disabled]

    def _list_upstreams(self, visit: PageVisit) -> list[Upstream]:
        """Those that an environment of the organisation could ask, its own accounts among them, each once."""
        snapshot = self._ports.api.snapshot()
        reached = {
            row.id: row
            for environment in visit.environments
            for row in snapshot.list_upstreams(environment)
            if not row.is_sandbox and (row.byok is not None or row.serves(environment))
        }
        return list(reached.values())

    def _list_unserved(self, visit: PageVisit) -> list[str]:
        snapshot = self._ports.api.snapshot()
        live = [row for row in visit.environments if row.is_active and row.kind is EnvironmentKind.LIVE]
        return [row.slug for row in live if not any(upstream.serves(row) for upstream in snapshot.list_upstreams(row))]

    async def _look_at_upstreams(self, visit: PageVisit) -> list[UpstreamFacts]:
        gateway, reached = self._ports.gateway, self._list_upstreams(visit)
        states, found = dict[str, list[TargetState]](), []
        for standing in await gateway.list_standings([row.id for row in reached]):
            states.setdefault(standing.key[0], []).append(standing.state)
        records = await gateway.read_records()
        for row in reached:
            record, mine = records.get(row.id), states.get(row.id, [])
            worst = find_worst(mine)
            found.append(
                UpstreamFacts(
                    name=row.byok.name if row.byok is not None else row.id,
                    state=worst,
                    models=mine.count(worst),
                    failures=0 if record is None else record.failures,
                    last_error="" if record is None or not record.failures else record.last_error or "",
                )
            )
        return found

    async def _read_progress(self, visit: PageVisit) -> Progress:
        ports, tenants, organisation_id = self._ports, self._ports.tenants(), visit.organisation_id
        member = visit.member_visitor.member
        made, newest, factor, ways = await asyncio.gather(
            self._count_made_keys(visit),
            ports.api.ledger.list_entries(organisation_id, limit=1),
            ports.second_factors.find(member),
            ports.profiles.find_ways_in(member),
        )
        organisation = tenants.organisations.get(organisation_id)
        return Progress(
            has_key=made > 0,
            has_request=bool(newest),
            has_provider=bool(self._list_upstreams(visit)),
            has_bound=(
                any(budget.organisation_id == organisation_id for some in tenants.budgets.values() for budget in some)
                or any(row.rate_limit_rpm or row.rate_limit_tpm or row.concurrency for row in visit.environments)
                or (organisation is not None and organisation.credit_mode is CreditMode.PREPAID)
                or await self._has_bound_key(visit)
            ),
            has_colleague=(
                sum(row.organisation_id == organisation_id and row.is_active for row in tenants.members.values()) > 1
                or await self._has_invited(visit)
            ),
            has_own_login=factor is not None or ways.passkeys > 0 or ways.identities > 0,
        )

    async def _count_made_keys(self, visit: PageVisit) -> int:
        """How many keys people made: the first start's own is the oldest there is, as long as it is there."""
        oldest = KeySearch(organisation_id=visit.organisation_id, now=visit.now, is_descending=False, limit=1)
        found = await self._ports.api.keys.search_keys(oldest)
        return found.total - sum(key.name == FIRST_KEY_NAME for key in found.keys)

    async def _has_bound_key(self, visit: PageVisit) -> bool:
        """Whether one of the newest keys has a limit of its own."""
        keys = await self._ports.api.keys.search_keys(KeySearch(organisation_id=visit.organisation_id, now=visit.now))
        return any(key.limit_nanousd is not None for key in keys.keys)

    async def _has_invited(self, visit: PageVisit) -> bool:
        if not may(visit.rights, ADMIN_ORG):
            return True
        return bool(await self._ports.api.members.list_invitations(visit.rights, visit.organisation_id))
