"""Authenticator apps and recovery codes in memory. Rows are kept, as in a database."""

from anyrouter.core.audit import AuditEvent
from anyrouter.core.sign_in import SecondFactor
from anyrouter.storage.credential_rows import SEAL_COLUMNS
from anyrouter.storage.memory_audit import MemoryAuditLog
from anyrouter.storage.memory_sign_in_rows import MemorySignInRows
from anyrouter.storage.sign_in_rows import codes_to_text, factor_to_row, row_to_factor, text_to_codes

_SECRET = ("nonce", "ciphertext")


class MemorySecondFactors:
    """The second factors of `SignInStore`."""

    _log: MemoryAuditLog
    _rows: MemorySignInRows

    async def find_second_factor(self, member_id: str) -> SecondFactor | None:
        """A member's, confirmed or not."""
        row = self._rows.factors.get(member_id)
        return None if row is None else row_to_factor(row)

    async def put_second_factor(self, factor: SecondFactor, event: AuditEvent | None = None) -> None:
        """See the port."""
        if event is not None:
            self._log.append(event)
        old, new = self._rows.factors.get(factor.member_id), factor_to_row(factor)
        if old is not None and all(old[name] == new[name] for name in _SECRET):
            new |= {name: old[name] for name in SEAL_COLUMNS} | {"last_step": max(old["last_step"], factor.last_step)}
        self._rows.factors[factor.member_id] = new

    async def delete_second_factor(self, factor: SecondFactor, event: AuditEvent) -> None:
        """See the port."""
        row = self._rows.factors.get(factor.member_id)
        if row is not None and row["organisation_id"] == factor.organisation_id:
            self._log.append(event)
            del self._rows.factors[factor.member_id]

    async def take_step(self, member_id: str, step: int) -> bool:
        """Note a time step as used; False when it, or a later one, was used before: of two at once one is refused."""
        row = self._rows.factors.get(member_id)
        if row is None or row["last_step"] >= step:
            return False
        row["last_step"] = step
        return True

    async def take_recovery(self, member_id: str, digest: bytes, event: AuditEvent) -> bool:
        """Use up a recovery code; False when it is not there: of two at once one is refused."""
        row = self._rows.factors.get(member_id)
        codes = () if row is None else text_to_codes(row["recovery"])
        if row is None or digest not in codes:
            return False
        self._log.append(event)
        row["recovery"] = codes_to_text(tuple(code for code in codes if code != digest))
        return True
