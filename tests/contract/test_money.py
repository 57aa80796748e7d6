"""Budgets, credits and organisations: the same over every store, each change with its event or not at all."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from anyrouter.control.audit import make_event
from anyrouter.control.credits import CreditService
from anyrouter.control.stores import AuditFilter, UsageDifference
from anyrouter.core.audit import OPERATOR, AuditEvent
from anyrouter.core.budget import Budget, BudgetOwner, BudgetPeriod
from anyrouter.core.credits import CreditTransaction, TransactionKind
from anyrouter.core.errors import ClientError
from anyrouter.core.ledger import HEDGE_LOST, EntryState, LedgerEntry
from anyrouter.core.money import NANO
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, CreditMode, Environment, EnvironmentKind, Organisation
from anyrouter.storage.memory import MemoryStorage
from anyrouter.storage.opening import ServingStorage
from anyrouter.storage.sql_money import compare

AnyStorage = ServingStorage | MemoryStorage
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
BUDGET = Budget(
    id="bud_1",
    organisation_id=DEFAULT_ORGANISATION_ID,
    owner=BudgetOwner.ENVIRONMENT,
    owner_id="env_1",
    limit_nanousd=5 * NANO,
    period=BudgetPeriod.MONTHLY,
    models=("openai/*",),
    name="Über",
    created_at=NOW,
)
GRANT = CreditTransaction(
    id="ctx_1",
    organisation_id=DEFAULT_ORGANISATION_ID,
    kind=TransactionKind.GRANT,
    amount_nanousd=7 * NANO,
    at=NOW,
    note="n",
    actor_label="op",
)


def event(action: str = "budget.create") -> AuditEvent:
    return make_event(OPERATOR, DEFAULT_ORGANISATION_ID, action, NOW, target_id="x")


async def actions(storage: AnyStorage) -> list[str]:
    found = await storage.audit.list_events(AuditFilter(organisation_id=DEFAULT_ORGANISATION_ID, limit=1000))
    return [link.event.action for link in reversed(found)]


async def test_a_budget_comes_back_as_it_was_stored_and_is_announced(storage: AnyStorage) -> None:
    told: list[frozenset[str]] = []
    storage.watch.subscribe(told.append)
    await storage.budgets.add_budget(BUDGET, event())
    second = replace(BUDGET, id="bud_2", models=None, name="", created_at=NOW + timedelta(seconds=1))
    await storage.budgets.add_budget(second, event())
    assert await storage.budgets.list_budgets(DEFAULT_ORGANISATION_ID) == [BUDGET, second]
    assert await storage.budgets.list_budgets("org_other") == []
    assert told.count(frozenset({DEFAULT_ORGANISATION_ID})) >= 2
    assert await actions(storage) == ["budget.create", "budget.create"]


async def test_a_budget_is_changed_only_from_the_version_that_is_stored(storage: AnyStorage) -> None:
    await storage.budgets.add_budget(BUDGET, event())
    changed = replace(BUDGET, limit_nanousd=0, period=BudgetPeriod.TOTAL, models=None, name="x", version=2)
    await storage.budgets.update_budget(changed, event("budget.update"))
    assert await storage.budgets.list_budgets(DEFAULT_ORGANISATION_ID) == [changed]
    for wrong, code in (
        (changed, "etag_mismatch"),
        (replace(changed, version=4), "etag_mismatch"),
        (replace(changed, id="bud_9"), "not_found"),
        (replace(changed, organisation_id="org_other", version=3), "not_found"),
    ):
        with pytest.raises(ClientError) as refused:
            await storage.budgets.update_budget(wrong, event("budget.update"))
        assert refused.value.code == code
    assert await actions(storage) == ["budget.create", "budget.update"]


async def test_a_deleted_budget_is_gone(storage: AnyStorage) -> None:
    await storage.budgets.add_budget(BUDGET, event())
    with pytest.raises(ClientError, match="no such budget"):
        await storage.budgets.delete_budget(replace(BUDGET, organisation_id="org_other"), event("budget.delete"))
    await storage.budgets.delete_budget(BUDGET, event("budget.delete"))
    assert await storage.budgets.list_budgets(DEFAULT_ORGANISATION_ID) == []
    with pytest.raises(ClientError, match="no such budget"):
        await storage.budgets.delete_budget(BUDGET, event("budget.delete"))
    assert await actions(storage) == ["budget.create", "budget.delete"]


async def test_a_transaction_is_stored_once(storage: AnyStorage) -> None:
    assert await storage.credits.add_transaction(GRANT, event("credits.grant"))
    assert not await storage.credits.add_transaction(replace(GRANT, amount_nanousd=1), event("credits.grant"))
    assert await storage.credits.list_transactions(DEFAULT_ORGANISATION_ID) == [GRANT]
    assert await actions(storage) == ["credits.grant"]


async def test_transactions_come_in_pages_the_newest_first(storage: AnyStorage) -> None:
    rows = [replace(GRANT, id=f"ctx_{number}", at=NOW + timedelta(seconds=number // 2), amount_nanousd=number) for number in range(5)]
    for row in rows:
        await storage.credits.add_transaction(row, event("credits.grant"))
    newest = [row.id for row in reversed(rows)]
    first = await storage.credits.list_transactions(DEFAULT_ORGANISATION_ID, limit=2)
    rest = await storage.credits.list_transactions(DEFAULT_ORGANISATION_ID, before_id=first[-1].id)
    assert [row.id for row in (*first, *rest)] == newest
    assert await storage.credits.list_transactions(DEFAULT_ORGANISATION_ID, before_id="ctx_unknown") == []
    assert await storage.credits.list_transactions("org_other") == []
    assert await storage.credits.sum_transactions(DEFAULT_ORGANISATION_ID) == 10
    assert await storage.credits.sum_transactions("org_other") == 0


async def test_usage_is_summed_by_days(storage: AnyStorage, make_entry: Callable[..., LedgerEntry]) -> None:
    for day in (1, 2, 3):
        moment = datetime(2026, 3, day, 23, 59, 59, tzinfo=UTC)
        entry = make_entry(created_at_ms=int(moment.timestamp() * 1000), cost_nanousd=10**day)
        storage.ledger.settle(*entry.split())
    await storage.ledger.flush()
    assert await storage.credits.sum_usage(DEFAULT_ORGANISATION_ID) == 1110
    days = {"date_from": date(2026, 3, 2), "date_to": date(2026, 3, 2)}
    assert await storage.credits.sum_usage(DEFAULT_ORGANISATION_ID, **days) == 100
    assert await storage.credits.sum_usage("org_other") == 0
    assert await storage.credits.compare_usage(DEFAULT_ORGANISATION_ID) == []


def difference(day: int, ledger: tuple[int, int], sums: tuple[int, int]) -> UsageDifference:
    return UsageDifference(
        date=date(1970, 1, 1) + timedelta(days=day),
        ledger_nanousd=ledger[0],
        sums_nanousd=sums[0],
        ledger_requests=ledger[1],
        sums_requests=sums[1],
    )


@pytest.mark.parametrize(
    ("ledger", "sums", "found"),
    [
        ({}, {}, []),
        ({}, {3: (5, 1)}, []),  # retention has deleted all
        ({3: (5, 1), 4: (6, 2)}, {3: (5, 1), 4: (6, 2)}, []),
        ({3: (5, 1), 4: (6, 2)}, {1: (9, 9), 3: (50, 10), 4: (6, 2)}, []),  # and a part of the oldest day
        ({3: (50, 1)}, {3: (5, 1)}, [difference(3, (50, 1), (5, 1))]),
        ({3: (5, 1), 4: (6, 2)}, {3: (5, 1), 4: (6, 3)}, [difference(4, (6, 2), (6, 3))]),
        ({3: (5, 1), 5: (1, 1)}, {3: (5, 1), 4: (1, 1), 5: (1, 1)}, [difference(4, (0, 0), (1, 1))]),
        ({3: (5, 1), 4: (6, 2)}, {3: (5, 1)}, [difference(4, (6, 2), (0, 0))]),
    ],
)
def test_days_on_which_the_books_disagree_are_found(
    ledger: dict[int, tuple[int, int]], sums: dict[int, tuple[int, int]], found: list[UsageDifference]
) -> None:
    assert compare(ledger, sums) == found


async def test_a_tampered_sum_is_found(serving: ServingStorage, make_entry: Callable[..., LedgerEntry]) -> None:
    entry = make_entry(cost_nanousd=1000)
    serving.ledger.settle(*entry.split())
    await serving.ledger.flush()
    await serving.database.write(
        lambda connection: connection.exec_driver_sql("UPDATE usage_daily SET cost_nanousd = cost_nanousd - 1").rowcount
    )
    (found,) = await serving.credits.compare_usage(DEFAULT_ORGANISATION_ID)
    assert (found.ledger_nanousd, found.sums_nanousd) == (1000, 999)


async def test_the_books_agree_after_a_race(storage: AnyStorage, make_entry: Callable[..., LedgerEntry]) -> None:
    won = make_entry(cost_nanousd=1000)
    lost = make_entry(generation_id=won.generation_id, attempt=2, cost_nanousd=7, error_code=HEDGE_LOST, state=EntryState.CANCELLED)
    for entry in (lost, won):
        storage.ledger.settle(*entry.split())
    await storage.ledger.flush()
    assert await storage.credits.sum_usage(DEFAULT_ORGANISATION_ID) == 1007
    assert await storage.credits.compare_usage(DEFAULT_ORGANISATION_ID) == []


async def test_an_organisation_is_stored_with_its_environments_and_changed_by_version(storage: AnyStorage) -> None:
    organisation = Organisation(id="org_two", name="Two", created_at=NOW, max_key_lifetime_s=3600, credit_mode=CreditMode.PREPAID)
    live = Environment(id="env_two", organisation_id="org_two", slug="live", name="Live", kind=EnvironmentKind.LIVE)
    await storage.organisations.add_organisation(organisation, [live], make_event(OPERATOR, "org_two", "org.create", NOW))
    assert {row.id: row for row in await storage.organisations.list_organisations()}["org_two"] == organisation
    assert await storage.environments.list_environments("org_two") == [live]
    changed = replace(organisation, name="Zwei", is_active=False, monthly_grant_nanousd=NANO, version=2)
    await storage.organisations.update_organisation(changed, make_event(OPERATOR, "org_two", "org.update", NOW))
    assert {row.id: row for row in await storage.organisations.list_organisations()}["org_two"] == changed
    for wrong, code in ((changed, "etag_mismatch"), (replace(changed, id="org_none"), "not_found")):
        with pytest.raises(ClientError) as refused:
            await storage.organisations.update_organisation(wrong, make_event(OPERATOR, "org_two", "org.update", NOW))
        assert refused.value.code == code


class Moment:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


async def test_a_monthly_grant_does_not_roll_over(storage: AnyStorage, make_entry: Callable[..., LedgerEntry]) -> None:
    clock = Moment()
    service = CreditService(store=storage.credits, organisations=storage.organisations, clock=clock)

    async def balance() -> int:
        return (await service.read_balance(DEFAULT_ORGANISATION_ID)).balance_nanousd

    def spend(moment: datetime, nanousd: int) -> Any:
        storage.ledger.settle(*make_entry(created_at_ms=int(moment.timestamp() * 1000), cost_nanousd=nanousd).split())
        return storage.ledger.flush()

    await service.grant(OPERATOR, DEFAULT_ORGANISATION_ID, 100, note="once")
    await service.configure(OPERATOR, DEFAULT_ORGANISATION_ID, mode=CreditMode.PREPAID, monthly_grant_nanousd=50)
    assert await balance() == 150
    assert await service.settle_all_months() == 0  # the same month again
    await spend(NOW, 20)
    assert await balance() == 130
    clock.now = datetime(2026, 4, 1, 0, 30, tzinfo=UTC)  # requests of March may still be running
    assert await service.settle_all_months() == 1
    assert await balance() == 180
    clock.now = datetime(2026, 4, 1, 1, 0, tzinfo=UTC)
    assert await service.settle_all_months() == 1
    assert await balance() == 150  # 30 of March's grant are gone
    await spend(clock.now, 70)  # more than the month's grant
    clock.now = datetime(2026, 6, 15, tzinfo=UTC)
    assert await service.settle_all_months() == 2  # April's end takes nothing; nobody was there to grant in May
    assert await balance() == 150 - 70 + 50
    kinds = [row.kind for row in await service.list_transactions(DEFAULT_ORGANISATION_ID)]
    assert kinds.count(TransactionKind.MONTHLY_GRANT) == 3
    assert kinds.count(TransactionKind.MONTHLY_EXPIRY) == 2
    assert await service.audit(DEFAULT_ORGANISATION_ID) == []


async def test_what_is_left_of_a_month_is_taken_back_however_many_transactions_came_after_its_grant() -> None:
    clock, storage = Moment(), MemoryStorage()
    service = CreditService(store=storage.credits, organisations=storage.organisations, clock=clock)
    await service.configure(OPERATOR, DEFAULT_ORGANISATION_ID, monthly_grant_nanousd=50)
    clock.now += timedelta(days=1)
    for _ in range(1000):
        await service.grant(OPERATOR, DEFAULT_ORGANISATION_ID, 1)
    clock.now = datetime(2026, 4, 1, 1, 0, tzinfo=UTC)
    await service.settle_all_months()
    assert (await service.read_balance(DEFAULT_ORGANISATION_ID)).balance_nanousd == 1000 + 50


async def test_a_month_that_is_granted_already_changes_nothing_and_is_news_to_nobody(serving: ServingStorage) -> None:
    service = CreditService(store=serving.credits, organisations=serving.organisations, clock=Moment())
    await service.configure(OPERATOR, DEFAULT_ORGANISATION_ID, monthly_grant_nanousd=50)

    async def epoch() -> int:
        return await serving.database.read(
            lambda connection: int(connection.exec_driver_sql("SELECT epoch FROM latest_epoch").scalar_one())
        )

    before = await epoch()
    assert await service.settle_all_months() == 0
    assert await epoch() == before


@pytest.mark.parametrize("amount", [0, 10**18 + 1, -(10**18) - 1])
async def test_an_amount_that_is_none_is_not_granted(storage: AnyStorage, amount: int) -> None:
    service = CreditService(store=storage.credits, organisations=storage.organisations, clock=Moment())
    with pytest.raises(ClientError, match="amount"):
        await service.grant(OPERATOR, DEFAULT_ORGANISATION_ID, amount)
    with pytest.raises(ClientError, match="no such organisation"):
        await service.grant(OPERATOR, "org_none", 1)
    assert await actions(storage) == []
