"""A new key-encryption key (KEK): the data keys of all secrets are put under it, while requests run. No secret is opened for that.

Stopped anywhere, it goes on where it was: what is under the current KEK already is left alone.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from anyrouter.control.audit import make_event
from anyrouter.control.stores import AuditStore, SealedRow, SealStore
from anyrouter.core.audit import Actor
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.vault import KekUnavailable, KeyEncryption, SealBroken, Vault

_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Rekeyed:
    """What was done. `is_new`: a new KEK was made. `failed` says by the row's id why its data key is still where it was."""

    kek_id: str
    is_new: bool
    rewrapped: int
    failed: Mapping[str, str]


class RekeyService:
    """The operator's. `keys` are the vault's owners of KEKs, the one that is used now first."""

    def __init__(
        self, *, seals: SealStore, audit: AuditStore, vault: Vault, keys: Sequence[KeyEncryption], clock: Callable[[], datetime]
    ) -> None:
        self._seals, self._audit, self._vault, self._keys, self._clock = seals, audit, vault, tuple(keys), clock

    async def rekey(self, actor: Actor) -> Rekeyed:
        """Make a new KEK and put every data key under it. While some are still under another one, that is finished instead.

        Where new KEKs are made elsewhere, every data key is put under the one that is current there.
        """
        current = await self._vault.read_current_id()
        made = None
        if not await self._seals.list_seals(not_under=current, limit=1):
            made = await self._keys[0].make_current()
        kek_id = made or current
        moved, failed = await self._move_all(kek_id)
        for organisation_id, count in sorted(moved.items()):
            event = make_event(actor, organisation_id, "byok.rekey", self._clock(), after={"kek_id": kek_id, "rewrapped": count})
            await self._audit.add_event(event)
        return Rekeyed(kek_id=kek_id, is_new=made is not None, rewrapped=sum(moved.values()), failed=failed)

    async def count(self) -> Mapping[str, int]:
        """How many secrets each KEK is needed for."""
        return await self._seals.count_seals()

    async def remove(self, kek_id: str) -> None:
        """Forget a KEK that nothing is under any more. Backups from before need it: keep a copy as long as those."""
        needed = (await self._seals.count_seals()).get(kek_id, 0)
        if needed:
            message = f"{kek_id} is still needed for {needed} secrets: anyrouter byok rekey puts them under the current one first."
            raise ClientError(Denied(code="unprocessable", message=message))
        owner = next((keys for keys in self._keys if keys.owns(kek_id)), None)
        if owner is None:
            raise ClientError(Denied(code="not_found", message=f"There is no key-encryption key {kek_id}."))
        await owner.remove(kek_id)

    async def _move_all(self, kek_id: str) -> tuple[Counter[str], dict[str, str]]:
        """Whose rows were moved, and which were not. It looks until it finds nothing new: what was sealed a moment ago comes late."""
        moved, failed = Counter[str](), dict[str, str]()
        while await self._move_pass(kek_id, moved, failed):
            pass
        return moved, failed

    async def _move_pass(self, kek_id: str, moved: Counter[str], failed: dict[str, str]) -> bool:
        """Whether there were rows beside those that failed before."""
        is_new, after_id = False, ""
        while rows := await self._seals.list_seals(not_under=kek_id, after_id=after_id, limit=_PAGE):
            for row in rows:
                if row.id in failed:
                    continue
                is_new, reason = True, await self._move(row)
                if reason is None:
                    moved[row.organisation_id] += 1
                elif reason:
                    failed[row.id] = reason
            after_id = rows[-1].id
        return is_new

    async def _move(self, row: SealedRow) -> str | None:
        """None when it was moved, else why not; empty when somebody has sealed it anew meanwhile, which is under the current KEK."""
        try:
            new = await self._vault.rewrap(row.id, row.sealed)
        except (SealBroken, KekUnavailable) as error:
            return error.internal
        return None if await self._seals.replace_seal(row, new) else ""
