"""The checks of `anyrouter doctor` on pepper, database and journal. Nothing is made and nothing is migrated."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, func, select

from anyrouter.cli.finding import Finding, found_doubtful, found_failing, found_well
from anyrouter.cli.machine_checks import find_server
from anyrouter.core.errors import InternalError
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.settings import Settings
from anyrouter.storage.database import Database, locate
from anyrouter.storage.journal import list_segments
from anyrouter.storage.pepper import PEPPER_VARIABLE, Peppers, load_or_create_pepper
from anyrouter.storage.schema import HEAD_REVISION, api_keys, environments, pepper_fingerprints
from anyrouter.storage.schema_version import read_revision

DATABASE_NAME, PEPPER_NAME, JOURNAL_NAME = "anyrouter.db", "pepper", "journal"
_MB = 1_000_000
_SLUGS = select(environments.c.slug).where(
    environments.c.organisation_id == DEFAULT_ORGANISATION_ID, environments.c.deleted_at_ms.is_(None)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contents:
    revision: str | None
    key_count: int = 0
    fingerprints: Mapping[int, bytes]
    slugs: tuple[str, ...] | None = None  # of the first organisation's environments


async def check_storage(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """How pepper and database are, and whether they belong together."""
    url = settings.storage.database_url
    file = settings.data_dir / DATABASE_NAME
    peppers, findings = _check_pepper(settings.data_dir, environ, has_database=url is not None or file.exists())
    if url is None and not file.exists():
        return [*findings, found_well("database", f"{file} is not there yet; the first start makes it")]
    try:
        contents = await _read(Database(locate(file, url.reveal() if url is not None else None)))
    except InternalError as error:
        cure = "check that the server runs and lets this machine in" if url is not None else "restore it from a backup, or move it away"
        return [*findings, found_failing("database", str(error), cure)]
    place = "PostgreSQL" if url is not None else f"{file}, {file.stat().st_size / _MB:,.1f} MB"
    return [*findings, *_judge(place, contents, peppers), *_judge_environments(settings, contents)]


def check_journal(data_dir: Path) -> Iterator[Finding]:
    """What the journal holds. Without a server that is what the next start records."""
    directory = data_dir / JOURNAL_NAME
    if not directory.is_dir():
        return
    try:
        segments = list_segments(directory)
        damaged = sorted(path.name for path in directory.glob("*.damaged"))
    except OSError as error:
        yield found_failing("journal", f"{directory}: {error.strerror}", "let this user read it")
        return
    if damaged:
        text = f"{directory} has damaged files from a crash of the machine: {', '.join(damaged)}"
        yield found_doubtful("journal", text, "keep them for a bug report, or delete them: what could be read is recorded")
    size = sum(path.stat().st_size for _, path in segments)
    fate = "the running server delivers it" if find_server(data_dir) else "the next start records what is not recorded yet"
    yield found_well("journal", f"{size / _MB:,.1f} MB; {fate}" if size else "empty")


def _check_pepper(data_dir: Path, environ: Mapping[str, str], *, has_database: bool) -> tuple[Peppers | None, list[Finding]]:
    file = data_dir / PEPPER_NAME
    if not environ.get(PEPPER_VARIABLE) and not file.exists():
        if not has_database:
            return None, []
        cure = f"bring back the file that belongs to this database, or {PEPPER_VARIABLE}; without it no key works"
        return None, [found_failing("pepper", f"{file} is missing, and there is a database", cure)]
    try:
        peppers = load_or_create_pepper(file, environ)
    except InternalError as error:
        return None, [found_failing("pepper", str(error))]
    source = f"variable {PEPPER_VARIABLE}" if environ.get(PEPPER_VARIABLE) else str(file)
    return peppers, [found_well("pepper", f"{source}, version {peppers.current.version}")]


async def _read(database: Database) -> _Contents:
    def work(connection: Connection) -> _Contents:
        revision = read_revision(connection)
        if revision is None or revision > HEAD_REVISION:
            return _Contents(revision=revision, fingerprints={})
        rows = connection.execute(select(pepper_fingerprints.c.version, pepper_fingerprints.c.fingerprint))
        fingerprints = {row.version: bytes(row.fingerprint) for row in rows}
        count = connection.execute(select(func.count()).select_from(api_keys).where(api_keys.c.deleted_at_ms.is_(None))).scalar_one()
        slugs = tuple(connection.execute(_SLUGS).scalars()) if revision == HEAD_REVISION else None
        return _Contents(revision=revision, key_count=count, fingerprints=fingerprints, slugs=slugs)

    try:
        return await database.read(work)
    finally:
        await database.aclose()


def _judge(place: str, contents: _Contents, peppers: Peppers | None) -> Iterator[Finding]:
    revision = contents.revision
    if revision is None:
        yield found_well("database", f"{place}; empty, the first start makes its tables")
        return
    if revision > HEAD_REVISION:
        text = f"{place}; schema {revision}, this program knows {HEAD_REVISION}"
        yield found_failing("database", text, "use the newer AnyRouter that wrote it, or a backup made before the upgrade")
        return
    text = f"{place}; schema {revision}; keys: {contents.key_count:,}"
    if revision < HEAD_REVISION:
        yield found_doubtful("database", text, f"the next start migrates it to schema {HEAD_REVISION}: make a backup first")
    else:
        yield found_well("database", text)
    current = peppers.current if peppers is not None else None
    known = contents.fingerprints.get(current.version) if current is not None else None
    if current is not None and known is not None and known != current.fingerprint() and contents.key_count:
        cure = f"bring back the pepper that belongs to this database; without it none of its {contents.key_count:,} keys works"
        yield found_failing("pepper", "it is not the one that the keys in the database were made with", cure)


def _judge_environments(settings: Settings, contents: _Contents) -> Iterator[Finding]:
    if contents.slugs is None:
        return
    for upstream_id, slug in settings.list_unknown_environments(contents.slugs):
        text = f"the upstream {upstream_id} names {slug}, which is neither declared nor in the database"
        yield found_doubtful("environments", text, f"correct it, or make it with 'anyrouter envs create {slug}'")
