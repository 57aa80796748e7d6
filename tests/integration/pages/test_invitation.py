"""Becoming a member by an invitation's link, over a real gateway."""

import contextlib
import sqlite3
from typing import Any
from urllib.parse import quote

import pytest

from support.gateway import GatewayProcess
from support.visitor import PASSWORD, Visitor, path_of, words

from .conftest import PROBE


@pytest.fixture
def visitor(gateway: GatewayProcess) -> Visitor:
    return Visitor(gateway.base_url)


def invite(gateway: GatewayProcess, email: str, role: str = "viewer", org: str = "org_default") -> Any:
    return gateway.command("org", "invite", email, "--role", role, "--org", org)


def accept(visitor: Visitor, made: Any, **fields: str) -> Any:
    return visitor.post("/invite", {"token": made["token"], "email": made["data"]["email"], "password": PASSWORD, **fields})


def test_who_is_invited_chooses_a_password_and_is_in_with_the_invitations_role(gateway: GatewayProcess, visitor: Visitor) -> None:
    org = gateway.command("org", "create", PROBE)["data"]["id"]
    made = invite(gateway, "bob@example.org", "billing", org)
    page = visitor.get(path_of(made["link"]))
    assert f"Join the organisation {PROBE} as billing" in words(page)
    assert "<script>alert" not in page.text
    refused = accept(visitor, made, name=f"Bob {PROBE}", password="bob@example.org")
    assert (refused.status_code, visitor.lines) == (400, [])
    assert "your name" in words(refused).lower()
    assert "Bob &lt;script&gt;alert(1)" in refused.text

    done = accept(visitor, made, name=f"Bob {PROBE}", role="owner", organisation_id="org_default")
    assert done.headers["location"] == "/login/arrived?next=%2Fdashboard"
    home = visitor.get("/dashboard")
    assert f"Bob {PROBE} bob@example.org · billing" in words(home)
    assert "<script>alert" not in home.text
    (member,) = gateway.command("org", "members", "--org", org)["data"]
    assert (member["email"], member["role"]) == ("bob@example.org", "billing")
    visitor.post("/logout")
    assert visitor.sign_in("bob@example.org").status_code == 303
    actions = [row["action"] for row in gateway.command("audit", "list", "--org", org)["data"]]
    assert {"invitation.accept", "password.set", "session.begin", "session.end"} <= set(actions)


def test_an_invitation_is_used_once(gateway: GatewayProcess, visitor: Visitor) -> None:
    made = invite(gateway, "cy@example.org")
    assert accept(visitor, made).status_code == 303
    again = Visitor(gateway.base_url)
    assert again.get(path_of(made["link"])).status_code == 404
    reply = accept(again, made, password="a password of somebody else")
    assert (reply.status_code, again.lines) == (404, [])
    assert again.sign_in("cy@example.org").status_code == 303


def test_an_invitation_is_for_its_own_address(gateway: GatewayProcess, visitor: Visitor) -> None:
    made = invite(gateway, "dee@example.org")
    for email in ("eve@example.org", "", PROBE, "dee@example.org\0"):
        reply = accept(visitor, made, email=email)
        assert (reply.status_code, visitor.lines) == (404, []), email
    assert accept(visitor, made, email=" DEE@example.org").status_code == 303


def test_what_is_over_or_never_was_opens_nothing_and_says_the_same(gateway: GatewayProcess, visitor: Visitor) -> None:
    revoked, expired = invite(gateway, "flo@example.org"), invite(gateway, "gil@example.org")
    gateway.command("org", "revoke-invitation", revoked["data"]["id"])
    with contextlib.closing(sqlite3.connect(gateway.data_dir / "anyrouter.db", timeout=20, isolation_level=None)) as database:
        database.execute("UPDATE invitations SET expires_at_ms = created_at_ms WHERE id = ?", (expired["data"]["id"],))
    never = {"token": "inv_" + "A" * 43, "data": {"email": "flo@example.org"}}
    odd = {"token": PROBE, "data": {"email": "flo@example.org"}}
    said = set()
    for made in (revoked, expired, never, odd):
        page, reply = visitor.get(f"/invite?token={quote(str(made['token']))}"), accept(visitor, made)
        assert (page.status_code, reply.status_code, visitor.lines) == (404, 404, [])
        said |= {words(page).partition("Status")[0], words(reply).partition("Status")[0]}
    assert len(said) == 1
    assert "There is no such invitation for this address" in said.pop()


def test_a_suspended_organisations_invitation_opens_nothing(gateway: GatewayProcess, visitor: Visitor) -> None:
    org = gateway.command("org", "create", "Suspended")["data"]["id"]
    made = invite(gateway, "hal@example.org", org=org)
    gateway.command("org", "disable", org)
    reply = accept(visitor, made)
    assert (reply.status_code, visitor.lines) == (404, [])
    assert gateway.command("org", "members", "--org", org)["data"] == []


def test_who_was_removed_and_invited_again_has_the_new_password_only(gateway: GatewayProcess, visitor: Visitor) -> None:
    assert accept(visitor, invite(gateway, "ivy@example.org")).status_code == 303
    gateway.command("org", "remove-member", "ivy@example.org")
    assert not visitor.can_enter()
    back = Visitor(gateway.base_url)
    assert accept(back, invite(gateway, "ivy@example.org"), password="a second one, not the first").status_code == 303
    assert back.can_enter()
    assert not visitor.can_enter()
    assert visitor.sign_in("ivy@example.org").status_code == 403
