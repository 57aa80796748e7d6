"""The part of `anyrouter org` that is about members and invitations."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from anyrouter.cli.configuration import read_settings
from anyrouter.cli.failure import CommandFailed, ExitCode
from anyrouter.cli.options import DATA_DIR, Config, DataDir, Json, Org
from anyrouter.cli.org_rows import INVITATION_COLUMNS, MEMBER_COLUMNS, invitation_object, invitation_row, member_object, member_row, rfc3339
from anyrouter.cli.output import print_json, print_lines, print_panel, print_table
from anyrouter.cli.store import with_services
from anyrouter.control.sign_in_links import make_link
from anyrouter.core.audit import OPERATOR
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Invitation, Member, Role
from anyrouter.policy.rights import OPERATOR_RIGHTS

if TYPE_CHECKING:
    from anyrouter.bootstrap.services import Services
    from anyrouter.core.sign_in import SignInLink

_MAX_LINK_LENGTH = 2000

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The person's e-mail address.", show_default=False)]
Named = Annotated[str, typer.Argument(metavar="MEMBER", help="Their id (mem_…) or e-mail address.", show_default=False)]
RoleOption = Annotated[Role, typer.Option("--role", help="What they may do.")]
Name = Annotated[str | None, typer.Option("--name", metavar="NAME", help="What people read.  [default: the address]", show_default=False)]


def add_member_commands(commands: typer.Typer) -> None:
    """Put the commands on."""
    for name, command in (
        ("add-member", add),
        ("change-member", change),
        ("remove-member", remove),
        ("invite", invite),
        ("invitations", list_invitations),
        ("revoke-invitation", revoke_invitation),
        ("accept", accept),
    ):
        commands.command(name)(command)
    members = typer.Typer(invoke_without_command=True)
    members.callback()(list_members)
    members.command("link")(make_sign_in_link)
    commands.add_typer(members, name="members")


def list_members(
    context: typer.Context,
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """List the members, oldest first; `link` makes a link by which one of them gets into the dashboard."""
    if context.invoked_subcommand is not None:
        if org != DEFAULT_ORGANISATION_ID:
            cure = f"anyrouter org members {context.invoked_subcommand} … --org {org}"
            raise CommandFailed(ExitCode.USAGE, "usage", "--org stands at the end", cure=cure)
        return
    found = with_services(read_settings(data_dir, config), lambda services: services.members.list(OPERATOR_RIGHTS, org))
    if as_json:
        print_json({"data": [member_object(row) for row in found], "next_cursor": None})
    else:
        print_table(MEMBER_COLUMNS, [member_row(row) for row in found], empty="No members. anyrouter org add-member EMAIL makes the first.")


def make_sign_in_link(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Of a member, or of somebody who is invited.", show_default=False)],
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Make a link by which a person sets a password for the dashboard: for one use, printed this once.

    A member's is good for a day, and ends the one before; the password that there is holds until it is used. Who is invited gets the
    invitation anew, for seven days. Whoever has the link is that person: send it to nobody else.
    """
    settings = read_settings(data_dir, config)
    wanted = email.strip().lower()

    async def work(services: "Services") -> tuple["Invitation | SignInLink", str]:
        for member in await services.members.list(OPERATOR_RIGHTS, org):
            if member.email == wanted:
                return await services.sign_in_links.make(OPERATOR, OPERATOR_RIGHTS, org, member.id)
        for invitation in await services.members.list_invitations(OPERATOR_RIGHTS, org):
            if invitation.email == wanted:
                return await services.members.renew_invitation(OPERATOR, OPERATOR_RIGHTS, org, invitation.id)
        cure = "anyrouter org invite EMAIL makes an invitation, anyrouter org add-member EMAIL a member"
        raise CommandFailed(ExitCode.NOT_FOUND, "not_found", "nobody with this address is a member or invited", cure=cure)

    made, token = with_services(settings, work)
    link = make_link(settings.server.base_url(), token)
    if as_json:
        kind = "invitation" if isinstance(made, Invitation) else "reset"
        print_json({"data": {"kind": kind, "email": wanted, "expires_at": rfc3339(made.expires_at)}, "link": link, "token": token})
        return
    print_panel(f"A link for {wanted}, good for one use until {made.expires_at:%Y-%m-%d %H:%M} UTC, shown this once", link)


def add(
    email: Email,
    *,
    role: RoleOption = Role.OWNER,
    name: Name = None,
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Make somebody a member at once, without an invitation."""
    settings = read_settings(data_dir, config)
    made = with_services(settings, lambda services: services.members.add(OPERATOR, OPERATOR_RIGHTS, org, email=email, role=role, name=name))
    _print(made, "is", as_json=as_json)


def change(
    member: Named,
    *,
    role: Annotated[Role | None, typer.Option("--role", help="What they may do.", show_default=False)] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="What people read.", show_default=False)] = None,
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Change a member's role or name. Personal keys do no more than the new role allows, within a second."""
    changes: dict[str, object] = ({} if role is None else {"role": role}) | ({} if name is None else {"name": name})
    if not changes:
        raise CommandFailed(ExitCode.USAGE, "usage", "nothing to change was given", cure="anyrouter org change-member --help")

    async def work(services: "Services") -> Member:
        found = await _find(services, org, member)
        return await services.members.change(OPERATOR, OPERATOR_RIGHTS, org, found.id, changes)

    _print(with_services(read_settings(data_dir, config), work), "is now", as_json=as_json)


def remove(
    member: Named,
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """End a membership. Personal keys end with it; keys that were made for programs stay."""

    async def work(services: "Services") -> Member:
        found = await _find(services, org, member)
        return await services.members.remove(OPERATOR, OPERATOR_RIGHTS, org, found.id)

    _print(with_services(read_settings(data_dir, config), work), "is no longer", as_json=as_json)


def invite(
    email: Email,
    *,
    role: RoleOption = Role.DEVELOPER,
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Make an invitation for seven days and one use. Its link is printed this once: send it to the person, and to nobody else."""
    settings = read_settings(data_dir, config)
    invitation, token = with_services(
        settings, lambda services: services.members.invite(OPERATOR, OPERATOR_RIGHTS, org, email=email, role=role)
    )
    if as_json:
        print_json({"data": invitation_object(invitation), "link": make_link(settings.server.base_url(), token), "token": token})
        return
    print_panel(
        f"The invitation of {invitation.email} as {invitation.role.value}, shown this once", make_link(settings.server.base_url(), token)
    )
    print_lines(["", f"Without a browser: anyrouter org accept LINK --email {invitation.email}"])


def list_invitations(
    org: Org = DEFAULT_ORGANISATION_ID, as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR
) -> None:
    """List the invitations that can still be accepted, oldest first."""
    found = with_services(read_settings(data_dir, config), lambda services: services.members.list_invitations(OPERATOR_RIGHTS, org))
    if as_json:
        print_json({"data": [invitation_object(row) for row in found], "next_cursor": None})
    else:
        print_table(INVITATION_COLUMNS, [invitation_row(row) for row in found], empty="No open invitations.")


def revoke_invitation(
    invitation: Annotated[str, typer.Argument(metavar="ID", help="Its id (ivt_…).", show_default=False)],
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Have nobody accept an invitation any more."""
    settings = read_settings(data_dir, config)
    revoked = with_services(settings, lambda services: services.members.revoke_invitation(OPERATOR, OPERATOR_RIGHTS, org, invitation))
    if as_json:
        print_json({"data": invitation_object(revoked)})
    else:
        print_lines([f"revoked the invitation of {revoked.email}"])


def accept(
    token: Annotated[
        str,
        typer.Argument(
            metavar="TOKEN", help="The invitation's link, or its token (inv_…); `-` reads it from standard input.", show_default=False
        ),
    ],
    *,
    email: Annotated[str, typer.Option("--email", metavar="EMAIL", help="The address that was invited.", show_default=False)],
    name: Name = None,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Become a member by an invitation."""
    text = sys.stdin.readline(_MAX_LINK_LENGTH).strip() if token == "-" else token  # noqa: S105 -- the option's word for standard input
    text = text.rpartition("token=")[2]
    settings = read_settings(data_dir, config)
    _print(with_services(settings, lambda services: services.members.accept(text, email=email, name=name)), "is", as_json=as_json)


async def _find(services: "Services", org: str, named: str) -> Member:
    for member in await services.members.list(OPERATOR_RIGHTS, org):
        if named in {member.id, member.email} or named.strip().lower() == member.email:
            return member
    raise CommandFailed(ExitCode.NOT_FOUND, "not_found", "no such member", cure="anyrouter org members shows them")


def _print(member: Member, verb: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"data": member_object(member)})
    else:
        print_lines([f"{member.email} {verb} {member.role.value} of {member.organisation_id} ({member.id})"])
