"""`anyrouter audit`: reads the log of what was changed and refused, and proves that nobody has changed it. Works while the server runs."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from anyrouter.cli.configuration import read_settings
from anyrouter.cli.failure import CommandFailed, ExitCode
from anyrouter.cli.options import DATA_DIR, Config, DataDir, Json, Org
from anyrouter.cli.output import print_json, print_pairs, print_table, print_text
from anyrouter.cli.store import with_services
from anyrouter.control.audit import Head, Verdict
from anyrouter.control.audit_rows import describe_event, parse_audit
from anyrouter.control.stores import AuditFilter
from anyrouter.core.audit import ChainedEvent
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.web.api.audit_csv import render_csv_head, render_csv_rows, render_jsonl

if TYPE_CHECKING:
    from anyrouter.bootstrap.services import Services

commands = typer.Typer(
    no_args_is_help=True,
    help="Read the audit log: what was changed, by whom and from where, and what was refused; and prove that it is whole.",
    epilog="Keep what `verify` prints elsewhere: with `verify --known NUMBER:HASH` a log that was written anew is seen too.",
)
COLUMNS = ("NUMBER", "AT", "ACTION", "BY", "ADDRESS", "ON", "OUTCOME")
_KNOWN = re.compile(r"([1-9][0-9]{0,15}):([0-9a-fA-F]{64})", re.ASCII)


class FileKind(StrEnum):
    """What an export is written as."""

    CSV = "csv"
    JSONL = "jsonl"


_RENDERERS: dict[FileKind, tuple[Callable[[], str], Callable[[Iterable[ChainedEvent]], str]]] = {
    FileKind.CSV: (render_csv_head, render_csv_rows),
    FileKind.JSONL: (str, render_jsonl),
}

Action = Annotated[
    str | None, typer.Option("--action", metavar="ACTION", help="Such as key.rotate, or all of a kind: 'key.*'.", show_default=False)
]
By = Annotated[str | None, typer.Option("--actor", metavar="ID", help="Of this key or member.", show_default=False)]
Target = Annotated[str | None, typer.Option("--target", metavar="ID", help="On this object.", show_default=False)]
InEnvironment = Annotated[str | None, typer.Option("--env", "-e", metavar="SLUG", help="In this environment.", show_default=False)]
Denied = Annotated[
    bool | None, typer.Option("--denied/--done", help="Only what was refused, or only what was done.  [default: both]", show_default=False)
]
Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="From then on: an RFC 3339 time, or so long ago: 30d.", show_default=False)
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Before then.", show_default=False)]


@commands.command("list")
def list_events(
    *,
    action: Action = None,
    actor: By = None,
    target: Target = None,
    environment: InEnvironment = None,
    denied: Denied = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many.")] = 50,
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Show events, the newest first."""
    query = parse_audit(
        org,
        datetime.now(UTC),
        action=action,
        actor=actor,
        target=target,
        environment=environment,
        denied=denied,
        since=since,
        until=until,
        limit=limit,
    )
    found = with_services(read_settings(data_dir, config), lambda services: services.audit.list(query))
    if as_json:
        next_cursor = str(found[-1].number) if len(found) == limit and found[-1].number > 1 else None
        print_json({"data": [describe_event(link) for link in found], "next_cursor": next_cursor})
    else:
        print_table(COLUMNS, [_row(link) for link in found], empty="No events.")


@commands.command("export")
def export(
    *,
    kind: Annotated[FileKind, typer.Option("--format", help="CSV for spreadsheets, or one JSON object a line.")] = FileKind.JSONL,
    action: Action = None,
    actor: By = None,
    target: Target = None,
    environment: InEnvironment = None,
    denied: Denied = None,
    since: Since = None,
    until: Until = None,
    org: Org = DEFAULT_ORGANISATION_ID,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Write all events that match to standard output, the newest first."""
    query = parse_audit(
        org,
        datetime.now(UTC),
        action=action,
        actor=actor,
        target=target,
        environment=environment,
        denied=denied,
        since=since,
        until=until,
    )
    with_services(read_settings(data_dir, config), lambda services: _export(services, query, kind))


@commands.command("verify")
def verify(
    *,
    known: Annotated[
        str | None,
        typer.Option("--known", metavar="NUMBER:HASH", help="A head that was printed before and kept elsewhere.", show_default=False),
    ] = None,
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Compute the chain anew: exit code 0 when every event is as it was written, 1 when one is not."""
    head = None if known is None else _parse_known(known)
    verdict = with_services(read_settings(data_dir, config), lambda services: services.audit.verify(org, known=head))
    if as_json:
        print_json({"data": _describe_verdict(verdict)})
    else:
        state = "whole" if verdict.is_whole else f"broken at event {verdict.broken_at}: {verdict.reason}"
        print_pairs([("chain", state), ("head", f"{verdict.head.number}:{verdict.head.hash.hex()}")])
    if not verdict.is_whole:
        raise typer.Exit(ExitCode.FAILED)


async def _export(services: "Services", query: AuditFilter, kind: FileKind) -> None:
    render_head, render_rows = _RENDERERS[kind]
    print_text(render_head())
    async for page in services.audit.export(query):
        print_text(render_rows(page))


def _parse_known(text: str) -> Head:
    match = _KNOWN.fullmatch(text.strip())
    if match is None:
        raise CommandFailed(
            ExitCode.USAGE, "usage", "--known takes NUMBER:HASH, as 'anyrouter audit verify' printed it: a number and 64 hex digits"
        )
    return Head(number=int(match[1]), hash=bytes.fromhex(match[2]))


def _describe_verdict(verdict: Verdict) -> dict[str, object]:
    return {
        "is_whole": verdict.is_whole,
        "number": verdict.head.number,
        "hash": verdict.head.hash.hex(),
        "broken_at": verdict.broken_at,
        "reason": verdict.reason or None,
    }


def _row(link: ChainedEvent) -> tuple[object, ...]:
    event = link.event
    at = event.at.isoformat(timespec="seconds").replace("+00:00", "Z")
    outcome = f"denied: {event.code}" if event.is_denied else "done"
    return link.number, at, event.action, event.actor.label, event.actor.address, event.target_label or event.target_id, outcome
