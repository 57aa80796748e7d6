"""Replies that are given again, in the database. What is shown once is not in them: whoever stores a reply has taken it out."""

from datetime import datetime

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from anyrouter.control.stores import StoredReply
from anyrouter.storage.database import Database
from anyrouter.storage.records import from_ms, to_ms
from anyrouter.storage.schema_people import idempotent_replies

_columns = idempotent_replies.c


class SqlIdempotencyStore:
    """`IdempotencyStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin_reply(
        self,
        principal_id: str,
        idempotency_key: str,
        organisation_id: str,
        request_digest: bytes,
        now: datetime,
        *,
        expired_before: datetime,
    ) -> StoredReply | None:
        """None when the key is now taken for this request; else what is stored."""
        place = _is(principal_id, idempotency_key)
        fresh = {
            "organisation_id": organisation_id,
            "request_digest": request_digest,
            "created_at_ms": to_ms(now),
            "status": None,
            "headers": None,
            "body": None,
        }

        def work(connection: Connection) -> StoredReply | None:
            # The old one first: two who both find it old must not both take it.
            taken_over = update(idempotent_replies).where(place, _columns.created_at_ms < to_ms(expired_before)).values(fresh)
            if connection.execute(taken_over).rowcount:
                return None
            dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
            first = dialect.insert(idempotent_replies).values(principal_id=principal_id, idempotency_key=idempotency_key, **fresh)
            if connection.execute(first.on_conflict_do_nothing().returning(_columns.principal_id)).first() is not None:
                return None
            row = connection.execute(select(idempotent_replies).where(place)).one()
            return StoredReply(
                request_digest=bytes(row.request_digest),
                created_at=from_ms(row.created_at_ms),
                status=row.status,
                headers=() if row.headers is None else msgspec.json.decode(row.headers, type=tuple[tuple[str, str], ...]),
                body=b"" if row.body is None else bytes(row.body),
            )

        return await self._database.write(work)

    async def finish_reply(self, principal_id: str, idempotency_key: str, reply: StoredReply) -> None:
        """Keep the reply, if the key is still taken for it."""
        taken = and_(_is_open(principal_id, idempotency_key), _columns.created_at_ms == to_ms(reply.created_at))
        values = {"status": reply.status, "headers": msgspec.json.encode(reply.headers).decode(), "body": reply.body}
        await self._database.write(lambda connection: connection.execute(update(idempotent_replies).where(taken).values(values)).rowcount)

    async def abandon_reply(self, principal_id: str, idempotency_key: str) -> None:
        """Free the key, unless there is a reply."""
        change = delete(idempotent_replies).where(_is_open(principal_id, idempotency_key))
        await self._database.write(lambda connection: connection.execute(change).rowcount)

    async def delete_replies_before(self, moment: datetime) -> int:
        """Forget the old ones; how many there were."""
        change = delete(idempotent_replies).where(_columns.created_at_ms < to_ms(moment))
        return await self._database.write(lambda connection: connection.execute(change).rowcount)


def _is(principal_id: str, idempotency_key: str) -> ColumnElement[bool]:
    return and_(_columns.principal_id == principal_id, _columns.idempotency_key == idempotency_key)


def _is_open(principal_id: str, idempotency_key: str) -> ColumnElement[bool]:
    return and_(_is(principal_id, idempotency_key), _columns.status.is_(None))
