"""Generations as a gateway that has worked for a while has them, written while it does not run."""

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
from anyrouter.storage.opening import open_serving_storage
from support.gateway import GatewayProcess


def make_entry(created_at_ms: int, **fields: Any) -> LedgerEntry:
    """An entry of a generation that went well; fields by name."""
    return LedgerEntry(
        **{
            "generation_id": new_generation_id(created_at_ms),
            "attempt": 1,
            "request_id": new_request_id(created_at_ms),
            "organisation_id": DEFAULT_ORGANISATION_ID,
            "environment_id": "env_gone",
            "environment": "live",
            "api_key_id": "key_gone",
            "rotation_group": "key_gone",
            "endpoint": "chat/completions",
            "model": "openai/gpt-4o",
            "upstream_model": "gpt-4o",
            "provider": "openai",
            "upstream": "openai",
            "created_at_ms": created_at_ms,
            "state": EntryState.SETTLED,
            "status": 200,
            "usage": Usage(input_tokens=1000, output_tokens=200),
            "cost_nanousd": 1_000_000,
            "latency_ms": 500,
            **fields,
        }
    )


def settle(gateway: GatewayProcess, entries: Sequence[LedgerEntry]) -> None:
    """Stop the gateway, write the entries, and start it again: one process at a time writes the ledger."""
    gateway.stop()
    with ThreadPoolExecutor(1) as thread:  # the caller's may have an event loop
        thread.submit(asyncio.run, _settle(gateway.data_dir, entries)).result()
    gateway.start()


async def _settle(data_dir: Path, entries: Sequence[LedgerEntry]) -> None:
    storage = await open_serving_storage(data_dir, environment=os.environ, price_interrupted=lambda _: 0)
    try:
        for entry in entries:
            storage.ledger.settle(*entry.split())
        await storage.ledger.flush()
    finally:
        await storage.aclose()
