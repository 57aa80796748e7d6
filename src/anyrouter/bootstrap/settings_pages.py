"""What the settings' pages are over. Imported with the pages."""

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable
from importlib import metadata
from pathlib import Path

from anyrouter.bootstrap.services import Services, wall_clock
from anyrouter.control.budget_usage import BudgetUsage
from anyrouter.control.installation import Installation
from anyrouter.control.proofs import ProofReader
from anyrouter.storage.opening import Storage
from anyrouter.web.pages.settings_ports import SettingsPorts

_PRICES = "genai-prices"


def make_settings_ports(storage: Storage, services: Services) -> SettingsPorts:
    """Over a store that is open."""
    return SettingsPorts(
        budget_usage=BudgetUsage(spend=storage.spend, clock=wall_clock),
        proofs=ProofReader(store=storage.sign_in, sessions=services.sessions),
        installation=_look_at(storage),
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
