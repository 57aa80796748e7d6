"""Signing in with a password and signing out, over a real gateway."""

import contextlib
import re
import sqlite3

import pytest

from anyrouter.web.pages.cookies import SESSION_COOKIE
from support.gateway import GatewayProcess
from support.visitor import PASSWORD, Visitor, join, words

from .conftest import PROBE

ADA = "ada@example.org"


@pytest.fixture(scope="module")
def ada(gateway: GatewayProcess) -> str:
    """The id of an owner with a password."""
    return join(gateway, ADA)


@pytest.fixture
def visitor(gateway: GatewayProcess, ada: str) -> Visitor:
    return Visitor(gateway.base_url)


def test_a_member_signs_in_arrives_where_the_link_led_and_signs_out(visitor: Visitor) -> None:
    turned_away = visitor.get("/dashboard?range=7d&x=ä")
    assert turned_away.status_code == 303
    form = visitor.get(turned_away.headers["location"])
    (hidden,) = re.findall(r'name="next" value="([^"]*)"', form.text)
    reply = visitor.sign_in(f"  {ADA.upper()} ", next=hidden.replace("&amp;", "&"))
    assert reply.headers["location"].startswith("/login/arrived?next=")
    arrived = visitor.get(reply.headers["location"])
    assert (arrived.status_code, arrived.headers["location"]) == (303, "/dashboard?range=7d&x=%C3%A4")
    home = visitor.get(arrived.headers["location"])
    assert ADA in home.text

    token = visitor.token
    out = visitor.post("/logout")
    assert (out.headers["location"], out.headers["clear-site-data"]) == ("/login?done=signed-out", '"cache"')
    assert visitor.token is None
    assert "You are signed out." in words(visitor.get(out.headers["location"]))
    visitor.cookies[SESSION_COOKIE] = str(token)
    assert not visitor.can_enter()
    assert visitor.post("/logout").headers["location"] == "/login?done=signed-out"


@pytest.mark.parametrize(
    ("sent", "referer", "back"),
    [
        (
            "/dashboard/settings/byok/new",
            "{ours}/dashboard/settings/byok/new?provider=openai&done=x",
            "/dashboard/settings/byok/new?provider=openai",
        ),
        ("/dashboard/settings/members/m_1/link", "", "/dashboard/settings/members/m_1"),
        ("/dashboard/settings/members/m_1/link", "https://evil.example/dashboard", "/dashboard/settings/members/m_1"),
        ("/dashboard/keys/bulk", "{ours}/invite?token=secret", "/dashboard/keys/bulk"),
    ],
)
def test_a_form_after_the_session_has_ended_says_that_nothing_was_saved_and_leads_back(
    gateway: GatewayProcess, visitor: Visitor, sent: str, referer: str, back: str
) -> None:
    visitor.sign_in(ADA)
    kept = dict(visitor.cookies)
    visitor.post("/logout")
    visitor.cookies = kept
    turned_away = visitor.post(sent, {"name": PROBE}, referer=referer.format(ours=gateway.base_url))
    assert turned_away.status_code == 303
    assert turned_away.headers["location"].startswith("/login?")
    form = visitor.get(turned_away.headers["location"])
    assert "nothing of what you just sent was saved" in words(form)
    assert PROBE not in form.text
    (hidden,) = re.findall(r'name="next" value="([^"]*)"', form.text)
    arrived = visitor.get(visitor.sign_in(ADA, next=hidden.replace("&amp;", "&")).headers["location"])
    assert arrived.headers["location"] == back


def test_a_wrong_password_says_so_and_keeps_the_address_and_the_way(visitor: Visitor) -> None:
    reply = visitor.sign_in(ADA, "this is not the one", next="/dashboard/keys")
    assert reply.status_code == 403
    assert "The address or the password is not right" in words(reply)
    assert f'value="{ADA}"' in reply.text
    assert 'value="/dashboard/keys"' in reply.text
    assert "this is not the one" not in reply.text
    assert visitor.lines == []
    assert visitor.sign_in(ADA).status_code == 303


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("", ""),
        ("nobody", "x" * 100_000),
        (PROBE, PROBE),
        ("a@b\0c.example", "\0"),
        ("x" * 100_000, "nothing"),
        ("\N{SNOWMAN}@example.org", "\N{SNOWMAN}" * 12),
        (ADA, "x" * 100_000),
        (ADA, "\0"),
    ],
    ids=lambda text: text[:9],
)
def test_whatever_is_typed_in_is_answered_as_a_wrong_password(email: str, password: str, visitor: Visitor) -> None:
    reply = visitor.sign_in(email, password)
    assert reply.status_code == 403
    assert "The address or the password is not right" in words(reply)
    assert "<script>alert" not in reply.text


def test_who_is_signed_in_is_led_on_from_the_sign_in_page(visitor: Visitor) -> None:
    visitor.sign_in(ADA)
    assert visitor.get("/login?next=/dashboard/keys").headers["location"] == "/dashboard/keys"
    assert visitor.get("/login").headers["location"] == "/dashboard"


def test_of_several_organisations_with_one_password_the_person_chooses(gateway: GatewayProcess) -> None:
    other = gateway.command("org", "create", f"Elsewhere {PROBE}")["data"]["id"]
    third = gateway.command("org", "create", "Third")["data"]["id"]
    here, there = join(gateway, "both@example.org", "viewer"), join(gateway, "both@example.org", "billing", org=other)
    join(gateway, "both@example.org", "owner", org=third, password="another one for the third")
    visitor = Visitor(gateway.base_url)
    reply = visitor.sign_in("both@example.org", next="/dashboard/usage")
    assert reply.headers["location"] == "/login/organisation"
    assert visitor.token is None
    choice = visitor.get("/login/organisation")
    assert re.findall(r'name="member" value="([^"]*)"', choice.text) == [here, there]
    assert f"Elsewhere {PROBE}" in words(choice)
    assert visitor.post("/login/organisation", {"member": "mem_other"}).headers["location"] == "/login?done=again"
    stranger = Visitor(gateway.base_url)
    assert stranger.post("/login/organisation", {"member": there}).headers["location"] == "/login?done=again"

    token = dict(visitor.cookies)
    arrived = visitor.post("/login/organisation", {"member": there})
    assert arrived.headers["location"] == "/login/arrived?next=%2Fdashboard%2Fusage"
    assert "billing" in words(visitor.get("/dashboard"))
    visitor.cookies |= token
    assert visitor.post("/login/organisation", {"member": there}).headers["location"] == "/login?done=again"
    assert "That took too long" in words(visitor.get("/login?done=again", cookie=""))


def test_one_organisation_is_entered_at_once_when_only_its_password_is_right(gateway: GatewayProcess) -> None:
    other = gateway.command("org", "create", "Apart")["data"]["id"]
    join(gateway, "apart@example.org", "viewer")
    join(gateway, "apart@example.org", "owner", org=other, password="a password of its own")
    visitor = Visitor(gateway.base_url)
    assert visitor.sign_in("apart@example.org", "a password of its own").headers["location"].startswith("/login/arrived")
    assert "owner" in words(visitor.get("/dashboard"))


def test_a_browser_that_drops_the_cookie_is_told_why_it_is_not_in(visitor: Visitor) -> None:
    reply = visitor.sign_in(ADA)
    visitor.cookies.clear()
    page = visitor.get(reply.headers["location"])
    assert page.status_code == 403
    assert "did not keep the sign-in" in words(page)
    visitor.cookies[SESSION_COOKIE] = "A" * 43
    assert "session has ended already" in words(visitor.get("/login/arrived"))


@pytest.mark.parametrize("path", ["/login", "/login?next=/dashboard"])
@pytest.mark.parametrize("host", ["gateway.example:8080", "10.0.0.7", "[fd00::7]:8080"])
def test_over_plain_http_from_elsewhere_a_page_says_how_to_get_in(path: str, host: str, visitor: Visitor) -> None:
    page = visitor.get(path, host=host)
    assert page.status_code == 403
    assert "HTTPS is needed to sign in here" in words(page)
    port = "8080" if host.endswith("8080") else "80"
    assert f"ssh -L {port}:127.0.0.1:{port} {host.removesuffix(':8080').strip('[]')}" in words(page)
    assert 'name="password"' not in page.text
    sent = visitor.post("/login", {"email": ADA, "password": PASSWORD}, host=host, origin=f"http://{host}")
    assert (sent.status_code, visitor.lines) == (403, [])


@pytest.mark.parametrize("host", ["localhost", "anything.localhost:8080", "127.0.0.1:8080", "[::1]:8080"])
def test_from_the_machine_itself_the_form_is_there(host: str, visitor: Visitor) -> None:
    assert 'name="password"' in visitor.get("/login", host=host).text


def test_a_store_that_fails_is_nobodys_wrong_password(gateway: GatewayProcess, visitor: Visitor) -> None:
    with contextlib.closing(sqlite3.connect(gateway.data_dir / "anyrouter.db", timeout=20, isolation_level=None)) as database:
        database.execute("ALTER TABLE passwords RENAME TO passwords_away")
        try:
            replies = [visitor.sign_in(ADA) for _ in range(12)]
        finally:
            database.execute("ALTER TABLE passwords_away RENAME TO passwords")
    assert {reply.status_code for reply in replies} == {503}
    assert visitor.sign_in(ADA).status_code == 303
