"""Usage as CSV (RFC 4180), safe to open in a spreadsheet: a line for each hour or day and value, read and sent in pieces."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from anyrouter.control.usage_range import UsageRange, day_of, find_zone, slices
from anyrouter.control.usage_reader import LatencyRow, Split, Unit, UsageReader, UsageRow, knows_latencies
from anyrouter.control.usage_report import UsageQuestion
from anyrouter.core.latency import find_percentile
from anyrouter.core.money import NANO, format_decimal
from anyrouter.web.api.activity_csv import render_cell
from anyrouter.web.pages.usage_address import UsageAddress

FILE_NAME = "usage.csv"
_DAYS_AT_ONCE = 5
_SUMS = ("requests", "errors", "input_tokens", "output_tokens", "reasoning_tokens", "cache_read_tokens")
_MONEY = {"cost_nanousd": "cost_usd", "upstream_cost_nanousd": "byok_cost_usd"}
_PERCENTS = (50, 95)
_TIMES = tuple(f"{name}_p{percent}_ms" for name in ("latency", "ttft") for percent in _PERCENTS)
NameKeys = Callable[[Iterable[str]], Awaitable[Mapping[str, str]]]


async def write_csv(reader: UsageReader, address: UsageAddress, question: UsageQuestion, name_keys: NameKeys) -> AsyncIterator[str]:
    """The header and the lines, in the order of time. A key is told by its id and its name. Times that are not known are left empty."""
    split = question.split
    by = [] if split is None else ["key_id", "key_name"] if split is Split.KEY else [split.value]
    yield _render([[question.shown.span.unit.value, *by, *_SUMS, *_MONEY.values(), *_TIMES]])
    for span in slices(question.shown, _DAYS_AT_ONCE):
        query = replace(question.filter(question.shown), span=span, split=split)
        rows, times = await asyncio.gather(reader.read_usage(query), reader.read_latencies(query) if knows_latencies(query) else _nothing())
        names = await name_keys({row.value for row in rows}) if split is Split.KEY else {}
        yield await asyncio.to_thread(_write_rows, address.shown, split, rows, times, names)  # thousands of lines


def _write_rows(
    shown: UsageRange, split: Split | None, rows: Sequence[UsageRow], times: Sequence[LatencyRow], names: Mapping[str, str]
) -> str:
    ordered = sorted(rows, key=lambda row: (row.time, row.value))
    latencies = {(some.time, some.value): some for some in times}
    return _render([*_list_cells(shown, split, row, names), *_tell_times(latencies.get((row.time, row.value)))] for row in ordered)


def _tell_times(some: LatencyRow | None) -> list[str]:
    """Those of `_TIMES`, empty where none are known."""
    if some is None:
        return [""] * len(_TIMES)
    percentiles = [find_percentile(counts, percent) for counts in (some.latency, some.ttft) for percent in _PERCENTS]
    return ["" if milliseconds is None else str(milliseconds) for milliseconds in percentiles]


def _list_cells(shown: UsageRange, split: Split | None, row: UsageRow, names: Mapping[str, str]) -> list[str]:
    by = [] if split is None else [row.value, names.get(row.value, "")] if split is Split.KEY else [row.value]
    return [
        _write_time(shown, row.time),
        *(render_cell(text) for text in by),
        *(str(getattr(row.sums, name)) for name in _SUMS),
        *(format_decimal(Decimal(getattr(row.sums, name)) / NANO) for name in _MONEY),
    ]


def _write_time(shown: UsageRange, number: int) -> str:
    if shown.span.unit is Unit.DAY:
        return day_of(number).isoformat()
    return datetime.fromtimestamp(number * 3600, find_zone(shown.zone)).isoformat(timespec="minutes")


def _render(rows: Iterable[Iterable[str]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


async def _nothing() -> Sequence[LatencyRow]:
    return ()
