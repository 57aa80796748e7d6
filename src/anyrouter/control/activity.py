"""What a key asks of the roll-up: which days, in which groups, of whose traffic. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from anyrouter.control.ports import ActivityFilter
from anyrouter.core import scopes
from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import ClientError, Denied

DIMENSIONS = ("date", "hour", "key", "model", "provider", "environment", "app", "tag", "trace")
DEFAULT_GROUPS = ("date", "model", "provider")
DEFAULT_DAYS = 30
MAX_DAYS = 400
MAX_HOURLY_DAYS = 31
MAX_FILTER_LENGTH = 200
_NO_FILTERS: Mapping[str, str | None] = {}
_KEY_ID = re.compile(r"key_[0-9a-f]{32}", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


FILTERS = ("key", "model", "provider", "environment", "app", "tag", "trace")


def parse_activity(
    viewer: ApiKey,
    today: date,
    *,
    date_from: str | None = None,
    date_to: str | None = None,
    group_by: Sequence[str] = (),
    filters: Mapping[str, str | None] = _NO_FILTERS,
) -> ActivityFilter:
    """The filter for what `viewer` may see: its rotation group's traffic, an admin key its organisation's.

    Days are UTC and written YYYY-MM-DD, both ends included; without them the 30 days up to `today`. `group_by` holds names or
    comma-separated lists of names; `filters` are texts that must be the same, by the names of `FILTERS`. ClientError `invalid_parameter`
    names what cannot be read.
    """
    last = today if date_to is None else _parse_date("to", date_to)
    first = last - timedelta(days=DEFAULT_DAYS - 1) if date_from is None else _parse_date("from", date_from)
    if first > last:
        raise _refusal("from", "it is later than `to`")
    if (last - first).days >= MAX_DAYS:
        raise _refusal("from", f"at most {MAX_DAYS} days can be asked for at once")
    groups = _parse_groups(group_by)
    chosen = {name: _parse_filter(name, text) for name, text in filters.items()}
    if ("hour" in groups or "app" in groups or chosen.get("app")) and (last - first).days >= MAX_HOURLY_DAYS:
        raise _refusal("from", f"hours and apps are told of at most {MAX_HOURLY_DAYS} days at once")
    if "trace" in groups and not chosen.get("trace"):
        raise _refusal("group_by", "a trace is told where `trace` names it")
    is_admin = scopes.is_admin(viewer.scopes)
    return ActivityFilter(
        organisation_id=viewer.organisation_id,
        environment_id=None if is_admin else viewer.environment_id,
        rotation_group=None if is_admin else viewer.rotation_group,
        date_from=first,
        date_to=last,
        group_by=groups,
        api_key_id=chosen.get("key"),
        model=chosen.get("model"),
        provider=chosen.get("provider"),
        environment=chosen.get("environment"),
        app=chosen.get("app"),
        tag=chosen.get("tag"),
        trace_id=chosen.get("trace"),
    )


def _parse_filter(name: str, text: str | None) -> str | None:
    if text is None:
        return None
    if not 0 < len(text) <= MAX_FILTER_LENGTH or not text.isprintable():
        raise _refusal(name, f"1 to {MAX_FILTER_LENGTH} printable characters are needed")
    if name == "key" and not _KEY_ID.fullmatch(text):
        raise _refusal(name, "the id of a key is needed, such as key_0192f0c4a7e87cc3a1f5d3b2c1a09f8e")
    return text


def _parse_date(param: str, text: str) -> date:
    if not _DATE.fullmatch(text):
        raise _refusal(param, "a day is written YYYY-MM-DD")
    try:
        parsed = date.fromisoformat(text)
    except ValueError as error:
        raise _refusal(param, "no calendar has this day") from error
    if parsed < date(2000, 1, 1):
        raise _refusal(param, "the day is before the year 2000")
    return parsed


def _parse_groups(group_by: Sequence[str]) -> tuple[str, ...]:
    names = [name.strip() for part in group_by[: len(DIMENSIONS) + 1] for name in part.split(",", len(DIMENSIONS) + 1)]
    if any(name not in DIMENSIONS for name in names):
        raise _refusal("group_by", f"it can name {', '.join(DIMENSIONS)}")
    return tuple(name for name in DIMENSIONS if name in names) or DEFAULT_GROUPS


def _refusal(param: str, reason: str) -> ClientError:
    return ClientError(Denied(code="invalid_parameter", message=f"{param}: {reason}", param=param))
