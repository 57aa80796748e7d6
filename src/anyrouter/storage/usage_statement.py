"""The statements behind the usage page: over the smallest of the tables of sums that knows the answer."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, Table, bindparam, case, cast, func, literal, select

from anyrouter.control.usage_reader import Span, Split, Unit, UsageFilter
from anyrouter.storage.schema import usage_daily
from anyrouter.storage.schema_money import usage_app_daily, usage_hourly, usage_model_daily, usage_model_hourly
from anyrouter.storage.usage_model_rows import LATENCY_COLUMNS, TTFT_COLUMNS
from anyrouter.storage.usage_rows import USAGE_SUMS

_COLUMN_OF = {
    Split.KEY: "rotation_group",
    Split.MODEL: "model",
    Split.PROVIDER: "provider",
    Split.ENVIRONMENT: "environment",
    Split.APP: "app",
}
Columns = Callable[[UsageFilter, Table], Sequence[ColumnElement[Any]]]
_SUMS = {
    table: {name: cast(func.sum(table.c[name]), BigInteger) for name in USAGE_SUMS}
    for table in (usage_daily, usage_hourly, usage_app_daily, usage_model_hourly, usage_model_daily)
}
_COUNTS = {
    table: [cast(func.sum(table.c[name]), BigInteger) for name in (*LATENCY_COLUMNS, *TTFT_COLUMNS)]
    for table in (usage_model_hourly, usage_model_daily)
}


def make_statement(query: UsageFilter, make_columns: Columns) -> Select[Any]:
    """Its columns are the time, the value of the split, and those that are made. The parameters `first` and `end` are the span's."""
    table = choose_table(query)
    time = number_time(table, query.span) if query.by_time else None
    value = None if query.split is None else table.c[_COLUMN_OF[query.split]]
    groups = [column for column in (time, value) if column is not None]
    if time is not None and is_by_day(query):  # the day is the same in all rows of a piece, and sorting by it would take its time
        time, groups = func.min(table.c.hour) // 24, [column for column in groups if column is value]
    columns = (_or_nothing(time, 0), _or_nothing(value, ""), *make_columns(query, table))
    return select(*columns).where(*_list_span(query, table), *_list_wishes(query, table)).group_by(*groups)


def make_moves_statement(query: UsageFilter, hours: Collection[int], make_columns: Columns) -> Select[Any]:
    """Of these hours alone. Its columns are the day of UTC, the day of the zone, the value of the split, and those that are made."""
    table = choose_hours(query)
    value = None if query.split is None else table.c[_COLUMN_OF[query.split]]
    groups = [table.c.hour // 24, number_time(table, query.span), *([] if value is None else [value])]
    columns = (*groups[:2], _or_nothing(value, ""), *make_columns(query, table))
    hour: Any = table.c.hour
    times = []
    if query.rotation_group is not None or (query.split is Split.KEY and query.only is not None):
        times = [hour >= min(hours), hour <= max(hours)]
        hour = hour + 0  # so that the index of keys is taken, and not that of time
    times.append(hour.in_(bindparam("hours", hours, expanding=True, literal_execute=True)))
    return select(*columns).where(*times, *_list_wishes(query, table)).group_by(*groups)


def list_sums(query: UsageFilter) -> Sequence[str]:
    """The names of the sums."""
    return USAGE_SUMS if query.names is None else query.names


def make_sums(query: UsageFilter, table: Table) -> Sequence[ColumnElement[Any]]:
    """Columns: those of `list_sums`."""
    return [_SUMS[table][name] for name in list_sums(query)]


def make_counts(_query: UsageFilter, table: Table) -> Sequence[ColumnElement[Any]]:
    """Columns: `LATENCY_COLUMNS`, and `TTFT_COLUMNS`."""
    return _COUNTS[table]


def needs_keys(query: UsageFilter) -> bool:
    """Whether keys are told apart."""
    return query.split is Split.KEY or query.rotation_group is not None


def needs_apps(query: UsageFilter) -> bool:
    """Whether apps are told apart."""
    return query.split is Split.APP or query.app is not None


def is_by_day(query: UsageFilter) -> bool:
    """Whether the statement is to be asked with a day of UTC after the other as `first` and `end`.

    Apps of keys are read from many rows, which a database sorts to group them: a day's at a time takes a third less.
    """
    return needs_apps(query) and needs_keys(query) and not (query.by_time and query.span.needs_hours)


def is_moved(query: UsageFilter) -> bool:
    """Whether days of a zone are to be made of days of UTC and the hours that both count differently, since there are many hours."""
    return query.by_time and query.span.unit is Unit.DAY and bool(query.span.shifts) and not (needs_keys(query) and needs_apps(query))


def choose_table(query: UsageFilter) -> Table:
    """The smallest table that knows the answer."""
    if query.span.needs_hours or (needs_apps(query) and needs_keys(query)):
        return choose_hours(query)
    if needs_apps(query):
        return usage_app_daily
    return usage_daily if needs_keys(query) else usage_model_daily


def choose_hours(query: UsageFilter) -> Table:
    """The smallest table that knows the answer by hours."""
    return usage_hourly if needs_apps(query) or needs_keys(query) else usage_model_hourly


def number_time(table: Table, span: Span) -> Any:
    """The number of a row's hour, or of its day in the span's zone."""
    if "day" in table.c:
        return table.c.day
    hour = table.c.hour
    if span.unit is Unit.HOUR:
        return hour
    if not span.shifts:
        return hour // 24
    *early, (_, last) = span.shifts
    offset: Any = case(*[(hour < end, minutes) for end, minutes in early], else_=last) if early else last
    return (hour * 60 + offset) // 1440


def _list_span(query: UsageFilter, table: Table) -> list[ColumnElement[bool]]:
    """Which time counts: from the parameter `first`, an hour or day, to before `end`."""
    time: Any = table.c.day if "day" in table.c else table.c.hour
    unit = 24 if "day" in table.c else 1
    if query.split is Split.KEY and query.only is not None and unit > 1:
        time = time + 0  # so that the index of keys is taken, and not that of time
    conditions = [time >= bindparam("first", query.span.first // unit), time < bindparam("end", query.span.end // unit)]
    if table is usage_daily and query.split is Split.KEY and query.only is None and not query.by_time:
        conditions.append(usage_daily.c.rotation_group.in_(_list_keys(query)))
    return conditions


def _list_wishes(query: UsageFilter, table: Table) -> list[ColumnElement[bool]]:
    """What else a row must be to count."""
    wanted = {
        "rotation_group": query.rotation_group,
        "model": query.model,
        "provider": query.provider,
        "environment": query.environment,
        "app": query.app,
    }
    conditions = [table.c.organisation_id == query.organisation_id]
    conditions += [table.c[name] == value for name, value in wanted.items() if value is not None]
    if query.only is not None and query.split is not None:
        conditions.append(table.c[_COLUMN_OF[query.split]].in_(query.only))
    return conditions


def _list_keys(query: UsageFilter) -> Select[Any]:
    """All keys that were ever used, one step in the index for each: so that what they did before is passed over, which is kept for good."""
    mine, group = usage_daily.c.organisation_id == query.organisation_id, usage_daily.c.rotation_group
    keys = select(func.min(group).label("key")).where(mine).cte("keys", recursive=True)
    following = select(func.min(group)).where(mine, group > keys.c.key).correlate(keys).scalar_subquery()
    keys = keys.union_all(select(following).where(keys.c.key.is_not(None)))
    return select(keys.c.key).where(keys.c.key.is_not(None))


def _or_nothing(column: ColumnElement[Any] | None, nothing: Any) -> Any:
    return literal(nothing) if column is None else column
