"""Passkeys in memory. Rows are kept, as in a database."""

from anyrouter.core.audit import AuditEvent
from anyrouter.core.errors import ClientError
from anyrouter.core.sign_in import Passkey
from anyrouter.storage.memory_audit import MemoryAuditLog
from anyrouter.storage.memory_sign_in_rows import MemorySignInRows, Row
from anyrouter.storage.records import to_ms
from anyrouter.storage.sign_in_rows import KNOWN_PASSKEY, NO_PASSKEY, passkey_to_row, row_to_passkey

_OWN = ("id", "organisation_id", "member_id")


class MemoryPasskeys:
    """The passkeys of `SignInStore`."""

    _log: MemoryAuditLog
    _rows: MemorySignInRows

    async def list_passkeys(self, organisation_id: str, member_id: str) -> list[Passkey]:
        """A member's, oldest first."""
        mine = [row for row in self._rows.passkeys.values() if (row["organisation_id"], row["member_id"]) == (organisation_id, member_id)]
        return [row_to_passkey(row) for row in sorted(mine, key=lambda row: (row["created_at_ms"], row["id"]))]

    async def find_passkey(self, credential_id: bytes) -> Passkey | None:
        """By the authenticator's own id."""
        row = self._find_credential(credential_id)
        return None if row is None else row_to_passkey(row)

    async def add_passkey(self, passkey: Passkey, event: AuditEvent) -> None:
        """Store a new one; ClientError `duplicate_name` when the credential is known already."""
        if self._find_credential(passkey.credential_id) is not None:
            raise ClientError(KNOWN_PASSKEY)
        self._log.append(event)
        self._rows.passkeys[passkey.id] = passkey_to_row(passkey)

    async def use_passkey(self, passkey: Passkey) -> bool:
        """See the port."""
        row = self._find_passkey(passkey)
        if row is None or row["sign_count"] > passkey.sign_count or row["sign_count"] == passkey.sign_count != 0:
            return False
        used_at = passkey.last_used_at
        row.update(sign_count=passkey.sign_count, last_used_at_ms=None if used_at is None else to_ms(used_at))
        return True

    async def rename_passkey(self, passkey: Passkey, event: AuditEvent) -> None:
        """Replace its name; ClientError `not_found`."""
        row = self._find_passkey(passkey)
        if row is None:
            raise ClientError(NO_PASSKEY)
        self._log.append(event)
        row["name"] = passkey.name

    async def delete_passkey(self, passkey: Passkey, event: AuditEvent) -> None:
        """Forget it; ClientError `not_found`."""
        if self._find_passkey(passkey) is None:
            raise ClientError(NO_PASSKEY)
        self._log.append(event)
        del self._rows.passkeys[passkey.id]

    def _find_credential(self, credential_id: bytes) -> Row | None:
        return next((row for row in self._rows.passkeys.values() if row["credential_id"] == credential_id), None)

    def _find_passkey(self, passkey: Passkey) -> Row | None:
        row = self._rows.passkeys.get(passkey.id)
        return row if row is not None and all(row[name] == getattr(passkey, name) for name in _OWN) else None
