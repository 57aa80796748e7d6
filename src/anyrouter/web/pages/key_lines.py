"""Keys as lines of a table: in words that people read at a glance. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from anyrouter.control.key_health import KeyHint, KeyState, find_hints, find_state
from anyrouter.control.ports import KeyTotals
from anyrouter.core import scopes
from anyrouter.core.apikey import ApiKey
from anyrouter.core.budget import BudgetPeriod
from anyrouter.core.tenancy import Member
from anyrouter.web.pages.user_agents import short_client
from anyrouter.web.pages.words import many


class Word(NamedTuple):
    """A short text, the kind of its badge, and what it means."""

    text: str
    kind: str
    meaning: str


STATES: Mapping[KeyState, Word] = {
    KeyState.ACTIVE: Word("active", "good", "Requests with it are taken."),
    KeyState.BLOCKED: Word("blocked", "bad", "One of its limits is 0: no request gets through."),
    KeyState.DISABLED: Word("disabled", "plain", "Requests with it are refused until it is enabled again."),
    KeyState.EXPIRED: Word("expired", "bad", "Requests with it are refused."),
    KeyState.NOT_YET_VALID: Word("not yet valid", "plain", "Requests with it are refused until its beginning."),
}
HINTS: Mapping[KeyHint, Word] = {
    KeyHint.EXPIRES_SOON: Word("expires soon", "warn", "It ends within 14 days. Rotate it, or give it a later end."),
    KeyHint.ROTATED_IN_USE: Word("old key in use", "warn", "It was rotated, and somebody still uses it: a program was not switched."),
    KeyHint.IN_GRACE: Word("in grace", "plain", "It was rotated. It goes on for a while, so that programs can be switched."),
    KeyHint.SAFE_TO_DELETE: Word("safe to delete", "good", "It has ended, or was rotated and has been silent for a day."),
    KeyHint.MIXED_ADMIN_AND_INFERENCE: Word("manages and spends", "warn", "It manages things and uses models. Two keys are safer."),
    KeyHint.NO_EXPIRY: Word("no expiry", "plain", "It never ends: if it leaks, nothing ends it but you."),
    KeyHint.NO_LIMIT: Word("no budget", "plain", "It may cost anything that its environment allows."),
    KeyHint.UNUSED_90_DAYS: Word("unused 90 days", "warn", "It was not used for 90 days, or ever. Disable it if nobody needs it."),
}
PERIODS: Mapping[BudgetPeriod, str] = {
    BudgetPeriod.DAILY: "a day",
    BudgetPeriod.WEEKLY: "a week",
    BudgetPeriod.MONTHLY: "a month",
    BudgetPeriod.TOTAL: "in all",
}
_INFERENCE = frozenset({scopes.COMPLETIONS_WRITE, scopes.EMBEDDINGS_WRITE})
_READING = frozenset({scopes.MODELS_READ, scopes.USAGE_READ})


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLine:
    """A key with what its rotation group has cost. `spent_nanousd` is that of its budget's period; `owner` whose personal key it is."""

    key: ApiKey
    state: Word
    hints: Sequence[Word]
    scopes: str
    limits: Sequence[str]
    totals: KeyTotals
    spent_nanousd: int
    period: str
    client: str
    owner: str


def describe_key(key: ApiKey, totals: KeyTotals, members: Mapping[str, Member], now: datetime) -> KeyLine:
    """The key's line."""
    member = None if key.member_id is None else members.get(key.member_id)
    found = find_hints(key, now)
    in_use = KeyHint.ROTATED_IN_USE in found  # which says more than that it is in its grace
    return KeyLine(
        key=key,
        state=STATES[find_state(key, now)],
        hints=[word for hint, word in HINTS.items() if hint in found and not (in_use and hint is KeyHint.IN_GRACE)],
        scopes=describe_scopes(key.scopes),
        limits=list_limits(key),
        totals=totals,
        spent_nanousd=find_spent(key.limit_reset, totals),
        period=PERIODS[key.limit_reset],
        client=short_client(key.last_used_user_agent),
        owner="" if key.member_id is None else key.member_id if member is None else member.name or member.email,
    )


def describe_scopes(held: frozenset[str]) -> str:
    """What the scopes come to."""
    admin = [scope.partition(":")[2] for scope in scopes.ADMIN_SCOPES if scope in held]
    words = []
    if held >= _INFERENCE:
        words.append("inference")
    else:
        words += [scope.partition(":")[0] for scope in scopes.DEFAULT_SCOPES if scope in held & _INFERENCE]
    if held >= _READING:
        words.append("reading")
    else:
        words += [f"{scope.partition(':')[0]} read" for scope in scopes.DEFAULT_SCOPES if scope in held & _READING]
    if admin:
        words.append("admin: " + ("everything" if "*" in admin else ", ".join(admin)))
    return ", ".join(words)


def list_limits(key: ApiKey) -> list[str]:
    """Its own limits on rates; none where the environment's hold."""
    pairs = (
        (key.rate_limit_rpm, "requests/min"),
        (key.rate_limit_tpm, "tokens/min"),
        (key.rate_limit_rpd, "requests/day"),
        (key.concurrency, "at once"),
    )
    return [f"{many(limit)} {unit}" for limit, unit in pairs if limit is not None]


def list_restrictions(key: ApiKey) -> list[tuple[str, Sequence[str]]]:
    """What it is restricted to, by name."""
    pairs = (
        ("Models", key.models),
        ("Endpoints", key.endpoints),
        ("Providers", key.providers),
        ("Regions", key.regions),
        ("Addresses", key.allowed_ips),
    )
    return [(name, values) for name, values in pairs if values is not None]


def describe_end(key: ApiKey) -> str:
    """When a key that waits for its successor's first use will end, in words; empty for any other."""
    if key.grace_s is None:
        return ""
    if not key.grace_s:
        return "with the first use of the new key"
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if key.grace_s % size == 0:
            count = key.grace_s // size
            return f"{count} {unit}{'' if count == 1 else 's'} after the first use of the new key"
    raise AssertionError  # every number is a multiple of 1


def find_spent(period: BudgetPeriod, totals: KeyTotals) -> int:
    """What counts against a budget of that period now."""
    spent = {
        BudgetPeriod.DAILY: totals.daily,
        BudgetPeriod.WEEKLY: totals.weekly,
        BudgetPeriod.MONTHLY: totals.monthly,
        BudgetPeriod.TOTAL: totals.total,
    }
    return spent[period]
