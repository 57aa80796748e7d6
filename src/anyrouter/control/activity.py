"""What a key asks of the roll-up: which days, in which groups, of whose traffic. Pure."""

import re
from collections.abc import Sequence
from datetime import date, timedelta

from anyrouter.control.ports import ActivityFilter
from anyrouter.core import scopes
from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import ClientError, Denied

DIMENSIONS = ("date", "key", "model", "provider", "environment")
DEFAULT_GROUPS = ("date", "model", "provider")
DEFAULT_DAYS = 30
MAX_DAYS = 400
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def parse_activity(
    viewer: ApiKey, today: date, *, date_from: str | None = None, date_to: str | None = None, group_by: Sequence[str] = ()
) -> ActivityFilter:
    """The filter for what `viewer` may see: its rotation group's traffic, an admin key its organisation's.

    Days are UTC and written YYYY-MM-DD, both ends included; without them the 30 days up to `today`. `group_by` holds names or
    comma-separated lists of names. ClientError `invalid_parameter` names what cannot be read.
    """
    last = today if date_to is None else _parse_date("to", date_to)
    first = last - timedelta(days=DEFAULT_DAYS - 1) if date_from is None else _parse_date("from", date_from)
    if first > last:
        raise _refusal("from", "it is later than `to`")
    if (last - first).days >= MAX_DAYS:
        raise _refusal("from", f"at most {MAX_DAYS} days can be asked for at once")
    is_admin = scopes.is_admin(viewer.scopes)
    return ActivityFilter(
        organisation_id=viewer.organisation_id,
        environment_id=None if is_admin else viewer.environment_id,
        rotation_group=None if is_admin else viewer.rotation_group,
        date_from=first,
        date_to=last,
        group_by=_parse_groups(group_by),
    )


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
