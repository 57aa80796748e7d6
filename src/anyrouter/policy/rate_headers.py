"""The rate limits in an upstream's reply: header names and their several spellings of time.

Sources (read 2026-11): OpenAI, platform.openai.com/docs/guides/rate-limits (`x-ratelimit-…-requests|-tokens`, resets as "1s",
"6m0s", "20ms"; the limits of OpenAI-compatible servers use the same names, some with seconds as a plain number); Anthropic,
docs.anthropic.com/en/api/rate-limits (`anthropic-ratelimit-…`, resets in RFC 3339); `retry-after-ms` from both makers' SDKs.
Some servers say -1 for "not limited here": a negative number says nothing.
"""

import re
from collections.abc import Iterable
from datetime import datetime

from anyrouter.policy.attempt import read_retry_after
from anyrouter.policy.rate_budget import Allowance, Quantity

LONGEST_S = 86_400.0
_KINDS = {"requests": Quantity.REQUESTS, "tokens": Quantity.TOKENS}
_ANTHROPIC_KINDS = {**_KINDS, "input-tokens": Quantity.INPUT_TOKENS, "output-tokens": Quantity.OUTPUT_TOKENS}
_FIELDS = ("limit", "remaining", "reset")
_NAMES: dict[bytes, tuple[Quantity, str]] = {
    **{f"x-ratelimit-{field}-{kind}".encode(): (quantity, field) for kind, quantity in _KINDS.items() for field in _FIELDS},
    **{
        f"anthropic-ratelimit-{kind}-{field}".encode(): (quantity, field)
        for kind, quantity in _ANTHROPIC_KINDS.items()
        for field in _FIELDS
    },
}
_COUNT = re.compile(rb"[0-9]{1,15}", re.ASCII)
_DURATION = re.compile(
    r"(?:([0-9]{1,6})d)?(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6}(?:\.[0-9]{1,9})?)s)?(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)ms)?",
    re.ASCII,
)
_NUMBER = re.compile(r"[0-9]{1,16}(?:\.[0-9]{1,9})?", re.ASCII)
_UNITS_S = (86_400.0, 3600.0, 60.0, 1.0, 0.001)
_SMALLEST_UNIX_S, _SMALLEST_UNIX_MS = 1e9, 1e12


def read_allowances(headers: Iterable[tuple[bytes, bytes]], now_unix_s: float) -> dict[Quantity, Allowance]:
    """What a reply says is left, by quantity; empty when it says nothing. Names are in lower case, values as they came."""
    found: dict[Quantity, dict[str, bytes]] = {}
    for name, value in headers:
        known = _NAMES.get(name)
        if known is not None:
            found.setdefault(known[0], {})[known[1]] = value.strip()
    allowances = {}
    for quantity, fields in found.items():
        remaining = _read_count(fields.get("remaining"))
        if remaining is not None:
            reset = fields.get("reset")
            allowances[quantity] = Allowance(
                remaining=remaining,
                limit=_read_count(fields.get("limit")),
                reset_s=None if reset is None else read_reset(reset.decode("latin-1"), now_unix_s),
            )
    return allowances


def read_reset(text: str, now_unix_s: float) -> float | None:
    """Seconds until a reset, at most a day: a duration ("6m0s", "20ms"), seconds, Unix seconds or milliseconds, or RFC 3339.

    None for anything else.
    """
    text = text.strip()
    if _NUMBER.fullmatch(text):
        value = float(text)
        if value >= _SMALLEST_UNIX_MS:
            value = value / 1000 - now_unix_s
        elif value >= _SMALLEST_UNIX_S:
            value -= now_unix_s
        return _bound(value)
    duration = _DURATION.fullmatch(text)
    if duration is not None and text:
        return _bound(sum(float(amount) * unit for amount, unit in zip(duration.groups(), _UNITS_S, strict=True) if amount))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else _bound(moment.timestamp() - now_unix_s)


def read_wait(headers: Iterable[tuple[bytes, bytes]], now_unix_s: float) -> float | None:
    """The seconds that a refusal asks to wait, at most a day: `retry-after-ms` before Retry-After; None when it asks for nothing."""
    told = {name: value for name, value in headers if name in (b"retry-after", b"retry-after-ms")}
    exact = told.get(b"retry-after-ms", b"").strip().decode("latin-1")
    if _NUMBER.fullmatch(exact):
        return _bound(float(exact) / 1000)
    plain = told.get(b"retry-after")
    return None if plain is None else read_retry_after(plain.decode("latin-1"), now_unix_s)


def _read_count(value: bytes | None) -> int | None:
    return int(value) if value is not None and _COUNT.fullmatch(value) else None


def _bound(seconds: float) -> float:
    return min(max(0.0, seconds), LONGEST_S)
