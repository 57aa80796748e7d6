"""What runs beside the requests to tell owners of what happens, put together from the settings and the store."""

from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

from anyrouter.bootstrap.chores import Chore, keep_doing
from anyrouter.bootstrap.messages import Courier, HttpMessageSender
from anyrouter.bootstrap.services import Services, wall_clock
from anyrouter.control.anomaly import AnomalyRules, AnomalyWatch
from anyrouter.control.notices import NoticeRules, Notices
from anyrouter.control.webhook_messages import Dispatcher
from anyrouter.settings import Settings
from anyrouter.storage.opening import Storage

_DISPATCH_EVERY_S = 1.0
_TELL_EVERY_S = 60.0
_LOOK_AT_HOURS_EVERY_S = 300.0  # sums may be late; what was told is not told again
_FORGETTING_EVERY_S = 3600.0
_KEEP_MESSAGES = timedelta(days=30)
_KEEP_NOTICES = timedelta(days=400)


def make_notices(settings: Settings, storage: Storage, clock: Callable[[], datetime] = wall_clock) -> Notices:
    """What looks at keys, budgets and credits."""
    rules = NoticeRules(
        expiry_days=settings.notices.expiry_days,
        budget_percent=settings.notices.budget_percent,
        credits_percent=settings.notices.credits_percent,
    )
    return Notices(
        notices=storage.notices,
        expiries=storage.expiries,
        spend=storage.spend,
        ledger=storage.reader,
        organisations=storage.organisations,
        keys=storage.keys,
        budgets=storage.budgets,
        credits=storage.credits,
        clock=clock,
        rules=rules,
    )


def list_message_work(settings: Settings, storage: Storage, services: Services, notices: Notices) -> list[Coroutine[Any, Any, None]]:
    """What looks, what makes messages of the audit log, and what sends them; each until it is cancelled."""
    rules = AnomalyRules(factor=settings.notices.anomaly_factor, floor_nanousd=settings.notices.anomaly_floor_nanousd)
    anomalies = AnomalyWatch(
        notices=storage.notices,
        spend=storage.spend,
        organisations=storage.organisations,
        keys=storage.keys,
        clock=wall_clock,
        rules=rules,
    )
    dispatcher = Dispatcher(webhooks=storage.webhooks, audit=storage.audit, clock=wall_clock)
    sender = HttpMessageSender(services.tenant_client, clock=wall_clock)
    courier = Courier(store=storage.webhooks, vault=services.vault, sender=sender, clock=wall_clock)

    async def forget() -> None:
        now = wall_clock()
        await storage.webhooks.delete_deliveries_before(now - _KEEP_MESSAGES)
        await storage.notices.delete_notices_before(now - _KEEP_NOTICES)

    chores = (
        Chore(name="messages to be made", interval_s=_DISPATCH_EVERY_S, work=dispatcher.dispatch),
        Chore(name="notices", interval_s=_TELL_EVERY_S, work=notices.tell),
        Chore(name="anomalies", interval_s=_LOOK_AT_HOURS_EVERY_S, work=anomalies.tell),
        Chore(name="old messages", interval_s=_FORGETTING_EVERY_S, work=forget),
    )
    return [*map(keep_doing, chores), courier.run()]
