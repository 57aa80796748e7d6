"""The environments' pages over a real gateway: made, bounded, switched off, ended, and what each reaches."""

import re
from collections.abc import Callable, Iterator

import httpx
import pytest

from anyrouter.core.tenancy import Role
from support.gateway import GatewayProcess
from support.served import wait_for

from .conftest import CONFIG, PROBE, said

PATH = "/dashboard/settings/environments"
DECLARED = """
[[environments]]
slug = "declared"

[[upstreams]]
id = "house"
provider = "openai"
credential_variable = "HOUSE_KEY"
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("pages"), config=CONFIG + DECLARED, HOUSE_KEY="sk-not-used")
    yield process
    process.stop()
    assert "page failed" not in process.output, process.output


def create(client: httpx.Client, slug: str, **fields: str) -> httpx.Response:
    return client.post(f"{PATH}/new", data={"slug": slug, "kind": "live", **fields})


def test_an_environment_is_made_and_says_what_it_reaches(gateway: GatewayProcess, owner: httpx.Client) -> None:
    made = create(owner, "staging", name=PROBE, rate_limit_rpm="60", concurrency="5", budget_policy="strict")
    assert made.headers["location"] == f"{PATH}/staging?done=created"
    page = owner.get(made.headers["location"])
    assert PROBE not in page.text
    assert "house (OpenAI)" in said(page)
    assert "0 of 60 in the last minute" in said(page)
    assert "0 of 5 running" in said(page)
    assert "0 keys" in said(page)
    gateway.create_key(environment="staging")
    assert "1 key " in said(owner.get(f"{PATH}/staging"))
    row = re.search(rf"<a href=\"{PATH}/staging\".*?</tr>", owner.get(PATH).text, re.DOTALL)
    assert row is not None
    assert "60 requests/min, 5 at once" in row[0]
    assert "1 upstream<" in row[0]
    shown = next(row for row in gateway.command("envs", "list")["data"] if row["slug"] == "staging")
    assert (shown["name"], shown["rate_limit_rpm"], shown["budget_policy"]) == (PROBE, 60, "strict")


def test_a_sandbox_reaches_the_simulated_provider_alone(owner: httpx.Client) -> None:
    create(owner, "trial", kind="sandbox")
    page = said(owner.get(f"{PATH}/trial"))
    assert "house" not in page
    assert "the sandbox" in page


def test_what_requests_use_is_shown(gateway: GatewayProcess, owner: httpx.Client) -> None:
    create(owner, "busy", kind="sandbox", rate_limit_rpm="10", rate_limit_tpm="100000")
    key = gateway.create_key(environment="busy")
    body = {"model": "sandbox/echo", "messages": [{"role": "user", "content": "Hi"}]}
    reply = httpx.post(f"{gateway.base_url}/api/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"})
    assert reply.status_code == 200, reply.text
    page = said(owner.get(f"{PATH}/busy"))
    assert "1 of 10 in the last minute" in page
    assert re.search(r"[1-9]\d* of 100,000 in the last minute", page)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"slug": "Live!"}, "slug"),
        ({"slug": ""}, "slug"),
        ({"slug": "live"}, "slug"),
        ({"kind": "real"}, "kind"),
        ({"rate_limit_rpm": "many"}, "rate_limit_rpm"),
        ({"rate_limit_rpm": "9999999999"}, "rate_limit_rpm"),
        ({"concurrency": "-1"}, "concurrency"),
        ({"budget_policy": "lavish"}, "budget_policy"),
        ({"name": "x" * 101}, "name"),
    ],
)
def test_a_mistake_is_told_at_its_field_and_nothing_is_lost(owner: httpx.Client, fields: dict[str, str], field: str) -> None:
    reply = create(owner, **{"slug": "fine", "rate_limit_tpm": "777", **fields})
    assert 400 <= reply.status_code < 500
    assert f'id="{field}-error"' in reply.text, said(reply)
    assert 'value="777"' in reply.text
    assert owner.get(f"{PATH}/fine").status_code == 404


def test_an_environment_is_changed_switched_off_and_deleted(gateway: GatewayProcess, owner: httpx.Client) -> None:
    create(owner, "short", rate_limit_rpm="60")
    path, key = f"{PATH}/short", gateway.create_key(environment="short")
    assert owner.post(path, data={"name": "Short", "rate_limit_rpm": "", "version": "1"}).headers["location"].endswith("done=changed")
    assert "no limit" in said(owner.get(path))
    stale = owner.post(path, data={"name": "Late", "version": "1"})
    assert stale.status_code == 412
    assert 'value="Late"' in stale.text
    assert "switched off" in said(owner.get(owner.post(f"{path}/state", data={"state": "off"}).headers["location"]))
    headers = {"authorization": f"Bearer {key}"}
    wait_for(lambda: httpx.get(f"{gateway.base_url}/api/v1/key", headers=headers).status_code in {401, 403}, timeout_s=1)
    assert "in use again" in said(owner.get(owner.post(f"{path}/state", data={"state": "on"}).headers["location"]))
    for typed in ("", "SHORT", "live"):
        assert 'id="confirm-error"' in owner.post(f"{path}/delete", data={"confirm": typed}).text
    gone = owner.post(f"{path}/delete", data={"confirm": "short"})
    assert "deleted" in said(owner.get(gone.headers["location"]))
    assert owner.get(path).status_code == 404
    assert "is used once" in said(create(owner, "short"))


def test_what_always_exists_and_what_the_file_declares_is_not_deleted(owner: httpx.Client) -> None:
    assert "confirm" not in owner.get(f"{PATH}/live").text.replace("data-confirm", "")
    assert owner.post(f"{PATH}/live/delete", data={"confirm": "live"}).status_code == 422
    page = said(owner.get(f"{PATH}/declared"))
    assert "Declared in the configuration file" in page
    for action, form in (("", {"name": "Mine"}), ("/state", {"state": "off"}), ("/delete", {"confirm": "declared"})):
        refused = owner.post(f"{PATH}/declared{action}", data=form)
        assert refused.status_code == 409, said(refused)
        assert "configuration file" in said(refused)


def test_other_roles_and_other_organisations_see_none(
    owner: httpx.Client, stranger: httpx.Client, browse: Callable[..., httpx.Client]
) -> None:
    create(owner, "secretive")
    for role in (Role.DEVELOPER, Role.BILLING, Role.VIEWER):
        client = browse(role)
        assert {client.get(path).status_code for path in (PATH, f"{PATH}/new", f"{PATH}/secretive")} == {403}
        assert create(client, "mine").status_code == 403
        assert PATH not in client.get("/dashboard").text
    assert stranger.get(f"{PATH}/secretive").status_code == 404
    assert stranger.post(f"{PATH}/secretive/delete", data={"confirm": "secretive"}).status_code == 404
    assert "secretive" not in stranger.get(PATH).text
    assert "house" in said(stranger.get(f"{PATH}/live"))
