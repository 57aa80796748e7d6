"""The page of credits over a real gateway: what the operator gives is there at once, a page at a time."""

import re
import sqlite3
import time
from collections.abc import Callable

import httpx

from anyrouter.core.ids import new_id
from anyrouter.core.tenancy import Role
from support.gateway import GatewayProcess

from .conftest import PROBE, said

PATH = "/dashboard/settings/credits"


def take_back(gateway: GatewayProcess, nanousd: int, note: str) -> None:
    """A transaction as the command makes it, without a command's time."""
    now_ms = time.time_ns() // 1_000_000
    row = (new_id("ctx", now_ms), "org_default", "adjustment", -nanousd, now_ms, note, "operator")
    with sqlite3.connect(gateway.data_dir / "anyrouter.db", timeout=10) as database:
        names = "id, organisation_id, kind, amount_nanousd, at_ms, note, actor_label"
        database.execute(f"INSERT INTO credit_transactions ({names}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608 -- columns


def test_the_balance_and_what_was_given_are_shown(gateway: GatewayProcess, owner: httpx.Client, stranger: httpx.Client) -> None:
    assert "No transactions" in said(stranger.get(PATH))
    gateway.command("credits", "grant", "100", "--note", PROBE)
    take_back(gateway, 30_500_000_000, "a mistake")
    page = owner.get(PATH)
    assert PROBE not in page.text
    assert PROBE in said(page)
    assert re.search(r"Balance \$69\.50", said(page))
    assert re.search(r"Taken back -\$30\.50 a mistake operator", said(page))
    assert "Metered" in said(page)
    assert "anyrouter credits grant 100" in said(page)


def test_prepaid_credits_that_are_used_up_are_told(gateway: GatewayProcess, browse: Callable[..., httpx.Client]) -> None:
    organisation_id = gateway.command("org", "create", "Poor")["data"]["id"]
    gateway.command("credits", "set", "--mode", "prepaid", "--org", organisation_id)
    page = said(browse(Role.BILLING, organisation_id).get(PATH))
    assert "The credits are used up" in page
    assert "Prepaid" in page


def test_transactions_are_shown_a_page_at_a_time(gateway: GatewayProcess, owner: httpx.Client) -> None:
    for number in range(52):
        take_back(gateway, 1, f"number {number}.")
    first = owner.get(PATH)
    link = re.search(r'href="([^"]+)" rel="next"', first.text)
    assert link is not None
    second = owner.get(link[1])
    assert "number 51." in said(first)
    assert "number 51." not in said(second)
    assert "number 0." in said(second)
    assert "First page" in said(second)
    assert owner.get(f"{PATH}?before=%3Cscript%3E").status_code == 200


def test_who_may_not_see_money_does_not(stranger: httpx.Client, browse: Callable[..., httpx.Client]) -> None:
    for role in (Role.DEVELOPER, Role.VIEWER):
        assert browse(role).get(PATH).status_code == 403
    assert browse(Role.BILLING).get(PATH).status_code == 200
    assert "number 51." not in said(stranger.get(PATH))
