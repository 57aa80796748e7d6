"""What is accepted as each field of a key. Pure: refusals are ClientError `invalid_parameter` with `param`."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from ipaddress import ip_network
from typing import Any, TypeVar

from anyrouter.control.expiry import check_expiry, check_moment, parse_expiry, parse_moment
from anyrouter.core.budget import BudgetPeriod, BudgetPolicy
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.money import parse_usd
from anyrouter.core.scopes import parse as parse_scopes
from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.providers.registry import PROVIDERS

MAX_NAME_LENGTH = 100
MAX_MODELS = 500
MAX_MODEL_LENGTH = 200
MAX_NETWORKS = 100
MAX_REGIONS = 50
MAX_TAGS = 20
MAX_TAG_LENGTH = 64
MAX_LIMIT = 2**31 - 1
MAX_TOKEN_LIMIT = 2**53

_MODEL = re.compile(r"[a-z0-9][a-z0-9._-]*/(\*|[A-Za-z0-9][A-Za-z0-9._:/@+-]*)", re.ASCII)
_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_NETWORK = re.compile(r"[0-9A-Fa-f:.]{2,45}(/[0-9]{1,3})?", re.ASCII)
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Co", "Zl", "Zp"})
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_PATHS = frozenset(row.path for row in ENDPOINTS.values() if not row.is_public)
E = TypeVar("E", bound=StrEnum)


def check_name(name: str) -> str:
    """The name, stripped and in Unicode's composed form; refused when it is not 1 to 100 characters.

    Characters that control a terminal or turn the direction of text are refused: names are printed next to other names.
    """
    return _check_text("name", name, MAX_NAME_LENGTH)


def check_scopes(scopes: Sequence[str]) -> frozenset[str]:
    """The scopes as a set, the default four when none are given."""
    try:
        return frozenset(parse_scopes(tuple(scopes)))
    except ValueError as error:
        raise refusal("scopes", str(error)) from error


def check_models(models: Sequence[str]) -> tuple[str, ...]:
    """The ids and `vendor/*` patterns without repetitions, at most 500."""
    if not models:
        raise refusal("models", "the list is empty, so the key could reach nothing; leave it out to allow every model")
    if len(models) > MAX_MODELS:
        raise refusal("models", f"at most {MAX_MODELS} entries are allowed")
    for index, model in enumerate(models):
        if len(model) > MAX_MODEL_LENGTH or not _MODEL.fullmatch(model):
            raise refusal("models", f"entry {index + 1} is neither an id such as openai/gpt-4o nor a pattern such as openai/*")
    return tuple(dict.fromkeys(models))


def check_endpoints(endpoints: Sequence[str]) -> tuple[str, ...]:
    """The paths as the table of endpoints has them (`chat/completions`), with or without /api/v1/ before them. No patterns."""
    paths = [path.removeprefix("/").removeprefix("api/").removeprefix("v1/") for path in endpoints[: len(_PATHS) + 1]]
    return _check_known("endpoints", paths, _PATHS, "a path such as chat/completions")


def check_providers(providers: Sequence[str]) -> tuple[str, ...]:
    """The ids of providers that the gateway knows."""
    return _check_known("providers", providers[: len(PROVIDERS) + 1], frozenset(PROVIDERS), "the id of a provider such as openai")


def check_regions(regions: Sequence[str]) -> tuple[str, ...]:
    """Regions in the operator's words, which upstreams have as their `region`."""
    if not 1 <= len(regions) <= MAX_REGIONS or not all(_REGION.fullmatch(region) for region in regions):
        raise refusal("regions", f"1 to {MAX_REGIONS} names of regions such as eu are needed")
    return tuple(dict.fromkeys(regions))


def check_addresses(networks: Sequence[str]) -> tuple[str, ...]:
    """IPv4 and IPv6 addresses and networks in CIDR notation, in their shortest spelling."""
    if not 1 <= len(networks) <= MAX_NETWORKS:
        raise refusal("allowed_ips", f"1 to {MAX_NETWORKS} addresses or networks are needed; leave it out to allow every address")
    return tuple(dict.fromkeys(_check_network(index, text) for index, text in enumerate(networks)))


def check_limit(param: str, most: int = MAX_LIMIT) -> Callable[[object], int]:
    """A check of a whole number from 0 (the key is blocked) to `most`."""

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise refusal(param, f"a whole number from 0 to {most} is needed")
        return value

    return check


def check_rpm(rate_limit_rpm: object) -> int:
    """Requests per minute."""
    return check_limit("rate_limit_rpm")(rate_limit_rpm)


def check_budget(usd: Decimal | int | str) -> int:
    """What a key may cost, in USD, as nano-USD."""
    try:
        return parse_usd(usd)
    except ValueError as error:
        raise refusal("limit", str(error)) from None


def check_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """At most twenty texts of at most 64 characters, of the same characters as names."""
    if len(tags) > MAX_TAGS:
        raise refusal("tags", f"at most {MAX_TAGS} tags are allowed")
    return tuple(dict.fromkeys(_check_text("tags", tag, MAX_TAG_LENGTH) for tag in tags))


def check_fields(fields: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The fields of `ApiKey` that these are, checked. Names are those of the API; a value that is None restricts nothing.

    Times are texts as people write them, or aware ones. ClientError for a name that cannot be given.
    """
    checked: dict[str, Any] = {}
    for name, value in fields.items():
        field = _FIELDS.get(name)
        if field is None:
            raise refusal(name, "this cannot be given")
        attribute, check, if_none = field
        checked[attribute] = if_none if value is None else check(value, now)
    return checked


def refusal(param: str, reason: str) -> ClientError:
    """The refusal of one field."""
    return ClientError(Denied(code="invalid_parameter", message=f"{param}: {reason}", param=param))


def _check_text(param: str, text: str, most: int) -> str:
    stripped = text[: 100 * most].strip()
    if len(stripped) > 4 * most:  # before the work that grows with the text
        raise refusal(param, f"1 to {most} characters are needed")
    if any(letter in _BIDI or unicodedata.category(letter) in _REFUSED_CATEGORIES for letter in stripped):
        raise refusal(param, "it holds control characters or marks that turn the direction of text")
    composed = unicodedata.normalize("NFC", stripped)
    if not 1 <= len(composed) <= most:
        raise refusal(param, f"1 to {most} characters are needed")
    return composed


def _check_known(param: str, values: Sequence[str], known: frozenset[str], wanted: str) -> tuple[str, ...]:
    if not values:
        raise refusal(param, "the list is empty, so the key could reach nothing; leave it out to restrict nothing")
    for index, value in enumerate(values):
        if value not in known:
            raise refusal(param, f"entry {index + 1} is not {wanted}")
    return tuple(dict.fromkeys(values))


def _check_network(index: int, text: str) -> str:
    if not _NETWORK.fullmatch(text):
        raise refusal("allowed_ips", f"entry {index + 1} is neither an address nor a network such as 203.0.113.0/24 or 2001:db8::/32")
    try:
        network = ip_network(text)
    except ValueError:
        raise refusal("allowed_ips", f"entry {index + 1} is no network: its bits behind the prefix must be 0") from None
    return str(network) if "/" in text else str(network.network_address)


def _check_choice(param: str, kind: type[E]) -> Callable[[object, datetime], E]:
    def check(value: object, _now: datetime) -> E:
        if not isinstance(value, str) or value not in list(kind):
            raise refusal(param, f"one of {', '.join(kind)} is needed")
        return kind(value)

    return check


def _check_end(value: str | datetime, now: datetime) -> datetime:
    return parse_expiry(value, now) if isinstance(value, str) else check_expiry(value, now)


def _check_beginning(value: str | datetime, now: datetime) -> datetime:
    return parse_moment("not_before", value, now) if isinstance(value, str) else check_moment("not_before", value)


def _plain(check: Callable[[Any], Any]) -> Callable[[Any, datetime], Any]:
    return lambda value, _now: check(value)


# By the API's name: the attribute, its check, and what null says.
_FIELDS: Mapping[str, tuple[str, Callable[[Any, datetime], Any], Any]] = {
    "scopes": ("scopes", _plain(check_scopes), check_scopes(())),
    "models": ("models", _plain(check_models), None),
    "endpoints": ("endpoints", _plain(check_endpoints), None),
    "providers": ("providers", _plain(check_providers), None),
    "regions": ("regions", _plain(check_regions), None),
    "allowed_ips": ("allowed_ips", _plain(check_addresses), None),
    "not_before": ("not_before", _check_beginning, None),
    "expires_at": ("expires_at", _check_end, None),
    "rate_limit_rpm": ("rate_limit_rpm", _plain(check_rpm), None),
    "rate_limit_tpm": ("rate_limit_tpm", _plain(check_limit("rate_limit_tpm", MAX_TOKEN_LIMIT)), None),
    "rate_limit_rpd": ("rate_limit_rpd", _plain(check_limit("rate_limit_rpd")), None),
    "concurrency": ("concurrency", _plain(check_limit("concurrency")), None),
    "limit": ("limit_nanousd", _plain(check_budget), None),
    "limit_reset": ("limit_reset", _check_choice("limit_reset", BudgetPeriod), BudgetPeriod.TOTAL),
    "budget_policy": ("budget_policy", _check_choice("budget_policy", BudgetPolicy), None),
    "tags": ("tags", _plain(check_tags), ()),
}
CHANGEABLE = frozenset(_FIELDS)
