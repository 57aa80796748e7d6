"""From genai-prices' decimals, dates and hours to one integer tariff.

What a tariff cannot express, and what is done about it:
* prices by date and by hour of the day: the one that holds now, and `next_change` says until when;
* one-hour cache writes, web and file searches, image, audio and video tokens have no counter in a usage: left out. Such tokens
  are charged as text, searches are not charged;
* a model sold by the hour, page or character only: no tariff, its price counts as unknown;
* an empty table is genai-prices' way to write "free", except for a deprecated model, whose last price it no longer knows;
* a price finer than a nano-dollar per million tokens: rounded half up (there was none in 2026).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from anyrouter.core.catalogue import PriceTier, Tariff
from anyrouter.core.money import NANO

FREE = Tariff(input_nanousd=0, output_nanousd=0)

_INPUT, _OUTPUT, _CACHE_READ, _CACHE_WRITE = "input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok"
_REQUESTS = "requests_kcount"
_REQUESTS_PER_PRICE = 1000

Prices = Mapping[str, Any]  # a unit ("input_mtok") to a Decimal, or to {"base": Decimal, "tiers": [{"start", "price"}]}


def make_tariff(prices: Prices, *, is_deprecated: bool = False) -> Tariff | None:
    """The tariff of one table of prices; None when what it sells cannot be counted in tokens and requests."""
    if not prices:
        return None if is_deprecated else FREE
    if not prices.keys() & {_INPUT, _OUTPUT, _REQUESTS}:
        return None
    requests = prices.get(_REQUESTS)
    return Tariff(
        input_nanousd=_rate(prices, _INPUT) or 0,
        output_nanousd=_rate(prices, _OUTPUT) or 0,
        cache_read_nanousd=_rate(prices, _CACHE_READ),
        cache_write_nanousd=_rate(prices, _CACHE_WRITE),
        request_nanousd=0 if requests is None else _round(requests * NANO / _REQUESTS_PER_PRICE),
        tiers=tuple(_make_tier(prices, start) for start in _list_thresholds(prices)),
    )


def select_prices(prices: Prices | Sequence[Mapping[str, Any]], now: datetime) -> Prices:
    """The table that holds at `now`: the last one whose constraint is met, else the first."""
    if isinstance(prices, Mapping):
        return prices
    holding = (row for row in reversed(prices) if _is_holding(row.get("constraint"), now))
    selected: Prices = next(holding, prices[0])["prices"]
    return selected


def next_change(prices: Prices | Sequence[Mapping[str, Any]], now: datetime) -> datetime | None:
    """The first moment after `now` at which another table may hold; None when none is announced."""
    if isinstance(prices, Mapping):
        return None
    moments = [moment for row in prices for moment in _list_moments(row.get("constraint"), now)]
    return min((moment for moment in moments if moment > now), default=None)


def _make_tier(prices: Prices, start: int) -> PriceTier:
    return PriceTier(
        above_tokens=start,
        input_nanousd=_rate(prices, _INPUT, start) or 0,
        output_nanousd=_rate(prices, _OUTPUT, start) or 0,
        cache_read_nanousd=_rate(prices, _CACHE_READ, start),
        cache_write_nanousd=_rate(prices, _CACHE_WRITE, start),
    )


def _list_thresholds(prices: Prices) -> list[int]:
    tiered = (prices.get(unit) for unit in (_INPUT, _OUTPUT, _CACHE_READ, _CACHE_WRITE))
    return sorted({tier["start"] for price in tiered if isinstance(price, Mapping) for tier in price["tiers"]})


def _rate(prices: Prices, unit: str, start: int = -1) -> int | None:
    """Nano-dollars per million for input longer than `start` tokens."""
    price = prices.get(unit)
    if price is None:
        return None
    if isinstance(price, Decimal):
        return _round(price * NANO)
    reached = [tier for tier in price["tiers"] if tier["start"] <= start]
    return _round((max(reached, key=lambda tier: tier["start"])["price"] if reached else price["base"]) * NANO)


def _round(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_HALF_UP))


def _is_holding(constraint: Mapping[str, Any] | None, now: datetime) -> bool:
    if constraint is None:
        return True
    if "start_date" in constraint:
        start_date: date = constraint["start_date"]
        return now.astimezone(UTC).date() >= start_date
    clock = now.astimezone(UTC).timetz()
    start, end = _to_utc(constraint["start_time"]), _to_utc(constraint["end_time"])
    return clock >= start or clock < end if end < start else start <= clock < end


def _list_moments(constraint: Mapping[str, Any] | None, now: datetime) -> list[datetime]:
    if constraint is None:
        return []
    if "start_date" in constraint:
        return [datetime.combine(constraint["start_date"], time(), UTC)]
    today = now.astimezone(UTC).date()
    return [
        datetime.combine(day, _to_utc(constraint[bound]))
        for day in (today, today + timedelta(days=1))
        for bound in ("start_time", "end_time")
    ]


def _to_utc(clock: time) -> time:
    """The time of day in UTC; one without a zone is meant so."""
    if clock.tzinfo is None:
        return clock.replace(tzinfo=UTC)
    return datetime.combine(date(1970, 1, 2), clock).astimezone(UTC).timetz()
