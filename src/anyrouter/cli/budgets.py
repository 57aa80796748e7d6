"""`anyrouter budgets`: bounds on what keys, environments and organisations may cost. Works while the server runs."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from anyrouter.cli.configuration import read_settings
from anyrouter.cli.failure import CommandFailed, ExitCode
from anyrouter.cli.options import DATA_DIR, Config, DataDir, Json, Org
from anyrouter.cli.output import print_json, print_lines, print_pairs, print_table
from anyrouter.cli.store import KeyDesk, with_services
from anyrouter.control.budgets import BudgetWish, describe_budget
from anyrouter.core.audit import OPERATOR
from anyrouter.core.budget import Budget, BudgetOwner, BudgetPeriod
from anyrouter.core.money import parse_usd, to_usd_string
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.policy.rights import OPERATOR_RIGHTS

if TYPE_CHECKING:
    from anyrouter.bootstrap.services import Services

commands = typer.Typer(
    no_args_is_help=True,
    help="Make, look at and delete budgets: what a key, an environment or the organisation may cost in a day, a week, a month or in all.",
    epilog="A key's own budget is set with the key: anyrouter keys create --limit. These are others beside it, for some models or all.",
)
_COLUMNS = ("ID", "OF", "USD", "PERIOD", "MODELS", "NAME")


@commands.command("create")
def create(
    limit: Annotated[str, typer.Argument(metavar="USD", help="What may be spent in each period.", show_default=False)],
    *,
    key: Annotated[
        str | None, typer.Option("--key", metavar="KEY", help="Of a key and its rotations: its id, label or name.", show_default=False)
    ] = None,
    environment: Annotated[str | None, typer.Option("--env", "-e", metavar="SLUG", help="Of an environment.", show_default=False)] = None,
    period: Annotated[BudgetPeriod, typer.Option("--per", help="When it is whole again, in UTC.")] = BudgetPeriod.MONTHLY,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="What counts: an id or `vendor/*`; may be given several times.  [default: all]",
            show_default=False,
        ),
    ] = None,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What people read.", show_default=False)] = "",
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Make a budget: of a key, of an environment, or, without either, of the organisation."""
    if key is not None and environment is not None:
        raise CommandFailed(ExitCode.USAGE, "usage", "--key and --env cannot both be given: make two budgets")
    try:
        nanousd = parse_usd(limit)
    except ValueError as problem:
        raise CommandFailed(ExitCode.USAGE, "invalid_parameter", f"{limit[:40]!r}: {problem}") from None

    async def work(services: "Services") -> Budget:
        owner, owner_id = BudgetOwner.ORGANISATION, None
        if environment is not None:
            owner, owner_id = BudgetOwner.ENVIRONMENT, environment
        elif key is not None:
            owner, owner_id = BudgetOwner.KEY, (await KeyDesk(services.keys).find(key)).id
        wish = BudgetWish(owner=owner, owner_id=owner_id, limit_nanousd=nanousd, period=period, models=model or None, name=name)
        return await services.budgets.create(OPERATOR, OPERATOR_RIGHTS, org, wish)

    _print(with_services(read_settings(data_dir, config), work), as_json=as_json)


@commands.command("list")
def list_budgets(org: Org = DEFAULT_ORGANISATION_ID, as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR) -> None:
    """List the budgets, oldest first, without those that keys bring themselves."""
    found = with_services(read_settings(data_dir, config), lambda services: services.budgets.list(OPERATOR_RIGHTS, org))
    if as_json:
        print_json({"data": [_object(budget) for budget in found], "next_cursor": None})
    else:
        print_table(_COLUMNS, [_row(budget) for budget in found], empty="No budgets. anyrouter budgets create 100 --env live makes one.")


@commands.command("delete")
def delete(
    budget: Annotated[str, typer.Argument(metavar="ID", help="Its id (bud_…).", show_default=False)],
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Delete a budget: nothing is bounded by it any more."""
    settings = read_settings(data_dir, config)
    deleted = with_services(settings, lambda services: services.budgets.delete(OPERATOR, OPERATOR_RIGHTS, org, budget))
    if as_json:
        print_json({"deleted": True, "data": _object(deleted)})
    else:
        print_lines([f"deleted {deleted.id}"])


def _print(budget: Budget, *, as_json: bool) -> None:
    if as_json:
        print_json({"data": _object(budget)})
    else:
        print_pairs(zip(("id", "of", "USD", "period", "models", "name"), _row(budget), strict=True))


def _object(budget: Budget) -> dict[str, Any]:
    return {"id": budget.id, **describe_budget(budget)}


def _row(budget: Budget) -> tuple[object, ...]:
    owner = budget.owner.value if budget.owner is BudgetOwner.ORGANISATION else f"{budget.owner.value} {budget.owner_id}"
    models = "all" if budget.models is None else ", ".join(budget.models)
    return (budget.id, owner, to_usd_string(budget.limit_nanousd), budget.period.value, models, budget.name)
