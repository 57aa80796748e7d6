"""Brings a database to the schema of this program: a new one at once, an older one by migrations; a newer one is refused."""

from sqlalchemy import Connection, insert, inspect, select, text

from anyrouter.core.errors import InternalError
from anyrouter.core.ids import new_id
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, EnvironmentKind
from anyrouter.storage import schema_money, schema_people, schema_sign_in
from anyrouter.storage.pepper import Pepper
from anyrouter.storage.schema import (
    HEAD_REVISION,
    alembic_version,
    api_keys,
    environments,
    latest_epoch,
    metadata,
    organisations,
    pepper_fingerprints,
)

_ALL_TABLES = (
    schema_money.__name__,
    schema_people.__name__,
    schema_sign_in.__name__,
)  # their tables are in `metadata` because they are imported here
_STANDARD_ENVIRONMENTS = (("live", "Live", EnvironmentKind.LIVE), ("test", "Test", EnvironmentKind.SANDBOX))
_ADVISORY_LOCK = 0x616E79726F757465  # "anyroute": any constant that no other program is likely to use


def prepare(connection: Connection, *, pepper: Pepper, now_ms: int) -> None:
    """Have the schema, the default organisation, its environments and the pepper's fingerprint in place, in one transaction.

    Alembic is imported only when there is something to migrate. InternalError when the database is newer than this program, or
    when its keys were made with another pepper.
    """
    if connection.dialect.name == "postgresql":  # SQLite's transaction has the write lock already
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    revision = read_revision(connection)
    if revision is None:
        metadata.create_all(connection, checkfirst=False)
        connection.execute(insert(alembic_version).values(version_num=HEAD_REVISION))
        connection.execute(insert(latest_epoch).values(id=1, epoch=0))
    elif revision > HEAD_REVISION:
        raise InternalError(
            f"The database was written by a newer AnyRouter (schema {revision}, this program knows {HEAD_REVISION}). "
            "Use the newer program, or restore a backup made before the upgrade."
        )
    elif revision < HEAD_REVISION:
        from anyrouter.storage.migration import upgrade  # noqa: PLC0415 -- Alembic costs 10 MB and is rarely needed

        upgrade(connection)
    _insert_missing(connection, now_ms)
    _check_pepper(connection, pepper)


def read_revision(connection: Connection) -> str | None:
    """The schema's revision, None in a database without tables of ours."""
    if not inspect(connection).has_table(alembic_version.name):
        return None
    return connection.execute(select(alembic_version.c.version_num)).scalar()


def _insert_missing(connection: Connection, now_ms: int) -> None:
    if connection.execute(select(organisations.c.id).where(organisations.c.id == DEFAULT_ORGANISATION_ID)).first() is None:
        connection.execute(insert(organisations).values(id=DEFAULT_ORGANISATION_ID, name="Default", created_at_ms=now_ms))
    present = set(
        connection.execute(select(environments.c.slug).where(environments.c.organisation_id == DEFAULT_ORGANISATION_ID)).scalars()
    )
    for slug, name, kind in _STANDARD_ENVIRONMENTS:
        if slug not in present:
            connection.execute(
                insert(environments).values(
                    id=new_id("env", now_ms), organisation_id=DEFAULT_ORGANISATION_ID, slug=slug, name=name, kind=kind.value
                )
            )


def _check_pepper(connection: Connection, pepper: Pepper) -> None:
    known = pepper_fingerprints.c.version == pepper.version
    stored = connection.execute(select(pepper_fingerprints.c.fingerprint).where(known)).scalar()
    if stored is not None and bytes(stored) == pepper.fingerprint():
        return
    if stored is not None:
        if connection.execute(select(api_keys.c.id).where(api_keys.c.pepper_version == pepper.version).limit(1)).first() is not None:
            raise InternalError(
                f"The keys in the database were made with another pepper of version {pepper.version}, so none of them would work. "
                "Bring back the pepper file that belongs to this database (or the variable ANYROUTER_PEPPER); "
                "to change peppers, give the new one a higher version and keep the old one second."
            )
        connection.execute(pepper_fingerprints.delete().where(known))
    connection.execute(insert(pepper_fingerprints).values(version=pepper.version, fingerprint=pepper.fingerprint()))
