"""The statement behind `/activity`: over sums by day, those by hour where hours or apps of keys are asked for, the entries for a trace."""

from typing import Any

from sqlalchemy import Select, bindparam, case, func, select

from anyrouter.control.ports import ActivityFilter
from anyrouter.core.ledger import HEDGE_LOST
from anyrouter.storage.activity_rows import day_range_hours, list_dimensions, list_pieces, needs_apps, needs_hours
from anyrouter.storage.schema import ledger, usage_daily
from anyrouter.storage.schema_money import usage_app_daily, usage_hourly
from anyrouter.storage.usage_rows import DAY_MS, HOUR_MS, USAGE_SUMS

_SHARED = ("model", "provider", "environment")
_DAILY: dict[str, Any] = {
    "date": usage_daily.c.day,
    "key": usage_daily.c.api_key_id,
    **{name: usage_daily.c[name] for name in _SHARED},
}
_APPS: dict[str, Any] = {
    "date": usage_app_daily.c.day,
    "app": usage_app_daily.c.app,
    **{name: usage_app_daily.c[name] for name in _SHARED},
}
_HOURLY: dict[str, Any] = {
    "date": usage_hourly.c.hour // 24,
    "hour": usage_hourly.c.hour,
    "key": usage_hourly.c.api_key_id,
    "app": usage_hourly.c.app,
    **{name: usage_hourly.c[name] for name in _SHARED},
}
_ONE_DAY: Any = func.min(usage_hourly.c.hour) // 24
_APP = func.substr(func.coalesce(ledger.c.app_title, ledger.c.http_referer, ""), 1, 64)
_ENTRIES: dict[str, Any] = {
    "date": ledger.c.created_at_ms // DAY_MS,
    "hour": ledger.c.created_at_ms // HOUR_MS,
    "key": ledger.c.api_key_id,
    "app": _APP,
    "trace": ledger.c.trace_id,
    **{name: ledger.c[name] for name in _SHARED},
}
_IS_OWN = func.coalesce(ledger.c.error_code, "") != HEDGE_LOST
_ENTRY_SUMS: dict[str, Any] = {
    "requests": func.sum(case((_IS_OWN, 1), else_=0)),
    "errors": func.sum(case((_IS_OWN & ledger.c.state.in_(("failed", "interrupted")), 1), else_=0)),
    **{name: func.sum(ledger.c[name]) for name in USAGE_SUMS[2:]},
}


def make_activity_statement(query: ActivityFilter) -> tuple[list[str], Select[Any]]:
    """The dimensions in the order of the columns, and the statement, whose other columns are `USAGE_SUMS`.

    Its parameters `first` and `end` are the first hour (day, millisecond) and the one behind the last. Where the query is asked in pieces
    of a day, the day is no group: it is the same in all rows.
    """
    if query.trace_id is not None:
        table, columns, sums = ledger, _ENTRIES, [_ENTRY_SUMS[name] for name in USAGE_SUMS]
    elif needs_hours(query):
        table, columns, sums = usage_hourly, _HOURLY, _list_sums(usage_hourly)
    elif needs_apps(query):
        table, columns, sums = usage_app_daily, _APPS, _list_sums(usage_app_daily)
    else:
        table, columns, sums = usage_daily, _DAILY, _list_sums(usage_daily)
    names = [name for name in list_dimensions(query) if name in columns]
    is_by_day = len(list_pieces(query)) > 1
    shown = [_ONE_DAY if is_by_day and name == "date" else columns[name] for name in names]
    groups = [column for column in shown if column is not _ONE_DAY]
    conditions = [table.c.organisation_id == query.organisation_id, *_list_conditions(query, table, columns)]
    return names, select(*shown, *sums).where(*conditions).group_by(*groups).limit(query.max_groups + 1)


def _list_sums(table: Any) -> list[Any]:
    return [func.sum(table.c[name]) for name in USAGE_SUMS]


def _list_conditions(query: ActivityFilter, table: Any, columns: dict[str, Any]) -> list[Any]:
    wanted = {
        "environment_id": query.environment_id,
        "rotation_group": query.rotation_group,
        "api_key_id": query.api_key_id,
        "model": query.model,
        "provider": query.provider,
        "environment": query.environment,
    }
    conditions = [table.c[name] == value for name, value in wanted.items() if value is not None]
    if query.app is not None:
        conditions.append(columns["app"] == query.app)
    if table is ledger:
        conditions.append(ledger.c.trace_id == query.trace_id)
    return conditions + _list_days(query, table)


def _list_days(query: ActivityFilter, table: Any) -> list[Any]:
    first, last = day_range_hours(query)
    if "day" in table.c:
        first, last = (None if hour is None else hour // 24 for hour in (first, last))
        column = table.c.day
    elif table is usage_hourly:
        column = usage_hourly.c.hour
    else:
        first, last = (None if hour is None else hour * HOUR_MS for hour in (first, last))
        column = ledger.c.created_at_ms
    begins = [] if first is None else [column >= bindparam("first", first)]
    return [*begins, *([] if last is None else [column < bindparam("end", last)])]
