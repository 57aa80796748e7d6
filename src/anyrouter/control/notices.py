"""What owners are told without anybody's doing: keys that end, budgets and credits that are nearly spent, credentials that fail.

Each is an event of the audit log by the system, written once with the note that it was told, so that webhooks hear of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from anyrouter.control.audit import make_event
from anyrouter.control.ports import KeyStore, LedgerReader
from anyrouter.control.stores import BudgetStore, CreditStore, ExpiryReader, NoticeStore, OrganisationStore, SpendReader
from anyrouter.core.apikey import ApiKey
from anyrouter.core.audit import SYSTEM
from anyrouter.core.budget import Budget, period_start
from anyrouter.core.byok import ProviderCredential
from anyrouter.core.credits import CreditTransaction
from anyrouter.core.tenancy import CreditMode, Organisation
from anyrouter.policy.budget import counts_model, own_budgets

LOOK_BACK = timedelta(days=3)  # an end that is longer ago is no news, such as before an upgrade
_USED_WITHIN = timedelta(days=1)  # nobody else has come nearer to a limit
_PAGE = 1000
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRules:
    """When something is told. Days before a key's end; percents of a budget, and of the grants that credits are left of."""

    expiry_days: tuple[int, ...] = (14, 3, 1)
    budget_percent: tuple[int, ...] = (80, 100)
    credits_percent: int = 10


class Notices:
    """Looks, and tells what was not told yet. All methods may raise StorageUnavailable, and bear being called again."""

    def __init__(
        self,
        *,
        notices: NoticeStore,
        expiries: ExpiryReader,
        spend: SpendReader,
        ledger: LedgerReader,
        organisations: OrganisationStore,
        keys: KeyStore,
        budgets: BudgetStore,
        credits: CreditStore,  # noqa: A002 -- the domain's noun
        clock: Callable[[], datetime],
        rules: NoticeRules,
    ) -> None:
        self._notices, self._expiries, self._spend, self._ledger = notices, expiries, spend, ledger
        self._organisations, self._keys, self._budgets, self._credits = organisations, keys, budgets, credits
        self._clock, self._rules = clock, rules

    async def tell(self) -> None:
        """Look at everything."""
        await self.tell_ends()
        for organisation in await self._organisations.list_organisations():
            if organisation.is_active:
                await self.tell_budgets(organisation.id)
                await self.tell_limits(organisation.id)
                await self.tell_credits(organisation)

    async def tell_ends(self) -> None:
        """`key.expiring` and `key.expired`: once for each key, threshold and time of expiry."""
        now = self._clock()
        most = timedelta(days=max(self._rules.expiry_days, default=0))
        after_id = ""
        while page := await self._expiries.list_expiring(now - LOOK_BACK, now + most, limit=_PAGE, after_id=after_id):
            for key in page:
                await self._tell_end(key, now)
            after_id = page[-1].id

    async def tell_budgets(self, organisation_id: str) -> None:
        """`budget.threshold` of budgets: once for each period, part and limit."""
        now = self._clock()
        for budget in await self._budgets.list_budgets(organisation_id):
            since = period_start(budget.period, now)
            sums = await self._spend.sum_by_model(budget, since)
            spent = sum(cost for model, cost in sums.items() if counts_model(budget, model))
            await self._tell_threshold(budget, spent, now, None)

    async def tell_limits(self, organisation_id: str) -> None:
        """`budget.threshold` of the limits that keys bring themselves; those of a rotation group have one."""
        now = self._clock()
        holders = {key.rotation_group: key for key in await self._list_spenders(organisation_id, now)}
        if not holders:
            return
        totals = await self._ledger.read_totals(organisation_id, tuple(holders), now)
        for group, key in holders.items():
            for budget in own_budgets(key):
                await self._tell_threshold(budget, getattr(totals[group], budget.period.value), now, key)

    async def tell_credits(self, organisation: Organisation) -> None:
        """`credits.low`, where credits end requests: once after each grant."""
        if organisation.credit_mode is not CreditMode.PREPAID:
            return
        now = self._clock()
        transactions = await self._credits.list_transactions(organisation.id)
        given = await self._credits.sum_transactions(organisation.id)
        left = given - await self._credits.sum_usage(organisation.id)
        grants = [row for row in transactions if row.amount_nanousd > 0]
        granted = _find_granted(grants, left)
        if not grants or left * 100 >= granted * self._rules.credits_percent:
            return
        event = make_event(
            SYSTEM,
            organisation.id,
            "credits.low",
            now,
            target_id=organisation.id,
            target_label=organisation.name,
            after={"left_nanousd": left, "granted_nanousd": granted},
        )
        await self._notices.take_notice(organisation.id, organisation.id, f"credits.low:{grants[0].id}", now, event)

    async def tell_quarantine(self, credential: ProviderCredential, until: datetime, reason: str) -> None:
        """`credential.quarantined`: once a day and reason for each credential."""
        now = self._clock()
        event = make_event(
            SYSTEM,
            credential.organisation_id,
            "credential.quarantined",
            now,
            target_id=credential.id,
            target_label=credential.name,
            environment=credential.environment,
            after={"provider": credential.provider, "reason": reason, "until": _rfc3339(until)},
        )
        kind = f"credential.quarantined:{reason}:{now.astimezone(UTC).date()}"[:64]
        await self._notices.take_notice(credential.organisation_id, credential.id, kind, now, event)

    async def _tell_end(self, key: ApiKey, now: datetime) -> None:
        assert key.expires_at is not None  # noqa: S101 -- it was found by that
        left = key.expires_at - now
        facts = {"name": key.name, "expires_at": _rfc3339(key.expires_at)}
        if key.superseded_by is not None:
            facts["superseded_by"] = key.superseded_by
        at_ms = int(key.expires_at.timestamp() * 1000)
        if left <= timedelta():
            await self._tell_of_key(key, "key.expired", f"key.expired:{at_ms}", now, facts)
            return
        reached = [days for days in sorted(self._rules.expiry_days) if left <= days * _DAY < key.expires_at - key.created_at]
        for days in reached[1:]:  # the nearest says it all
            await self._notices.take_notice(key.organisation_id, key.id, f"key.expiring:{days}:{at_ms}", now)
        if reached:
            facts["days"] = str(reached[0])
            await self._tell_of_key(key, "key.expiring", f"key.expiring:{reached[0]}:{at_ms}", now, facts)

    async def _tell_of_key(self, key: ApiKey, action: str, kind: str, now: datetime, facts: dict[str, str]) -> None:
        event = make_event(
            SYSTEM,
            key.organisation_id,
            action,
            now,
            target_id=key.id,
            target_label=key.label,
            environment=key.environment,
            after={**facts, "days": int(facts["days"])} if "days" in facts else facts,
        )
        await self._notices.take_notice(key.organisation_id, key.id, kind, now, event)

    async def _tell_threshold(self, budget: Budget, spent: int, now: datetime, key: ApiKey | None) -> None:
        """Of the parts that are reached, the largest is told."""
        reached = sorted(part for part in self._rules.budget_percent if budget.limit_nanousd and spent * 100 >= budget.limit_nanousd * part)
        since = period_start(budget.period, now)
        start = "total" if since is None else str(since.date())
        for part in reached[:-1]:
            await self._notices.take_notice(budget.organisation_id, budget.id, _threshold(part, start, budget), now)
        if not reached:
            return
        event = make_event(
            SYSTEM,
            budget.organisation_id,
            "budget.threshold",
            now,
            target_id=budget.id if key is None else key.id,
            target_label=budget.name if key is None else key.label,
            environment=None if key is None else key.environment,
            after={
                "percent": reached[-1],
                "spent_nanousd": spent,
                "limit_nanousd": budget.limit_nanousd,
                "period": budget.period.value,
                "owner": budget.owner.value,
                "owner_id": budget.owner_id,
            },
        )
        await self._notices.take_notice(budget.organisation_id, budget.id, _threshold(reached[-1], start, budget), now, event)

    async def _list_spenders(self, organisation_id: str, now: datetime) -> list[ApiKey]:
        """The keys that have a limit and were used lately, oldest first."""
        found: list[ApiKey] = []
        after_id = None
        while page := await self._keys.list_keys(organisation_id, limit=_PAGE, after_id=after_id):
            found += [key for key in page if key.limit_nanousd and key.last_used_at is not None and now - key.last_used_at < _USED_WITHIN]
            after_id = page[-1].id
        return found


def _find_granted(grants: Sequence[CreditTransaction], left: int) -> int:
    """What the grants came to that there is something left of: the newest ones, as many as hold it."""
    granted = 0
    for grant in grants:
        granted += grant.amount_nanousd
        if granted >= left:
            break
    return granted


def _threshold(part: int, start: str, budget: Budget) -> str:
    return f"budget.threshold:{part}:{start}:{budget.limit_nanousd}"


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
