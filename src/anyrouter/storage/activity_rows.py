"""Groups of usage as rows of `/activity`: one meaning for every store, the one in memory included."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from anyrouter.control.ports import ActivityFilter, ActivityRow
from anyrouter.core.errors import ClientError, Denied
from anyrouter.storage.usage_rows import USAGE_SUMS, moment_of

EPOCH_DAY = date(1970, 1, 1)
DIMENSIONS = ("date", "hour", "model", "provider", "environment", "key", "app", "tag", "trace")
_FIELD_OF = {"key": "api_key_id", "trace": "trace_id"}
Group = Mapping[str, Any]


def needs_hours(query: ActivityFilter) -> bool:
    """Whether only the sums by hour can answer: those of days know either keys or apps."""
    return "hour" in query.group_by or (needs_apps(query) and _needs_keys(query))


def needs_apps(query: ActivityFilter) -> bool:
    """Whether apps are told apart."""
    return "app" in query.group_by or query.app is not None


def list_pieces(query: ActivityFilter) -> list[dict[str, int]]:
    """Parameters (`first`, `end`) for the query's statement: none, or those of one day after the other, whose groups together are all.

    Hours are many rows, and a database sorts them to group them: a day's at a time takes a third less.
    """
    is_by_day = not {"date", "hour"}.isdisjoint(query.group_by) and needs_hours(query) and query.trace_id is None
    first, end = day_range_hours(query)
    if not is_by_day or first is None or end is None:
        return [{}]
    return [{"first": hour, "end": hour + 24} for hour in range(first, end, 24)]


def list_dimensions(query: ActivityFilter) -> list[str]:
    """What the stored sums are grouped by: the query's groups, and the key where tags are asked for, since a key has them."""
    names = [name for name in DIMENSIONS if name in query.group_by and name != "tag"]
    if ("tag" in query.group_by or query.tag is not None) and "key" not in names:
        names.append("key")
    return names


def _needs_keys(query: ActivityFilter) -> bool:
    return "key" in list_dimensions(query) or (query.rotation_group, query.api_key_id) != (None, None)


def make_rows(query: ActivityFilter, groups: Sequence[Group], tags: Mapping[str, tuple[str, ...]]) -> list[ActivityRow]:
    """The rows of groups (dimensions by name, days and hours as numbers, and the sums). `tags` are those of each key.

    ClientError `invalid_parameter` when there are more than `max_groups`: nobody reads a reply of that size.
    """
    if len(groups) > query.max_groups:
        reason = f"these days have more than {query.max_groups} such groups; ask for fewer days, fewer dimensions, or one of them only"
        raise ClientError(Denied(code="invalid_parameter", param="group_by", message=f"group_by: {reason}."))
    has_tags = "tag" in query.group_by or query.tag is not None
    spread = _spread(query, groups, tags) if has_tags else groups
    names = [name for name in DIMENSIONS if name in query.group_by]
    totals: dict[tuple[Any, ...], dict[str, Any]] = {}
    for group in spread:
        key = tuple(group[name] for name in names)
        total = totals.setdefault(key, {**dict(zip(names, key, strict=True)), **dict.fromkeys(USAGE_SUMS, 0)})
        for name in USAGE_SUMS:
            total[name] += int(group[name])
    return sorted((_row(total) for total in totals.values()), key=activity_order)


def activity_order(row: ActivityRow) -> tuple[Any, ...]:
    """Newest first, then by the other dimensions."""
    day = (row.date or EPOCH_DAY).toordinal()
    hour = -1 if row.hour is None else row.hour.timestamp()
    texts: Sequence[str | None] = (row.model, row.provider, row.environment, row.api_key_id, row.app, row.tag, row.trace_id)
    return (-day, -hour, *(text or "" for text in texts))


def day_range_hours(query: ActivityFilter) -> tuple[int | None, int | None]:
    """The first hour of the days that are asked for, and the first one behind them."""
    first = None if query.date_from is None else (query.date_from - EPOCH_DAY).days * 24
    last = None if query.date_to is None else ((query.date_to - EPOCH_DAY).days + 1) * 24
    return first, last


def day_start(day: date) -> datetime:
    """Midnight UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _spread(query: ActivityFilter, groups: Iterable[Group], tags: Mapping[str, tuple[str, ...]]) -> Iterable[Group]:
    for group in groups:
        for tag in tags.get(group["key"], ()) or (None,):
            if query.tag is None or tag == query.tag:
                yield {**group, "tag": tag}


def _row(total: Mapping[str, Any]) -> ActivityRow:
    fields: dict[str, Any] = {_FIELD_OF.get(name, name): value for name, value in total.items()}
    if "date" in fields:
        fields["date"] = EPOCH_DAY + timedelta(days=fields["date"])
    if "hour" in fields:
        fields["hour"] = moment_of(fields["hour"])
    if fields.get("app") == "":
        fields["app"] = None
    return ActivityRow(**fields)
