"""The statement behind the usage page: over the smallest of the tables of sums that knows the answer."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, bindparam, case, func, literal, select

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
_COSTS = ("cost_nanousd", "upstream_cost_nanousd")  # those that the index of keys has
_COUNTS = {
    table: [func.sum(table.c[name]) for name in (*LATENCY_COLUMNS, *TTFT_COLUMNS)] for table in (usage_model_hourly, usage_model_daily)
}


def make_usage_statement(query: UsageFilter) -> Select[Any]:
    """Its columns are the time, the value of the split, and those of `list_sums`."""
    table = choose_table(query)
    return _group(query, table, [func.sum(table.c[name]) for name in list_sums(query)])


def list_sums(query: UsageFilter) -> Sequence[str]:
    """The names of the sums."""
    return _COSTS if query.has_costs_only else USAGE_SUMS


def make_latency_statement(query: UsageFilter) -> Select[Any]:
    """Its columns are the time, the value of the split, `LATENCY_COLUMNS`, and `TTFT_COLUMNS`."""
    if needs_keys(query) or needs_apps(query):
        raise ValueError("latencies are not told apart by key and app")
    table = choose_table(query)
    return _group(query, table, _COUNTS[table])


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
    return query.by_time and query.span.unit is Unit.DAY and bool(query.span.shifts) and needs_keys(query) is not needs_apps(query)


def choose_table(query: UsageFilter) -> Table:
    """The smallest table that knows the answer."""
    if needs_apps(query) and needs_keys(query):
        return usage_hourly
    if needs_apps(query):
        return usage_hourly if query.span.needs_hours else usage_app_daily
    if needs_keys(query):
        return usage_hourly if query.span.needs_hours else usage_daily
    return usage_model_hourly if query.span.needs_hours else usage_model_daily


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


def list_conditions(query: UsageFilter, table: Table) -> list[ColumnElement[bool]]:
    """Which rows count. The parameters `first` and `end` are the first hour or day and the one behind the last."""
    wanted = {
        "rotation_group": query.rotation_group,
        "model": query.model,
        "provider": query.provider,
        "environment": query.environment,
        "app": query.app,
    }
    time: Any = table.c.day if "day" in table.c else table.c.hour
    unit = 24 if "day" in table.c else 1
    if query.split is Split.KEY and query.only is not None:
        time = time + 0  # so that the index of keys is taken, and not that of time
    conditions = [table.c.organisation_id == query.organisation_id, time >= bindparam("first", query.span.first // unit)]
    conditions.append(time < bindparam("end", query.span.end // unit))
    conditions += [table.c[name] == value for name, value in wanted.items() if value is not None]
    if query.only is not None and query.split is not None:
        conditions.append(table.c[_COLUMN_OF[query.split]].in_(query.only))
    return conditions


def _group(query: UsageFilter, table: Table, sums: Sequence[ColumnElement[Any]]) -> Select[Any]:
    time = number_time(table, query.span) if query.by_time else None
    value = None if query.split is None else table.c[_COLUMN_OF[query.split]]
    groups = [column for column in (time, value) if column is not None]
    if time is not None and is_by_day(query):  # the day is the same in all rows of a piece, and sorting by it would take its time
        time, groups = func.min(table.c.hour) // 24, [column for column in groups if column is value]
    columns = (_or_nothing(time, 0), _or_nothing(value, ""), *sums)
    return select(*columns).where(*list_conditions(query, table)).group_by(*groups)


def _or_nothing(column: ColumnElement[Any] | None, nothing: Any) -> Any:
    return literal(nothing) if column is None else column
