"""Audit events as files: CSV that is safe to open in a spreadsheet, and JSON Lines from which the chain can be computed anew."""

import csv
import io
from collections.abc import Iterable
from typing import Any

import msgspec

from anyrouter.control.audit_rows import describe_event
from anyrouter.core.audit import ChainedEvent
from anyrouter.web.api.activity_csv import render_cell

COLUMNS = (
    "number",
    "at",
    "action",
    "denied",
    "code",
    "actor_kind",
    "actor_id",
    "actor_label",
    "address",
    "user_agent",
    "request_id",
    "trace_id",
    "target_id",
    "target_label",
    "environment",
    "organisation_id",
    "before",
    "after",
    "id",
    "previous",
    "hash",
)


def render_csv_head() -> str:
    """The line of names."""
    return _write([COLUMNS])


def render_csv_rows(links: Iterable[ChainedEvent]) -> str:
    """One line for each event; `before` and `after` as JSON."""
    return _write([render_cell(cells[column]) for column in COLUMNS] for cells in map(_flatten, links))


def render_jsonl(links: Iterable[ChainedEvent]) -> str:
    """One JSON object for each event, as the API shows it."""
    return "".join(f"{msgspec.json.encode(describe_event(link)).decode()}\n" for link in links)


def _flatten(link: ChainedEvent) -> dict[str, Any]:
    row = describe_event(link)
    actor = row.pop("actor")
    return {
        **row,
        **actor,
        **{f"actor_{name}": actor[name] for name in ("kind", "id", "label")},
        "id": row["id"],
        "denied": "true" if row["denied"] else "false",
        "before": msgspec.json.encode(row["before"]).decode(),
        "after": msgspec.json.encode(row["after"]).decode(),
    }


def _write(rows: Iterable[Iterable[str]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()
