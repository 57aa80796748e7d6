"""What a request says about its own routing: the `provider` object, judged.

Members and their meaning are OpenRouter's (openrouter.ai/docs/guides/routing/provider-selection, read 2026-11), plus `byok` and `hedge`.
An unknown member is ignored, as there. A known one of a wrong type or with a value that cannot be honoured is a 400 that names
it: a preference about price or privacy that is dropped in silence is a broken promise. What is not an object at all is ignored.
"""

from collections.abc import Callable
from decimal import ROUND_FLOOR, Context, Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgspec

from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.money import NANO

MAX_NAMES = 100
MAX_NAME_LENGTH = 128
MAX_USD = 1_000_000
_PERCENTILES = {"p50": 50, "p75": 75, "p90": 90, "p99": 99}
_REMEMBERED_BYTES = 2048  # nearly every client sends the same small object with each request
_EXACT = Context(prec=40, rounding=ROUND_FLOOR, traps=[])  # 16 digits before the point of a nano-dollar, and never up

_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_value = msgspec.json.Decoder(float_hook=Decimal).decode


class Strategy(StrEnum):
    """How targets are put in order. The last three are what a request may `sort` by."""

    PRIORITY = "priority"
    WEIGHTED = "weighted"
    PRICE = "price"
    LATENCY = "latency"
    THROUGHPUT = "throughput"


SORTS = (Strategy.PRICE, Strategy.LATENCY, Strategy.THROUGHPUT)
_VARIANT_SORTS = {"floor": Strategy.PRICE, "nitro": Strategy.THROUGHPUT}


class Byok(StrEnum):
    """When the tenant's own credentials are used."""

    ONLY = "only"
    PREFER = "prefer"
    LAST = "last"
    NEVER = "never"


class PriceBound(msgspec.Struct, frozen=True, kw_only=True):
    """The highest price that is accepted: nano-USD per million tokens, and per request; None is no bound.

    `image` and `audio` are checked and not kept: no tariff has a price of its own for them.
    """

    prompt_nanousd: int | None = None
    completion_nanousd: int | None = None
    request_nanousd: int | None = None


class Cutoff(msgspec.Struct, frozen=True):
    """A threshold at a percentile (50 to 99): seconds for latency, tokens per second for throughput."""

    percentile: int
    value: float


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """A request's wishes. Names are in lower case; an empty tuple or set means that nothing was said."""

    order: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    is_fallback_allowed: bool = True
    sort: Strategy | None = None
    is_sorted_across_models: bool = False
    max_price: PriceBound | None = None
    is_requiring_parameters: bool = False
    is_collection_denied: bool = False
    is_retention_denied: bool = False
    is_distillation_needed: bool = False
    quantizations: frozenset[str] = frozenset()
    latency: tuple[Cutoff, ...] = ()
    throughput: tuple[Cutoff, ...] = ()
    byok: Byok | None = None
    regions: frozenset[str] = frozenset()
    is_hedged: bool | None = None


NO_PREFERENCES = Preferences()


def read_preferences(raw: bytes | None) -> Preferences | Denied | None:
    """The preferences in a `provider` member's text, None when it asks for nothing; a refusal names the member that is wrong.

    `raw` is valid JSON, as `Members.raw` gives it.
    """
    if raw is None or raw[:1] != b"{" or len(raw) == len(b"{}"):
        return None
    return _read_remembered(raw) if len(raw) <= _REMEMBERED_BYTES else _read(raw)


def sort_by_variant(preferences: Preferences | None, variant: str | None) -> Preferences | None:
    """The preferences with the order that a model's variant asks for; the `sort` that a request spells out goes before it.

    `floor` is `sort: price`, `nitro` is `sort: throughput` (openrouter.ai/docs/guides/routing/model-variants, read 2026-11).
    """
    sort = None if variant is None else _VARIANT_SORTS.get(variant)
    if sort is None or (preferences is not None and preferences.sort is not None):
        return preferences
    return msgspec.structs.replace(preferences or NO_PREFERENCES, sort=sort)


def _read(raw: bytes) -> Preferences | Denied | None:
    fields: dict[str, Any] = {}
    try:
        for name, text in _decode_members(raw).items():
            read = _READERS.get(name)
            value = None if read is None else _decode(name, bytes(text))
            if read is not None and value is not None:
                fields |= read(f"provider.{name}", value)
    except ClientError as error:
        return error.denied
    preferences = Preferences(**fields)
    return None if preferences == NO_PREFERENCES else preferences


_read_remembered = lru_cache(maxsize=512)(_read)


def _decode(name: str, text: bytes) -> object:
    try:
        return _decode_value(text)
    except (msgspec.DecodeError, RecursionError):
        raise _wrong(f"provider.{name}", "holds a value that is out of range or nested too deeply") from None


def _wrong(param: str, problem: str) -> ClientError:
    return ClientError(Denied(code="invalid_parameter", param=param, message=f"{param} {problem}."))


def _read_flag(param: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong(param, "must be true or false")
    return value


def _read_choice(param: str, value: object, choices: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise _wrong(param, f"must be one of {', '.join(choices)}")
    return value


def _read_names(param: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise _wrong(param, 'must be a list of strings, such as ["openai"]')
    if len(value) > MAX_NAMES or any(len(name) > MAX_NAME_LENGTH for name in value):
        raise _wrong(param, f"may have {MAX_NAMES} names of {MAX_NAME_LENGTH} characters at most")
    return tuple(dict.fromkeys(name.strip().lower() for name in value))


def _read_number(param: str, value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _wrong(param, "must be a number")
    number = Decimal(value)
    if not number.is_finite() or not 0 <= number <= MAX_USD:
        raise _wrong(param, f"must be a number from 0 to {MAX_USD}")
    return number


def _read_usd(param: str, value: object) -> int:
    """Nano-USD, rounded down: a whole price is within the bound exactly when it is within the whole part."""
    if isinstance(value, str):
        value = _EXACT.create_decimal(value)
    return int(_EXACT.multiply(_read_number(param, value), Decimal(NANO)).to_integral_value(ROUND_FLOOR))


def _read_max_price(param: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(param, 'must be an object of prices in USD per million tokens, such as {"prompt": 1, "completion": "2.5"}')
    names = ("prompt", "completion", "request", "image", "audio")
    prices = {name: _read_usd(f"{param}.{name}", value[name]) for name in names if value.get(name) is not None}
    bound = PriceBound(
        prompt_nanousd=prices.get("prompt"), completion_nanousd=prices.get("completion"), request_nanousd=prices.get("request")
    )
    return {"max_price": None if bound == PriceBound() else bound}


def _read_sort(param: str, value: object) -> dict[str, Any]:
    if isinstance(value, str):
        return {"sort": Strategy(_read_choice(param, value, SORTS))}
    if not isinstance(value, dict):
        raise _wrong(param, f'must be one of {", ".join(SORTS)}, or an object with "by" and "partition"')
    by, partition = value.get("by"), value.get("partition")
    fields: dict[str, Any] = {} if by is None else {"sort": Strategy(_read_choice(f"{param}.by", by, SORTS))}
    if partition is not None:
        fields["is_sorted_across_models"] = _read_choice(f"{param}.partition", partition, ("model", "none")) == "none"
    return fields


def _read_cutoffs(param: str, value: object) -> tuple[Cutoff, ...]:
    if not isinstance(value, dict):
        return (Cutoff(50, float(_read_number(param, value))),)
    return tuple(
        Cutoff(percentile, float(_read_number(f"{param}.{name}", value[name])))
        for name, percentile in _PERCENTILES.items()
        if value.get(name) is not None
    )


def _one(field: str, read: Callable[[str, object], Any]) -> Callable[[str, object], dict[str, Any]]:
    return lambda param, value: {field: read(param, value)}


def _choice(field: str, choices: tuple[str, ...], convert: Callable[[str], Any]) -> Callable[[str, object], dict[str, Any]]:
    return lambda param, value: {field: convert(_read_choice(param, value, choices))}


def _read_regions(param: str, value: object) -> dict[str, Any]:
    regions = _read_names(param, [value] if isinstance(value, str) else value)
    if not regions:
        raise _wrong(param, "must name a region; without a wish, leave it out")
    return {"regions": frozenset(regions)}


_READERS: dict[str, Callable[[str, object], dict[str, Any]]] = {
    "order": _one("order", _read_names),
    "only": _one("only", _read_names),
    "ignore": _one("ignore", _read_names),
    "allow_fallbacks": _one("is_fallback_allowed", _read_flag),
    "sort": _read_sort,
    "max_price": _read_max_price,
    "require_parameters": _one("is_requiring_parameters", _read_flag),
    "data_collection": _choice("is_collection_denied", ("allow", "deny"), lambda text: text == "deny"),
    "zdr": _one("is_retention_denied", _read_flag),
    "enforce_distillable_text": _one("is_distillation_needed", _read_flag),
    "quantizations": _one("quantizations", lambda param, value: frozenset(_read_names(param, value))),
    "preferred_max_latency": _one("latency", _read_cutoffs),
    "preferred_min_throughput": _one("throughput", _read_cutoffs),
    "byok": _choice("byok", tuple(Byok), Byok),
    "region": _read_regions,
    "regions": _read_regions,
    "hedge": _one("is_hedged", _read_flag),
}
