"""Changes that are asked for twice and made once: a change with an Idempotency-Key has one reply, for a day. Knows no HTTP.

A key is taken before the change and settled after it. When the store does not take the settlement, it is kept here and made up for
before the key is looked at again; a process that dies in between leaves the key taken, since nobody knows whether the change was made.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog

from anyrouter.control.stores import IdempotencyStore, StoredReply
from anyrouter.core.errors import ClientError, Denied, InternalError

KEPT = timedelta(hours=24)
_MAX_UNSETTLED = 1000
_log = structlog.get_logger(__name__)

IN_PROGRESS = Denied(
    code="idempotency_in_progress",
    param="Idempotency-Key",
    message="The first request with this Idempotency-Key has no reply yet. Repeat it in a moment; if this stays so, look whether "
    "the change was made, and use another key.",
    retry_after_s=1.0,
)
REUSED = Denied(
    code="idempotency_key_reused",
    param="Idempotency-Key",
    message="This Idempotency-Key was used for another request within the last 24 hours. Use a new one for a new request.",
)


class IdempotencyService:
    """One change at a time: `begin`, then `keep` its reply or `free` its key. `clock` gives aware UTC times."""

    def __init__(self, *, store: IdempotencyStore, clock: Callable[[], datetime]) -> None:
        self._store, self._clock = store, clock
        self._unsettled: OrderedDict[tuple[str, str], StoredReply | None] = OrderedDict()

    async def begin(self, principal_id: str, idempotency_key: str, organisation_id: str, request_digest: bytes) -> StoredReply:
        """The reply to give again, or one without a status: then the key is taken, and the change is to be made.

        ClientError when another request has the key, or the first one has no reply yet; StorageUnavailable.
        """
        place = (principal_id, idempotency_key)
        if place in self._unsettled:
            await self._settle(place, self._unsettled[place])
            self._unsettled.pop(place, None)
        now = self._clock().astimezone(UTC)
        stored = await self._store.begin_reply(
            principal_id, idempotency_key, organisation_id, request_digest, now, expired_before=now - KEPT
        )
        if stored is None:
            return StoredReply(request_digest=request_digest, created_at=now)
        if stored.request_digest != request_digest:
            raise ClientError(REUSED)
        if stored.status is None:
            raise ClientError(IN_PROGRESS)
        return stored

    async def keep(  # noqa: PLR0917 -- the reply, in its parts
        self, principal_id: str, idempotency_key: str, begun: StoredReply, status: int, headers: tuple[tuple[str, str], ...], body: bytes
    ) -> None:
        """Keep the reply to what `begin` began."""
        await self._try_to_settle((principal_id, idempotency_key), replace(begun, status=status, headers=headers, body=body))

    async def free(self, principal_id: str, idempotency_key: str) -> None:
        """Let the key be used anew: nothing was changed."""
        await self._try_to_settle((principal_id, idempotency_key), None)

    async def forget_old(self) -> int:
        """Delete the replies of keys that may be used anew; how many there were. StorageUnavailable."""
        return await self._store.delete_replies_before(self._clock().astimezone(UTC) - KEPT)

    async def _try_to_settle(self, place: tuple[str, str], reply: StoredReply | None) -> None:
        try:
            await self._settle(place, reply)
        except InternalError as error:
            _log.warning("idempotency_key_not_settled", principal=place[0], reason=error.internal)
            self._unsettled[place] = reply
            if len(self._unsettled) > _MAX_UNSETTLED:
                self._unsettled.popitem(last=False)

    async def _settle(self, place: tuple[str, str], reply: StoredReply | None) -> None:
        if reply is None:
            await self._store.abandon_reply(*place)
        else:
            await self._store.finish_reply(*place, reply)
