"""The pages of limits over a real gateway: budgets made, changed, deleted, and what of them is used."""

import html
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from anyrouter.core.tenancy import Role
from support.dashboard import sign_in
from support.gateway import GatewayProcess
from support.upstream import ScriptedUpstream

from .conftest import PROBE, said

PATH = "/dashboard/settings/limits"
TODAY = (datetime.now(UTC).date() - datetime(1970, 1, 1, tzinfo=UTC).date()).days


def create(client: httpx.Client, **fields: str) -> httpx.Response:
    return client.post(f"{PATH}/new", data={"owner": "organisation", "limit": "100", "period": "monthly", **fields})


def create_well(client: httpx.Client, **fields: str) -> str:
    """The path of the new budget's page."""
    reply = create(client, **fields)
    assert reply.status_code == 303, said(reply)
    return reply.headers["location"].partition("?")[0]


def spend(gateway: GatewayProcess, model: str, nanousd: int) -> None:
    """A row of the sums by model and day, as if requests of the environment had cost that."""
    with sqlite3.connect(gateway.data_dir / "anyrouter.db", timeout=10) as database:
        columns = {row[1]: (row[2], row[3], row[4]) for row in database.execute("PRAGMA table_info(usage_model_daily)")}
        environment = database.execute("SELECT id FROM environments WHERE organisation_id = 'org_default' AND slug = 'live'").fetchone()[0]
        told = {
            "organisation_id": "org_default",
            "environment_id": environment,
            "day": TODAY,
            "model": model,
            "cost_nanousd": nanousd,
        }
        needed = {
            name: (0 if "INT" in kind else "") for name, (kind, is_needed, default) in columns.items() if is_needed and default is None
        }
        row = needed | told
        database.execute(f"INSERT INTO usage_model_daily ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", [*row.values()])  # noqa: S608 -- the schema's own names


def test_budgets_show_what_is_used_of_them(gateway: GatewayProcess, owner: httpx.Client, stranger: httpx.Client) -> None:
    assert "No budgets" in said(stranger.get(PATH))
    spend(gateway, "openai/gpt-4o", 85_000_000_000)
    spend(gateway, "other/model", 20_000_000_000)
    everything = create_well(owner, name=PROBE)
    only = create_well(owner, owner="environment", environment="live", models="openai/*", limit="$100.00", period="daily")
    page = owner.get(PATH)
    assert PROBE not in page.text
    assert PROBE in said(page)
    assert "$105.00 of $100.00 used up" in said(page)
    assert "$85.00 of $100.00 nearly used up" in said(page)
    assert "Left $0.00" in said(owner.get(everything))
    assert "Left $15.00" in said(owner.get(only))
    assert 'value="1"' in owner.get(only).text
    listed = gateway.command("budgets", "list")["data"]
    assert {row["period"] for row in listed} == {"daily", "monthly"}


@pytest.fixture
def priced(tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway with an upstream whose models cost something."""
    with ScriptedUpstream() as upstream:
        process = GatewayProcess(tmp_path, OPENAI_API_KEY="sk-x", OPENAI_BASE_URL=f"{upstream.url}/v1")
        yield process
        process.stop()


def ask(gateway: GatewayProcess, key: str, model: str) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    return httpx.post(f"{gateway.base_url}/v1/chat/completions", headers={"authorization": f"Bearer {key}"}, json=body, timeout=30)


def test_a_budget_of_nothing_lets_through_what_costs_nothing_and_the_page_says_so(priced: GatewayProcess) -> None:
    live, test = (priced.command("keys", "create", "--name", slug, "--env", slug)["key"] for slug in ("live", "test"))
    assert ask(priced, live, "openai/gpt-4o").status_code == 200
    with httpx.Client(base_url=priced.base_url, headers=sign_in(priced.data_dir).headers) as client:
        path = create_well(client, limit="0")
        end = time.monotonic() + 10
        while (reply := ask(priced, live, "openai/gpt-4o")).status_code == 200 and time.monotonic() < end:
            time.sleep(0.1)  # it holds everywhere within a second
        assert (reply.status_code, reply.json()["error"]["code"]) == (402, "insufficient_credits")
        assert ask(priced, test, "sandbox/echo").status_code == 200
        for page in (path, PATH):
            words = said(client.get(page))
            assert "nothing may be spent" in words
            assert "used up Whole again" not in words
            assert "Requests that cost something are refused. What costs nothing here still passes: the sandbox" in words
        home = said(client.get("/dashboard"))
        assert "allows no spending" in home
        assert "whole again" not in home


def test_a_keys_budget_is_made_by_the_keys_id(gateway: GatewayProcess, owner: httpx.Client) -> None:
    made = gateway.command("keys", "create", "--name", f"app {PROBE}", "--env", "live")["data"]
    form = owner.get(f"{PATH}/new?owner=key&key={made['id']}")
    assert PROBE not in form.text
    assert f'value="{made["id"]}"' in form.text
    path = create_well(owner, owner="key", key=made["id"], limit="5")
    assert f"app {PROBE}" in said(owner.get(path))
    assert PROBE not in owner.get(PATH).text


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"limit": ""}, "limit"),
        ({"limit": "much"}, "limit"),
        ({"limit": "-5"}, "limit"),
        ({"limit": "1.0000000001"}, "limit"),
        ({"limit": "9999999999"}, "limit"),
        ({"period": "yearly"}, "period"),
        ({"owner": "nobody"}, "owner"),
        ({"owner": "environment", "environment": "nowhere"}, "environment"),
        ({"owner": "key", "key": ""}, "key"),
        ({"owner": "key", "key": "key_nobodys"}, "key"),
        ({"models": "gpt-4o"}, "models"),
        ({"name": "x" * 101}, "name"),
    ],
)
def test_a_mistake_is_told_at_its_field_and_nothing_is_lost(owner: httpx.Client, fields: dict[str, str], field: str) -> None:
    reply = create(owner, **{"models": "openai/*", "name": "Kept <b>", **fields})
    assert 400 <= reply.status_code < 500
    assert re.search(rf'id="{field}-error">[^<]+', reply.text), said(reply)
    assert field == "name" or html.escape("Kept <b>") in reply.text


def test_a_budget_is_changed_and_deleted(owner: httpx.Client) -> None:
    path = create_well(owner, models="openai/gpt-4o")
    changed = owner.post(path, data={"limit": "0.5", "period": "total", "models": "", "name": "", "version": "1"})
    page = said(owner.get(changed.headers["location"]))
    assert "The budget is changed" in page
    assert "Whole again never" in page
    stale = owner.post(path, data={"limit": "7", "period": "total", "version": "1"})
    assert stale.status_code == 412
    assert 'value="7"' in stale.text
    wrong = owner.post(path, data={"limit": "seven", "period": "total", "version": "2"})
    assert 'id="limit-error"' in wrong.text
    assert "deleted" in said(owner.get(owner.post(f"{path}/delete").headers["location"]))
    assert owner.get(path).status_code == 404


def test_the_environments_limits_are_shown_with_what_is_used(gateway: GatewayProcess, owner: httpx.Client) -> None:
    gateway.command("envs", "change", "test", "--rpm", "20")
    assert "0 of 20 used" in said(owner.get(PATH))


def test_billing_sees_the_organisations_budgets_and_others_none(
    owner: httpx.Client, stranger: httpx.Client, browse: Callable[..., httpx.Client]
) -> None:
    whole, part = create_well(owner, name="whole"), create_well(owner, owner="environment", environment="live", name="part")
    billing = browse(Role.BILLING)
    page = billing.get(PATH)
    assert "whole" in said(page)
    assert part not in page.text
    assert billing.get(part).status_code == 404
    assert billing.get(whole).status_code == 200
    assert "An environment" not in said(billing.get(f"{PATH}/new"))
    assert create(billing, owner="environment", environment="live").status_code == 404
    create_well(billing, name="of billing")
    for role in (Role.DEVELOPER, Role.VIEWER):
        client = browse(role)
        assert client.get(PATH).status_code == client.get(whole).status_code == create(client).status_code == 403
    assert stranger.get(whole).status_code == stranger.post(f"{whole}/delete").status_code == 404
    assert "whole" not in said(stranger.get(PATH)).replace("The whole organisation", "").replace("The whole gateway", "").replace(
        "Whole again", ""
    )
