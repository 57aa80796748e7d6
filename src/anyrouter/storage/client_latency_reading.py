"""How long requests took by key or by app: from the rows of days as far as they can tell, and of hours."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, select

from anyrouter.control.usage_reader import LatencyRow, Split, Unit, UsageFilter
from anyrouter.core.latency import BUCKETS
from anyrouter.storage.client_latencies import read_counts
from anyrouter.storage.schema_money import client_latencies
from anyrouter.storage.zone_days import cover, list_moves

_Targets = Mapping[Unit, Mapping[int, Sequence[tuple[int, int]]]]


def read_client_latencies(connection: Connection, query: UsageFilter) -> Sequence[LatencyRow]:
    """As `UsageReader.read_latencies`, of a query that tells keys apart, or apps."""
    found: dict[tuple[int, str], list[int]] = {}
    for unit, targets in _list_targets(query).items():
        if not targets:
            continue
        for number, value, environment, counts in connection.execute(_make_statement(query, unit, targets)).all():
            shown = environment if query.split is Split.ENVIRONMENT else "" if query.split is None else value
            for time, sign in targets[number]:
                group = found.get((time, shown))
                if group is None:
                    group = found[time, shown] = [0] * (2 * BUCKETS)
                for bucket, count in read_counts(counts).items():
                    group[bucket] += sign * count
    return [
        LatencyRow(time=time, value=value, latency=tuple(counts[:BUCKETS]), ttft=tuple(counts[BUCKETS:]))
        for (time, value), counts in found.items()
        if any(counts)
    ]


def _list_targets(query: UsageFilter) -> _Targets:
    """What is to be read, days and hours, and where each counts: in which times, once more or once less."""
    span, found = query.span, dict[Unit, dict[int, list[tuple[int, int]]]]()
    hours, days = (found.setdefault(unit, defaultdict(list)) for unit in (Unit.HOUR, Unit.DAY))
    if not query.by_time:
        for piece in span.cut():
            sign, part = -1 if piece.is_taken_away else 1, piece.span
            if part.needs_hours:
                _add(hours, range(part.first, part.end), 0, sign)
            else:
                _add(days, range(part.first // 24, part.end // 24), 0, sign)
        return found
    if span.unit is Unit.HOUR:
        for hour in range(span.first, span.end):
            hours[hour].append((hour, 1))
        return found
    whole = cover(span)
    for number in range(whole.first // 24, whole.end // 24):
        days[number].append((number, 1))
    for move in list_moves(span) if span.shifts else ():
        for day, sign in ((move.utc_day, -1), (move.zone_day, 1)):
            if day is not None:
                _add(hours, range(move.first, move.end), day, sign)
    return found


def _add(targets: dict[int, list[tuple[int, int]]], numbers: Iterable[int], time: int, sign: int) -> None:
    for number in numbers:
        targets[number].append((time, sign))


def _make_statement(query: UsageFilter, unit: Unit, numbers: Iterable[int]) -> Any:
    table = client_latencies.c
    is_by_key = query.split is Split.KEY or query.rotation_group is not None
    value = query.rotation_group if is_by_key else query.app
    is_asked: list[ColumnElement[bool]] = [
        table.unit == unit.value,
        table.number.in_(bindparam("numbers", list(numbers), expanding=True, literal_execute=True)),
        table.organisation_id == query.organisation_id,
        table.split == (Split.KEY if is_by_key else Split.APP).value,
    ]
    if value is not None:
        is_asked.append(table.value == value)
    if query.only is not None and query.split in {Split.KEY, Split.APP}:
        is_asked.append(table.value.in_(query.only))
    elif query.only is not None and query.split is Split.ENVIRONMENT:
        is_asked.append(table.environment.in_(query.only))
    if query.environment is not None:
        is_asked.append(table.environment == query.environment)
    return select(table.number, table.value, table.environment, table.counts).where(*is_asked)
