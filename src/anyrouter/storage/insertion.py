"""Rows that are stored unless they are there already: the one statement that both databases have for it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, literal_column
from sqlalchemy.dialects import postgresql, sqlite


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any], *, unless: Sequence[ColumnElement[Any]] = ()) -> bool:
    """Store the row; False when a row is in its way, for the unique columns named or, if none are, for any."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    new = dialect.insert(table).values(row).on_conflict_do_nothing(index_elements=unless or None)
    # The number of rows is not known of such a statement on PostgreSQL.
    return connection.execute(new.returning(literal_column("1"))).first() is not None
