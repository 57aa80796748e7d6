"""The audit log's pages over a real gateway: searched, read, taken away, and a change of the past that shows."""

import csv
import io
import json
import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from anyrouter.core.tenancy import Role
from support.dashboard import sign_in
from support.gateway import GatewayProcess

from .conftest import PROBE, said

PATH = "/dashboard/settings/audit"
FORMULA = "=HYPERLINK(1)"


@pytest.fixture(scope="module", autouse=True)
def history(gateway: GatewayProcess, owner: httpx.Client) -> None:
    """Something to look at: an environment with a name that is a formula, changed; and something refused."""
    new = owner.post("/dashboard/settings/environments/new", data={"slug": "logged", "kind": "live", "name": FORMULA})
    assert new.status_code == 303
    owner.post("/dashboard/settings/environments/logged", data={"name": PROBE, "rate_limit_rpm": "60"})
    viewer = sign_in(gateway.data_dir, Role.VIEWER, email="curious@example.org")
    assert httpx.get(f"{gateway.base_url}{PATH}", headers=viewer.headers).status_code == 403


def list_actions(reply: httpx.Response) -> list[str]:
    return re.findall(rf'<a href="{PATH}/\d+"><code>([a-z_.]+)</code>', reply.text)


def test_events_are_searched_and_filtered_in_the_address(owner: httpx.Client) -> None:
    page = owner.get(PATH)
    assert PROBE not in page.text
    assert f"name: {FORMULA} → {PROBE[:20]}" in said(page)
    assert list_actions(owner.get(f"{PATH}?action=environment.change")) == ["environment.change"]
    assert set(list_actions(owner.get(f"{PATH}?action=environment.*"))) == {"environment.create", "environment.change"}
    refused = owner.get(f"{PATH}?denied=yes&q=CURIOUS")
    assert set(list_actions(refused)) == {"page.denied"}
    assert "insufficient_scope" in said(refused)
    assert "curious@example.org" in said(refused)
    assert "environment.change" in list_actions(owner.get(f"{PATH}?environment=logged"))
    today, tomorrow = (datetime.now(UTC) + timedelta(days=days) for days in (0, 1))
    assert list_actions(owner.get(f"{PATH}?since={today:%Y-%m-%d}&until={tomorrow:%Y-%m-%d}"))
    assert "Nothing is found" in said(owner.get(f"{PATH}?since={tomorrow:%Y-%m-%d}"))
    assert "Nothing is found" in said(owner.get(f"{PATH}?q=%3Cscript%3Enowhere"))


def test_a_key_is_found_by_its_name(gateway: GatewayProcess, owner: httpx.Client) -> None:
    key = gateway.command("keys", "create", "--name", "Nightly Reports")["data"]
    gateway.command("keys", "create", "--name", "another")
    assert owner.post(f"/dashboard/keys/{key['id']}/state", data={"state": "off"}).status_code == 303
    found = list_actions(owner.get(f"{PATH}?q=nightly+rep"))
    assert found == ["key.disable", "key.create"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("action=DROP", "action"),
        ("actor=%3Cb%3E", "actor"),
        ("target=%27--", "target"),
        ("denied=maybe", "denied"),
        ("since=yesterday", "since"),
        ("until=2026-02-30", "until"),
        ("q=" + "x" * 101, "q"),
        ("q=%00", "q"),
        ("environment=%22", "environment"),
    ],
)
def test_a_filter_that_is_none_is_told_at_its_field(owner: httpx.Client, query: str, field: str) -> None:
    reply = owner.get(f"{PATH}?{query}")
    assert reply.status_code == 400
    assert f'id="{field}-error"' in reply.text, said(reply)
    assert owner.get(f"{PATH}/export?{query}").status_code == 400


def test_a_cursor_that_is_none_is_refused(owner: httpx.Client) -> None:
    reply = owner.get(f"{PATH}?cursor=0")
    assert reply.status_code == 400
    assert "next_cursor" in said(reply)


def test_one_event_says_what_was_before_and_after(owner: httpx.Client) -> None:
    link = re.search(rf'href="({PATH}/\d+)"', owner.get(f"{PATH}?action=environment.change").text)
    assert link is not None
    page = owner.get(link[1])
    assert PROBE not in page.text
    assert f"name {FORMULA} {PROBE}" in said(page)
    assert "rate_limit_rpm none 60" in said(page)
    actor = re.search(rf'href="({PATH}\?actor=[^"]+)"', page.text)
    assert actor is not None
    assert "environment.change" in list_actions(owner.get(actor[1]))
    for number in ("0", "999999", "x", "9" * 30):
        assert owner.get(f"{PATH}/{number}").status_code == 404


def test_pages_follow_each_other_without_a_gap(gateway: GatewayProcess, owner: httpx.Client) -> None:
    for number in range(20):
        owner.post("/dashboard/settings/environments/logged", data={"name": f"Number {number}"})
        owner.post("/dashboard/settings/environments/logged/state", data={"state": "off"})
        owner.post("/dashboard/settings/environments/logged/state", data={"state": "on"})
    numbers, link = [], f"{PATH}?q=logged"
    while link:
        page = owner.get(link)
        numbers += [int(number) for number in re.findall(rf'href="{PATH}/(\d+)"', page.text)]
        found = re.search(r'href="([^"]+)" rel="next"', page.text)
        link = found[1].replace("&amp;", "&") if found else ""
    assert len(numbers) >= 62
    assert numbers == sorted(set(numbers), reverse=True)
    listed = gateway.command("audit", "list", "--limit", "1000")["data"]
    assert set(numbers) == {row["number"] for row in listed if row["environment"] == "logged"}


def test_the_file_is_safe_to_open_and_has_what_was_looked_for(owner: httpx.Client) -> None:
    reply = owner.get(f"{PATH}/export?format=csv&action=environment.create&environment=logged")
    assert reply.headers["content-type"].startswith("text/csv")
    assert reply.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    (row,) = csv.DictReader(io.StringIO(reply.text))
    assert row["action"] == "environment.create"
    everything = csv.reader(io.StringIO(owner.get(f"{PATH}/export").text))
    assert not [cell for line in everything for cell in line if cell.startswith(("=", "+", "@", "\t", "\r"))]
    lines = [json.loads(line) for line in owner.get(f"{PATH}/export?format=jsonl&q=logged").text.splitlines()]
    assert {line["environment"] for line in lines} == {"logged"}
    assert owner.get(f"{PATH}/export?format=xml").status_code == 400


def find_head(reply: httpx.Response) -> dict[str, str]:
    found = re.search(r"<pre[^>]*>(\d+) ([0-9a-f]{64})</pre>", reply.text)
    assert found is not None, said(reply)
    return {"number": found[1], "hash": found[2]}


def test_a_whole_chain_is_told_and_compared_with_what_was_kept(owner: httpx.Client) -> None:
    assert owner.get(f"{PATH}/verify").status_code == 200
    first = owner.post(f"{PATH}/verify")
    assert "The chain is whole" in said(first)
    head = find_head(first)
    owner.post("/dashboard/settings/environments/logged", data={"name": "Once more"})
    assert "is among them, with the same hash" in said(owner.post(f"{PATH}/verify", data=head))
    other = owner.post(f"{PATH}/verify", data={**head, "hash": "0" * 64})
    assert "The chain is broken" in said(other)
    assert "not the event whose hash was kept" in said(other)
    for wrong, field in (
        ({"number": "one", "hash": "0" * 64}, "number"),
        ({"number": "1", "hash": "abc"}, "hash"),
        ({"number": "1"}, "hash"),
    ):
        reply = owner.post(f"{PATH}/verify", data=wrong)
        assert reply.status_code == 400
        assert f'id="{field}-error"' in reply.text


@pytest.fixture
def tampered(gateway: GatewayProcess) -> str:
    """The id of an organisation whose past somebody with the database has changed."""
    organisation_id = gateway.command("org", "create", "Tampered")["data"]["id"]
    with sqlite3.connect(gateway.data_dir / "anyrouter.db", timeout=10) as database:
        triggers = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_events'").fetchall()
        for name, _ in triggers:
            database.execute(f"DROP TRIGGER {name}")
        database.execute("UPDATE audit_events SET target_label = 'Innocent' WHERE organisation_id = ? AND number = 1", (organisation_id,))
        for _, text in triggers:
            database.execute(text)
    return organisation_id


def test_a_change_of_the_past_shows(browse: Callable[..., httpx.Client], tampered: str) -> None:
    page = said(browse(Role.OWNER, tampered).post(f"{PATH}/verify"))
    assert "The chain is broken at event 1" in page
    assert "It was changed" in page


def test_other_roles_and_other_organisations_read_nothing(stranger: httpx.Client, browse: Callable[..., httpx.Client]) -> None:
    for role in (Role.DEVELOPER, Role.BILLING, Role.VIEWER):
        client = browse(role)
        assert {client.get(f"{PATH}{more}").status_code for more in ("", "/export", "/verify", "/1")} == {403}
        assert client.post(f"{PATH}/verify").status_code == 403
    assert "logged" not in stranger.get(PATH).text
    assert "logged" not in stranger.get(f"{PATH}/export").text
