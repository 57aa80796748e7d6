"""What was refused on the control plane, on record: enough to see who tries what, and never a way to fill the database.

A denial is a denial whatever becomes of its record: nothing here raises, and nothing waits for a store that does not answer.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable

import structlog

from anyrouter.control.stores import AuditStore
from anyrouter.core.audit import AuditEvent
from anyrouter.policy.limit import SlidingLog

PER_MINUTE = 30
_MAX_ACTORS = 10_000
PATIENCE_S = 1.0
_log = structlog.get_logger(__name__)


class DenialLog:
    """Writes at most `per_minute` denials of each actor; of the others, and of those that could not be written, there is a count.

    Of who is nobody yet it is as many for each target: guesses at one member's password leave room for those at another's.
    """

    def __init__(
        self, *, store: AuditStore, monotonic: Callable[[], float], per_minute: int = PER_MINUTE, patience_s: float = PATIENCE_S
    ) -> None:
        self._store, self._monotonic, self._per_minute, self._patience_s = store, monotonic, per_minute, patience_s
        self._written: OrderedDict[tuple[str, str | None], SlidingLog] = OrderedDict()
        self.left_out = self.failed = 0

    async def note(self, event: AuditEvent) -> None:
        """Write the event of a denial, if its actor has not had too many."""
        if not self._take(event):
            self.left_out += 1
            return
        try:
            async with asyncio.timeout(self._patience_s):
                await self._store.add_event(event)
        except Exception as error:  # noqa: BLE001 -- the denial itself must reach its client
            self.failed += 1
            _log.warning("denial_not_recorded", organisation=event.organisation_id, action=event.action, error=type(error).__name__)

    def _take(self, event: AuditEvent) -> bool:
        place = (event.organisation_id, event.actor.id or event.target_id)
        log = self._written.get(place)
        if log is None:
            log = self._written[place] = SlidingLog(self._per_minute)
            if len(self._written) > _MAX_ACTORS:
                self._written.popitem(last=False)
        self._written.move_to_end(place)
        return log.admit(self._monotonic()) is not None
