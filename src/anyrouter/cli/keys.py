"""`anyrouter keys`: works on the data directory, whether or not a server is running; a running one notices within a second."""

import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from anyrouter.cli.configuration import read_settings
from anyrouter.cli.failure import CommandFailed, ExitCode
from anyrouter.cli.key_rows import COLUMNS, HINTS, describe_hints, key_object, key_pairs, key_row
from anyrouter.cli.new_keys import Named, create, rotate
from anyrouter.cli.options import DATA_DIR, Config, DataDir, Json, Org
from anyrouter.cli.output import print_json, print_lines, print_pairs, print_table
from anyrouter.cli.scan import scan
from anyrouter.cli.store import with_keys
from anyrouter.core.apikey import ApiKey
from anyrouter.core.keys import find_keys
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID

commands = typer.Typer(
    no_args_is_help=True,
    help="Make, look at and end API keys. Works while the server runs, which notices within a second.",
    epilog="A KEY is named by its id (key_…), its label (ar-live-Ab3dE6) or its name.",
)
_RECENT = timedelta(hours=24)


commands.command("create")(create)
commands.command("rotate")(rotate)
commands.command("scan")(scan)


@commands.command("list")
def list_keys(
    *,
    environment: Annotated[
        str | None, typer.Option("--env", "-e", metavar="SLUG", help="Only this environment's.", show_default=False)
    ] = None,
    health: Annotated[bool, typer.Option("--health", help="Show what wants a look: no expiry, long unused, safe to delete, …")] = False,
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """List the keys, oldest first, without those that were deleted."""
    found = with_keys(read_settings(data_dir, config), lambda desk: desk.list(environment), organisation_id=org)
    now = _now()
    if as_json:
        print_json({"data": [key_object(key, now) for key in found], "next_cursor": None})
        return
    columns = (*COLUMNS, HINTS) if health else COLUMNS
    rows = [(*key_row(key, now), *([describe_hints(key, now)] if health else [])) for key in found]
    print_table(columns, rows, empty="No keys. anyrouter keys create --name … makes one.")


@commands.command("show")
def show(
    key: Named, org: Org = DEFAULT_ORGANISATION_ID, as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR
) -> None:
    """Show what is known of a key. Its text is not."""
    found = with_keys(read_settings(data_dir, config), lambda desk: desk.find(key), organisation_id=org)
    _print_key(found, as_json=as_json)


@commands.command("disable")
def disable(
    key: Named, org: Org = DEFAULT_ORGANISATION_ID, as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR
) -> None:
    """Refuse a key until it is enabled again."""
    _print_key(with_keys(read_settings(data_dir, config), lambda desk: desk.disable(key), organisation_id=org), as_json=as_json)


@commands.command("enable")
def enable(
    key: Named, org: Org = DEFAULT_ORGANISATION_ID, as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR
) -> None:
    """Accept a disabled key again."""
    _print_key(with_keys(read_settings(data_dir, config), lambda desk: desk.enable(key), organisation_id=org), as_json=as_json)


@commands.command("delete")
def delete(
    key: Named,
    *,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask. Nobody is asked either when standard input is no terminal.")
    ] = False,
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Refuse a key for good. Its usage stays on record, its name becomes free."""
    settings = read_settings(data_dir, config)
    if not yes and not as_json and sys.stdin.isatty():
        _confirm(with_keys(settings, lambda desk: desk.find(key), organisation_id=org))
    deleted = with_keys(settings, lambda desk: desk.delete(key), organisation_id=org)
    if as_json:
        print_json({"deleted": True, "data": key_object(deleted, _now())})
    else:
        print_lines([f"deleted {deleted.label}… ({deleted.name})"])


@commands.command("revoke")
def revoke(
    file: Annotated[
        typer.FileText,
        typer.Argument(metavar="FILE", help="A file with keys, one a line or among other text; `-`: standard input.", show_default=False),
    ],
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """End for good every key whose text is in a file, whichever organisation's: what to do with keys that were found somewhere.

    Keys are never taken from the command line, which other programs can read. With --json: {"found": n, "revoked": n}.
    """
    texts = list(dict.fromkeys(found for line in file for found in find_keys(line)))
    revoked = with_keys(read_settings(data_dir, config), lambda desk: desk.revoke(texts))
    if as_json:
        print_json({"found": len(texts), "revoked": revoked})
    else:
        print_lines([f"{len(texts)} keys found, {revoked} of them ended now"])


def _print_key(key: ApiKey, *, as_json: bool) -> None:
    if as_json:
        print_json({"data": key_object(key, _now())})
    else:
        print_pairs(key_pairs(key, _now()))


def _confirm(key: ApiKey) -> None:
    question = f"Delete {key.label}… ({key.name}) for good?"
    if key.last_used_at is not None and _now() - key.last_used_at < _RECENT:
        question = f"{key.label}… ({key.name}) was used in the last 24 hours, at {key.last_used_at:%H:%M} UTC. Delete it for good?"
    if not typer.confirm(question):
        raise CommandFailed(ExitCode.FAILED, "not_confirmed", "nothing was deleted")


def _now() -> datetime:
    return datetime.now(UTC)
