"""`anyrouter webhooks`: where an organisation hears of what happens. Works while the server runs, which sends."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from anyrouter.cli.configuration import read_settings
from anyrouter.cli.failure import CommandFailed, ExitCode
from anyrouter.cli.options import DATA_DIR, Config, DataDir, Json, Org
from anyrouter.cli.output import print_json, print_lines, print_note, print_table
from anyrouter.cli.store import with_services
from anyrouter.core.audit import OPERATOR
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.core.webhook import Webhook, WebhookDelivery
from anyrouter.policy.rights import OPERATOR_RIGHTS

if TYPE_CHECKING:
    from anyrouter.bootstrap.services import Services
    from anyrouter.control.webhooks import Sent

commands = typer.Typer(
    no_args_is_help=True,
    help="Say where messages about keys, budgets, credits and changes are posted, and see how they fared.",
    epilog="Messages are signed as Standard Webhooks are. The server sends them: it must run.",
)
Named = Annotated[str, typer.Argument(metavar="WEBHOOK", help="Its id (whk_…) or its name.", show_default=False)]
_COLUMNS = ("ID", "NAME", "EVENTS", "STATE", "URL")
_DELIVERY_COLUMNS = ("CREATED", "EVENT", "STATE", "ATTEMPTS", "STATUS", "ID")


@commands.command("add")
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where messages are posted.", show_default=False)],
    *,
    event: Annotated[
        list[str],
        typer.Option("--event", "-e", metavar="NAME", help="key.expiring, key.*, or * for all; may be given several times."),
    ] = ["*"],  # noqa: B006 -- Typer's form of a default
    name: Annotated[str | None, typer.Option("--name", "-n", metavar="NAME", help="What people read.", show_default=False)] = None,
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Add a webhook. The secret that its messages are signed with is printed once."""
    settings = read_settings(data_dir, config)

    async def work(services: "Services") -> tuple[Webhook, str]:
        return await services.webhooks.create(OPERATOR, OPERATOR_RIGHTS, org, url=url, events=event, name=name)

    webhook, secret = with_services(settings, work)
    if as_json:
        print_json({"data": _object(webhook), "secret": secret})
        return
    print_lines([secret])
    print_note(f"{webhook.id} hears of {', '.join(webhook.events)}. Its secret is not shown again.")


@commands.command("list")
def list_webhooks(org: Org = DEFAULT_ORGANISATION_ID, as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR) -> None:
    """List the webhooks."""
    found = with_services(read_settings(data_dir, config), lambda services: services.webhooks.list(OPERATOR_RIGHTS, org))
    if as_json:
        print_json({"data": [_object(row) for row in found], "next_cursor": None})
        return
    rows = [(row.id, row.name, ", ".join(row.events), "disabled" if row.is_disabled else "active", row.url) for row in found]
    print_table(_COLUMNS, rows, empty="No webhooks. anyrouter webhooks add URL adds one.")


@commands.command("test")
def try_out(
    webhook: Named, org: Org = DEFAULT_ORGANISATION_ID, as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR
) -> None:
    """Post a signed message of the type webhook.test now. Exit code 1 when it is not taken."""

    async def work(services: "Services") -> "Sent":
        found = await _find(services, org, webhook)
        return await services.webhooks.test(OPERATOR, OPERATOR_RIGHTS, org, found.id)

    sent = with_services(read_settings(data_dir, config), work)
    if as_json:
        print_json({"data": {"ok": sent.is_ok, "status": sent.status, "latency_ms": sent.latency_ms, "message": sent.message}})
    elif sent.is_ok:
        print_lines([sent.message])
    if not sent.is_ok:
        if as_json:
            raise typer.Exit(ExitCode.FAILED)
        raise CommandFailed(ExitCode.FAILED, "not_delivered", sent.message)


@commands.command("disable")
def disable(
    webhook: Named, org: Org = DEFAULT_ORGANISATION_ID, as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR
) -> None:
    """Send it nothing, until it is enabled again. What happens meanwhile is not sent later."""
    _switch(webhook, org, as_json=as_json, config=config, data_dir=data_dir, is_disabled=True)


@commands.command("enable")
def enable(
    webhook: Named, org: Org = DEFAULT_ORGANISATION_ID, as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR
) -> None:
    """Send to a disabled webhook again, what happens from now on."""
    _switch(webhook, org, as_json=as_json, config=config, data_dir=data_dir, is_disabled=False)


@commands.command("delete")
def delete(
    webhook: Named, org: Org = DEFAULT_ORGANISATION_ID, as_json: Json = False, config: Config = None, data_dir: DataDir = DATA_DIR
) -> None:
    """Forget a webhook, and what waits to be sent to it."""

    async def work(services: "Services") -> Webhook:
        found = await _find(services, org, webhook)
        return await services.webhooks.delete(OPERATOR, OPERATOR_RIGHTS, org, found.id)

    deleted = with_services(read_settings(data_dir, config), work)
    if as_json:
        print_json({"deleted": True, "data": _object(deleted)})
    else:
        print_lines([f"deleted {deleted.id}"])


@commands.command("deliveries")
def list_deliveries(
    webhook: Named,
    *,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=1000, help="How many at most.")] = 20,
    org: Org = DEFAULT_ORGANISATION_ID,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """List what was sent, or waits to be, the newest first."""

    async def work(services: "Services") -> list[WebhookDelivery]:
        found = await _find(services, org, webhook)
        return await services.webhooks.list_deliveries(OPERATOR_RIGHTS, org, found.id, limit=limit)

    found = with_services(read_settings(data_dir, config), work)
    if as_json:
        print_json({"data": [_delivery_object(row) for row in found], "next_cursor": None})
        return
    rows = [
        (
            row.created_at.isoformat(timespec="seconds"),
            row.event,
            row.state,
            row.attempts,
            "-" if row.status is None else row.status,
            row.id,
        )
        for row in found
    ]
    print_table(_DELIVERY_COLUMNS, rows, empty="Nothing was sent to it yet.")


def _switch(named: str, org: str, *, as_json: bool, config: Any, data_dir: Any, is_disabled: bool) -> None:
    async def work(services: "Services") -> Webhook:
        found = await _find(services, org, named)
        return await services.webhooks.change(OPERATOR, OPERATOR_RIGHTS, org, found.id, {"is_disabled": is_disabled})

    changed = with_services(read_settings(data_dir, config), work)
    if as_json:
        print_json({"data": _object(changed)})
    else:
        print_lines([f"{'disabled' if changed.is_disabled else 'enabled'} {changed.id}"])


async def _find(services: "Services", org: str, named: str) -> Webhook:
    if named.startswith("whk_"):
        return await services.webhooks.show(OPERATOR_RIGHTS, org, named)
    matches = [row for row in await services.webhooks.list(OPERATOR_RIGHTS, org) if row.name == named]
    if not matches:
        raise CommandFailed(ExitCode.NOT_FOUND, "not_found", "no such webhook", cure="anyrouter webhooks list shows them")
    if len(matches) > 1:
        ids = tuple(f"{row.id}  {row.url}" for row in matches)
        raise CommandFailed(ExitCode.CONFLICT, "ambiguous", f"{len(matches)} webhooks are called that; name one by its id", lines=ids)
    return matches[0]


def _object(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "name": webhook.name,
        "url": webhook.url,
        "events": list(webhook.events),
        "disabled": webhook.is_disabled,
        "created_at": webhook.created_at.isoformat(),
    }


def _delivery_object(delivery: WebhookDelivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "event": delivery.event,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "status": delivery.status,
        "created_at": delivery.created_at.isoformat(),
        "next_at": None if delivery.next_at is None else delivery.next_at.isoformat(),
        "delivered_at": None if delivery.delivered_at is None else delivery.delivered_at.isoformat(),
    }
