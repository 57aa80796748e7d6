"""Attacks on the dashboard that take more than one step: what stays open when something beside it has changed."""

import re
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pyotp
import pytest

from anyrouter.core.tenancy import Role
from support.dashboard import SignedIn, sign_in
from support.gateway import GatewayProcess
from support.visitor import PASSWORD, Visitor, join, set_password

MEMBERS = "/dashboard/settings/members"
PROFILE = "/dashboard/settings/profile"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("attacks") / "data", config='[server]\ntrusted_proxies = ["127.0.0.1"]\n')
    yield process
    process.stop()
    assert "page failed" not in process.output, process.output


@pytest.fixture(scope="module")
def owner(gateway: GatewayProcess) -> SignedIn:
    return sign_in(gateway.data_dir, Role.OWNER)


@pytest.fixture(scope="module")
def other(gateway: GatewayProcess) -> str:
    """Another organisation's id."""
    return str(gateway.command("org", "create", "other")["data"]["id"])


def post(gateway: GatewayProcess, who: SignedIn, path: str, **fields: str) -> httpx.Response:
    return httpx.post(gateway.base_url + path, data=fields, headers=who.headers, timeout=30)


def make_link(gateway: GatewayProcess, maker: SignedIn, member_id: str) -> str:
    """The token of a link that one member makes for another."""
    found = re.search(r"/reset\?token=(lnk_[A-Za-z0-9_-]{43})", post(gateway, maker, f"{MEMBERS}/{member_id}/link").text)
    assert found is not None
    return found[1]


def change_role(gateway: GatewayProcess, owner: SignedIn, member_id: str, role: Role) -> None:
    assert post(gateway, owner, f"{MEMBERS}/{member_id}", name="Somebody", role=role.value).status_code == 303


def use_link(gateway: GatewayProcess, token: str) -> httpx.Response:
    return Visitor(gateway.base_url).post("/reset", {"token": token, "password": PASSWORD})


# Links


def test_a_link_that_an_admin_made_for_a_developer_does_not_open_the_owner_that_the_developer_became(
    gateway: GatewayProcess, owner: SignedIn
) -> None:
    admin, developer = sign_in(gateway.data_dir, Role.ADMIN), sign_in(gateway.data_dir, Role.DEVELOPER)
    token = make_link(gateway, admin, developer.member.id)
    change_role(gateway, owner, developer.member.id, Role.OWNER)
    assert use_link(gateway, token).status_code == 404
    assert httpx.get(f"{gateway.base_url}/dashboard", headers=developer.headers).status_code == 200


def test_links_that_a_member_made_end_when_that_member_is_removed_or_may_make_none_any_more(
    gateway: GatewayProcess, owner: SignedIn
) -> None:
    removed, demoted, other = (sign_in(gateway.data_dir, Role.ADMIN) for _ in range(3))
    token = make_link(gateway, removed, other.member.id)
    assert post(gateway, owner, f"{MEMBERS}/{removed.member.id}/remove").status_code == 303
    assert use_link(gateway, token).status_code == 404
    token = make_link(gateway, demoted, other.member.id)
    change_role(gateway, owner, demoted.member.id, Role.DEVELOPER)
    assert use_link(gateway, token).status_code == 404


def test_a_link_outlives_changes_of_others_that_have_nothing_to_do_with_it(gateway: GatewayProcess, owner: SignedIn) -> None:
    maker, other, bystander = (sign_in(gateway.data_dir, role) for role in (Role.ADMIN, Role.ADMIN, Role.DEVELOPER))
    token = make_link(gateway, maker, other.member.id)
    change_role(gateway, owner, bystander.member.id, Role.VIEWER)
    change_role(gateway, owner, maker.member.id, Role.OWNER)
    assert use_link(gateway, token).status_code == 303


# Passwords


def test_what_is_half_signed_in_ends_with_the_password_that_it_was_begun_with(gateway: GatewayProcess, other: str) -> None:
    """Of one who is a member twice, at the choice of the organisation."""
    here = join(gateway, "twice@example.org")
    join(gateway, "twice@example.org", org=other)
    thief = Visitor(gateway.base_url, address="198.51.100.1")
    assert thief.sign_in("twice@example.org").headers["location"] == "/login/organisation"
    set_password(gateway, "twice@example.org", "a password of another day")
    assert thief.post("/login/organisation", {"member": here}).headers["location"] == "/login?done=again"
    assert not thief.can_enter()


def test_a_second_proof_is_worth_nothing_once_the_first_is_not(gateway: GatewayProcess) -> None:
    join(gateway, "guarded@example.org")
    person = Visitor(gateway.base_url, address="198.51.100.2")
    person.sign_in("guarded@example.org")
    person.post(f"{PROFILE}/second-factor/begin")
    secret = re.search(r"secret=([A-Z2-7]{32})", person.get(f"{PROFILE}/second-factor").text)
    assert secret is not None
    codes = re.findall(
        r"[a-z2-7]{4}(?:-[a-z2-7]{4}){3}", person.post(f"{PROFILE}/second-factor", {"code": pyotp.TOTP(secret[1]).now()}).text
    )
    thief, honest = (Visitor(gateway.base_url, address=f"198.51.100.{number}") for number in (3, 4))
    for visitor in (thief, honest):
        assert visitor.sign_in("guarded@example.org").headers["location"] == "/login/code"
    assert honest.post("/login/code", {"code": codes[0]}).status_code == 303
    assert honest.can_enter()
    changed = honest.post(f"{PROFILE}/password", {"old_password": PASSWORD, "new_password": "a password of another day"})
    assert changed.headers["location"].endswith("done=password")
    assert thief.post("/login/code", {"code": codes[1]}).headers["location"] == "/login?done=again"
    assert not thief.can_enter()
    assert honest.can_enter()


def test_who_has_the_address_in_one_organisation_does_not_guess_at_the_password_of_the_other_for_longer(
    gateway: GatewayProcess, other: str
) -> None:
    join(gateway, "victim@example.org")
    join(gateway, "victim@example.org", org=other, password="what only the guesser knows")
    guesser = Visitor(gateway.base_url, address="198.51.100.5")
    statuses = []
    for _ in range(4):
        statuses += [guesser.sign_in("victim@example.org", "a guess of somebody").status_code for _ in range(4)]
        guesser.sign_in("victim@example.org", "what only the guesser knows")
        statuses.append(guesser.post(f"{PROFILE}/confirm", {"password": "what only the guesser knows"}).status_code)
    assert statuses.count(403) <= 10
    assert 429 in statuses


# Addresses


@pytest.mark.parametrize("host", ["[::::]", "[....]", "[1.2.3.4]", "localhost:99999", "gateway.example:99999"])
@pytest.mark.parametrize("path", ["/login", "/dashboard/settings/profile"])
def test_a_host_that_is_no_address_is_no_mistake_of_ours(host: str, path: str, gateway: GatewayProcess, owner: SignedIn) -> None:
    assert httpx.get(gateway.base_url + path, headers={**owner.headers, "host": host}).status_code < 500
    assert httpx.get(gateway.base_url + path, headers={"host": host}).status_code < 500
    assert httpx.post(f"{gateway.base_url}/login", headers={"host": host, "origin": f"http://{host}"}).status_code == 403


def test_who_leaves_in_the_middle_of_a_form_is_no_failure_of_ours(gateway: GatewayProcess) -> None:
    where = urlsplit(gateway.base_url)
    head = f"POST /login HTTP/1.1\r\nHost: {where.netloc}\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 100\r\n"
    with socket.create_connection((where.hostname, where.port), 10) as connection:
        connection.sendall(f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\nemail=a".encode())
        time.sleep(0.3)
    time.sleep(0.3)
    assert Visitor(gateway.base_url).get("/login").status_code == 200
    assert "page failed" not in gateway.output
