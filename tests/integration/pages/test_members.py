"""The members' pages over a real gateway: invited by a link, given other roles, given a new way in, removed; owners by owners alone."""

import re
import sqlite3
from collections.abc import Callable

import httpx
import pytest

from anyrouter.core.tenancy import Role
from support.dashboard import SignedIn, sign_in
from support.gateway import GatewayProcess
from support.visitor import join

from .conftest import PROBE, said

PATH = "/dashboard/settings/members"


@pytest.fixture
def person(gateway: GatewayProcess) -> Callable[..., SignedIn]:
    def make(role: Role = Role.VIEWER) -> SignedIn:
        return sign_in(gateway.data_dir, role)

    return make


def find_link(reply: httpx.Response, kind: str) -> str:
    found = re.search(rf"http://[^<\s]+(/{kind}\?token=[\w-]+)", reply.text)
    assert found is not None, said(reply)
    return found[1]


def invite(client: httpx.Client, email: str, role: str = "viewer") -> httpx.Response:
    return client.post(f"{PATH}/invite", data={"email": email, "role": role})


def test_an_invitation_is_a_link_that_is_shown_once_and_makes_a_member(gateway: GatewayProcess, owner: httpx.Client) -> None:
    reply = invite(owner, "Ann@Example.org", "developer")
    link = find_link(reply, "invite")
    page = owner.get(PATH)
    assert "ann@example.org" in page.text
    assert link.partition("=")[2] not in page.text
    with httpx.Client(base_url=gateway.base_url, headers={"sec-fetch-site": "same-origin"}) as browser:
        assert "ann@example.org" in browser.get(link).text
        form = {"token": link.partition("=")[2], "email": "ann@example.org", "name": f"Ann {PROBE}", "password": "a long enough passphrase"}
        joined = browser.post("/invite", data=form)
    assert joined.status_code == 303, said(joined)
    page = owner.get(f"{PATH}?q=ANN&role=developer")
    assert f"Ann {PROBE}" in said(page)
    assert PROBE not in page.text
    assert "1 of" in said(page)
    assert "Nobody is found" in said(owner.get(f"{PATH}?q=ann&role=billing"))


def test_an_open_invitation_gets_another_link_or_is_revoked(gateway: GatewayProcess, owner: httpx.Client) -> None:
    first = find_link(invite(owner, "later@example.org"), "invite")
    path = re.search(rf"{PATH}/invitations/[\w-]+", owner.get(PATH).text)
    assert path is not None
    second = find_link(owner.post(f"{path[0]}/renew"), "invite")
    assert httpx.get(gateway.base_url + first).status_code == 404
    assert httpx.get(gateway.base_url + second).status_code == 200
    assert owner.post(f"{path[0]}/revoke").status_code == 404
    path = re.search(rf"{PATH}/invitations/[\w-]+", owner.get(PATH).text)
    assert path is not None
    assert "revoked" in said(owner.get(owner.post(f"{path[0]}/revoke").headers["location"]))
    assert httpx.get(gateway.base_url + second).status_code == 404


@pytest.mark.parametrize(
    ("email", "role", "field", "words"),
    [
        ("nobody", "viewer", "email", ""),
        ("", "viewer", "email", ""),
        ("a@example.org", "king", "role", "Choose one"),
        ("a@example.org", "", "role", "Choose one"),
    ],
)
def test_a_mistake_is_told_at_its_field(owner: httpx.Client, email: str, role: str, field: str, words: str) -> None:
    reply = invite(owner, email, role)
    assert reply.status_code == 400
    told = re.search(rf'id="{field}-error">([^<]*)<', reply.text)
    assert told is not None, said(reply)
    assert words in told[1]
    assert f'value="{email}"' in reply.text


def test_who_is_a_member_or_invited_already_is_not_invited(owner: httpx.Client, person: Callable[..., SignedIn]) -> None:
    assert invite(owner, person().member.email).status_code == 409
    invite(owner, "twice@example.org")
    again = invite(owner, "twice@example.org")
    assert again.status_code == 409
    assert "Revoke that one first" in said(again)


def test_a_member_gets_another_name_and_role_and_is_removed(
    gateway: GatewayProcess, owner: httpx.Client, person: Callable[..., SignedIn]
) -> None:
    who = person(Role.VIEWER)
    path = f"{PATH}/{who.member.id}"
    assert "nothing yet" in said(owner.get(path))
    changed = owner.post(path, data={"name": PROBE, "role": "billing", "version": "1"})
    page = owner.get(changed.headers["location"])
    assert "The member is changed" in said(page)
    assert PROBE not in page.text
    assert httpx.get(gateway.base_url + "/dashboard/settings/credits", headers=who.headers).status_code != 403
    stale = owner.post(path, data={"name": "Late", "role": "viewer", "version": "1"})
    assert stale.status_code == 412
    assert 'value="Late"' in stale.text
    assert owner.post(path, data={"name": "", "role": "viewer"}).status_code == 400
    assert owner.post(f"{path}/remove").headers["location"] == f"{PATH}?done=removed"
    assert owner.get(path).status_code == 404
    assert httpx.get(gateway.base_url + "/dashboard", headers=who.headers).headers["location"].startswith("/login")


def test_a_new_link_lets_the_member_in_with_another_password(
    gateway: GatewayProcess, owner: httpx.Client, person: Callable[..., SignedIn]
) -> None:
    who = person()
    reply = owner.post(f"{PATH}/{who.member.id}/link")
    assert "shown this once" in said(reply)
    link = find_link(reply, "reset")
    with httpx.Client(base_url=gateway.base_url, headers={"sec-fetch-site": "same-origin"}) as browser:
        done = browser.post("/reset", data={"token": link.partition("=")[2], "password": "a long enough passphrase"})
    assert done.status_code == 303, said(done)
    assert "password" in said(owner.get(f"{PATH}/{who.member.id}"))
    assert "The password alone lets anybody in" in said(owner.get(f"{PATH}/{who.member.id}"))


def test_the_list_says_who_has_a_second_factor(gateway: GatewayProcess, owner: httpx.Client) -> None:
    bare, protected = (join(gateway, f"{name}@factor.example", "viewer") for name in ("bare", "protected"))
    with sqlite3.connect(gateway.data_dir / "anyrouter.db", timeout=10) as database:
        database.execute(
            "INSERT INTO second_factors (member_id, organisation_id, seal_format, kek_id, wrapped_key, nonce, ciphertext, created_at_ms,"
            " confirmed_at_ms) VALUES (?, 'org_default', 1, 'kek', x'00', x'00', x'00', 1, 2)",
            (protected,),
        )
    rows = owner.get(f"{PATH}?q=factor.example").text.split("<tr>")
    said_of = {person: next(row for row in rows if f"/{person}" in row) for person in (bare, protected)}
    assert '<span class="badge good">authenticator app</span>' in said_of[protected]
    assert '<span class="badge warn">none</span>' in said_of[bare]


def test_a_link_is_made_by_who_proved_to_be_there_lately(gateway: GatewayProcess, person: Callable[..., SignedIn]) -> None:
    who, boss = person().member, person(Role.OWNER)
    with sqlite3.connect(gateway.data_dir / "anyrouter.db", timeout=10) as database:
        database.execute("UPDATE sessions SET confirmed_at_ms = confirmed_at_ms - 3600000 WHERE member_id = ?", (boss.member.id,))
    reply = httpx.post(f"{gateway.base_url}{PATH}/{who.id}/link", headers=boss.headers)
    assert reply.headers["location"].startswith("/dashboard/settings/profile/confirm?next=")


def test_an_admin_does_everything_but_what_concerns_owners(
    gateway: GatewayProcess, owner: httpx.Client, browse: Callable[..., httpx.Client], person: Callable[..., SignedIn]
) -> None:
    admin, boss, viewer = browse(Role.ADMIN), person(Role.OWNER).member, person().member
    page = admin.get(f"{PATH}/{boss.id}")
    assert "Only an owner changes or removes an owner" in said(page)
    assert f'action="{PATH}/{boss.id}' not in page.text
    for action, form in (("", {"name": "Me", "role": "viewer"}), ("/remove", {}), ("/link", {})):
        refused = admin.post(f"{PATH}/{boss.id}{action}", data=form)
        assert refused.status_code == 403
        assert "owner" in said(refused)
    assert 'value="owner"' not in admin.get(f"{PATH}/invite").text
    assert invite(admin, "chief@example.org", "owner").status_code == 403
    assert admin.post(f"{PATH}/{viewer.id}", data={"name": "V", "role": "owner"}).status_code == 403
    assert admin.post(f"{PATH}/{viewer.id}", data={"name": "V", "role": "developer"}).status_code == 303
    denied = [row for row in gateway.command("audit", "list", "--denied")["data"] if row["action"] == "page.denied"]
    assert {"POST /dashboard/settings/members/{id}/remove"} <= {row["target_label"] for row in denied}


def test_the_last_owner_stays(gateway: GatewayProcess) -> None:
    organisation_id = gateway.command("org", "create", "Alone")["data"]["id"]
    who = sign_in(gateway.data_dir, Role.OWNER, organisation_id=organisation_id)
    with httpx.Client(base_url=gateway.base_url, headers=who.headers) as client:
        path = f"{PATH}/{who.member.id}"
        for reply in (client.post(f"{path}/remove"), client.post(path, data={"name": "Me", "role": "viewer"})):
            assert reply.status_code == 422
            assert "Nothing was changed" in said(reply)
        assert client.get(path).status_code == 200


def test_other_roles_and_other_organisations_see_nobody(
    owner: httpx.Client, stranger: httpx.Client, browse: Callable[..., httpx.Client], person: Callable[..., SignedIn]
) -> None:
    who = person().member
    for role in (Role.DEVELOPER, Role.BILLING, Role.VIEWER):
        client = browse(role)
        assert {client.get(path).status_code for path in (PATH, f"{PATH}/invite", f"{PATH}/{who.id}")} == {403}
        assert invite(client, "x@example.org").status_code == 403
        assert PATH not in client.get("/dashboard").text
    path = f"{PATH}/{who.id}"
    replies = [stranger.get(path), stranger.post(path, data={"name": "X", "role": "viewer"})]
    replies += [stranger.post(f"{path}/{action}") for action in ("link", "remove")]
    assert {reply.status_code for reply in replies} == {404}
    assert who.email not in stranger.get(PATH).text
    assert owner.get(path).status_code == 200
