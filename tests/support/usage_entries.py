"""Entries of the ledger, written beside a running gateway by the code that its writer has: any times, keys and apps."""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from anyrouter.core.ids import new_generation_id, new_request_id
from anyrouter.core.ledger import EntryState, LedgerEntry
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.core.usage import Usage
from anyrouter.storage.ledger_rows import record_new
from anyrouter.storage.opening import open_storage
from anyrouter.storage.usage_rows import AppNames


def make_usage_entry(created_at_ms: int, **fields: Any) -> LedgerEntry:
    """An entry; fields by name."""
    return LedgerEntry(
        **{
            "generation_id": new_generation_id(created_at_ms),
            "attempt": 1,
            "request_id": new_request_id(created_at_ms),
            "organisation_id": DEFAULT_ORGANISATION_ID,
            "environment_id": "env_live",
            "environment": "live",
            "api_key_id": "key_1",
            "rotation_group": fields.get("api_key_id", "key_1"),
            "endpoint": "chat/completions",
            "model": "openai/gpt-4o",
            "upstream_model": "gpt-4o",
            "provider": "openai",
            "upstream": "openai",
            "created_at_ms": created_at_ms,
            "is_streamed": True,
            "state": EntryState.SETTLED,
            "status": 200,
            "usage": Usage(input_tokens=1000, output_tokens=100, cache_read_tokens=250),
            "cost_nanousd": 1_000_000_000,
            "latency_ms": 800,
            "ttft_ms": 200,
            **fields,
        }
    )


def record(data_dir: Path, entries: Sequence[LedgerEntry]) -> None:
    """Write them with their sums. On a thread of its own: the caller's may have an event loop."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _record(data_dir, entries)).result()


async def _record(data_dir: Path, entries: Sequence[LedgerEntry]) -> None:
    storage = await open_storage(data_dir, environment=os.environ)
    try:
        told = [entry.split() for entry in entries]
        await storage.database.write(lambda connection: record_new(connection, told, AppNames()))
    finally:
        await storage.aclose()
