"""How long requests took by key and by app, for each hour and day, counted in the transaction of the entries.

Compatibility law: a row's counts are a JSON object, of a bucket how many are in it. Buckets are those of `core.latency` to the last byte,
and those larger by `BUCKETS` to the first token. Those without any are left out, so that a row is small: there may be a thousand keys an
hour.

The tables of models have a column for each bucket, which the database adds up. Here the writer does: it asks for the counts that there
are, and writes them with the new ones. On PostgreSQL it makes the rows and locks them by asking, since other processes write them too.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import Connection

from anyrouter.control.usage_reader import Split, Unit
from anyrouter.storage.schema_money import client_latencies

Row = tuple[Any, ...]
Counts = Mapping[int, int]
_KEY = tuple(column.name for column in client_latencies.primary_key.columns)
_COLUMNS = (*_KEY, "counts")
_LARGEST_QUESTION = 128  # rows: older versions of SQLite take no more than 999 parameters
_HOUR, _DAY, _BY_KEY, _BY_APP = (str(name) for name in (Unit.HOUR, Unit.DAY, Split.KEY, Split.APP))
_read_place = itemgetter("hour", "organisation_id", "environment")
_read_clients = itemgetter("rotation_group", "app", "buckets")
_encode = msgspec.json.Encoder().encode
read_counts = msgspec.json.Decoder(dict[int, int]).decode


def sum_by_client(rows: Iterable[Mapping[str, Any]]) -> list[tuple[Row, Counts]]:
    """Keys of `client_latencies` with the counts of their requests, in order: processes must not deadlock."""
    found: dict[Row, Counter[int]] = {}
    for (hour, organisation_id, environment), (keys, apps) in _gather(rows).items():
        for split, clients in ((_BY_KEY, keys), (_BY_APP, apps)):
            for value, buckets in clients.items():
                counts = found[_HOUR, hour, organisation_id, split, value, environment] = Counter(buckets)
                day = (_DAY, hour // 24, organisation_id, split, value, environment)
                found[day] = found[day] + counts if day in found else counts
    return sorted(found.items())


def count_by_client(connection: Connection, sums: Sequence[tuple[Row, Counts]]) -> None:
    """Add such counts to those that are there."""
    paramstyle = connection.dialect.paramstyle
    for first in range(0, len(sums), _LARGEST_QUESTION):
        some = sums[first : first + _LARGEST_QUESTION]
        wanted = tuple(chain.from_iterable(key for key, _ in some))
        found = connection.exec_driver_sql(_write_question(paramstyle, len(some)), wanted).all()
        known = {row[:-1]: row[-1] for row in found}
        rows = [(*key, _add(known.get(key), counts)) for key, counts in some]
        connection.exec_driver_sql(_write_answer(paramstyle), rows)


def _gather(rows: Iterable[Mapping[str, Any]]) -> Mapping[Row, tuple[dict[str, list[int]], dict[str, list[int]]]]:
    """The buckets by keys and by apps, of each hour, organisation and environment."""
    places: dict[Row, tuple[dict[str, list[int]], dict[str, list[int]]]] = {}
    last = None
    for row in rows:
        place = _read_place(row)
        if place != last:
            keys, apps = places.setdefault(place, (defaultdict(list), defaultdict(list)))
            last = place
        key, app, buckets = _read_clients(row)
        if buckets:
            keys[key] += buckets
            apps[app] += buckets
    return places


def _add(known: str | None, counts: Counts) -> str:
    if known is not None:
        total = read_counts(known)
        for bucket, number in counts.items():
            total[bucket] = total.get(bucket, 0) + number
        counts = total
    return _encode(counts).decode()


@cache
def _write_question(paramstyle: str, count: int) -> str:
    """For the rows with so many keys. Each is a part of the statement's text: one step of the database, and one way to it."""
    names = ", ".join(_KEY)
    if paramstyle == "qmark":
        marks = ", ".join([f"({', '.join('?' * len(_KEY))})"] * count)
        return (
            f"WITH wanted ({names}) AS (VALUES {marks}) "  # noqa: S608 -- names of the schema
            f"SELECT {names}, counts FROM wanted CROSS JOIN client_latencies USING ({names})"  # the order of a cross join is kept
        )
    marks = ", ".join([f"({', '.join(['%s'] * len(_KEY))}, '{{}}')"] * count)
    insert = f"INSERT INTO client_latencies ({names}, counts) VALUES {marks}"  # noqa: S608 -- as above
    return f"{insert} ON CONFLICT ({names}) DO UPDATE SET counts = client_latencies.counts RETURNING {names}, counts"


@cache
def _write_answer(paramstyle: str) -> str:
    marks = ", ".join(["?" if paramstyle == "qmark" else "%s"] * len(_COLUMNS))
    insert = f"INSERT INTO client_latencies ({', '.join(_COLUMNS)}) VALUES ({marks})"  # noqa: S608 -- names of the schema
    return f"{insert} ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET counts = excluded.counts"
