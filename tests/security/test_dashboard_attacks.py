"""Attacks on the dashboard that take more than one step: what stays open when something beside it has changed."""

import re
from collections.abc import Iterator

import httpx
import pytest

from anyrouter.core.tenancy import Role
from support.dashboard import SignedIn, sign_in
from support.gateway import GatewayProcess
from support.visitor import PASSWORD, Visitor

MEMBERS = "/dashboard/settings/members"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("attacks") / "data")
    yield process
    process.stop()
    assert "page failed" not in process.output, process.output


@pytest.fixture(scope="module")
def owner(gateway: GatewayProcess) -> SignedIn:
    return sign_in(gateway.data_dir, Role.OWNER)


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


# Addresses


@pytest.mark.parametrize("host", ["[::::]", "[....]", "[1.2.3.4]", "localhost:99999", "gateway.example:99999"])
@pytest.mark.parametrize("path", ["/login", "/dashboard/settings/profile"])
def test_a_host_that_is_no_address_is_no_mistake_of_ours(host: str, path: str, gateway: GatewayProcess, owner: SignedIn) -> None:
    assert httpx.get(gateway.base_url + path, headers={**owner.headers, "host": host}).status_code < 500
    assert httpx.get(gateway.base_url + path, headers={"host": host}).status_code < 500
    assert httpx.post(f"{gateway.base_url}/login", headers={"host": host, "origin": f"http://{host}"}).status_code == 403
