"""`anyrouter byok`: tenants' own credentials at providers. Works while the server runs, which notices within a second.

A secret is typed, or comes from a file or standard input: on a command line everybody on the machine could read it.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anyrouter.cli.configuration import read_settings
from anyrouter.cli.failure import CommandFailed, ExitCode
from anyrouter.cli.options import DATA_DIR, Config, DataDir, Json, Org
from anyrouter.cli.output import print_json, print_lines, print_note, print_pairs, print_table
from anyrouter.cli.store import with_services
from anyrouter.control.credential_rows import describe_credential
from anyrouter.core.audit import OPERATOR
from anyrouter.core.byok import ProviderCredential
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.policy.rights import OPERATOR_RIGHTS

if TYPE_CHECKING:
    from anyrouter.bootstrap.services import Services
    from anyrouter.control.credentials import Probed
    from anyrouter.control.rekey import Rekeyed

commands = typer.Typer(
    no_args_is_help=True,
    help="Enter, look at, try and end credentials of your own at providers (BYOK): requests that go over them are billed there.",
    epilog="A CREDENTIAL is named by its id (byok_…) or its name. A secret is asked for, or read from --key-file or standard input.",
)
Named = Annotated[str, typer.Argument(metavar="CREDENTIAL", help="Its id (byok_…) or its name.", show_default=False)]
KeyFile = Annotated[
    Path | None, typer.Option("--key-file", metavar="FILE", help="File with the secret; - is standard input.", show_default=False)
]
Region = Annotated[str | None, typer.Option("--region", metavar="NAME", help="Where it is served, such as us-east-1.", show_default=False)]
Variable = Annotated[
    list[str] | None,
    typer.Option("--variable", metavar="NAME=VALUE", help="A part of the provider's address, such as resource=mine.", show_default=False),
]
BaseUrl = Annotated[
    str | None, typer.Option("--base-url", metavar="URL", help="Another address than the provider's own.", show_default=False)
]
Model = Annotated[
    list[str] | None,
    typer.Option(
        "--model", "-m", metavar="MODEL", help="What it may be used for; may be given several times.  [default: all]", show_default=False
    ),
]
AllowedKey = Annotated[
    list[str] | None,
    typer.Option(
        "--allowed-key", metavar="ID", help="Who may use it; may be given several times.  [default: all keys]", show_default=False
    ),
]
_COLUMNS = ("ID", "PROVIDER", "NAME", "ENV", "SECRET", "STATUS", "MODELS", "HOST")
_MAX_SECRET_BYTES = 65_536


@commands.command("add")
def add(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help="The provider's id, such as openai.", show_default=False)],
    *,
    environment: Annotated[str, typer.Option("--env", "-e", metavar="SLUG", help="Whose keys use it.")] = "live",
    name: Annotated[str | None, typer.Option("--name", "-n", metavar="NAME", help="What people read.", show_default=False)] = None,
    key_file: KeyFile = None,
    base_url: BaseUrl = None,
    region: Region = None,
    variable: Variable = None,
    model: Model = None,
    allowed_key: AllowedKey = None,
    is_fallback: Annotated[bool, typer.Option("--fallback", help="Your upstreams' credential may be used when it fails.")] = False,
    always_use: Annotated[bool, typer.Option("--always-use", help="Your upstreams' credential is never used where it applies.")] = False,
    sort_order: Annotated[int, typer.Option("--order", metavar="N", help="The lowest is tried first.")] = 0,
    weight: Annotated[int, typer.Option("--weight", metavar="N", help="Its share among those of one order.")] = 1,
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Enter a credential. Its secret is sealed, and never shown again."""
    said = {"name": name, "base_url": base_url, "region": region, "models": model or None, "allowed_keys": allowed_key or None}
    fields: dict[str, Any] = {field: value for field, value in said.items() if value is not None}
    fields |= {"is_fallback": is_fallback, "always_use": always_use, "sort_order": sort_order, "weight": weight}
    fields |= {"variables": _read_variables(variable)} if variable else {}
    settings, secret = read_settings(data_dir, config), _read_secret(key_file)

    async def work(services: "Services") -> ProviderCredential:
        return await services.credentials.create(
            OPERATOR, OPERATOR_RIGHTS, org, environment=environment, provider=provider, key=secret, fields=fields
        )

    _print(with_services(settings, work), as_json=as_json)


@commands.command("list")
def list_credentials(
    environment: Annotated[
        str | None, typer.Option("--env", "-e", metavar="SLUG", help="Only this environment's.", show_default=False)
    ] = None,
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """List the credentials in the order in which they are tried."""

    async def work(services: "Services") -> list[ProviderCredential]:
        return await services.credentials.list(OPERATOR_RIGHTS, org, environment=environment)

    found = with_services(read_settings(data_dir, config), work)
    if as_json:
        print_json({"data": [_object(row) for row in found], "next_cursor": None})
    else:
        print_table(_COLUMNS, [_row(row) for row in found], empty="No credentials. anyrouter byok add openai enters one.")


@commands.command("show")
def show(
    credential: Named, org: Org = DEFAULT_ORGANISATION_ID, as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR
) -> None:
    """Show what is known of a credential. Its secret is not."""
    _print(with_services(read_settings(data_dir, config), lambda services: _find(services, org, credential)), as_json=as_json)


@commands.command("test")
def try_out(
    credential: Named, org: Org = DEFAULT_ORGANISATION_ID, as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR
) -> None:
    """Ask the provider whether it takes the credential, by a request that costs nothing. Exit code 1 when it does not."""

    async def work(services: "Services") -> "Probed":
        found = await _find(services, org, credential)
        return await services.credentials.test(OPERATOR, OPERATOR_RIGHTS, org, found.id)

    probed = with_services(read_settings(data_dir, config), work)
    if as_json:
        print_json({"data": {"ok": probed.is_ok, "status": probed.status, "latency_ms": probed.latency_ms, "message": probed.message}})
    elif probed.is_ok is not False:
        print_lines([probed.message])
    if probed.is_ok is False:
        if as_json:
            raise typer.Exit(ExitCode.FAILED)
        raise CommandFailed(ExitCode.FAILED, "credential_refused", probed.message, cure="anyrouter byok replace enters another secret")


@commands.command("disable")
def disable(
    credential: Named, org: Org = DEFAULT_ORGANISATION_ID, as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR
) -> None:
    """Use a credential no more, until it is enabled again."""
    _print(
        with_services(read_settings(data_dir, config), lambda services: _switch(services, org, credential, is_disabled=True)),
        as_json=as_json,
    )


@commands.command("enable")
def enable(
    credential: Named, org: Org = DEFAULT_ORGANISATION_ID, as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR
) -> None:
    """Use a disabled credential again."""
    _print(
        with_services(read_settings(data_dir, config), lambda services: _switch(services, org, credential, is_disabled=False)),
        as_json=as_json,
    )


@commands.command("replace")
def replace(
    credential: Named,
    *,
    key_file: KeyFile = None,
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Enter another secret for a credential. Requests use it from then on."""
    settings, secret = read_settings(data_dir, config), _read_secret(key_file)

    async def work(services: "Services") -> ProviderCredential:
        found = await _find(services, org, credential)
        return await services.credentials.change(OPERATOR, OPERATOR_RIGHTS, org, found.id, {}, key=secret)

    _print(with_services(settings, work), as_json=as_json)


@commands.command("delete")
def delete(
    credential: Named,
    *,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask. Nobody is asked either when standard input is no terminal.")
    ] = False,
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Forget a credential and its secret."""
    settings = read_settings(data_dir, config)
    asks = not yes and not as_json and sys.stdin.isatty()
    if asks and not typer.confirm(f"Forget the credential {credential} and its secret?"):
        raise CommandFailed(ExitCode.FAILED, "not_confirmed", "nothing was deleted")

    async def work(services: "Services") -> ProviderCredential:
        found = await _find(services, org, credential)
        return await services.credentials.delete(OPERATOR, OPERATOR_RIGHTS, org, found.id)

    deleted = with_services(settings, work)
    if as_json:
        print_json({"deleted": True, "data": _object(deleted)})
    else:
        print_lines([f"deleted {deleted.id} ({deleted.name})"])


@commands.command("rekey")
def rekey(
    remove: Annotated[
        str | None,
        typer.Option("--remove", metavar="KEK_ID", help="Forget an old key that no secret needs any more, and do nothing else."),
    ] = None,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Seal all secrets under a new key-encryption key, while the server runs. Stopped in the middle, it goes on where it was.

    Old keys stay until they are removed with --remove: backups from before need them.
    """
    settings = read_settings(data_dir, config)
    if remove is not None:
        with_services(settings, lambda services: services.rekey.remove(remove))
        print_json({"removed": remove}) if as_json else print_lines([f"removed {remove}"])
        return

    async def work(services: "Services") -> "tuple[Rekeyed, dict[str, int]]":
        done = await services.rekey.rekey(OPERATOR)
        return done, dict(await services.rekey.count())

    done, counts = with_services(settings, work)
    if as_json:
        print_json(
            {"data": {"kek_id": done.kek_id, "is_new": done.is_new, "rewrapped": done.rewrapped, "failed": done.failed, "seals": counts}}
        )
    else:
        print_lines([f"{'made' if done.is_new else 'kept'} {done.kek_id}, put {done.rewrapped} secrets under it"])
    if done.failed:
        lines = tuple(f"{row_id}: {reason}" for row_id, reason in done.failed.items())
        message = f"{len(done.failed)} secrets are still under another key"
        raise CommandFailed(ExitCode.FAILED, "rekey_incomplete", message, cure="put the old key back, or enter them again", lines=lines)


async def _find(services: "Services", org: str, named: str) -> ProviderCredential:
    if named.startswith("byok_"):
        return await services.credentials.show(OPERATOR_RIGHTS, org, named)
    matches = [row for row in await services.credentials.list(OPERATOR_RIGHTS, org) if row.name == named]
    if not matches:
        raise CommandFailed(ExitCode.NOT_FOUND, "not_found", "no such credential", cure="anyrouter byok list shows them")
    if len(matches) > 1:
        ids = tuple(f"{row.id}  {row.environment}  {row.provider}" for row in matches[:5])
        raise CommandFailed(ExitCode.CONFLICT, "ambiguous", f"{len(matches)} credentials are called that; name one by its id", lines=ids)
    return matches[0]


async def _switch(services: "Services", org: str, named: str, *, is_disabled: bool) -> ProviderCredential:
    found = await _find(services, org, named)
    return await services.credentials.change(OPERATOR, OPERATOR_RIGHTS, org, found.id, {"is_disabled": is_disabled})


def _read_secret(path: Path | None) -> str:
    """The secret without the white space around it: from a file, from standard input, else typed without being shown."""
    if path is None and sys.stdin.isatty():
        return str(typer.prompt("Secret", hide_input=True, err=True)).strip()
    try:
        if path is None or str(path) == "-":
            return sys.stdin.buffer.read(_MAX_SECRET_BYTES).decode("utf-8").strip()
        with path.open("rb") as file:
            return file.read(_MAX_SECRET_BYTES).decode("utf-8").strip()
    except OSError as error:
        message = f"the secret cannot be read from {path}: {error.strerror or type(error).__name__}"
        raise CommandFailed(ExitCode.FAILED, "system", message) from None
    except UnicodeDecodeError:
        raise CommandFailed(ExitCode.USAGE, "invalid_parameter", "the secret is not a text in UTF-8") from None


def _read_variables(given: list[str]) -> dict[str, str]:
    pairs = [item.partition("=") for item in given]
    if not all(equals for _, equals, _ in pairs):
        raise CommandFailed(ExitCode.USAGE, "invalid_parameter", "--variable takes NAME=VALUE, such as resource=mine")
    return {name: value for name, _, value in pairs}


def _print(credential: ProviderCredential, *, as_json: bool) -> None:
    if as_json:
        print_json({"data": _object(credential)})
        return
    shown = _object(credential)
    shown["variables"] = ", ".join(f"{name}={value}" for name, value in credential.variables.items()) or None
    for name in ("models", "allowed_keys"):
        shown[name] = "all" if shown[name] is None else ", ".join(shown[name]) or "none"
    print_pairs(shown.items())
    if credential.needs_secret:
        print_note("Its host was changed: anyrouter byok replace enters the secret again.")


def _object(credential: ProviderCredential) -> dict[str, Any]:
    return {"id": credential.id, **describe_credential(credential, datetime.now(UTC)), "created_at": credential.created_at.isoformat()}


def _row(credential: ProviderCredential) -> tuple[object, ...]:
    shown = describe_credential(credential, datetime.now(UTC))
    models = "all" if credential.models is None else ", ".join(credential.models)
    place = (credential.environment, credential.secret_label, shown["status"], models, credential.host)
    return (credential.id, credential.provider, credential.name, *place)
