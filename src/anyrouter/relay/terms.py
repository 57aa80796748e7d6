"""What holds for the requests of a principal beside requests per minute: decided once, with the lane. Nearly nobody has any."""

from typing import NamedTuple

import msgspec

from anyrouter.core.budget import Budget, BudgetPolicy
from anyrouter.core.tenancy import CreditMode, EnvironmentKind
from anyrouter.policy.budget import select_policy
from anyrouter.relay.call import Principal


class LimitTerm(NamedTuple):
    """One limit. `limited_by` is what the owner is called in an error's metadata, `shown` in its message."""

    limited_by: str
    shown: str
    owner_id: str
    limit: int


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Limits on tokens per minute, requests per day and running requests, the narrowest owner first; the budgets that count.

    `credits_of` is the organisation whose prepaid credits count.
    """

    tokens: tuple[LimitTerm, ...] = ()
    days: tuple[LimitTerm, ...] = ()
    running: tuple[LimitTerm, ...] = ()
    budgets: tuple[Budget, ...] = ()
    credits_of: str | None = None
    policy: BudgetPolicy = BudgetPolicy.CLAMP

    @property
    def has_money(self) -> bool:
        """Whether what a request costs matters to whether it is admitted."""
        return bool(self.budgets) or self.credits_of is not None


def make_terms(principal: Principal) -> Terms | None:
    """The terms of a principal; None where none but requests per minute holds. What a sandbox environment does costs nothing."""
    key, environment = principal.key, principal.environment
    mine, all_of_it = ("key", "This API key"), ("environment", f"The environment {environment.slug}")
    tokens, running = (
        tuple(
            LimitTerm(*names, owner_id, limit)
            for names, owner_id, limit in ((mine, key.rotation_group, own), (all_of_it, environment.id, shared))
            if limit is not None
        )
        for own, shared in ((key.rate_limit_tpm, environment.rate_limit_tpm), (key.concurrency, environment.concurrency))
    )
    days = () if key.rate_limit_rpd is None else (LimitTerm(*mine, key.rotation_group, key.rate_limit_rpd),)
    is_charged = environment.kind is not EnvironmentKind.SANDBOX
    budgets = principal.budgets if is_charged else ()
    credits_of = key.organisation_id if is_charged and principal.organisation.credit_mode is CreditMode.PREPAID else None
    if not (tokens or running or days or budgets or credits_of):
        return None
    return Terms(tokens=tokens, days=days, running=running, budgets=budgets, credits_of=credits_of, policy=select_policy(key, environment))
