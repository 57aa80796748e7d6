"""Two months of requests, written beside a running gateway as if it had served them: always the same ones, ending now."""

import asyncio
import math
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from anyrouter.core.apikey import ApiKey
from anyrouter.core.ledger import AttemptRecord, EntryState, LedgerEntry
from anyrouter.core.usage import Usage
from anyrouter.storage.journal_ledger import record_group
from anyrouter.storage.key_use import BatchedKeyUse
from anyrouter.storage.opening import open_storage
from anyrouter.storage.usage_rows import AppNames
from support.gateway import GatewayProcess

DAYS = 60
_HOUR_MS = 3_600_000
_GROUP = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class _Program:
    """What asks: its key's name, its app, how many requests an hour of a working day, and the models it asks."""

    key: str
    app: str
    hourly: int
    models: tuple[str, ...]
    environment: str = "live"
    options: tuple[str, ...] = ()  # of its key
    client: tuple[str, str] | None = None  # the address and user agent of its last request


@dataclass(frozen=True, slots=True, kw_only=True)
class _Model:
    """A model's provider and its price in nano-dollars a token, in and out; `first_ms` until it begins."""

    provider: str
    input_nanousd: int
    output_nanousd: int
    first_ms: int


_MODELS = {
    "openai/gpt-4o-mini": _Model(provider="openai", input_nanousd=150, output_nanousd=600, first_ms=310),
    "openai/gpt-4.1": _Model(provider="openai", input_nanousd=2_000, output_nanousd=8_000, first_ms=520),
    "anthropic/claude-sonnet-4-5": _Model(provider="anthropic", input_nanousd=3_000, output_nanousd=15_000, first_ms=690),
    "google/gemini-2.5-flash": _Model(provider="google", input_nanousd=300, output_nanousd=2_500, first_ms=280),
}
_PROGRAMS = (
    _Program(
        key="support-chat",
        app="Support chat",
        hourly=9,
        models=("openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5"),
        options=("--limit", "25", "--limit-reset", "monthly", "--rpm", "600", "--expires", "80d"),
        client=("203.0.113.24", "OpenAI/Python 1.99.1"),
    ),
    _Program(
        key="code-review",
        app="Code review",
        hourly=3,
        models=("anthropic/claude-sonnet-4-5", "openai/gpt-4.1"),
        options=("--limit", "11", "--limit-reset", "monthly", "--expires", "6d", "--model", "anthropic/*", "--model", "openai/*"),
        client=("203.0.113.7", "Anthropic/JS 0.65.0"),
    ),
    _Program(
        key="search-summaries",
        app="Search",
        hourly=12,
        models=("google/gemini-2.5-flash", "openai/gpt-4o-mini"),
        options=("--limit", "12", "--limit-reset", "monthly", "--expires", "200d", "--allow-ip", "198.51.100.0/24"),
        client=("198.51.100.40", "google-genai-sdk/1.38.0 gl-python/3.12"),
    ),
    _Program(
        key="nightly-reports",
        app="Reports",
        hourly=2,
        models=("openai/gpt-4.1",),
        options=("--limit", "1", "--limit-reset", "daily", "--expires", "300d"),
        client=("203.0.113.80", "langchain-openai/0.3 Python/3.11"),
    ),
    _Program(
        key="integration-tests",
        app="CI",
        hourly=2,
        models=("openai/gpt-4o-mini",),
        environment="test",
        options=("--rpm", "60", "--limit", "5"),
    ),
)


def write_months(gateway: GatewayProcess) -> int:
    """Makes a key for each program and records what they asked for in the last 60 days. Returns the number of requests.

    On a thread of its own: the caller's may have an event loop.
    """
    ids = [_make_key(gateway, program) for program in _PROGRAMS]
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _record(gateway.data_dir, ids)).result()


def _make_key(gateway: GatewayProcess, program: _Program) -> str:
    created = gateway.command("keys", "create", "--name", program.key, "--env", program.environment, *program.options)
    return str(created["data"]["id"])


async def _record(data_dir: Path, ids: list[str]) -> int:
    storage = await open_storage(data_dir, environment=os.environ)
    try:
        keys = {key.name: key for key in await storage.keys.find_by_ids(ids)}
        entries = _make_entries(keys, random.Random(7), now_ms=time.time_ns() // 1_000_000)
        names = AppNames()
        for begin in range(0, len(entries), _GROUP):
            rejected = record_group(storage.database, [entry.split() for entry in entries[begin : begin + _GROUP]], names)
            assert rejected == []
        uses = BatchedKeyUse(storage.database)
        for program in _PROGRAMS:
            if program.client is not None:
                uses.note(keys[program.key].id, max(entry.created_at_ms for entry in entries), *program.client)
        await uses.flush()
    finally:
        await storage.aclose()
    return len(entries)


def _make_entries(keys: dict[str, ApiKey], chance: random.Random, now_ms: int) -> list[LedgerEntry]:
    entries: list[LedgerEntry] = []
    for hour in range(DAYS * 24, 0, -1):
        begin_ms = now_ms - hour * _HOUR_MS
        for program in _PROGRAMS:
            wanted = program.hourly * _busy(begin_ms) * (1.4 - hour / (DAYS * 24) * 0.8)
            entries += [
                _make_entry(f"gen-past-{len(entries) + n}", program, keys[program.key], begin_ms, chance)
                for n in range(int(wanted + chance.random()))
            ]
    return entries


def _busy(at_ms: int) -> float:
    """How much of the day's height an hour has: people work by day, and less at the weekend."""
    hour, day = at_ms // _HOUR_MS % 24, at_ms // (24 * _HOUR_MS)
    weekend = (day + 3) % 7 in {5, 6}
    return (0.35 if weekend else 1.0) * max(0.08, math.sin((hour - 5) / 24 * 2 * math.pi) * 0.55 + 0.45)


def _make_entry(generation_id: str, program: _Program, key: ApiKey, begin_ms: int, chance: random.Random) -> LedgerEntry:
    name = chance.choices(program.models, weights=range(len(program.models), 0, -1))[0]
    model = _MODELS[name]
    asked, answered = chance.randint(200, 4_000), chance.randint(30, 900)
    cached = asked // 2 if chance.random() < 0.35 else 0
    first_ms = int(model.first_ms * chance.lognormvariate(0, 0.35))
    is_failed = chance.random() < 0.012
    is_sandbox = program.environment == "test"
    cost = 0 if is_failed else asked * model.input_nanousd + answered * model.output_nanousd
    total_ms = first_ms + 5 * answered
    return LedgerEntry(
        generation_id=generation_id,
        attempt=0,
        request_id=generation_id.replace("gen", "req"),
        organisation_id=key.organisation_id,
        environment_id=key.environment_id,
        environment=program.environment,
        api_key_id=key.id,
        rotation_group=key.rotation_group,
        endpoint="chat/completions",
        model=name,
        upstream_model=name.partition("/")[2],
        provider="sandbox" if is_sandbox else model.provider,
        upstream="sandbox" if is_sandbox else model.provider,
        created_at_ms=begin_ms + chance.randrange(_HOUR_MS),
        is_streamed=True,
        app_title=program.app,
        user_agent="openai-python/1.99",
        state=EntryState.FAILED if is_failed else EntryState.SETTLED,
        status=502 if is_failed else 200,
        usage=Usage() if is_failed else Usage(input_tokens=asked, output_tokens=answered, cache_read_tokens=cached),
        cost_nanousd=0 if is_sandbox else cost,
        shadow_cost_nanousd=cost if is_sandbox else 0,
        error_code="upstream_error" if is_failed else None,
        finish_reason=None if is_failed else "stop",
        latency_ms=first_ms if is_failed else total_ms,
        ttft_ms=None if is_failed else first_ms,
        generation_ms=0 if is_failed else total_ms - first_ms,
        overhead_us=chance.randint(300, 700),
        attempts=(
            AttemptRecord(
                upstream=model.provider, provider=model.provider, model=name, status=502 if is_failed else 200, latency_ms=first_ms
            ),
        ),
    )
