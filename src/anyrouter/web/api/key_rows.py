"""Keys as rows of replies: to those who manage keys, and to the key itself."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

from anyrouter.control.key_health import find_hints, find_state
from anyrouter.control.ports import KeyTotals
from anyrouter.core.apikey import ApiKey
from anyrouter.core.budget import BudgetPeriod
from anyrouter.core.money import to_usd
from anyrouter.core.scopes import ALL_SCOPES
from anyrouter.web.api.key_replies import KeyRow
from anyrouter.web.api.times import rfc3339

Reset = Literal["daily", "weekly", "monthly"]
_RESETS: Mapping[BudgetPeriod, Reset] = {
    BudgetPeriod.DAILY: "daily",
    BudgetPeriod.WEEKLY: "weekly",
    BudgetPeriod.MONTHLY: "monthly",
}


def describe_row(key: ApiKey, totals: KeyTotals, now: datetime) -> KeyRow:
    """The key, and what its rotation group has cost."""
    return KeyRow(
        id=key.id,
        hash=key.id,
        label=key.label,
        name=key.name,
        environment=key.environment,
        kind=key.kind.value,
        member_id=key.member_id,
        state=find_state(key, now).value,
        disabled=key.is_disabled,
        scopes=[scope for scope in ALL_SCOPES if scope in key.scopes],
        models=list_or_null(key.models),
        endpoints=list_or_null(key.endpoints),
        providers=list_or_null(key.providers),
        regions=list_or_null(key.regions),
        allowed_ips=list_or_null(key.allowed_ips),
        rate_limit_rpm=key.rate_limit_rpm,
        rate_limit_tpm=key.rate_limit_tpm,
        rate_limit_rpd=key.rate_limit_rpd,
        concurrency=key.concurrency,
        limit=None if key.limit_nanousd is None else to_usd(key.limit_nanousd),
        limit_remaining=find_remaining(key, totals),
        limit_reset=name_reset(key),
        include_byok_in_limit=False,
        budget_policy=None if key.budget_policy is None else key.budget_policy.value,
        tags=list(key.tags),
        health=list(find_hints(key, now)),
        not_before=moment_or_null(key.not_before),
        expires_at=moment_or_null(key.expires_at),
        created_at=rfc3339(key.created_at),
        updated_at=rfc3339(key.updated_at),
        last_used_at=moment_or_null(key.last_used_at),
        last_used_ip=key.last_used_ip,
        last_used_user_agent=key.last_used_user_agent,
        rotation_group=key.rotation_group,
        rotated_from=key.rotated_from,
        superseded_by=key.superseded_by,
        grace_seconds=key.grace_s,
        usage=to_usd(totals.total),
        usage_daily=to_usd(totals.daily),
        usage_weekly=to_usd(totals.weekly),
        usage_monthly=to_usd(totals.monthly),
        byok_usage=to_usd(totals.byok.get("total", 0)),
        byok_usage_daily=to_usd(totals.byok.get("daily", 0)),
        byok_usage_weekly=to_usd(totals.byok.get("weekly", 0)),
        byok_usage_monthly=to_usd(totals.byok.get("monthly", 0)),
        can_reveal=False,
        creator_user_id=key.creator_id,
        external_user=None,
        workspace_id=key.organisation_id,
    )


def find_remaining(key: ApiKey, totals: KeyTotals) -> float | None:
    """What is left of the key's own limit in this period, in USD; what runs now is not counted yet."""
    if key.limit_nanousd is None:
        return None
    spent = {
        BudgetPeriod.DAILY: totals.daily,
        BudgetPeriod.WEEKLY: totals.weekly,
        BudgetPeriod.MONTHLY: totals.monthly,
        BudgetPeriod.TOTAL: totals.total,
    }
    return to_usd(max(0, key.limit_nanousd - spent[key.limit_reset]))


def name_reset(key: ApiKey) -> Reset | None:
    """When the limit is whole again, None for never."""
    return None if key.limit_nanousd is None else _RESETS.get(key.limit_reset)


def list_or_null(values: Iterable[str] | None) -> list[str] | None:
    """A restriction as JSON has it."""
    return None if values is None else list(values)


def moment_or_null(moment: datetime | None) -> str | None:
    """A moment as JSON has it."""
    return None if moment is None else rfc3339(moment)
