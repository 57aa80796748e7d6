"""Reads what the usage page shows from the database."""

from collections.abc import Sequence

from sqlalchemy import Connection

from anyrouter.control.usage_reader import LatencyRow, UsageFilter, UsageRow, UsageSums
from anyrouter.core.latency import BUCKETS
from anyrouter.storage.database import Database
from anyrouter.storage.usage_rows import USAGE_SUMS
from anyrouter.storage.usage_statement import make_latency_statement, make_usage_statement


class SqlUsageReader:
    """`UsageReader`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_usage(self, query: UsageFilter) -> Sequence[UsageRow]:
        """The sums, in no order; groups without any are left out."""
        statement = make_usage_statement(query)

        def work(connection: Connection) -> list[UsageRow]:
            return [
                UsageRow(
                    time=int(time), value=value, sums=UsageSums(**{name: int(sum_) for name, sum_ in zip(USAGE_SUMS, sums, strict=True)})
                )
                for time, value, *sums in connection.execute(statement)
                if None not in sums
            ]

        return await self._database.read(work)

    async def read_latencies(self, query: UsageFilter) -> Sequence[LatencyRow]:
        """How long requests took, in no order; groups without any are left out."""
        statement = make_latency_statement(query)

        def work(connection: Connection) -> list[LatencyRow]:
            rows = []
            for time, value, *sums in connection.execute(statement):
                counts = tuple(int(sum_ or 0) for sum_ in sums)
                if any(counts):
                    rows.append(LatencyRow(time=int(time), value=value, latency=counts[:BUCKETS], ttft=counts[BUCKETS:]))
            return rows

        return await self._database.read(work)
