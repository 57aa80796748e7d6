"""Environments in memory. Rows are kept, as in a database."""

from collections.abc import Callable
from typing import Any

from anyrouter.control.environments import CHANGED_ENVIRONMENT, NO_ENVIRONMENT
from anyrouter.core.audit import AuditEvent
from anyrouter.core.errors import ClientError
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Environment, EnvironmentKind
from anyrouter.storage.memory_audit import MemoryAuditLog
from anyrouter.storage.records import (
    FIXED_ENVIRONMENT_COLUMNS,
    environment_to_row,
    row_to_environment,
    taken_environment,
)


class MemoryEnvironmentStore:
    """`EnvironmentStore`, with the two that every database has at its beginning."""

    def __init__(self, log: MemoryAuditLog, *, on_change: Callable[[str], None]) -> None:
        self._rows: dict[str, dict[str, Any]] = {}
        self._log, self._on_change = log, on_change
        for slug, name, kind in (("live", "Live", EnvironmentKind.LIVE), ("test", "Test", EnvironmentKind.SANDBOX)):
            self.keep(Environment(id=f"env_{slug}", organisation_id=DEFAULT_ORGANISATION_ID, slug=slug, name=name, kind=kind))

    async def list_environments(self, organisation_id: str) -> list[Environment]:
        """All of an organisation's, inactive and deleted ones too, by slug."""
        mine = [row for row in self._rows.values() if row["organisation_id"] == organisation_id]
        return [row_to_environment(row) for row in sorted(mine, key=lambda row: str(row["slug"]))]

    async def add_environment(self, environment: Environment, event: AuditEvent) -> None:
        """Store a new one; ClientError `duplicate_name` when its organisation has or had one of that slug."""
        place = (environment.organisation_id, environment.slug)
        if any((row["organisation_id"], row["slug"]) == place for row in self._rows.values()):
            raise ClientError(taken_environment(environment))
        self._log.append(event)
        self.keep(environment)
        self._on_change(environment.organisation_id)

    async def update_environment(self, environment: Environment, event: AuditEvent) -> None:
        """Replace everything but id, organisation, slug and kind; ClientError `not_found`, `etag_mismatch`."""
        row = self._rows.get(environment.id)
        if row is None or row["organisation_id"] != environment.organisation_id:
            raise ClientError(NO_ENVIRONMENT)
        if row["version"] != environment.version - 1:
            raise ClientError(CHANGED_ENVIRONMENT)
        self._log.append(event)
        row.update((name, value) for name, value in environment_to_row(environment).items() if name not in FIXED_ENVIRONMENT_COLUMNS)
        self._on_change(environment.organisation_id)

    def keep(self, environment: Environment) -> None:
        """Keep it, and tell nobody: whoever does that tells."""
        self._rows[environment.id] = environment_to_row(environment)
