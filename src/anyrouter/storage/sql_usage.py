"""Reads what the usage page shows from the database."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise, product
from operator import add
from typing import Any

from sqlalchemy import Connection, Select

from anyrouter.control.usage_reader import LatencyRow, UsageFilter, UsageRow, UsageSums
from anyrouter.core.latency import BUCKETS
from anyrouter.storage.database import Database
from anyrouter.storage.usage_statement import is_by_day, list_sums, make_latency_statement, make_usage_statement, needs_apps


class SqlUsageReader:
    """`UsageReader`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_usage(self, query: UsageFilter) -> Sequence[UsageRow]:
        """The sums, in no order; groups without any are left out."""
        names, found = list_sums(query), await self._add_up(query, make_usage_statement)
        return [
            UsageRow(time=time, value=value, sums=UsageSums(**dict(zip(names, sums, strict=True)))) for (time, value), sums in found.items()
        ]

    async def read_latencies(self, query: UsageFilter) -> Sequence[LatencyRow]:
        """How long requests took, in no order; groups without any are left out."""
        found = await self._add_up(query, make_latency_statement)
        return [
            LatencyRow(time=time, value=value, latency=tuple(counts[:BUCKETS]), ttft=tuple(counts[BUCKETS:]))
            for (time, value), counts in found.items()
            if any(counts)
        ]

    async def _add_up(self, query: UsageFilter, make: Callable[[UsageFilter], Select[Any]]) -> Mapping[tuple[int, str], Sequence[int]]:
        """The sums by time and value."""

        def work(connection: Connection) -> Mapping[tuple[int, str], Sequence[int]]:
            # Days have hundredfold fewer rows than hours: where no times are told apart, most of a span is read from them.
            spans = (query.span,) if query.by_time or needs_apps(query) else query.span.cut()
            statements = [make(replace(query, span=span)) for span in spans]
            found: dict[tuple[int, str], Sequence[int]] = {}
            for statement, piece in product(statements, _list_pieces(query)):
                for time, value, *sums in connection.execute(statement, piece):
                    if None not in sums:  # what sums of nothing are
                        group, numbers = (int(time), value), list(map(int, sums))
                        found[group] = numbers if group not in found else list(map(add, found[group], numbers))
            return found

        return await self._database.read(work)


def _list_pieces(query: UsageFilter) -> Sequence[Mapping[str, int]]:
    """Parameters for the query's statement: none, or those of one day after the other."""
    if not is_by_day(query):
        return [{}]
    ends = sorted({query.span.first, *range(-(-query.span.first // 24) * 24, query.span.end, 24), query.span.end})
    return [{"first": first, "end": end} for first, end in pairwise(ends)]
