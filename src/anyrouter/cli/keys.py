"""`anyrouter keys`: works on the data directory, whether or not a server is running; a running one notices within a second."""

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from anyrouter.cli.configuration import read_settings
from anyrouter.cli.failure import CommandFailed, ExitCode
from anyrouter.cli.key_rows import COLUMNS, key_object, key_pairs, key_row
from anyrouter.cli.options import DATA_DIR, Config, DataDir, Json
from anyrouter.cli.output import print_json, print_lines, print_note, print_pairs, print_panel, print_table
from anyrouter.cli.scan import scan
from anyrouter.cli.store import KeyDesk, with_keys
from anyrouter.cli.welcome import ECHO_MODEL, curl_line
from anyrouter.core import scopes
from anyrouter.core.apikey import ApiKey

if TYPE_CHECKING:
    from anyrouter.settings import Settings

commands = typer.Typer(
    no_args_is_help=True,
    help="Make, look at and end API keys. Works while the server runs, which notices within a second.",
    epilog="A KEY is named by its id (key_…), its label (ar-live-Ab3dE6) or its name.",
)
Named = Annotated[str, typer.Argument(metavar="KEY", help="Its id (key_…), its label (ar-live-Ab3dE6) or its name.", show_default=False)]
_RECENT = timedelta(hours=24)


@commands.command("create")
def create(
    *,
    name: Annotated[
        str,
        typer.Option(
            "--name", "-n", metavar="NAME", help="What it is for; no two keys of an environment have the same.", show_default=False
        ),
    ],
    environment: Annotated[
        str,
        typer.Option("--env", "-e", metavar="SLUG", help="`live` reaches your upstreams, `test` the simulated provider, free and offline."),
    ] = "live",
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            metavar="SCOPE",
            help=f"May be given several times.  [default: {' '.join(scopes.DEFAULT_SCOPES)}]",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="A model that it may use, or `vendor/*`; may be given several times.  [default: all]",
            show_default=False,
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="WHEN", help="`90m`, `12h`, `30d`, or an RFC 3339 time.  [default: never]", show_default=False),
    ] = None,
    rpm: Annotated[
        int | None,
        typer.Option(
            "--rpm", metavar="N", help="Requests per minute; 0 blocks it.  [default: the environment's limit]", show_default=False
        ),
    ] = None,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Make a key and show its text, this once: only a digest of it is kept.

    With --json: {"data": {…}, "key": "ar-…"}.
    """
    settings = read_settings(data_dir, config)

    async def work(desk: KeyDesk) -> tuple[ApiKey, str]:
        return await desk.create(
            name=name, environment=environment, scopes=scope or None, models=model or None, expires_at=expires, rate_limit_rpm=rpm
        )

    key, text = with_keys(settings, work)
    if as_json:
        print_json({"data": key_object(key, _now()), "key": text})
        return
    _print_new_key(settings, key, text)


commands.command("scan")(scan)


@commands.command("list")
def list_keys(
    environment: Annotated[
        str | None, typer.Option("--env", "-e", metavar="SLUG", help="Only this environment's.", show_default=False)
    ] = None,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """List the keys, oldest first, without those that were deleted."""
    found = with_keys(read_settings(data_dir, config), lambda desk: desk.list(environment))
    now = _now()
    if as_json:
        print_json({"data": [key_object(key, now) for key in found], "next_cursor": None})
    else:
        print_table(COLUMNS, [key_row(key, now) for key in found], empty="No keys. anyrouter keys create --name … makes one.")


@commands.command("show")
def show(key: Named, as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR) -> None:
    """Show what is known of a key. Its text is not."""
    found = with_keys(read_settings(data_dir, config), lambda desk: desk.find(key))
    _print_key(found, as_json=as_json)


@commands.command("disable")
def disable(key: Named, as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR) -> None:
    """Refuse a key until it is enabled again."""
    _print_key(with_keys(read_settings(data_dir, config), lambda desk: desk.disable(key)), as_json=as_json)


@commands.command("enable")
def enable(key: Named, as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR) -> None:
    """Accept a disabled key again."""
    _print_key(with_keys(read_settings(data_dir, config), lambda desk: desk.enable(key)), as_json=as_json)


@commands.command("delete")
def delete(
    key: Named,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask. Nobody is asked either when standard input is no terminal.")
    ] = False,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Refuse a key for good. Its usage stays on record, its name becomes free."""
    settings = read_settings(data_dir, config)
    if not yes and not as_json and sys.stdin.isatty():
        _confirm(with_keys(settings, lambda desk: desk.find(key)))
    deleted = with_keys(settings, lambda desk: desk.delete(key))
    if as_json:
        print_json({"deleted": True, "data": key_object(deleted, _now())})
    else:
        print_lines([f"deleted {deleted.label}… ({deleted.name})"])


def _print_new_key(settings: "Settings", key: ApiKey, text: str) -> None:
    is_sandbox = any(item.slug == key.environment and item.kind == "sandbox" for item in settings.environments)
    print_panel(f"The key {key.name!r} of the environment {key.environment!r}, shown this once", text)
    named = next((item for item in key.models or () if not item.endswith("/*")), ECHO_MODEL if is_sandbox and key.models is None else None)
    print_lines(["", curl_line(settings.server.base_url(), text, named)])
    if not is_sandbox and not any(key.environment in upstream.environments for upstream in settings.upstreams):
        print_note(f"No upstream serves the environment {key.environment!r} yet: docs/configuration.md shows how to add one.")


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
