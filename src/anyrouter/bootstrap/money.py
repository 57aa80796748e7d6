"""What budgets, credits and limits need, put together from the settings and the store."""

from collections.abc import Awaitable, Callable, Sequence

from anyrouter.core.money import to_usd
from anyrouter.policy.charge import Billing
from anyrouter.relay.call import Principal
from anyrouter.relay.hold import Holds
from anyrouter.relay.limiter import RateLimiter
from anyrouter.relay.purse import BudgetState, Purse
from anyrouter.relay.relay import Relay
from anyrouter.relay.terms import make_terms
from anyrouter.settings import Settings
from anyrouter.storage.opening import ServingStorage
from anyrouter.web.api.ports import Measure


def make_billing(settings: Settings) -> Billing:
    """What the operator charges."""
    return Billing(markup_ppm=settings.billing.markup_ppm, routing_fee_nanousd=settings.billing.routing_fee_nanousd)


def make_holds(settings: Settings, storage: ServingStorage, limiter: RateLimiter) -> Holds:
    """What requests take of limits, budgets and credits. Credits that were granted are read again when something has changed."""
    purse = Purse(storage.ledger, storage.credits.sum_transactions)
    storage.watch.subscribe(purse.forget_credits)
    return Holds(limiter, purse, storage.ledger, make_billing(settings))


def tell_budgets(relay: Relay) -> Callable[[Principal], Awaitable[Sequence[BudgetState]]]:
    """How the budgets stand that a key's requests count against."""

    async def list_states(principal: Principal) -> Sequence[BudgetState]:
        terms = make_terms(principal)
        return () if terms is None or not terms.has_money else await relay.holds.list_states(terms, principal)

    return list_states


def measure_holds(relay: Relay) -> list[Measure]:
    """What requests under way hold, and how many were cut."""
    holds = relay.holds
    return [
        Measure(name="open_reservations", text="Requests that hold a place in a limit or a part of a budget.", value=holds.open_count),
        Measure(
            name="reserved_usd", text="What budgets have reserved for them, in US dollars.", value=to_usd(holds.purse.reserved_nanousd)
        ),
        Measure(name="running_calls", text="Requests whose keys are judged again while they run.", value=len(relay.running.calls)),
        Measure(
            name="cut_requests", text="Requests that were cut because their key ended.", value=relay.running.cut_count, is_counter=True
        ),
    ]
