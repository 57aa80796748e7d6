"""`anyrouter envs`: the environments of an organisation. Works while the server runs."""

from typing import Annotated, Any

import typer

from anyrouter.cli.configuration import read_settings
from anyrouter.cli.failure import CommandFailed, ExitCode
from anyrouter.cli.options import DATA_DIR, Config, DataDir, Json, Org
from anyrouter.cli.output import print_json, print_lines, print_pairs, print_table
from anyrouter.cli.store import with_services
from anyrouter.control.environments import environment_facts
from anyrouter.core.audit import OPERATOR
from anyrouter.core.budget import BudgetPolicy
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Environment, EnvironmentKind
from anyrouter.policy.rights import OPERATOR_RIGHTS

commands = typer.Typer(
    no_args_is_help=True,
    help="Make, look at, change and delete environments: isolated sets of keys, credentials, limits, budgets and usage.",
    epilog="`live` and `test` always exist. What the configuration file declares is changed there.",
)
_COLUMNS = ("SLUG", "KIND", "STATE", "RPM", "TPM", "AT ONCE", "POLICY", "NAME")
_NO_LIMIT = "none"

Slug = Annotated[str, typer.Argument(metavar="SLUG", help="Its slug, which is in the text of its keys.", show_default=False)]
Name = Annotated[str | None, typer.Option("--name", metavar="NAME", help="What people read.", show_default=False)]
Rpm = Annotated[
    str | None,
    typer.Option("--rpm", metavar="N", help="Requests per minute of all its keys; 0 blocks, `none` is no limit.", show_default=False),
]
Tpm = Annotated[str | None, typer.Option("--tpm", metavar="N", help="Tokens per minute of all its keys, as above.", show_default=False)]
AtOnce = Annotated[
    str | None, typer.Option("--concurrency", metavar="N", help="Requests that may run at once, as above.", show_default=False)
]
Policy = Annotated[
    BudgetPolicy | None,
    typer.Option("--policy", help="What becomes of requests near the end of a budget, for keys that do not say it.", show_default=False),
]


@commands.command("list")
def list_environments(
    org: Org = DEFAULT_ORGANISATION_ID, as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR
) -> None:
    """List the environments, by slug."""
    found = with_services(read_settings(data_dir, config), lambda services: services.environments.list(OPERATOR_RIGHTS, org))
    if as_json:
        print_json({"data": [_object(row) for row in found], "next_cursor": None})
    else:
        print_table(_COLUMNS, [_row(row) for row in found], empty="No environments.")


@commands.command("create")
def create(
    slug: Slug,
    *,
    kind: Annotated[
        EnvironmentKind, typer.Option("--kind", help="`live` reaches the upstreams, `sandbox` the simulated provider alone.")
    ] = EnvironmentKind.LIVE,
    name: Name = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    at_once: AtOnce = None,
    policy: Policy = None,
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Make an environment. Its slug and its kind never change."""
    limits = _read_limits(rpm, tpm, at_once, policy)
    settings = read_settings(data_dir, config)
    made = with_services(
        settings,
        lambda services: services.environments.create(OPERATOR, OPERATOR_RIGHTS, org, slug=slug, kind=kind, name=name, **limits),
    )
    _print(made, as_json=as_json)


@commands.command("change")
def change(
    slug: Slug,
    *,
    name: Name = None,
    is_active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Whether its keys are taken.  [default: as it is]", show_default=False)
    ] = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    at_once: AtOnce = None,
    policy: Policy = None,
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Change an environment's name, state, limits or policy. It holds within a second."""
    said: dict[str, Any] = {"name": name, "is_active": is_active}
    changes = {key: value for key, value in said.items() if value is not None} | _read_limits(rpm, tpm, at_once, policy)
    if not changes:
        raise CommandFailed(ExitCode.USAGE, "usage", "nothing to change was given", cure="anyrouter envs change --help")
    settings = read_settings(data_dir, config)
    changed = with_services(settings, lambda services: services.environments.change(OPERATOR, OPERATOR_RIGHTS, org, slug, changes))
    _print(changed, as_json=as_json)


@commands.command("delete")
def delete(
    slug: Slug,
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Delete an environment for good: its keys are refused within a second, and its slug stays taken."""
    settings = read_settings(data_dir, config)
    deleted = with_services(settings, lambda services: services.environments.delete(OPERATOR, OPERATOR_RIGHTS, org, slug))
    if as_json:
        print_json({"deleted": True, "data": _object(deleted)})
    else:
        print_lines([f"deleted {deleted.slug}"])


def _read_limits(rpm: str | None, tpm: str | None, at_once: str | None, policy: BudgetPolicy | None) -> dict[str, Any]:
    options = (("--rpm", "rate_limit_rpm", rpm), ("--tpm", "rate_limit_tpm", tpm), ("--concurrency", "concurrency", at_once))
    limits = {name: _read_limit(option, text) for option, name, text in options if text is not None}
    return limits if policy is None else {**limits, "budget_policy": policy.value}


def _read_limit(option: str, text: str) -> int | None:
    if text == _NO_LIMIT:
        return None
    if not (text.isascii() and text.isdigit()):
        raise CommandFailed(ExitCode.USAGE, "invalid_parameter", f"{option}: {text[:40]!r} is neither a whole number nor `{_NO_LIMIT}`")
    return int(text)


def _print(environment: Environment, *, as_json: bool) -> None:
    if as_json:
        print_json({"data": _object(environment)})
    else:
        names = ("slug", "kind", "state", "requests per minute", "tokens per minute", "at once", "policy", "name")
        print_pairs(zip(names, _row(environment), strict=True))


def _object(environment: Environment) -> dict[str, Any]:
    return {"id": environment.id, **environment_facts(environment)}


def _row(environment: Environment) -> tuple[object, ...]:
    state = "active" if environment.is_active else "inactive"
    return (
        environment.slug,
        environment.kind.value,
        f"{state}, of the file" if environment.is_managed else state,
        environment.rate_limit_rpm,
        environment.rate_limit_tpm,
        environment.concurrency,
        None if environment.budget_policy is None else environment.budget_policy.value,
        environment.name,
    )
