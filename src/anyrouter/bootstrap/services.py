"""What people do to a data directory, put together: the same services for the gateway's API and for commands."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from anyrouter.control.audit import AuditService
from anyrouter.control.budgets import BudgetService
from anyrouter.control.credits import CreditService
from anyrouter.control.idempotency import IdempotencyService
from anyrouter.control.keys import KeyService
from anyrouter.control.presets import PresetService

if TYPE_CHECKING:  # the database library takes half a second, which `--help` does without
    from anyrouter.settings import Settings
    from anyrouter.storage.opening import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One of each. They know neither HTTP nor who asks: that is an argument of what they do."""

    keys: KeyService
    presets: PresetService
    audit: AuditService
    idempotency: IdempotencyService
    budgets: BudgetService
    credits: CreditService


def wall_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


def make_services(storage: "Storage", settings: "Settings", *, clock: Callable[[], datetime] = wall_clock) -> Services:  # noqa: ARG001 -- for those that have some
    """The services over a store that is open."""
    pepper, previous = storage.peppers.current, storage.peppers.previous
    return Services(
        keys=KeyService(
            store=storage.keys,
            environments=storage.environments,
            organisations=storage.organisations,
            pepper=pepper.secret,
            pepper_version=pepper.version,
            previous_pepper=None if previous is None else previous.secret,
            clock=clock,
        ),
        presets=PresetService(store=storage.presets, environments=storage.environments, clock=clock),
        audit=AuditService(store=storage.audit),
        idempotency=IdempotencyService(store=storage.idempotency, clock=clock),
        budgets=BudgetService(store=storage.budgets, keys=storage.keys, environments=storage.environments, clock=clock),
        credits=CreditService(store=storage.credits, organisations=storage.organisations, clock=clock),
    )
