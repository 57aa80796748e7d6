"""The audit log in the database: every event is one link of its organisation's chain."""

from sqlalchemy import ColumnElement, Connection, Select, func, insert, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from anyrouter.control.stores import AuditFilter
from anyrouter.core.audit import GENESIS, AuditEvent, ChainedEvent, chain
from anyrouter.storage.audit_rows import NAME_FIRST, SEARCHED, chained_to_row, row_to_chained, write_as_json
from anyrouter.storage.database import Database
from anyrouter.storage.records import to_ms
from anyrouter.storage.schema import api_keys
from anyrouter.storage.schema_people import audit_events, audit_heads


def append_event(connection: Connection, event: AuditEvent) -> None:
    """Chain the event in this transaction: it is written with what the transaction changes, or neither is.

    The organisation's head is locked until the end of the transaction. So call it after the change's own rows were written and before
    `bump_epoch`: everybody takes these locks in one order.
    """
    organisation_id = event.organisation_id
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    first = dialect.insert(audit_heads).values(organisation_id=organisation_id, number=0, hash=GENESIS).on_conflict_do_nothing()
    connection.execute(first)
    mine = audit_heads.c.organisation_id == organisation_id
    head = connection.execute(select(audit_heads.c.number, audit_heads.c.hash).where(mine).with_for_update()).one()
    link = chain(event, head.number + 1, bytes(head.hash))
    connection.execute(insert(audit_events), chained_to_row(link))
    connection.execute(update(audit_heads).where(mine).values(number=link.number, hash=link.hash))


class SqlAuditStore:
    """`AuditStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_event(self, event: AuditEvent) -> None:
        """Chain an event that comes with no change."""
        await self._database.write(lambda connection: append_event(connection, event))

    async def list_events(self, query: AuditFilter) -> list[ChainedEvent]:
        """The newest first."""
        return await self._read(_select_matching(query).order_by(audit_events.c.number.desc()).limit(query.limit))

    async def read_chain(self, organisation_id: str, *, after_number: int, limit: int) -> list[ChainedEvent]:
        """In the order of the chain."""
        query = select(audit_events).where(audit_events.c.organisation_id == organisation_id, audit_events.c.number > after_number)
        return await self._read(query.order_by(audit_events.c.number).limit(limit))

    async def read_head(self, organisation_id: str) -> tuple[int, bytes]:
        """Number and hash of the last event; (0, GENESIS) when there is none."""
        query = select(audit_heads.c.number, audit_heads.c.hash).where(audit_heads.c.organisation_id == organisation_id)

        def work(connection: Connection) -> tuple[int, bytes]:
            head = connection.execute(query).first()
            return (0, GENESIS) if head is None else (head.number, bytes(head.hash))

        return await self._database.read(work)

    async def _read(self, query: Select[tuple[object, ...]]) -> list[ChainedEvent]:
        def work(connection: Connection) -> list[ChainedEvent]:
            return [row_to_chained(row) for row in connection.execute(query).mappings()]

        return await self._database.read(work)


def _select_matching(query: AuditFilter) -> Select[tuple[object, ...]]:
    columns = audit_events.c
    wanted = select(audit_events).where(columns.organisation_id == query.organisation_id)
    if query.action is not None and query.action.endswith("*"):
        start = query.action[:-1]
        wanted = wanted.where(func.substr(columns.action, 1, len(start)) == start)  # LIKE takes no notice of case on SQLite
    elif query.action is not None:
        wanted = wanted.where(columns.action == query.action)
    same = {
        columns.actor_id: query.actor_id,
        columns.target_id: query.target_id,
        columns.environment: query.environment,
        columns.is_denied: query.is_denied,
    }
    for column, value in same.items():
        if value is not None:
            wanted = wanted.where(column == value)
    if query.text is not None:
        wanted = wanted.where(_has_text(query.organisation_id, query.text))
    if query.since is not None:
        wanted = wanted.where(columns.at_ms >= to_ms(query.since))
    if query.until is not None:
        wanted = wanted.where(columns.at_ms < to_ms(query.until))
    if query.before_number is not None:
        wanted = wanted.where(columns.number < query.before_number)
    return wanted


def _has_text(organisation_id: str, text: str) -> ColumnElement[bool]:
    """In any of what is searched. A key is named by its label there: by its name it is found in what changed, and by its id."""
    columns = audit_events.c
    everything: ColumnElement[str] = literal("")
    for name in SEARCHED:  # one comparison of a long text takes half as long as one for each column; no text has the line's end in it
        everything = everything + func.coalesce(columns[name], "") + "\n"
    keys = select(api_keys.c.id).where(api_keys.c.organisation_id == organisation_id, _contains(api_keys.c.name, text))
    names = (_contains(column, write_as_json(text), start=NAME_FIRST) for column in (columns.before, columns.after))
    return or_(_contains(everything, text), *names, columns.target_id.in_(keys))


def _contains(column: ColumnElement[str], text: str, *, start: str = "") -> ColumnElement[bool]:
    """Whether the text is a part of it, behind the `start` with which it must begin."""
    escaped = text.replace("/", "//").replace("%", "/%").replace("_", "/_")
    return func.lower(column).like(func.lower(f"{start}%{escaped}%"), escape="/")
