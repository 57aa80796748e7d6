"""Replies that are given again, in memory. They are the same as those in the database."""

from dataclasses import replace
from datetime import datetime

from anyrouter.control.stores import StoredReply


class MemoryIdempotencyStore:
    """`IdempotencyStore`."""

    def __init__(self) -> None:
        self._replies: dict[tuple[str, str], StoredReply] = {}

    async def begin_reply(
        self,
        principal_id: str,
        idempotency_key: str,
        organisation_id: str,  # noqa: ARG002 -- what the database keeps it for is not done here
        request_digest: bytes,
        now: datetime,
        *,
        expired_before: datetime,
    ) -> StoredReply | None:
        """None when the key is now taken for this request; else what is stored."""
        place = (principal_id, idempotency_key)
        stored = self._replies.get(place)
        if stored is not None and stored.created_at >= _cut(expired_before):
            return stored
        self._replies[place] = StoredReply(request_digest=request_digest, created_at=_cut(now))
        return None

    async def finish_reply(self, principal_id: str, idempotency_key: str, reply: StoredReply) -> None:
        """Keep the reply, if the key is still taken for it."""
        stored = self._replies.get((principal_id, idempotency_key))
        if stored is not None and stored.status is None and stored.created_at == _cut(reply.created_at):
            self._replies[principal_id, idempotency_key] = replace(reply, created_at=stored.created_at)

    async def abandon_reply(self, principal_id: str, idempotency_key: str) -> None:
        """Free the key, unless there is a reply."""
        stored = self._replies.get((principal_id, idempotency_key))
        if stored is not None and stored.status is None:
            del self._replies[principal_id, idempotency_key]

    async def delete_replies_before(self, moment: datetime) -> int:
        """Forget the old ones; how many there were."""
        old = [place for place, reply in self._replies.items() if reply.created_at < _cut(moment)]
        for place in old:
            del self._replies[place]
        return len(old)


def _cut(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
