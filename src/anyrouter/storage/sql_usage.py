"""Reads what the usage page shows from the database."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise, product, repeat
from operator import add, sub
from typing import Any, TypeVar

from sqlalchemy import Connection, Select

from anyrouter.control.usage_reader import LatencyRow, Unit, UsageFilter, UsageRow, UsageSums
from anyrouter.core.latency import BUCKETS
from anyrouter.storage.database import Database
from anyrouter.storage.usage_statement import is_by_day, is_moved, list_sums, make_latency_statement, make_usage_statement
from anyrouter.storage.zone_days import cover, list_moves

T = TypeVar("T")
_Group = tuple[int, str]
_Make = Callable[[UsageFilter], Select[Any]]


class SqlUsageReader:
    """`UsageReader`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_usage(self, query: UsageFilter) -> Sequence[UsageRow]:
        """The sums, in no order; groups without any are left out."""
        names = list_sums(query)

        def make(found: Mapping[_Group, Sequence[int]]) -> Sequence[UsageRow]:
            return [
                UsageRow(time=time, value=value, sums=UsageSums(**dict(zip(names, sums, strict=True))))
                for (time, value), sums in found.items()
            ]

        return await self._add_up(query, make_usage_statement, make)

    async def read_latencies(self, query: UsageFilter) -> Sequence[LatencyRow]:
        """How long requests took, in no order; groups without any are left out."""

        def make(found: Mapping[_Group, Sequence[int]]) -> Sequence[LatencyRow]:
            return [
                LatencyRow(time=time, value=value, latency=tuple(counts[:BUCKETS]), ttft=tuple(counts[BUCKETS:]))
                for (time, value), counts in found.items()
                if any(counts)
            ]

        return await self._add_up(query, make_latency_statement, make)

    async def _add_up(
        self, query: UsageFilter, make: _Make, make_rows: Callable[[Mapping[_Group, Sequence[int]]], Sequence[T]]
    ) -> Sequence[T]:
        """What is made of the sums by time and value, on the reader's thread as well: there may be thousands."""

        def work(connection: Connection) -> Sequence[T]:
            found: dict[_Group, Sequence[int]] = {}
            if is_moved(query):
                _move_hours(connection, query, make, found)  # first, so that no day lacks an hour that is taken from it
            for statement, piece in product([make(part) for part in _list_parts(query)], _list_pieces(query)):
                for time, value, sums in _read(connection, statement, piece):
                    _add(found, (time, value), sums, add)
            return make_rows({group: sums for group, sums in found.items() if any(sums)} if is_moved(query) else found)

        return await self._database.read(work)


def _move_hours(connection: Connection, query: UsageFilter, make: _Make, found: dict[_Group, Sequence[int]]) -> None:
    """Take hours from the days of UTC that they are on, and give them to those of the zone."""
    statement = make(replace(query, by_time=False, span=replace(query.span, unit=Unit.HOUR, shifts=())))
    for move in list_moves(query.span):
        for _, value, sums in _read(connection, statement, {"first": move.first, "end": move.end}):
            for day, how in ((move.utc_day, sub), (move.zone_day, add)):
                if day is not None:
                    _add(found, (day, value), sums, how)


def _read(connection: Connection, statement: Select[Any], piece: Mapping[str, int]) -> Iterator[tuple[int, str, Sequence[int]]]:
    for row in connection.execute(statement, piece):
        time, value, sums = row[0], row[1], row[2:]
        if None not in sums:  # what sums of nothing are
            yield int(time), value, list(map(int, sums))


def _add(found: dict[_Group, Sequence[int]], group: _Group, sums: Sequence[int], how: Callable[[int, int], int]) -> None:
    known = found.get(group)
    if known is not None or how is not add:
        sums = list(map(how, repeat(0) if known is None else known, sums))
    found[group] = sums


def _list_parts(query: UsageFilter) -> Sequence[UsageFilter]:
    """What is asked for, in parts that days answer as far as they can: they have hundredfold fewer rows than hours."""
    if is_moved(query):
        return [replace(query, span=cover(query.span))]
    if query.by_time or is_by_day(query):
        return [query]
    return [replace(query, span=span) for span in query.span.cut()]


def _list_pieces(query: UsageFilter) -> Sequence[Mapping[str, int]]:
    """Parameters for the query's statement: none, or those of one day after the other."""
    if not is_by_day(query):
        return [{}]
    ends = sorted({query.span.first, *range(-(-query.span.first // 24) * 24, query.span.end, 24), query.span.end})
    return [{"first": first, "end": end} for first, end in pairwise(ends)]
