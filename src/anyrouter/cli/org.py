"""`anyrouter org`: organisations, their members and invitations. The operator's: whoever has the data directory may everything."""

from typing import Annotated

import typer

from anyrouter.cli.configuration import read_settings
from anyrouter.cli.failure import CommandFailed, ExitCode
from anyrouter.cli.options import DATA_DIR, Config, DataDir, Json
from anyrouter.cli.org_members import add_member_commands
from anyrouter.cli.org_rows import COLUMNS, organisation_object, organisation_row, print_organisation
from anyrouter.cli.output import print_json, print_table
from anyrouter.cli.store import with_services
from anyrouter.control.expiry import parse_span
from anyrouter.core.audit import OPERATOR
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.policy.rights import OPERATOR_RIGHTS

commands = typer.Typer(
    no_args_is_help=True,
    help="Make, look at, change and disable organisations; add, invite, change and remove their members.",
    epilog="A new installation has one organisation, org_default. Organisations share nothing but the operator's upstreams.",
)
add_member_commands(commands)
_NO_LIMIT = "none"

Id = Annotated[str, typer.Argument(metavar="ID", help="Its id (org_…).", show_default=False)]
FirstId = Annotated[str, typer.Argument(metavar="ID", help="Its id (org_…).")]


@commands.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people read.", show_default=False)],
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Make an organisation with the environments `live` and `test`."""
    settings = read_settings(data_dir, config)
    made = with_services(settings, lambda services: services.organisations.create(OPERATOR, OPERATOR_RIGHTS, name=name))
    print_organisation(made, as_json=as_json)


@commands.command("list")
def list_organisations(as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR) -> None:
    """List the organisations, oldest first."""
    found = with_services(read_settings(data_dir, config), lambda services: services.organisations.list(OPERATOR_RIGHTS))
    if as_json:
        print_json({"data": [organisation_object(row) for row in found], "next_cursor": None})
    else:
        print_table(COLUMNS, [organisation_row(row) for row in found], empty="No organisations.")


@commands.command("show")
def show(org: FirstId = DEFAULT_ORGANISATION_ID, as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR) -> None:
    """Show an organisation."""
    found = with_services(read_settings(data_dir, config), lambda services: services.organisations.show(OPERATOR_RIGHTS, org))
    print_organisation(found, as_json=as_json)


@commands.command("change")
def change(
    org: Id,
    *,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="What people read.", show_default=False)] = None,
    lifetime: Annotated[
        str | None,
        typer.Option(
            "--max-key-lifetime", metavar="SPAN", help="How long new keys live at most, such as 90d; `none` ends that.", show_default=False
        ),
    ] = None,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Change an organisation's name, or how long its new keys live at most."""
    changes: dict[str, object] = {} if name is None else {"name": name}
    if lifetime is not None:
        changes["max_key_lifetime_s"] = _read_lifetime(lifetime)
    if not changes:
        raise CommandFailed(ExitCode.USAGE, "usage", "nothing to change was given", cure="anyrouter org change --help")
    settings = read_settings(data_dir, config)
    changed = with_services(settings, lambda services: services.organisations.change(OPERATOR, OPERATOR_RIGHTS, org, changes))
    print_organisation(changed, as_json=as_json)


@commands.command("disable")
def disable(org: Id, as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR) -> None:
    """Refuse every key of an organisation, within a second, until it is enabled again."""
    settings = read_settings(data_dir, config)
    changed = with_services(settings, lambda services: services.organisations.disable(OPERATOR, OPERATOR_RIGHTS, org))
    print_organisation(changed, as_json=as_json)


@commands.command("enable")
def enable(org: Id, as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR) -> None:
    """Take an organisation's keys again."""
    settings = read_settings(data_dir, config)
    changed = with_services(settings, lambda services: services.organisations.enable(OPERATOR, OPERATOR_RIGHTS, org))
    print_organisation(changed, as_json=as_json)


def _read_lifetime(text: str) -> int | None:
    if text == _NO_LIMIT:
        return None
    span = parse_span(text)
    if span is None:
        raise CommandFailed(ExitCode.USAGE, "invalid_parameter", f"--max-key-lifetime: {text[:40]!r} is no span; write 12h, 90d or none")
    return int(span.total_seconds())
