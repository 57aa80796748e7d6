"""`anyrouter credits`: what an organisation was given and has left. The operator's alone: whoever has the data directory."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from anyrouter.cli.configuration import read_settings
from anyrouter.cli.failure import CommandFailed, ExitCode
from anyrouter.cli.options import DATA_DIR, Config, DataDir, Json, Org
from anyrouter.cli.output import print_json, print_lines, print_pairs, print_table
from anyrouter.cli.store import with_services
from anyrouter.core.audit import OPERATOR
from anyrouter.core.credits import CreditTransaction
from anyrouter.core.money import parse_usd, to_usd, to_usd_string
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, CreditMode

if TYPE_CHECKING:
    from anyrouter.bootstrap.services import Services
    from anyrouter.control.credits import Balance

commands = typer.Typer(
    no_args_is_help=True,
    help="Give credits, look at balances, check the books.",
    epilog="Under `metered`, the default, what is used is counted and nothing is refused. Under `prepaid` requests end with the credits.",
)
_COLUMNS = ("WHEN", "KIND", "USD", "NOTE", "BY", "ID")
Amount = Annotated[str, typer.Argument(metavar="USD", help="US dollars, such as 12.50.", show_default=False)]


@commands.command("show")
def show(org: Org = DEFAULT_ORGANISATION_ID, as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR) -> None:
    """Show what an organisation was given, has used and has left."""
    balance = with_services(read_settings(data_dir, config), lambda services: services.credits.read_balance(org))
    _print_balance(balance, org, as_json=as_json)


@commands.command("grant")
def grant(
    amount: Amount,
    *,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="What it is for.", show_default=False)] = "",
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Give credits once. A negative amount, behind `--`, takes them back."""
    nanousd = _read_amount(amount, is_negative_allowed=True)
    settings = read_settings(data_dir, config)
    transaction = with_services(settings, lambda services: services.credits.grant(OPERATOR, org, nanousd, note=note))
    if as_json:
        print_json({"data": _transaction_object(transaction)})
    else:
        print_lines([f"granted {to_usd_string(transaction.amount_nanousd)} USD to {org} ({transaction.id})"])


@commands.command("set")
def configure(
    *,
    mode: Annotated[
        CreditMode | None, typer.Option("--mode", help="Whether requests end with the credits.  [default: as it is]", show_default=False)
    ] = None,
    monthly: Annotated[
        str | None,
        typer.Option("--monthly", metavar="USD", help="What is given each month and does not roll over; 0 ends that.", show_default=False),
    ] = None,
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Change whether credits are enforced, and what is given each month, from this month on."""
    if mode is None and monthly is None:
        raise CommandFailed(ExitCode.USAGE, "usage", "nothing to change was given", cure="anyrouter credits set --help")
    nanousd = None if monthly is None else _read_amount(monthly)

    async def work(services: "Services") -> "Balance":
        await services.credits.configure(OPERATOR, org, mode=mode, monthly_grant_nanousd=nanousd)
        return await services.credits.read_balance(org)

    _print_balance(with_services(read_settings(data_dir, config), work), org, as_json=as_json)


@commands.command("list")
def list_transactions(
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=1000, help="The newest N.")] = 100,
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """List what was given and taken back, the newest first."""
    found = with_services(read_settings(data_dir, config), lambda services: services.credits.list_transactions(org, limit=limit))
    if as_json:
        print_json({"data": [_transaction_object(row) for row in found], "next_cursor": None})
        return
    rows = [
        (f"{row.at:%Y-%m-%d %H:%M}", row.kind.value, to_usd_string(row.amount_nanousd), row.note, row.actor_label, row.id) for row in found
    ]
    print_table(_COLUMNS, rows, empty="No transactions. anyrouter credits grant 100 gives the first credits.")


@commands.command("audit")
def audit(org: Org = DEFAULT_ORGANISATION_ID, as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR) -> None:
    """Check that every day's entries of the ledger add up to what balances and budgets are made of. Exit code 1 when they do not.

    Days whose entries retention has deleted cannot be checked any more and are left out.
    """

    async def work(services: "Services") -> tuple[Any, "Balance"]:
        return await services.credits.audit(org), await services.credits.read_balance(org)

    differences, balance = with_services(read_settings(data_dir, config), work)
    rows = [
        {
            "date": row.date.isoformat(),
            "ledger_usd": to_usd_string(row.ledger_nanousd),
            "sums_usd": to_usd_string(row.sums_nanousd),
            "difference_nanousd": row.sums_nanousd - row.ledger_nanousd,
            "ledger_requests": row.ledger_requests,
            "sums_requests": row.sums_requests,
        }
        for row in differences
    ]
    if as_json:
        print_json({"data": {**_balance_object(balance, org), "is_whole": not rows, "differences": rows}})
    elif rows:
        print_table(tuple(rows[0]), [tuple(row.values()) for row in rows], empty="")
    else:
        print_lines([f"the books of {org} agree; balance {to_usd_string(balance.balance_nanousd)} USD"])
    if rows:
        raise typer.Exit(ExitCode.FAILED)


def _print_balance(balance: "Balance", org: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"data": _balance_object(balance, org)})
        return
    print_pairs(
        (
            ("organisation", org),
            ("mode", balance.mode.value),
            ("granted", f"{to_usd_string(balance.granted_nanousd)} USD"),
            ("used", f"{to_usd_string(balance.used_nanousd)} USD"),
            ("balance", f"{to_usd_string(balance.balance_nanousd)} USD"),
            ("each month", f"{to_usd_string(balance.monthly_grant_nanousd)} USD"),
        )
    )


def _balance_object(balance: "Balance", org: str) -> dict[str, Any]:
    return {
        "organisation": org,
        "mode": balance.mode.value,
        "granted": to_usd(balance.granted_nanousd),
        "used": to_usd(balance.used_nanousd),
        "balance": to_usd(balance.balance_nanousd),
        "monthly_grant": to_usd(balance.monthly_grant_nanousd),
        "currency": "usd",
    }


def _transaction_object(row: CreditTransaction) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind.value,
        "amount": to_usd(row.amount_nanousd),
        "created_at": row.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "note": row.note,
        "actor": row.actor_label,
    }


def _read_amount(text: str, *, is_negative_allowed: bool = False) -> int:
    try:
        return parse_usd(text, is_negative_allowed=is_negative_allowed)
    except ValueError as problem:
        raise CommandFailed(ExitCode.USAGE, "invalid_parameter", f"{text[:40]!r}: {problem}") from None
