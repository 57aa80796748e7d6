"""Provider credentials and seals in memory. Rows are kept, as in a database, so that nothing is kept which a row cannot say."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from anyrouter.control.stores import SealedRow
from anyrouter.core.audit import AuditEvent
from anyrouter.core.byok import ProviderCredential, Sealed
from anyrouter.core.errors import ClientError
from anyrouter.storage.credential_rows import (
    CHANGED_CREDENTIAL,
    NO_CREDENTIAL,
    changed_columns,
    credential_to_row,
    place_in_order,
    row_to_credential,
    row_to_seal,
    seal_to_row,
    taken_name,
)
from anyrouter.storage.memory_audit import MemoryAuditLog
from anyrouter.storage.records import to_ms

Row = dict[str, Any]


class MemoryCredentialStore:
    """`CredentialStore`. `rows` are the rows by id, which `MemorySealStore` sees too."""

    def __init__(self, log: MemoryAuditLog, *, on_change: Callable[[str], None]) -> None:
        self.rows: dict[str, Row] = {}
        self._log, self._on_change = log, on_change

    async def list_credentials(self, organisation_id: str, *, environment_id: str | None = None) -> list[ProviderCredential]:
        """All, in the order in which they are tried: provider, sort order, id."""
        mine = [row for row in self.rows.values() if row["organisation_id"] == organisation_id]
        wanted = [row_to_credential(row) for row in mine if environment_id in {None, row["environment_id"]}]
        return sorted(wanted, key=place_in_order)

    async def find_credential(self, organisation_id: str, credential_id: str) -> ProviderCredential | None:
        """One by its id."""
        row = self.rows.get(credential_id)
        return row_to_credential(row) if row is not None and row["organisation_id"] == organisation_id else None

    async def add_credential(self, credential: ProviderCredential, event: AuditEvent) -> None:
        """Store a new one; ClientError `duplicate_name`."""
        self._check_name(credential)
        self._log.append(event)
        self.rows[credential.id] = credential_to_row(credential)
        self._on_change(credential.organisation_id)

    async def update_credential(self, credential: ProviderCredential, event: AuditEvent) -> None:
        """See the port."""
        row = self._find(credential)
        if row["version"] != credential.version - 1:
            raise ClientError(CHANGED_CREDENTIAL)
        self._check_name(credential)
        self._log.append(event)
        row.update(changed_columns(credential))
        self._on_change(credential.organisation_id)

    async def delete_credential(self, credential: ProviderCredential, event: AuditEvent) -> None:
        """Forget it; ClientError `not_found`."""
        row = self._find(credential)
        self._log.append(event)
        del self.rows[row["id"]]
        self._on_change(credential.organisation_id)

    async def note_quarantine(self, organisation_id: str, credential_id: str, until: datetime | None, reason: str | None) -> None:
        """See the port."""
        row = self.rows.get(credential_id)
        if row is not None and row["organisation_id"] == organisation_id:
            row.update(quarantined_until_ms=None if until is None else to_ms(until), quarantine_reason=reason)
        self._on_change(organisation_id)

    def _find(self, credential: ProviderCredential) -> Row:
        row = self.rows.get(credential.id)
        if row is None or row["organisation_id"] != credential.organisation_id:
            raise ClientError(NO_CREDENTIAL)
        return row

    def _check_name(self, credential: ProviderCredential) -> None:
        name = (credential.environment_id, credential.provider, credential.name)
        for row in self.rows.values():
            if (row["environment_id"], row["provider"], row["name"]) == name and row["id"] != credential.id:
                raise ClientError(taken_name(credential))


class MemorySealStore:
    """`SealStore` over the rows of other stores, which have them by the id under which their data keys are wrapped."""

    def __init__(self, *tables: Mapping[str, Row], on_change: Callable[[str], None]) -> None:
        self._tables, self._on_change = tables, on_change

    async def list_seals(self, *, not_under: str, after_id: str = "", limit: int = 100) -> list[SealedRow]:
        """Those whose data key is not under that key-encryption key, by id, those behind `after_id`."""
        wanted = [(row_id, row) for row_id, row in self._rows() if row["kek_id"] not in {not_under, ""} and row_id > after_id]
        return [
            SealedRow(id=row_id, organisation_id=row["organisation_id"], sealed=row_to_seal(row))
            for row_id, row in sorted(wanted, key=lambda found: found[0])[:limit]
        ]

    async def count_seals(self) -> Mapping[str, int]:
        """How many there are under each key-encryption key."""
        return Counter(row["kek_id"] for _, row in self._rows() if row["kek_id"])

    async def find_seal(self, row_id: str) -> SealedRow | None:
        """See the port."""
        found = next((row for known_id, row in self._rows() if known_id == row_id and row["kek_id"]), None)
        return None if found is None else SealedRow(id=row_id, organisation_id=found["organisation_id"], sealed=row_to_seal(found))

    async def replace_seal(self, row: SealedRow, new: Sealed) -> bool:
        """See the port."""
        found = next((stored for row_id, stored in self._rows() if row_id == row.id and row_to_seal(stored) == row.sealed), None)
        if found is None:
            return False
        found.update(seal_to_row(new))
        self._on_change(row.organisation_id)
        return True

    def _rows(self) -> list[tuple[str, Row]]:
        return [found for table in self._tables for found in table.items()]
