"""Finds one generation for the key that asks. Whatever the key may not see is as absent as what never was."""

import re
from collections.abc import Awaitable, Callable

from anyrouter.control.ports import LedgerReader
from anyrouter.core import scopes
from anyrouter.core.apikey import ApiKey
from anyrouter.core.ledger import LedgerEntry

_ID = re.compile(r"[!-~]{1,256}", re.ASCII)


class GenerationService:
    """Reads what is settled and not yet in the database first, so that a generation can be read when its reply ends."""

    def __init__(self, *, ledger: LedgerReader, find_pending: Callable[[str], Awaitable[LedgerEntry | None]]) -> None:
        self._ledger, self._find_pending = ledger, find_pending

    async def find(self, viewer: ApiKey, generation_id: str) -> LedgerEntry | None:
        """The generation by our id or the upstream's own, if `viewer` may see it; StorageUnavailable when nobody can say.

        A key sees its rotation group's, an admin key its environment's.
        """
        if not _ID.fullmatch(generation_id):
            return None
        pending = await self._find_pending(generation_id)
        if pending is not None and _is_visible(pending, viewer):
            return pending
        entry = await self._ledger.find_entry(viewer.organisation_id, viewer.environment_id, generation_id)
        return entry if entry is not None and _is_visible(entry, viewer) else None


def _is_visible(entry: LedgerEntry, viewer: ApiKey) -> bool:
    if (entry.organisation_id, entry.environment_id) != (viewer.organisation_id, viewer.environment_id):
        return False
    return entry.rotation_group == viewer.rotation_group or scopes.is_admin(viewer.scopes)
