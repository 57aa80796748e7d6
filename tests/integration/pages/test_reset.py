"""A new password by a link for one use, over a real gateway."""

import contextlib
import sqlite3

import pytest

from support.gateway import GatewayProcess
from support.visitor import PASSWORD, Visitor, join, path_of, words

NEW = "a wholly different one"


@pytest.fixture
def visitor(gateway: GatewayProcess) -> Visitor:
    return Visitor(gateway.base_url)


def reset(visitor: Visitor, token: str, password: str = NEW) -> int:
    return visitor.post("/reset", {"token": token, "password": password}).status_code


def test_a_link_sets_the_password_signs_in_and_ends_all_that_was_before(gateway: GatewayProcess, visitor: Visitor) -> None:
    join(gateway, "ada@example.org")
    elsewhere = Visitor(gateway.base_url)
    assert elsewhere.sign_in("ada@example.org").status_code == 303
    made = gateway.command("org", "members", "link", "ada@example.org")
    for _ in range(3):  # programs that look at mail open links, too
        page = visitor.get(path_of(made["link"]))
        assert 'value="ada@example.org"' in page.text
    refused = visitor.post("/reset", {"token": made["token"], "password": "short"})
    assert (refused.status_code, "At least 12 characters" in words(refused)) == (400, True)
    assert elsewhere.can_enter()

    assert reset(visitor, made["token"]) == 303
    assert visitor.can_enter()
    assert not elsewhere.can_enter()
    assert elsewhere.sign_in("ada@example.org").status_code == 403
    assert elsewhere.sign_in("ada@example.org", NEW).status_code == 303
    assert visitor.get(path_of(made["link"])).status_code == 404
    assert reset(visitor, made["token"], PASSWORD) == 404
    assert visitor.can_enter()
    actions = [row["action"] for row in gateway.command("audit", "list")["data"] if row["target_label"] == "ada@example.org"]
    assert {"link.create", "password.reset", "session.begin"} <= set(actions)


def test_what_is_over_or_never_was_opens_nothing(gateway: GatewayProcess, visitor: Visitor) -> None:
    for name in ("bob", "cy", "dee"):
        gateway.command("org", "add-member", f"{name}@example.org", "--role", "viewer")
    first, expired, removed = (gateway.command("org", "members", "link", f"{name}@example.org")["token"] for name in ("bob", "cy", "dee"))
    second = gateway.command("org", "members", "link", "bob@example.org")["token"]
    gateway.command("org", "remove-member", "dee@example.org")
    with contextlib.closing(sqlite3.connect(gateway.data_dir / "anyrouter.db", timeout=20, isolation_level=None)) as database:
        changed = database.execute(
            "UPDATE sign_in_links SET expires_at_ms = created_at_ms"
            " WHERE member_id = (SELECT id FROM members WHERE email = 'cy@example.org')"
        )
        assert changed.rowcount == 1
    for token in ("", "lnk_" + "A" * 43, first, expired, removed, second[:-1], second + "x"):
        assert visitor.get(f"/reset?token={token}").status_code == 404
        assert (reset(visitor, token), visitor.lines) == (404, [])
    assert reset(visitor, second) == 303
    assert "viewer" in words(visitor.get("/dashboard"))


def test_a_link_is_no_way_in_where_a_browser_may_not_keep_the_cookie(gateway: GatewayProcess, visitor: Visitor) -> None:
    gateway.command("org", "add-member", "eve@example.org", "--role", "viewer")
    made = gateway.command("org", "members", "link", "eve@example.org")
    page = visitor.get(path_of(made["link"]), host="gateway.example")
    assert (page.status_code, "HTTPS is needed" in words(page)) == (403, True)
    sent = visitor.post("/reset", {"token": made["token"], "password": NEW}, host="gateway.example", origin="http://gateway.example")
    assert sent.status_code == 403
    assert reset(visitor, made["token"]) == 303
