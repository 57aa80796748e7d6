"""The way in of the first owner: the link that a start prints, once, and until there is an owner."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.gateway import GatewayProcess
from support.visitor import PASSWORD, Visitor, join, set_up_token, words

from .conftest import PROBE

ADA = {"email": "ada@example.org", "name": "Ada Lovelace", "password": PASSWORD}


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway that has no owner yet."""
    process = GatewayProcess(tmp_path / "data")
    yield process
    process.stop()
    assert "page failed" not in process.output, process.output


@pytest.fixture
def visitor(fresh: GatewayProcess) -> Visitor:
    return Visitor(fresh.base_url)


@pytest.mark.parametrize("query", ["", "?token=", "?token=set_" + "A" * 43, f"?token={PROBE}", "?token=inv_" + "A" * 43])
def test_without_the_link_there_is_nothing_to_set_up(query: str, gateway: GatewayProcess) -> None:
    reply = Visitor(gateway.base_url).get("/setup" + query)
    assert reply.status_code == 404
    assert "nothing to set up here" in words(reply)


def test_the_link_makes_the_owner_once_and_is_then_a_page_that_never_was(fresh: GatewayProcess, visitor: Visitor) -> None:
    token = set_up_token(fresh)
    assert f"{fresh.base_url}/setup?token={token}" in fresh.output
    assert visitor.post("/setup", {**ADA, "token": "set_" + "A" * 43}).status_code == 404
    assert visitor.post("/setup", ADA).status_code == 404
    assert "Nobody has an account here yet" in words(visitor.get("/login"))
    form = visitor.get(f"/setup?token={token}")
    assert re.findall(r'type="hidden" name="token" value="([^"]*)"', form.text) == [token]

    for mistake, at in (
        ({"email": "ada at home"}, "E-mail address such as ada@example.org is needed"),
        ({"password": "short"}, "At least 12 characters are needed"),
        ({"password": "Ada@Example.org"}, "Your address, your name and the product's name"),
        ({"password": "AnyRouter 2026!!"}, "Your address, your name and the product's name"),
        ({"password": "password1234"}, "among the first that anybody tries"),
        ({"password": "x" * 1025 + "yz"}, "At most 1024 characters"),
        ({"name": "Ada\x07"}, "name"),
    ):
        typed = {**ADA, **mistake, "token": token}
        refused = visitor.post("/setup", typed)
        assert refused.status_code == 400, mistake
        assert at.lower() in words(refused).lower()
        assert 'aria-invalid="true"' in refused.text
        assert typed["password"] not in refused.text
        assert 'value="Ada Lovelace"' in refused.text or "name" in mistake
        assert visitor.lines == []

    done = visitor.post("/setup", {**ADA, "token": token})
    assert done.headers["location"] == "/login/arrived?next=%2Fdashboard"
    assert "owner" in words(visitor.get("/dashboard"))
    assert "Nobody has an account" not in words(Visitor(fresh.base_url).get("/login"))
    assert visitor.get(f"/setup?token={token}").status_code == 404
    assert visitor.post("/setup", {**ADA, "email": "eve@example.org", "token": token}).status_code == 404
    assert [row["email"] for row in fresh.command("org", "members")["data"]] == ["ada@example.org"]
    (event,) = [row for row in fresh.command("audit", "list")["data"] if row["action"] == "setup.finish"]
    assert (event["actor"]["label"], event["target_label"]) == ("set-up link", "ada@example.org")


def test_each_start_prints_a_link_of_its_own_until_there_is_an_owner(fresh: GatewayProcess) -> None:
    first = set_up_token(fresh)
    fresh.stop()
    fresh.start()
    second = set_up_token(fresh)
    assert second != first
    visitor = Visitor(fresh.base_url)
    assert visitor.get(f"/setup?token={first}").status_code == 404
    assert visitor.get(f"/setup?token={second}").status_code == 200
    join(fresh, "ada@example.org")
    assert visitor.get(f"/setup?token={second}").status_code == 404
    fresh.stop()
    fresh.start()
    assert "/setup" not in fresh.output
    fresh.command("org", "add-member", "bob@example.org", "--role", "owner")
    fresh.command("org", "remove-member", "ada@example.org")
    assert Visitor(fresh.base_url).get(f"/setup?token={second}").status_code == 404


def test_of_two_who_have_the_link_at_once_one_is_the_owner(fresh: GatewayProcess) -> None:
    token = set_up_token(fresh)

    def claim(number: int) -> int:
        return Visitor(fresh.base_url).post("/setup", {**ADA, "email": f"owner{number}@example.org", "token": token}).status_code

    with ThreadPoolExecutor(4) as threads:
        codes = sorted(threads.map(claim, range(4)))
    assert codes == [303, 404, 404, 404]
    assert len(fresh.command("org", "members")["data"]) == 1


def test_without_a_dashboard_there_is_no_link_and_no_page(tmp_path: Path) -> None:
    process = GatewayProcess(tmp_path / "data", ANYROUTER_DASHBOARD__ENABLED="false")
    try:
        assert "/setup" not in process.output
        reply = Visitor(process.base_url).get("/login")
        assert (reply.status_code, reply.headers["content-type"]) == (404, "application/json")
    finally:
        process.stop()
