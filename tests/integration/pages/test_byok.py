"""The BYOK pages over a real gateway: entered, tried at a scripted provider, ordered, changed, ended; a secret never comes back."""

import html
import re
import sqlite3
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator

import httpx
import pytest

from anyrouter.core.tenancy import Role
from support.gateway import GatewayProcess
from support.upstream import Received, ScriptedUpstream, json_answer

from .conftest import PROBE, follow, said

PATH = "/dashboard/settings/byok"
SECRET = "sk-very-secret-text-0123456789"


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedUpstream]:
    """Takes keys that do not end in `bad`."""

    def answer(request: Received) -> object:
        if request.headers["authorization"].endswith("bad"):
            return json_answer({"error": {"message": f"Incorrect API key {request.headers['authorization']}"}}, status=401)
        return json_answer({"object": "list", "data": []})

    with ScriptedUpstream(answer) as upstream:
        yield upstream


def add(client: httpx.Client, provider: str = "openai", **fields: str) -> httpx.Response:
    return client.post(f"{PATH}/new", data={"provider": provider, "environment": "live", "key": SECRET, **fields})


def add_well(client: httpx.Client, provider: str = "openai", **fields: str) -> str:
    """The path of the new credential's page."""
    reply = add(client, provider, **fields)
    assert reply.status_code == 303, said(reply)
    return reply.headers["location"].partition("?")[0]


def test_providers_are_found_by_words_and_say_what_they_need(owner: httpx.Client) -> None:
    everything = said(owner.get(f"{PATH}/new"))
    assert "Needs an API key or an access key with its secret and the region that is asked" in everything
    assert "Sandbox" not in everything
    found = said(owner.get(f"{PATH}/new?q=azure+claude"))
    assert "Azure AI Foundry (Claude)" in found
    assert "Anthropic" not in found
    assert "No provider of that name" in said(owner.get(f"{PATH}/new?q=%3Cscript%3E"))
    assert owner.get(f"{PATH}/new?provider=sandbox").status_code == 404
    assert owner.get(f"{PATH}/new?environment=nowhere").status_code == 404


def test_a_credential_is_entered_and_its_secret_is_in_no_page(owner: httpx.Client) -> None:
    path = add_well(owner, name=PROBE, models="openai/*\nopenai/gpt-4o", region="eu", standing="alone", sort_order="7", weight="3")
    for page in (owner.get(PATH), owner.get(f"{path}?done=added")):
        assert PROBE not in page.text
        assert PROBE in said(page)
        assert SECRET not in page.text
        assert "sk-…6789" in said(page)
    page = said(owner.get(path))
    assert "$0.0005 for each request" in page
    assert "api.openai.com and nowhere else" in page
    assert re.search(r'value="alone" checked', owner.get(path).text)


@pytest.mark.parametrize(
    ("provider", "fields", "field", "words"),
    [
        ("openai", {"key": ""}, "key", "The credential itself is missing"),
        ("openai", {"key": "with a space"}, "key", "no credential has"),
        ("openai", {"models": "gpt-4o"}, "models", "entry 1 is neither an id"),
        ("openai", {"weight": "0"}, "weight", "whole number from 1"),
        ("openai", {"sort_order": "first"}, "sort_order", "whole number"),
        ("openai", {"base_url": "http://169.254.169.254/"}, "base_url", ""),
        ("openai", {"allowed_keys": "key_nobodys"}, "allowed_keys", "no API key of the environment live"),
        ("openai", {"environment": "nowhere"}, "environment", "no such environment"),
        ("cloudflare", {"variable-account": "../x"}, "variable-account", "hexadecimal"),
        ("aws", {"access_key_id": "AKIAIOSFODNN7EXAMPLE"}, "key", "two credentials"),
        ("google-vertex", {"key": "", "service_account": "{}"}, "key", ""),
        ("openai-compatible", {}, "base_url", "has no address of its own"),
    ],
)
def test_a_mistake_is_told_at_its_field_and_nothing_is_lost_but_the_secret(
    owner: httpx.Client, provider: str, fields: dict[str, str], field: str, words: str
) -> None:
    reply = add(owner, provider, name="Kept <name>", **fields)
    assert 400 <= reply.status_code < 500
    told = re.search(rf'id="{field}-error">([^<]*)<', reply.text)
    assert told is not None, said(reply)
    assert words.lower() in html.unescape(told[1]).lower()
    assert 'value="Kept &lt;name&gt;"' in reply.text
    assert SECRET not in reply.text


def test_the_test_says_status_time_and_what_the_provider_said(owner: httpx.Client, provider: ScriptedUpstream) -> None:
    path = add_well(owner, "openai-compatible", name="local", base_url=f"{provider.url}/v1")
    tested = owner.post(f"{path}/test")
    page = follow(owner, tested)
    good = said(page)
    assert good.count("takes the credential") == 1
    assert re.search(r"Status 200 after \d+ ms", good)
    assert "max-age=0" in page.headers["set-cookie"].lower()
    assert "takes the credential" not in said(owner.get(tested.headers["location"]))
    bad = owner.post(f"{path}/secret", data={"key": "sk-this-key-is-bad"})
    assert bad.headers["location"].endswith("done=replaced")
    tested = owner.post(f"{path}/test")
    refused = follow(owner, tested)
    assert said(refused).count("answers 401: it refuses the credential") == 1
    assert "Status 401" not in said(refused)
    (cookie,) = tested.headers.get_list("set-cookie")
    assert "sk-this-key-is-bad" not in refused.text + tested.text + str(urlsafe_b64decode(cookie.partition("=")[2].partition(";")[0]))


def test_what_came_of_a_test_is_shown_by_its_own_page_alone(owner: httpx.Client, provider: ScriptedUpstream) -> None:
    paths = [add_well(owner, "openai-compatible", name=name, base_url=f"{provider.url}/v1") for name in ("tried", "not tried")]
    cookie = owner.post(f"{paths[0]}/test").headers["set-cookie"].partition(";")[0]
    for text in (cookie, "__Host-anyrouter-outcome=bm8", "__Host-anyrouter-outcome=e30=", "__Host-anyrouter-outcome=%%%"):
        page = owner.get(paths[1], headers={"cookie": f"{owner.headers['cookie']}; {text}"})
        assert page.status_code == 200
        assert "takes the credential" not in said(page)


def test_a_changed_address_drops_the_secret_and_says_so(owner: httpx.Client, provider: ScriptedUpstream) -> None:
    path = add_well(owner, "openai-compatible", name="moving", base_url=f"{provider.url}/v1")
    moved = owner.post(path, data={"name": "moving", "base_url": "https://llm.example.org/v1", "version": "1"})
    assert moved.headers["location"].endswith("done=moved")
    page = said(owner.get(moved.headers["location"]))
    assert "needs its secret" in page
    assert "enter it again" in page.lower()
    assert "enter the secret again" in said(owner.post(f"{path}/test")).lower()
    stale = owner.post(path, data={"name": "again", "base_url": "https://llm.example.org/v1", "version": "1"})
    assert stale.status_code == 412
    assert "changed meanwhile" in said(stale)


def test_credentials_are_switched_off_ordered_and_deleted(gateway: GatewayProcess, owner: httpx.Client) -> None:
    paths = [add_well(owner, "mistral", name=name) for name in ("one", "two", "three")]
    assert said(owner.get(PATH)).count("1. takes turns, weight 1") >= 3
    owner.post(f"{paths[2]}/move", data={"to": "up"})
    owner.post(f"{paths[0]}/move", data={"to": "down"})
    orders = {row["name"]: row["sort_order"] for row in gateway.command("byok", "list")["data"] if row["provider"] == "mistral"}
    assert orders["three"] < orders["two"] < orders["one"]
    off = owner.post(f"{paths[0]}/state", data={"state": "off", "from_list": "yes"})
    told = owner.get(off.headers["location"])
    assert "switched off" in said(told)
    assert 'class="notice info"' in told.text
    assert 'class="notice good"' not in told.text
    owner.post(f"{paths[0]}/state", data={"state": "on"})
    assert "in use" in said(owner.get(paths[0]))
    gone = owner.post(f"{paths[0]}/delete")
    assert "secret forgotten" in said(owner.get(gone.headers["location"]))
    assert owner.get(paths[0]).status_code == 404


def test_a_credential_names_keys_and_models_and_keeps_keys_through_a_rotation(gateway: GatewayProcess, owner: httpx.Client) -> None:
    made = gateway.command("keys", "create", "--name", f"named {PROBE}", "--env", "live")["data"]
    path = add_well(owner, "groq", allowed_keys=made["id"])
    gateway.command("keys", "rotate", made["id"], "--grace", "1h")
    page = owner.get(path).text
    assert PROBE not in page
    assert len(re.findall(r'name="allowed_keys"[^>]* checked', page)) == 1
    kept = owner.post(path, data={"name": "groq", "allowed_keys": re.findall(r'name="allowed_keys"[^>]*value="([^"]*)" checked', page)})
    assert kept.status_code == 303, said(kept)
    assert len(re.findall(r'name="allowed_keys"[^>]* checked', owner.get(path).text)) == 1


def test_one_that_was_put_aside_says_why_and_until_when(gateway: GatewayProcess, owner: httpx.Client) -> None:
    path = add_well(owner, "cohere")
    with sqlite3.connect(gateway.data_dir / "anyrouter.db", timeout=10) as database:
        database.execute(
            "UPDATE provider_credentials SET quarantined_until_ms = ?, quarantine_reason = ? WHERE id = ?",
            (4_102_444_800_000, "It answered 401.", path.rpartition("/")[2]),
        )
    page = said(owner.get(path))
    assert "Put aside until 2100-01-01 00:00:00 UTC" in page
    assert "It answered 401." in page
    assert "put aside until" in said(owner.get(PATH)).lower()


def test_a_developer_has_the_sandboxes_and_others_nothing(owner: httpx.Client, browse: Callable[..., httpx.Client]) -> None:
    live = add_well(owner, "deepseek")
    developer = browse(Role.DEVELOPER)
    page = said(developer.get(PATH))
    assert "is a sandbox" in page
    assert "Live" not in page
    assert developer.get(f"{PATH}?environment=live").status_code == 404
    assert developer.get(live).status_code == 404
    assert developer.post(f"{live}/delete").status_code == 404
    assert add(developer).status_code == 403
    add_well(developer, environment="test")
    for role in (Role.BILLING, Role.VIEWER):
        client = browse(role)
        assert client.get(PATH).status_code == client.get(live).status_code == add(client).status_code == 403
        assert PATH not in client.get("/dashboard").text


def test_another_organisations_credential_does_not_exist(owner: httpx.Client, stranger: httpx.Client) -> None:
    path = add_well(owner, "fireworks")
    replies = [stranger.get(path), *(stranger.post(path + action, data={"name": "mine"}) for action in ("", "/secret", "/test", "/state"))]
    replies += [stranger.post(path + action, data={"to": "up"}) for action in ("/move", "/delete")]
    assert {reply.status_code for reply in replies} == {404}
    assert owner.get(path).status_code == 200
