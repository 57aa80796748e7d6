"""GET /key and /credits: what a key is, what it has cost, what its limits are."""

from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from anyrouter.control.key_health import find_hints
from anyrouter.control.ports import KeyTotals
from anyrouter.core.apikey import ApiKey
from anyrouter.core.money import to_usd
from anyrouter.core.scopes import ALL_SCOPES, is_admin
from anyrouter.core.tenancy import CreditMode
from anyrouter.policy.budget import OWN_LIMIT
from anyrouter.relay.purse import BudgetState
from anyrouter.web.api import account_documents as documents
from anyrouter.web.api.key_rows import find_remaining, list_or_null, moment_or_null, name_reset
from anyrouter.web.api.ports import ApiPorts
from anyrouter.web.api.replies import Credits, CreditTotals, DailyRequests, KeyInfo, KeyReply, RateLimit
from anyrouter.web.api.routes import Routes, json_reply
from anyrouter.web.api.times import rfc3339
from anyrouter.web.api.visit import principal_of


class AccountRoutes:
    """The routes about the caller itself."""

    def __init__(self, ports: ApiPorts) -> None:
        self._ports = ports

    def add_to(self, routes: Routes) -> None:
        """Put the routes on."""
        routes.get("key", self.show_key, documents.KEY)
        routes.get("auth/key", self.show_key, documents.KEY)
        routes.get("credits", self.show_credits, documents.CREDITS)

    async def show_key(self, request: Request) -> Response:
        """GET /key, /auth/key: usage is read from the roll-up, so it lags by what is not yet committed (milliseconds)."""
        principal = principal_of(request.scope)
        key = principal.key
        now = self._ports.clock()
        totals = await self._ports.ledger.read_totals(key.organisation_id, (key.rotation_group,), now)
        spent = totals.get(key.rotation_group, KeyTotals())
        rpm = self._ports.limit_state(principal, self._ports.monotonic()).limit
        data = describe_key(key, spent, rpm, now)
        states = await self._ports.budget_states(principal)
        if states:
            data.effective_budget = describe_state(min(states, key=lambda state: state.left))
            own = next((state for state in states if state.budget.id == f"{OWN_LIMIT}{key.rotation_group}"), None)
            data.limit_remaining = data.limit_remaining if own is None else to_usd(own.left)
        return json_reply(KeyReply(data=data))

    async def show_credits(self, request: Request) -> Response:
        """GET /credits: an admin key sees its organisation's, any other what of them its rotation group used.

        Without prepayment the balance is what was used, below zero.
        """
        principal = principal_of(request.scope)
        granted, used = await self._read_credits(principal.key)
        return json_reply(
            Credits(
                balance=to_usd(granted - used),
                currency="usd",
                total_credits=to_usd(granted),
                total_usage=to_usd(used),
                enforced=principal.organisation.credit_mode is CreditMode.PREPAID,
                data=CreditTotals(total_credits=to_usd(granted), total_usage=to_usd(used)),
            )
        )

    async def _read_credits(self, key: ApiKey) -> tuple[int, int]:
        """What was granted and used, in nano-USD. Another key's usage is not told by way of the organisation's balance."""
        if is_admin(key.scopes):
            balance = await self._ports.credits.read_balance(key.organisation_id)
            return balance.granted_nanousd, balance.used_nanousd
        totals = await self._ports.ledger.read_totals(key.organisation_id, (key.rotation_group,), self._ports.clock())
        return 0, totals.get(key.rotation_group, KeyTotals()).total


def describe_state(state: BudgetState) -> dict[str, Any]:
    """The budget that bounds the key's requests most just now; what runs is counted at its most."""
    budget, end_ms = state.budget, state.end_ms
    return {
        "owner": budget.owner.value,
        "limit": to_usd(budget.limit_nanousd),
        "remaining": to_usd(state.left),
        "reset": None if end_ms is None else budget.period.value,
        "resets_at": None if end_ms is None else rfc3339(datetime.fromtimestamp(end_ms / 1000, UTC)),
    }


def describe_key(key: ApiKey, totals: KeyTotals, rpm: int, now: datetime) -> KeyInfo:
    """What a key may know of itself: its own limit, and not the budgets of its environment and organisation."""
    has_admin = is_admin(key.scopes)
    return KeyInfo(
        id=key.id,
        hash=key.id,
        label=key.label,
        name=key.name,
        environment=key.environment,
        scopes=[scope for scope in ALL_SCOPES if scope in key.scopes],
        models=list_or_null(key.models),
        endpoints=list_or_null(key.endpoints),
        providers=list_or_null(key.providers),
        regions=list_or_null(key.regions),
        allowed_ips=list_or_null(key.allowed_ips),
        disabled=key.is_disabled,
        tags=list(key.tags),
        health=list(find_hints(key, now)),
        created_at=rfc3339(key.created_at),
        last_used_at=moment_or_null(key.last_used_at),
        not_before=moment_or_null(key.not_before),
        expires_at=moment_or_null(key.expires_at),
        rotated_from=key.rotated_from,
        superseded_by=key.superseded_by,
        rate_limit=RateLimit(requests=rpm, interval="1m", note="Requests per minute of this key and those that it was rotated from."),
        rate_limit_tpm=key.rate_limit_tpm,
        rate_limit_rpd=key.rate_limit_rpd,
        concurrency=key.concurrency,
        budget_policy=None if key.budget_policy is None else key.budget_policy.value,
        limit=None if key.limit_nanousd is None else to_usd(key.limit_nanousd),
        limit_remaining=find_remaining(key, totals),
        limit_reset=name_reset(key),
        usage=to_usd(totals.total),
        usage_daily=to_usd(totals.daily),
        usage_weekly=to_usd(totals.weekly),
        usage_monthly=to_usd(totals.monthly),
        byok_usage=to_usd(totals.byok.get("total", 0)),
        byok_usage_daily=to_usd(totals.byok.get("daily", 0)),
        byok_usage_weekly=to_usd(totals.byok.get("weekly", 0)),
        byok_usage_monthly=to_usd(totals.byok.get("monthly", 0)),
        include_byok_in_limit=False,
        is_free_tier=False,
        is_management_key=has_admin,
        is_provisioning_key=has_admin,
        budgets=[],
        effective_budget=None,
        free_model_daily_requests=DailyRequests(limit=0, remaining=0, used=0),
        allowed_data_regions=["global"] if key.regions is None else list(key.regions),
        creator_user_id=key.creator_id,
        organization_id=key.organisation_id,
        workspace_id=key.organisation_id,
    )
