"""The profile over a real gateway: one's name, password and sessions, and the confirmation before how one signs in is changed."""

import html
import re
from collections.abc import Callable, Iterator

import httpx
import pytest

from anyrouter.core.tenancy import Role
from support.dashboard import SignedIn, sign_in, sign_in_again
from support.gateway import GatewayProcess

PATH = "/dashboard/settings/profile"
PASSWORD, OTHER = "correct horse battery", "quite another staple"
PROBE = "<script>alert(1)</script>\"'&"
OURS = {"sec-fetch-site": "same-origin"}


@pytest.fixture(scope="module")
def as_member(gateway: GatewayProcess) -> Iterator[Callable[[SignedIn], httpx.Client]]:
    clients: list[httpx.Client] = []

    def make(who: SignedIn) -> httpx.Client:
        clients.append(httpx.Client(base_url=gateway.base_url, headers=who.headers))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def said(reply: httpx.Response) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", reply.text)))


def log_in(gateway: GatewayProcess, email: str, password: str, user_agent: str = "curl/8.5.0") -> httpx.Response:
    return httpx.post(f"{gateway.base_url}/login", data={"email": email, "password": password}, headers={**OURS, "user-agent": user_agent})


def session_of(reply: httpx.Response) -> dict[str, str]:
    cookie = next(line for line in reply.headers.get_list("set-cookie") if "session=" in line)
    return {**OURS, "cookie": cookie.partition(";")[0]}


@pytest.mark.parametrize("role", list(Role))
def test_every_role_has_a_profile(role: Role, browse: Callable[..., httpx.Client]) -> None:
    page = browse(role).get(PATH)
    assert page.status_code == 200
    assert f"Role{role.value}" in said(page).replace(" ", "")


def test_a_name_is_changed_and_shown_as_it_was_typed(browse: Callable[..., httpx.Client]) -> None:
    viewer = browse(Role.VIEWER)
    assert viewer.post(f"{PATH}/name", data={"name": PROBE}).headers["location"] == f"{PATH}?done=renamed"
    page = viewer.get(f"{PATH}?done=renamed")
    assert "Your name is changed." in page.text
    assert "<script>alert" not in page.text
    assert PROBE in html.unescape(page.text)
    refused = viewer.post(f"{PATH}/name", data={"name": "  "})
    assert refused.status_code == 400
    assert 'id="name-error"' in refused.text


def test_a_member_without_a_password_sets_one_and_signs_in_with_it(
    gateway: GatewayProcess, as_member: Callable[[SignedIn], httpx.Client]
) -> None:
    who = sign_in(gateway.data_dir)
    client = as_member(who)
    assert "You have none" in client.get(PATH).text
    weak = client.post(f"{PATH}/password", data={"new_password": "short"})
    assert weak.status_code == 400
    assert 'id="new_password-error"' in weak.text
    assert client.post(f"{PATH}/password", data={"new_password": PASSWORD}).headers["location"] == f"{PATH}?done=password"
    assert log_in(gateway, who.member.email, PASSWORD).status_code == 303


def test_a_changed_password_ends_every_other_session_and_the_old_password(
    gateway: GatewayProcess, as_member: Callable[[SignedIn], httpx.Client]
) -> None:
    who = sign_in(gateway.data_dir)
    client = as_member(who)
    client.post(f"{PATH}/password", data={"new_password": PASSWORD})
    elsewhere = session_of(log_in(gateway, who.member.email, PASSWORD))
    wrong = client.post(f"{PATH}/password", data={"old_password": "wrong wrong wrong", "new_password": OTHER})
    assert wrong.status_code == 403
    assert "This is not your password" in said(wrong)
    assert "wrong wrong" not in wrong.text
    assert OTHER not in wrong.text
    missing = client.post(f"{PATH}/password", data={"new_password": OTHER})
    assert missing.status_code == 403, "a session is no password"
    changed = client.post(f"{PATH}/password", data={"old_password": PASSWORD, "new_password": OTHER})
    assert changed.headers["location"] == f"{PATH}?done=password"
    assert client.get(PATH).status_code == 200
    assert httpx.get(gateway.base_url + PATH, headers=elsewhere).status_code == 303
    assert log_in(gateway, who.member.email, PASSWORD).status_code == 403
    assert log_in(gateway, who.member.email, OTHER).status_code == 303


def test_sessions_say_from_where_and_can_be_ended_one_by_one_or_all_others(
    gateway: GatewayProcess, as_member: Callable[[SignedIn], httpx.Client]
) -> None:
    who = sign_in(gateway.data_dir)
    client = as_member(who)
    client.post(f"{PATH}/password", data={"new_password": PASSWORD})
    others = [session_of(log_in(gateway, who.member.email, PASSWORD, f"curl/8.{number}")) for number in range(3)]
    page = client.get(PATH)
    assert "curl 8.1" in page.text
    assert page.text.count('data-label="Address">127.0.0.1') == 4
    assert page.text.count("this one") == 1
    ids = re.findall(r'name="id" value="(ses[^"]+)"', page.text)
    assert len(ids) == 3, "not the session that is looked with"
    assert client.post(f"{PATH}/sessions/end", data={"id": ids[0]}).headers["location"] == f"{PATH}?done=ended"
    alive = [httpx.get(gateway.base_url + PATH, headers=other).status_code for other in others]
    assert sorted(alive) == [200, 200, 303]
    again = client.post(f"{PATH}/sessions/end", data={"id": ids[0]})
    assert (again.status_code, "may have ended already" in again.text) == (404, True)
    assert client.post(f"{PATH}/sessions/end-others").headers["location"] == f"{PATH}?done=ended-others"
    assert [httpx.get(gateway.base_url + PATH, headers=other).status_code for other in others] == [303] * 3
    assert client.get(PATH).status_code == 200


def test_nobody_ends_a_session_of_somebody_else(gateway: GatewayProcess, as_member: Callable[[SignedIn], httpx.Client]) -> None:
    victim, attacker = sign_in(gateway.data_dir, Role.VIEWER), as_member(sign_in(gateway.data_dir))
    other = as_member(victim)
    other.post(f"{PATH}/password", data={"new_password": PASSWORD})
    session_of(log_in(gateway, victim.member.email, PASSWORD))
    victims = re.findall(r'name="id" value="(ses[^"]+)"', other.get(PATH).text)
    assert attacker.post(f"{PATH}/sessions/end", data={"id": victims[0]}).status_code == 404
    assert re.findall(r'name="id" value="(ses[^"]+)"', other.get(PATH).text) == victims


def test_after_a_while_one_confirms_by_the_password_before_the_way_in_changes(
    gateway: GatewayProcess, as_member: Callable[[SignedIn], httpx.Client]
) -> None:
    who = sign_in(gateway.data_dir)
    old = as_member(sign_in_again(gateway.data_dir, who.member, minutes_ago=16))
    turned = old.post(f"{PATH}/password", data={"new_password": PASSWORD})
    assert turned.headers["location"] == f"{PATH}/confirm?next=%2Fdashboard%2Fsettings%2Fprofile"
    assert "Ask an owner or admin" in old.get(turned.headers["location"]).text, "there is nothing to confirm by"
    as_member(who).post(f"{PATH}/password", data={"new_password": PASSWORD})

    old = as_member(sign_in_again(gateway.data_dir, who.member, minutes_ago=16))
    unlink = {"issuer": "https://id.example", "subject": "1"}
    turned = old.post(f"{PATH}/identity/unlink", data=unlink)
    assert turned.headers["location"].startswith(f"{PATH}/confirm?")
    assert 'name="password"' in old.get(turned.headers["location"]).text
    wrong = old.post(f"{PATH}/confirm", data={"password": "not this one at all", "next": PATH})
    assert (wrong.status_code, "This is not your password" in wrong.text) == (403, True)
    assert old.post(f"{PATH}/identity/unlink", data=unlink).status_code == 303, "a wrong password confirms nothing"
    assert old.post(f"{PATH}/confirm", data={"password": PASSWORD, "next": PATH}).headers["location"] == PATH
    assert old.post(f"{PATH}/identity/unlink", data=unlink).status_code == 404, "now it is asked for, and there is none"


def test_a_fresh_session_is_led_on_and_nobody_is_led_to_another_site(browse: Callable[..., httpx.Client]) -> None:
    client = browse()
    assert client.get(f"{PATH}/confirm?next={PATH}/second-factor").headers["location"] == f"{PATH}/second-factor"
    for elsewhere in ("https://evil.example/", "//evil.example/", "/\\evil.example"):
        assert client.get(f"{PATH}/confirm", params={"next": elsewhere}).headers["location"] == PATH
