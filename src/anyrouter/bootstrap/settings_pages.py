"""What the settings' pages are over. Imported with the pages."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from anyrouter.bootstrap.services import Services, wall_clock
from anyrouter.control.budget_usage import BudgetUsage
from anyrouter.control.installation import Installation
from anyrouter.control.proofs import ProofReader
from anyrouter.core.apikey import ApiKey
from anyrouter.core.tenancy import Environment, Organisation
from anyrouter.policy.limit import LimitState
from anyrouter.relay.call import Principal
from anyrouter.relay.limiter import RateLimiter
from anyrouter.relay.terms import make_terms
from anyrouter.storage.opening import Storage
from anyrouter.web.pages.settings_ports import EnvironmentLoad, SettingsPorts

_PRICES = "genai-prices"
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def make_settings_ports(storage: Storage, services: Services, limiter: RateLimiter) -> SettingsPorts:
    """Over a store that is open, and the counters of the relay."""
    return SettingsPorts(
        budget_usage=BudgetUsage(spend=storage.spend, clock=wall_clock),
        proofs=ProofReader(store=storage.sign_in, sessions=services.sessions),
        installation=_look_at(storage),
        environment_load=lambda environment: read_load(limiter, environment),
    )


def read_load(limiter: RateLimiter, environment: Environment) -> EnvironmentLoad:
    """How an environment's limits stand: those that hold for a key without limits of its own."""
    principal, now_s = _anybody(environment), time.monotonic()
    requests = limiter.peek(principal, now_s) if environment.rate_limit_rpm is not None else None
    terms = make_terms(principal)
    shown: dict[str, LimitState] = {}
    if terms is not None:
        shown = {row.name: row.state for row in limiter.show(terms, now_s, time.time_ns() // 1_000_000)}
    return EnvironmentLoad(requests=requests, tokens=shown.get("tokens"), running=shown.get("concurrency"))


def _anybody(environment: Environment) -> Principal:
    """Whoever has a key of the environment that restricts nothing. There is no such key: nothing is counted for it."""
    key = ApiKey(
        id="",
        organisation_id=environment.organisation_id,
        environment_id=environment.id,
        environment=environment.slug,
        name="",
        label="",
        digest=b"",
        pepper_version=0,
        rotation_group="",
        scopes=frozenset(),
        created_at=_LONG_AGO,
        updated_at=_LONG_AGO,
    )
    return Principal(
        key=key, environment=environment, organisation=Organisation(id=environment.organisation_id, name="", created_at=_LONG_AGO)
    )


def _look_at(storage: Storage) -> Callable[[], Awaitable[Installation]]:
    database = f"SQLite {sqlite3.sqlite_version}, in the data directory" if storage.database.is_sqlite else "PostgreSQL"

    async def look() -> Installation:
        size = await asyncio.to_thread(measure, storage.directory.path)
        return Installation(database=database, data_bytes=size, prices=f"{_PRICES} {metadata.version(_PRICES)}")

    return look


def measure(directory: Path) -> int | None:
    """The bytes of all files below a directory; None when it cannot be read. What vanishes meanwhile is left out."""
    if not os.access(directory, os.R_OK | os.X_OK):
        return None
    total = 0
    for place, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118 -- a Path for each of many files
            except OSError:
                continue
    return total
