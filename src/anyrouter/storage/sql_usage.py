"""Reads what the usage page shows from the database."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise, repeat
from operator import add, sub
from typing import Any, TypeVar

from sqlalchemy import Connection, Select

from anyrouter.control.usage_reader import LatencyRow, Piece, UsageFilter, UsageRow, UsageSums, check_latencies
from anyrouter.core.latency import BUCKETS
from anyrouter.storage.client_latency_reading import read_client_latencies
from anyrouter.storage.database import Database
from anyrouter.storage.usage_statement import (
    Columns,
    is_by_day,
    is_moved,
    list_sums,
    make_counts,
    make_moves_statement,
    make_statement,
    make_sums,
    needs_apps,
    needs_keys,
)
from anyrouter.storage.zone_days import cover, list_moves, number_hour

T = TypeVar("T")
_Group = tuple[int, str]
_Sums = Sequence[int]
_TELLING = ("requests", "cost_nanousd")  # where both are nothing there was nothing


class SqlUsageReader:
    """`UsageReader`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_usage(self, query: UsageFilter) -> Sequence[UsageRow]:
        """The sums, in no order; groups without any are left out."""
        if query.names is not None and _takes_away(query):
            query = replace(query, names=tuple(dict.fromkeys((*query.names, *_TELLING))))
        names = list_sums(query)

        def make(found: Mapping[_Group, _Sums]) -> Sequence[UsageRow]:
            return [
                UsageRow(time=time, value=value, sums=UsageSums(**dict(zip(names, sums, strict=True))))
                for (time, value), sums in found.items()
            ]

        return await self._add_up(query, make_sums, make)

    async def read_latencies(self, query: UsageFilter) -> Sequence[LatencyRow]:
        """How long requests took, in no order; groups without any are left out. ValueError for those that are not known."""
        check_latencies(query)
        if needs_keys(query) or needs_apps(query):
            return await self._database.read(lambda connection: read_client_latencies(connection, query))

        def make(found: Mapping[_Group, _Sums]) -> Sequence[LatencyRow]:
            return [
                LatencyRow(time=time, value=value, latency=tuple(counts[:BUCKETS]), ttft=tuple(counts[BUCKETS:]))
                for (time, value), counts in found.items()
                if any(counts)
            ]

        return await self._add_up(query, make_counts, make)

    async def _add_up(
        self, query: UsageFilter, columns: Columns, make_rows: Callable[[Mapping[_Group, _Sums]], Sequence[T]]
    ) -> Sequence[T]:
        """What is made of the sums by time and value, on the reader's thread as well: there may be thousands."""

        def work(connection: Connection) -> Sequence[T]:
            found: dict[_Group, _Sums] = {}
            if is_moved(query):
                _move_hours(connection, query, columns, found)  # first, so that no day lacks an hour that is taken from it
            for piece in _list_pieces(query):
                part = replace(query, span=piece.span)
                statement = make_statement(part, columns)
                for times in _list_times(part):
                    for time, value, sums in _read(connection, statement, times):
                        _add(found, (time, value), sums, sub if piece.is_taken_away else add)
            return make_rows({group: sums for group, sums in found.items() if any(sums)} if _takes_away(query) else found)

        return await self._database.read(work)


def _move_hours(connection: Connection, query: UsageFilter, columns: Columns, found: dict[_Group, _Sums]) -> None:
    """Take hours from the days of UTC that they are on, and give them to those of the zone."""
    span, whole = query.span, cover(query.span)
    utc_days = range(whole.first // 24, whole.end // 24)
    zone_days = range(number_hour(span, span.first), number_hour(span, span.end - 1) + 1)
    hours = [hour for move in list_moves(span) for hour in range(move.first, move.end)]
    if not hours:
        return
    for utc_day, zone_day, value, *sums in connection.execute(make_moves_statement(query, hours, columns)).all():
        if utc_day in utc_days:
            _add(found, (utc_day, value), sums, sub)
        if zone_day in zone_days:
            _add(found, (zone_day, value), sums, add)


def _read(connection: Connection, statement: Select[Any], times: Mapping[str, int]) -> Iterator[tuple[int, str, _Sums]]:
    for row in connection.execute(statement, times).all():
        time, value, *sums = row
        if sums[0] is not None:  # what sums of nothing are
            yield time, value, sums


def _add(found: dict[_Group, _Sums], group: _Group, sums: _Sums, how: Callable[[int, int], int]) -> None:
    known = found.get(group)
    if known is not None or how is not add:
        sums = list(map(how, repeat(0) if known is None else known, sums))
    found[group] = sums


def _list_pieces(query: UsageFilter) -> Sequence[Piece]:
    """What is asked for, in pieces that days answer as far as they can: they have hundredfold fewer rows than hours."""
    if is_moved(query):
        return [Piece(span=cover(query.span))]
    if query.by_time or is_by_day(query):
        return [Piece(span=query.span)]
    return query.span.cut()


def _takes_away(query: UsageFilter) -> bool:
    """Whether a group may be left with nothing: then there was nothing of it in the span."""
    return is_moved(query) or any(piece.is_taken_away for piece in _list_pieces(query))


def _list_times(query: UsageFilter) -> Sequence[Mapping[str, int]]:
    """Parameters for the query's statement: none, or those of one day after the other."""
    if not is_by_day(query):
        return [{}]
    ends = sorted({query.span.first, *range(-(-query.span.first // 24) * 24, query.span.end, 24), query.span.end})
    return [{"first": first, "end": end} for first, end in pairwise(ends)]
