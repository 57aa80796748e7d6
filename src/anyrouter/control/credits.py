"""Credits of organisations: grants, the monthly grant, the balance, and whether the books agree.

A balance is never stored: it is what transactions gave less what the ledger charged. A monthly grant is a transaction at the month's
start, and one at its end takes back what of it was not used; their ids are made of the organisation and the month, so that
whoever posts them does it once. What is left of a month is taken back an hour after its end: requests that were running then are
settled by that time, and count for the month in which they began.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from anyrouter.control.audit import make_event
from anyrouter.control.stores import CreditStore, OrganisationStore, UsageDifference
from anyrouter.core.audit import SYSTEM, Actor, AuditEvent
from anyrouter.core.credits import CreditTransaction, TransactionKind
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.ids import new_id
from anyrouter.core.money import MAX_USD, NANO, to_usd, to_usd_string
from anyrouter.core.tenancy import CreditMode, Organisation

MAX_NOTE_LENGTH = 200
_MAX_MONTHS = 24  # that are settled late, after a long stop
_PAGE = 1000
_ATTEMPTS = 3
_SETTLING = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What an organisation has left, in nano-USD: `balance` is `granted` less `used`, and below zero only where nothing is enforced."""

    mode: CreditMode
    granted_nanousd: int
    used_nanousd: int
    monthly_grant_nanousd: int = 0

    @property
    def balance_nanousd(self) -> int:
        """What is left."""
        return self.granted_nanousd - self.used_nanousd


class CreditService:
    """Credits, for the operator and for those who may see them. ClientError and StorageUnavailable say no."""

    def __init__(self, *, store: CreditStore, organisations: OrganisationStore, clock: Callable[[], datetime]) -> None:
        self._store, self._organisations, self._clock = store, organisations, clock

    async def read_balance(self, organisation_id: str) -> Balance:
        """The balance as of the last committed entry of the ledger."""
        organisation = await self._find(organisation_id)
        return Balance(
            mode=organisation.credit_mode,
            granted_nanousd=await self._store.sum_transactions(organisation_id),
            used_nanousd=await self._store.sum_usage(organisation_id),
            monthly_grant_nanousd=organisation.monthly_grant_nanousd,
        )

    async def grant(self, actor: Actor, organisation_id: str, amount_nanousd: int, *, note: str = "") -> CreditTransaction:
        """Give credits, or take them with a negative amount. The operator's alone: whoever calls has seen to that."""
        await self._find(organisation_id)
        if not amount_nanousd or abs(amount_nanousd) > MAX_USD * NANO:
            raise _refusal("amount", f"an amount up to {MAX_USD} USD is needed, and not zero")
        now = self._clock().astimezone(UTC)
        kind = TransactionKind.GRANT if amount_nanousd > 0 else TransactionKind.ADJUSTMENT
        transaction = CreditTransaction(
            id=new_id("ctx", int(now.timestamp() * 1000)),
            organisation_id=organisation_id,
            kind=kind,
            amount_nanousd=amount_nanousd,
            at=now,
            note=_check_note(note),
            actor_label=actor.label,
        )
        await self._store.add_transaction(transaction, self._event(actor, transaction, now))
        return transaction

    async def list_transactions(self, organisation_id: str, *, limit: int = 100, before_id: str | None = None) -> list[CreditTransaction]:
        """The newest first."""
        return await self._store.list_transactions(organisation_id, limit=limit, before_id=before_id)

    async def configure(
        self, actor: Actor, organisation_id: str, *, mode: CreditMode | None = None, monthly_grant_nanousd: int | None = None
    ) -> Organisation:
        """Change whether credits are enforced, and what is granted each month; the first month's grant is due at once."""
        if monthly_grant_nanousd is not None and not 0 <= monthly_grant_nanousd <= MAX_USD * NANO:
            raise _refusal("monthly_grant", f"an amount from 0 to {MAX_USD} USD is needed")
        for attempt in range(_ATTEMPTS):
            before = await self._find(organisation_id)
            changed = replace(
                before,
                credit_mode=before.credit_mode if mode is None else mode,
                monthly_grant_nanousd=before.monthly_grant_nanousd if monthly_grant_nanousd is None else monthly_grant_nanousd,
                version=before.version + 1,
            )
            event = make_event(
                actor,
                organisation_id,
                "credits.configure",
                self._clock().astimezone(UTC),
                target_id=organisation_id,
                target_label=before.name,
                before=_shown(before),
                after=_shown(changed),
            )
            try:
                await self._organisations.update_organisation(changed, event)
            except ClientError as error:
                if error.code != "etag_mismatch" or attempt == _ATTEMPTS - 1:
                    raise
            else:
                await self.settle_months(changed)
                return changed
        raise AssertionError  # the loop returns or raises

    async def settle_months(self, organisation: Organisation) -> int:
        """Post what is due of monthly grants: the ends of past months, then this month's grant. How many transactions that were."""
        now = self._clock().astimezone(UTC)
        months = _months_until(now.date())
        posted = 0
        granted = await self._list_since(organisation.id, _start(months[0]))
        for month in months[:-1]:
            if now < _start(_next_month(month)) + _SETTLING:
                continue
            grant = granted.get(_month_id(organisation.id, month, "grant"))
            if grant is not None and _month_id(organisation.id, month, "expiry") not in granted:
                posted += await self._expire(organisation, month, grant.amount_nanousd)
        if organisation.monthly_grant_nanousd > 0 and _month_id(organisation.id, months[-1], "grant") not in granted:
            posted += await self._post(
                organisation, months[-1], "grant", TransactionKind.MONTHLY_GRANT, organisation.monthly_grant_nanousd, now
            )
        return posted

    async def settle_all_months(self) -> int:
        """`settle_months` for every active organisation."""
        owners = [organisation for organisation in await self._organisations.list_organisations() if organisation.is_active]
        return sum([await self.settle_months(organisation) for organisation in owners])

    async def audit(self, organisation_id: str) -> Sequence[UsageDifference]:
        """The days on which the ledger and its sums, of which balances are made, disagree. Empty: the books agree."""
        await self._find(organisation_id)
        return await self._store.compare_usage(organisation_id)

    async def _list_since(self, organisation_id: str, first: datetime) -> dict[str, CreditTransaction]:
        """By their ids, all transactions since then: a grant of the month may be far behind what was given after it."""
        found: dict[str, CreditTransaction] = {}
        before_id: str | None = None
        while True:
            page = await self._store.list_transactions(organisation_id, limit=_PAGE, before_id=before_id)
            found |= {row.id: row for row in page}
            if len(page) < _PAGE or page[-1].at < first:
                return found
            before_id = page[-1].id

    async def _expire(self, organisation: Organisation, month: date, granted_nanousd: int) -> bool:
        """Take back what of a past month's grant was not used; usage is taken from the monthly grant before anything else."""
        after = _next_month(month)
        used = await self._store.sum_usage(organisation.id, date_from=month, date_to=after - timedelta(days=1))
        amount = -max(0, granted_nanousd - used)
        return await self._post(organisation, month, "expiry", TransactionKind.MONTHLY_EXPIRY, amount, _start(after))

    async def _post(  # noqa: PLR0917 -- the parts of one transaction
        self, organisation: Organisation, month: date, what: str, kind: TransactionKind, amount_nanousd: int, at: datetime
    ) -> bool:
        transaction = CreditTransaction(
            id=_month_id(organisation.id, month, what),
            organisation_id=organisation.id,
            kind=kind,
            amount_nanousd=amount_nanousd,
            at=at,
            note=f"{month:%Y-%m}",
            actor_label=SYSTEM.label,
        )
        return await self._store.add_transaction(transaction, self._event(SYSTEM, transaction, self._clock().astimezone(UTC)))

    async def _find(self, organisation_id: str) -> Organisation:
        for organisation in await self._organisations.list_organisations():
            if organisation.id == organisation_id:
                return organisation
        raise ClientError(Denied(code="not_found", message="There is no such organisation."))

    @staticmethod
    def _event(actor: Actor, transaction: CreditTransaction, now: datetime) -> AuditEvent:
        amount = {"kind": transaction.kind.value, "amount_usd": to_usd_string(transaction.amount_nanousd), "note": transaction.note}
        return make_event(actor, transaction.organisation_id, "credits.grant", now, target_id=transaction.id, after=amount)


def _shown(organisation: Organisation) -> dict[str, object]:
    return {"credit_mode": organisation.credit_mode.value, "monthly_grant_usd": to_usd(organisation.monthly_grant_nanousd)}


def _check_note(note: str) -> str:
    stripped = note.strip()
    if len(stripped) > MAX_NOTE_LENGTH or not (stripped.isprintable() or not stripped):
        raise _refusal("note", f"at most {MAX_NOTE_LENGTH} printable characters are taken")
    return stripped


def _months_until(today: date) -> list[date]:
    """The first days of the last months, the current one last."""
    month = today.replace(day=1)
    months = [month]
    for _ in range(_MAX_MONTHS):
        month = (month - timedelta(days=1)).replace(day=1)
        months.append(month)
    return months[::-1]


def _start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _next_month(month: date) -> date:
    return (month + timedelta(days=32)).replace(day=1)


def _month_id(organisation_id: str, month: date, what: str) -> str:
    return f"ctx_{organisation_id.removeprefix('org_')}_{month:%Y%m}_{what}"


def _refusal(param: str, reason: str) -> ClientError:
    return ClientError(Denied(code="invalid_parameter", message=f"{param}: {reason}.", param=param))
