"""Organisations in memory. Rows are kept, as in a database."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from anyrouter.core.audit import AuditEvent
from anyrouter.core.errors import ClientError
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Environment, Organisation
from anyrouter.storage.memory_audit import MemoryAuditLog
from anyrouter.storage.records import (
    CHANGED_ORGANISATION,
    FIXED_ORGANISATION_COLUMNS,
    NO_ORGANISATION,
    organisation_to_row,
    row_to_organisation,
)

_DEFAULT = Organisation(id=DEFAULT_ORGANISATION_ID, name="Default", created_at=datetime(1970, 1, 1, tzinfo=UTC))


class MemoryOrganisationStore:
    """`OrganisationStore`. `put_environment` keeps the first environments of a new organisation."""

    def __init__(self, log: MemoryAuditLog, *, on_change: Callable[[str], None], put_environment: Callable[[Environment], None]) -> None:
        self._rows: dict[str, dict[str, Any]] = {DEFAULT_ORGANISATION_ID: organisation_to_row(_DEFAULT)}
        self._log, self._on_change, self._put_environment = log, on_change, put_environment

    def is_active(self, organisation_id: str) -> bool:
        """Whether there is such an organisation, and it is active."""
        return bool(self._rows.get(organisation_id, {}).get("is_active"))

    async def list_organisations(self) -> list[Organisation]:
        """All, active or not, oldest first."""
        return [row_to_organisation(row) for row in sorted(self._rows.values(), key=lambda row: (row["created_at_ms"], row["id"]))]

    async def add_organisation(self, organisation: Organisation, first: Sequence[Environment], event: AuditEvent) -> None:
        """Store a new one with its first environments."""
        self._log.append(event)
        self._rows[organisation.id] = organisation_to_row(organisation)
        for environment in first:
            self._put_environment(environment)
        self._on_change(organisation.id)

    async def update_organisation(self, organisation: Organisation, event: AuditEvent) -> None:
        """Replace everything but id and created_at; ClientError `not_found`, `etag_mismatch`."""
        row = self._rows.get(organisation.id)
        if row is None:
            raise ClientError(NO_ORGANISATION)
        if row["version"] != organisation.version - 1:
            raise ClientError(CHANGED_ORGANISATION)
        self._log.append(event)
        row.update((name, value) for name, value in organisation_to_row(organisation).items() if name not in FIXED_ORGANISATION_COLUMNS)
        self._on_change(organisation.id)
