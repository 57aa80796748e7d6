"""What gives power wants a proof of the last minutes that it is you: asked for in the form itself, of which nothing is lost."""

import re
from collections.abc import Callable, Iterator

import httpx
import pytest

from anyrouter.core.tenancy import Role
from support.dashboard import SignedIn, sign_in, sign_in_again
from support.gateway import GatewayProcess

from .conftest import said

MEMBERS, KEYS = "/dashboard/settings/members", "/dashboard/keys"
PASSWORD = "a long enough passphrase"
ASKED = "Confirm that it is you"
DONE = "/dashboard/settings/profile/confirm/done"


@pytest.fixture
def stale(gateway: GatewayProcess) -> Iterator[Callable[..., httpx.Client]]:
    """Makes browsers in which a member with a password signed in half an hour ago."""
    clients: list[httpx.Client] = []

    def make(role: Role = Role.OWNER) -> httpx.Client:
        member = sign_in(gateway.data_dir, role)
        form = {"new_password": PASSWORD}
        set_ = httpx.post(f"{gateway.base_url}/dashboard/settings/profile/password", data=form, headers=member.headers)
        assert set_.headers["location"].endswith("done=password"), said(set_)
        old = sign_in_again(gateway.data_dir, member.member, minutes_ago=30)
        clients.append(httpx.Client(base_url=gateway.base_url, headers=old.headers))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def viewer(gateway: GatewayProcess) -> SignedIn:
    return sign_in(gateway.data_dir, Role.VIEWER)


def key_form(name: str, *scopes: str) -> dict[str, object]:
    fields = {"name": name, "environment": "live", "kind": "service", "expiry": "90d", "rate_limit_rpm": "77", "preset": "custom"}
    return {**fields, "scopes": list(scopes)}


def list_invited(client: httpx.Client) -> str:
    return said(client.get(MEMBERS))


@pytest.mark.parametrize("role", ["owner", "admin"])
def test_nobody_powerful_is_invited_from_a_screen_that_was_left(role: str, stale: Callable[..., httpx.Client]) -> None:
    client, form = stale(), {"email": f"mallory-{role}@example.org", "role": role}
    asked = client.post(f"{MEMBERS}/invite", data=form)
    assert (asked.status_code, ASKED in said(asked)) == (403, True)
    assert f'value="{form["email"]}"' in asked.text
    assert re.search(rf'value="{role}"[^>]*checked', asked.text), "what was typed is there still"
    wrong = client.post(f"{MEMBERS}/invite", data={**form, "confirm_password": "not the password"})
    assert (wrong.status_code, "not your password" in said(wrong)) == (403, True), said(wrong)
    assert f'value="{form["email"]}"' in wrong.text
    assert "not the password" not in wrong.text
    assert form["email"] not in list_invited(client)
    made = client.post(f"{MEMBERS}/invite", data={**form, "confirm_password": PASSWORD})
    assert "/invite?token=" in made.text, said(made)
    again = client.post(f"{MEMBERS}/invite", data={"email": f"eve-{role}@example.org", "role": role})
    assert "/invite?token=" in again.text, "the proof holds for a while"


@pytest.mark.parametrize("role", ["developer", "billing", "viewer"])
def test_who_may_little_is_invited_without_it(role: str, stale: Callable[..., httpx.Client]) -> None:
    made = stale().post(f"{MEMBERS}/invite", data={"email": f"little-{role}@example.org", "role": role})
    assert "/invite?token=" in made.text, said(made)


def test_an_invitation_of_somebody_powerful_gets_no_other_link_without_it(stale: Callable[..., httpx.Client], owner: httpx.Client) -> None:
    owner.post(f"{MEMBERS}/invite", data={"email": "waits@example.org", "role": "admin"})
    client = stale()
    path = re.findall(rf'action="({MEMBERS}/invitations/[^"]+/renew)"', client.get(MEMBERS).text)[-1]
    assert client.post(path).headers["location"] == f"/dashboard/settings/profile/confirm?next={MEMBERS.replace('/', '%2F')}"
    assert "waits@example.org" in list_invited(client), "the link of before holds"


@pytest.mark.parametrize("role", ["owner", "admin"])
def test_nobody_is_made_powerful_from_a_screen_that_was_left(role: str, stale: Callable[..., httpx.Client], viewer: SignedIn) -> None:
    client, path = stale(), f"{MEMBERS}/{viewer.member.id}"
    form = {"name": "Renamed", "role": role, "version": "1"}
    asked = client.post(path, data=form)
    assert (asked.status_code, ASKED in said(asked)) == (403, True)
    assert 'value="Renamed"' in asked.text
    done = client.post(path, data={**form, "confirm_password": PASSWORD})
    assert done.headers["location"] == f"{path}?done=changed"


def test_who_is_powerful_is_renamed_without_it(stale: Callable[..., httpx.Client], gateway: GatewayProcess) -> None:
    path = f"{MEMBERS}/{sign_in(gateway.data_dir, Role.ADMIN).member.id}"
    done = stale().post(path, data={"name": "Just a name", "role": "admin", "version": "1"})
    assert done.headers["location"] == f"{path}?done=changed", said(done)


def test_no_key_that_administers_is_made_from_a_screen_that_was_left(stale: Callable[..., httpx.Client]) -> None:
    client, form = stale(), key_form("ops", "models:read", "admin:keys")
    asked = client.post(f"{KEYS}/new", data=form)
    assert (asked.status_code, ASKED in said(asked)) == (403, True)
    for kept in ('value="ops"', 'value="77"'):
        assert kept in asked.text, "what was typed is there still"
    assert re.search(r'value="admin:keys"[^>]*checked', asked.text)
    made = client.post(f"{KEYS}/new", data={**form, "confirm_password": PASSWORD})
    assert "Your new key" in said(made), said(made)


def test_a_key_that_only_calls_models_is_made_without_it(stale: Callable[..., httpx.Client]) -> None:
    made = stale().post(f"{KEYS}/new", data=key_form("calls", "models:read", "completions:write"))
    assert made.status_code == 200, said(made)
    assert ASKED not in said(made)


def test_a_key_gets_no_power_and_no_new_text_with_power_without_it(stale: Callable[..., httpx.Client], gateway: GatewayProcess) -> None:
    plain = gateway.command("keys", "create", "--name", "plain")["data"]["id"]
    ops = gateway.command("keys", "create", "--name", "ops-2", "--scope", "admin:keys", "--scope", "models:read")["data"]["id"]
    client = stale()
    rotated = client.post(f"{KEYS}/{ops}/rotate", data={"grace": "604800", "start": "now"})
    assert (rotated.status_code, ASKED in said(rotated)) == (403, True), said(rotated)
    assert re.search(r'value="604800"[^>]*checked', rotated.text)
    version = re.search(r'name="version" value="(\d+)"', client.get(f"{KEYS}/{plain}/edit").text)
    assert version is not None
    form = {**key_form("plain", "admin:keys"), "version": version[1], "expiry": "keep"}
    changed = client.post(f"{KEYS}/{plain}/edit", data=form)
    assert (changed.status_code, ASKED in said(changed)) == (403, True), said(changed)
    done = client.post(f"{KEYS}/{plain}/edit", data={**form, "confirm_password": PASSWORD})
    assert done.headers["location"] == f"{KEYS}/{plain}?done=changed", said(done)
    deployed = client.post(f"{KEYS}/{ops}/rotate", data={"grace": "604800", "start": "now"})
    assert deployed.status_code == 200, said(deployed)


def test_a_developer_is_asked_for_it_too(stale: Callable[..., httpx.Client]) -> None:
    client = stale(Role.DEVELOPER)
    asked = client.post(f"{KEYS}/new", data={**key_form("mine", "admin:keys"), "environment": "test"})
    assert (asked.status_code, ASKED in said(asked)) == (403, True), said(asked)


def test_who_may_not_do_it_at_all_is_told_so_and_asked_for_nothing(stale: Callable[..., httpx.Client]) -> None:
    refused = stale(Role.ADMIN).post(f"{MEMBERS}/invite", data={"email": "chief@example.org", "role": "owner"})
    assert refused.status_code == 403
    assert ASKED not in said(refused)


def test_guesses_in_such_a_form_are_bounded_as_at_the_sign_in(stale: Callable[..., httpx.Client]) -> None:
    client, form = stale(), {"email": "guessed@example.org", "role": "owner"}
    replies = [client.post(f"{MEMBERS}/invite", data={**form, "confirm_password": f"guess {at}"}) for at in range(25)]
    assert replies[-1].status_code == 429, said(replies[-1])
    assert int(replies[-1].headers["retry-after"]) > 0
    right = client.post(f"{MEMBERS}/invite", data={**form, "confirm_password": PASSWORD})
    assert right.status_code == 429


def test_who_has_no_password_confirms_in_another_tab(gateway: GatewayProcess) -> None:
    member = sign_in(gateway.data_dir, Role.OWNER).member
    old = sign_in_again(gateway.data_dir, member, minutes_ago=30)
    with httpx.Client(base_url=gateway.base_url, headers=old.headers) as client:
        asked = client.post(f"{MEMBERS}/invite", data={"email": "tab@example.org", "role": "owner"})
        assert 'name="confirm_password"' not in asked.text
        assert f'href="/dashboard/settings/profile/confirm?next={DONE.replace("/", "%2F")}" target="_blank"' in asked.text
        assert "Not confirmed" in said(client.get(DONE)), "nothing is said that is not so"
    fresh = sign_in_again(gateway.data_dir, member)
    assert "go back to the form" in said(httpx.get(gateway.base_url + DONE, headers=fresh.headers))
