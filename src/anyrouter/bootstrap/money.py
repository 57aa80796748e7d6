"""What budgets, credits and limits need, put together from the settings and the store."""

from anyrouter.policy.charge import Billing
from anyrouter.relay.hold import Holds
from anyrouter.relay.limiter import RateLimiter
from anyrouter.relay.purse import Purse
from anyrouter.settings import Settings
from anyrouter.storage.opening import ServingStorage


def make_billing(settings: Settings) -> Billing:
    """What the operator charges."""
    return Billing(markup_ppm=settings.billing.markup_ppm, routing_fee_nanousd=settings.billing.routing_fee_nanousd)


def make_holds(settings: Settings, storage: ServingStorage, limiter: RateLimiter) -> Holds:
    """What requests take of limits, budgets and credits. Credits that were granted are read again when something has changed."""
    purse = Purse(storage.ledger, storage.credits.sum_transactions)
    storage.watch.subscribe(purse.forget_credits)
    return Holds(limiter, purse, storage.ledger, make_billing(settings))
