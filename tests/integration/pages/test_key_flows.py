"""A key's life on the pages: made and shown once, changed, rotated, ended; by whom it is allowed to, and with what people get wrong."""

import html
import re
import sqlite3
import time
from collections.abc import Callable

import httpx
import pytest

from anyrouter.core.tenancy import Role
from support.gateway import GatewayProcess

from .conftest import PROBE

PATH = "/dashboard/keys"
KEY = re.compile(r'<pre[^>]*id="new-key-text">(ar-[a-z]+-[0-9A-Za-z]{45})</pre>')


def said(reply: httpx.Response) -> str:
    """What a page says, without its tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", reply.text)).split())


def fill(name: str, **fields: object) -> dict[str, object]:
    """The form as a browser sends it when only the name was typed."""
    return {
        "name": name,
        "environment": "test",
        "kind": "service",
        "preset": "inference",
        "scopes": ["completions:write", "embeddings:write", "models:read", "usage:read"],
        "expiry": "90d",
        "expires_on": "",
        "limit": "",
        "limit_reset": "monthly",
        "budget_policy": "",
        **fields,
    }


def create(client: httpx.Client, name: str, **fields: object) -> httpx.Response:
    return client.post(f"{PATH}/new", data=fill(name, **fields))


def create_well(client: httpx.Client, name: str, **fields: object) -> tuple[str, str]:
    """The key's page and its text."""
    reply = create(client, name, **fields)
    assert reply.status_code == 200, said(reply)
    text = KEY.search(reply.text)
    link = re.search(r'href="(/dashboard/keys/key_[0-9a-f]{32})"', reply.text)
    assert text is not None, said(reply)
    assert link is not None
    return link[1], text[1]


def edit_fields(client: httpx.Client, path: str) -> dict[str, object]:
    """The form of a key as it is shown: what is in its texts and what is ticked."""
    page = client.get(f"{path}/edit").text
    form = page[page.index(f'action="{path}/edit"') :]
    fields: dict[str, object] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = re.search(r' name="([^"]*)"', tag), re.search(r' value="([^"]*)"', tag)
        kind = re.search(r' type="([^"]*)"', tag)
        if name is None or (kind is not None and kind[1] in {"checkbox", "radio"} and " checked" not in tag):
            continue
        text = html.unescape(value[1]) if value else ""
        if kind is not None and kind[1] == "checkbox":
            fields[name[1]] = [*fields.get(name[1], []), text]  # type: ignore[misc]
        else:
            fields[name[1]] = text
    for name, text in re.findall(r'<textarea[^>]* name="([^"]*)"[^>]*>([^<]*)</textarea>', form):
        fields[name] = html.unescape(text)
    for name, options in re.findall(r'<select[^>]* name="([^"]*)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected>', options)
        fields[name] = chosen[1] if chosen else ""
    return fields


def ask(gateway: GatewayProcess, key: str, path: str = "models") -> httpx.Response:
    return httpx.get(f"{gateway.base_url}/api/v1/{path}", headers={"authorization": f"Bearer {key}"})


@pytest.fixture(scope="module")
def developer(browse: Callable[..., httpx.Client]) -> httpx.Client:
    return browse(Role.DEVELOPER)


def test_a_new_key_is_shown_once_works_and_is_in_no_other_page(gateway: GatewayProcess, owner: httpx.Client) -> None:
    path, text = create_well(owner, "fresh")
    assert ask(gateway, text).status_code == 200
    for page in (path, f"{path}/edit", f"{path}/rotate", f"{path}/delete", PATH, f"{PATH}/new"):
        reply = owner.get(page)
        assert reply.status_code == 200, page
        assert text not in reply.text, page
    again = create(owner, "fresh")
    assert again.status_code == 409
    assert "There is a key of this name" in said(again)
    assert text not in gateway.output


def test_snippets_have_the_gateways_address_and_programs_read_the_key_from_their_environment(
    gateway: GatewayProcess, owner: httpx.Client
) -> None:
    reply = create(owner, "snippets")
    page = html.unescape(reply.text)
    key = KEY.search(reply.text)
    assert key is not None
    for line in (
        f"curl {gateway.base_url}/api/v1/chat/completions",
        f"OPENAI_API_KEY={key[1]}",
        f"ANTHROPIC_BASE_URL={gateway.base_url}/api",
        f'base_url="{gateway.base_url}/api/v1", api_key=os.environ["OPENAI_API_KEY"]',
        f'baseURL: "{gateway.base_url}/api/v1", apiKey: process.env.OPENAI_API_KEY',
        'model="sandbox/echo"',
    ):
        assert line in page, line
    assert page.count(key[1]) == 4  # itself, the command, two variables


def test_everything_that_can_be_said_of_a_key_is_kept(owner: httpx.Client) -> None:
    said_of_it = {
        "models": ["sandbox/echo"],
        "models_more": "openai/*, anthropic/claude-sonnet-4-5",
        "endpoints": ["chat/completions", "models"],
        "providers": ["sandbox"],
        "regions": "eu us-east-1",
        "allowed_ips": "203.0.113.0/24\n2001:db8::1",
        "rate_limit_rpm": "60",
        "rate_limit_tpm": "100 000",
        "rate_limit_rpd": "5000",
        "concurrency": "8",
        "limit": "$25.50",
        "budget_policy": "strict",
        "tags": "team-a, prod",
        "expiry": "date",
        "expires_on": "2040-01-31T12:00",
        "not_before": "2020-01-01T00:00",
        "preset": "custom",
        "scopes": ["completions:write", "usage:read"],
    }
    path, _ = create_well(owner, "everything", **said_of_it)
    page = said(owner.get(path))
    for words in (
        *(
            "sandbox/echo",
            "openai/*",
            "anthropic/claude-sonnet-4-5",
            "chat/completions",
            "eu",
            "us-east-1",
            "203.0.113.0/24",
            "2001:db8::1",
        ),
        *("Requests a minute 60", "Tokens a minute 100,000", "Requests a day 5,000", "same time 8", "$0.00 of $25.50 a month"),
        *("team-a", "prod", "until 2040-01-31 12:00:00 UTC", "from 2020-01-01 00:00:00 UTC"),
    ):
        assert words in page, words
    fields = edit_fields(owner, path)
    assert owner.post(f"{path}/edit", data=fields).headers["location"] == f"{path}?done=unchanged"


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"name": ""}, "name", "1 to 100 characters"),
        ({"name": "x" * 101}, "name", "1 to 100 characters"),
        ({"environment": "nowhere"}, "environment", "no such environment"),
        ({"kind": "robot"}, "kind", "Choose whose"),
        ({"preset": "custom", "scopes": []}, "scopes", "choose at least one"),
        ({"preset": "custom", "scopes": ["root"]}, "scopes", "unknown scope"),
        ({"models_more": "gpt-4o"}, "models", "neither an id"),
        ({"endpoints": ["nowhere"]}, "endpoints", "is not a path"),
        ({"providers": ["nobody"]}, "providers", "is not the id of a provider"),
        ({"regions": "../x"}, "regions", "names of regions"),
        ({"allowed_ips": "localhost"}, "allowed_ips", "neither an address nor a network"),
        ({"allowed_ips": "10.0.0.1/8"}, "allowed_ips", "bits behind the prefix"),
        ({"expiry": "date"}, "expiry", "choose the day"),
        ({"expiry": "date", "expires_on": "2020-01-01T00:00"}, "expiry", "not in the future"),
        ({"expiry": "date", "expires_on": "2040-02-31T00:00"}, "expiry", "no calendar"),
        ({"expiry": "soon"}, "expiry", "not a time"),
        ({"not_before": "tomorrow"}, "not_before", "a day and a time"),
        ({"not_before": "2090-01-01T00:00"}, "not_before", "expire before it becomes valid"),
        ({"rate_limit_rpm": "many"}, "rate_limit_rpm", "whole number"),
        ({"rate_limit_tpm": "9" * 15, "concurrency": "-1"}, "concurrency", "whole number"),
        ({"limit": "free"}, "limit", ""),
        ({"limit": "-1"}, "limit", ""),
        ({"limit_reset": "hourly"}, "limit_reset", "one of daily"),
        ({"budget_policy": "lax"}, "budget_policy", "one of"),
        ({"tags": ",".join(map(str, range(21)))}, "tags", "at most 20"),
    ],
)
def test_a_mistake_is_told_at_its_field_and_nothing_is_lost(owner: httpx.Client, fields: dict[str, object], field: str, words: str) -> None:
    reply = create(owner, **{"name": "Kept <name>", "tags": "kept-tag", "allowed_ips": "198.51.100.7", **fields})  # type: ignore[arg-type]
    assert 400 <= reply.status_code < 500
    told = re.search(rf'id="{field}-error">([^<]*)<', reply.text)
    assert told is not None, said(reply)
    assert words.lower() in html.unescape(told[1]).lower()
    assert ('value="Kept &lt;name&gt;"' in reply.text) == ("name" not in fields)
    assert ('value="kept-tag"' in reply.text) == ("tags" not in fields)
    assert ("198.51.100.7" in reply.text) == ("allowed_ips" not in fields)
    assert KEY.search(reply.text) is None


def test_a_form_without_its_fields_is_refused(owner: httpx.Client) -> None:
    path, _ = create_well(owner, "bare")
    for page in (f"{PATH}/new", f"{path}/edit"):
        assert 400 <= owner.post(page).status_code < 500


def test_names_are_text_wherever_they_are_shown(owner: httpx.Client) -> None:
    path, _ = create_well(owner, PROBE, tags=PROBE.replace(",", "")[:60])
    owner.post(f"{path}/rotate", data={"grace": "3600", "start": "now"})
    for page in (path, f"{path}/edit", f"{path}/delete", f"{path}/rotate/watch", f"{path}/rotate/traffic", f"{PATH}/new?name=%3Cscript%3E"):
        reply = owner.get(page)
        assert reply.status_code == 200, page
        assert "<script>alert" not in reply.text, page


def test_models_are_searched_for_with_and_without_scripts(owner: httpx.Client) -> None:
    found = owner.get(f"{PATH}/models?environment=test&q=ECHO")
    assert "sandbox/echo" in said(found)
    assert "sandbox/echo" not in said(owner.get(f"{PATH}/models?environment=test&q=echo&chosen=sandbox/echo"))
    assert "No model" in said(owner.get(f"{PATH}/models?environment=live&q=echo"))
    shown = owner.post(f"{PATH}/new", data=fill("searching", model_search="echo", find_models="1", models=["openai/gpt-4o"]))
    assert shown.status_code == 200
    assert re.search(r'name="models" type="checkbox" value="openai/gpt-4o" checked', shown.text)
    assert re.search(r'name="models" type="checkbox" value="sandbox/echo">', shown.text)
    assert 'value="searching"' in shown.text
    assert "No key is like that" in said(owner.get(f"{PATH}?q=searching"))


def test_what_somebody_else_changed_meanwhile_is_not_overwritten_unseen(owner: httpx.Client) -> None:
    path, _ = create_well(owner, "contended", tags="first")
    mine = edit_fields(owner, path) | {"tags": "mine"}
    assert owner.post(f"{path}/edit", data=edit_fields(owner, path) | {"rate_limit_rpm": "7"}).headers["location"].endswith("done=changed")
    refused = owner.post(f"{path}/edit", data=mine)
    assert refused.status_code == 412
    assert "Somebody changed this key while you did" in said(refused)
    assert "rate limit rpm : you say nothing, the key has 7" in said(refused)
    assert "tags : you say mine, the key has first" in said(refused)
    assert "Requests a minute 7" in said(owner.get(path))
    version = re.search(r'name="version" value="(\d+)"', refused.text)
    assert version is not None
    assert owner.post(f"{path}/edit", data=mine | {"version": version[1]}).headers["location"].endswith("done=changed")
    page = said(owner.get(path))
    assert "mine" in page
    assert "Requests a minute no limit" in page
    assert "rate limit rpm 7 → nothing" in page
    assert owner.post(f"{path}/edit", data=mine | {"version": "x"}).status_code == 412


def test_a_disabled_key_is_refused_and_its_history_says_who_did_it(gateway: GatewayProcess, owner: httpx.Client) -> None:
    path, text = create_well(owner, "switched")
    assert "done=disabled" in owner.post(f"{path}/state", data={"state": "off"}).headers["location"]
    assert ask(gateway, text).status_code == 401
    owner.post(f"{path}/state", data={"state": "on"})
    assert ask(gateway, text).status_code == 200
    history = said(owner.get(path)).partition("History")[2]
    assert re.search(r"you enabled.*disabled yes → no.*you disabled.*disabled no → yes.*you created", history), history


def test_deleting_a_key_in_use_needs_a_second_word(gateway: GatewayProcess, owner: httpx.Client) -> None:
    path, text = create_well(owner, "ending")
    ask(gateway, text)
    wait_for(lambda: "It still has traffic" in said(owner.get(f"{path}/delete")))
    refused = owner.post(f"{path}/delete")
    assert refused.status_code == 422
    assert "Tick the box" in said(refused)
    assert ask(gateway, text).status_code == 200
    assert owner.post(f"{path}/delete", data={"anyway": "on"}).headers["location"] == f"{PATH}?done=deleted"
    assert ask(gateway, text).status_code == 401
    assert owner.get(path).status_code == 404


def test_the_last_key_that_manages_keys_cannot_be_deleted_and_the_page_says_why(browse: Callable[..., httpx.Client]) -> None:
    owner = browse()
    path, _ = create_well(owner, "the only manager", preset="admin")
    reply = owner.post(f"{path}/delete")
    assert reply.status_code == 422
    assert "It is not deleted" in said(reply)


def test_a_rotation_goes_through_its_four_steps(gateway: GatewayProcess, owner: httpx.Client) -> None:
    path, old = create_well(owner, "turning")
    asked = said(owner.get(f"{path}/rotate"))
    assert "How long does the old key go on?" in asked
    deployed = owner.post(f"{path}/rotate", data={"grace": "86400", "start": "first_use"})
    found = KEY.search(deployed.text)
    assert found is not None
    new = found[1]
    assert "The old key ends 1 day after the first use of the new key" in said(deployed)
    assert owner.get(f"{path}/rotate").headers["location"] == f"{path}/rotate/watch"
    assert "Nobody has used the new key yet" in said(owner.get(f"{path}/rotate/watch"))
    again = owner.post(f"{path}/rotate", data={"grace": "86400", "start": "now"})
    assert again.status_code == 409
    assert "It was rotated already" in said(again)
    assert KEY.search(again.text) is None
    for text in (old, new):
        assert ask(gateway, text).status_code == 200
    wait_for(lambda: "Both keys are in use" in said(owner.get(f"{path}/rotate/traffic")))
    traffic = owner.get(f"{path}/rotate/traffic").text
    assert "<html" not in traffic
    assert "python-httpx" in traffic
    set_last_use(gateway, path, hours=1)
    assert "The old key is quiet" in said(owner.get(f"{path}/rotate/traffic"))
    set_last_use(gateway, path, hours=25)
    assert "safe to delete" in said(owner.get(f"{path}/rotate/watch"))
    assert owner.post(f"{path}/delete").status_code == 303
    assert ask(gateway, old).status_code == 401
    assert ask(gateway, new).status_code == 200


@pytest.mark.parametrize(
    "fields", [{}, {"grace": "5", "start": "now"}, {"grace": "3600", "start": "later"}, {"grace": "x", "start": "now"}]
)
def test_a_rotation_without_its_choices_is_asked_for_again(fields: dict[str, str], owner: httpx.Client) -> None:
    path, _ = create_well(owner, f"unsaid {time.monotonic_ns()}")
    reply = owner.post(f"{path}/rotate", data=fields)
    assert reply.status_code == 400
    assert "Choose how long" in said(reply)


def test_a_key_that_cannot_be_rotated_says_why(owner: httpx.Client) -> None:
    path, _ = create_well(owner, "switched off")
    owner.post(f"{path}/state", data={"state": "off"})
    assert "Enable it first" in said(owner.get(f"{path}/rotate"))
    assert owner.post(f"{path}/rotate", data={"grace": "3600", "start": "now"}).status_code == 422


def test_a_developer_gives_no_more_than_a_developer_has(gateway: GatewayProcess, developer: httpx.Client) -> None:
    offered = developer.get(f"{PATH}/new").text
    assert 'id="scopes-admin-keys"' in offered
    assert 'id="scopes-admin-org"' not in offered
    assert "Manage everything" not in offered
    for fields, field in (
        ({"environment": "live"}, "environment"),
        ({"preset": "custom", "scopes": ["admin:org"]}, "scopes"),
        ({"preset": "admin"}, "scopes"),
        ({"environment": "live", "kind": "personal", "preset": "custom", "scopes": ["admin:keys"]}, "scopes"),
    ):
        reply = create(developer, "too much", **fields)
        assert reply.status_code in {400, 403}, said(reply)
        assert f'id="{field}-error"' in reply.text, said(reply)
        assert KEY.search(reply.text) is None
    path, text = create_well(developer, "my own", environment="live", kind="personal")
    assert text.startswith("ar-live-")
    wait_for(lambda: "personal: developer" in said(developer.get(path)))  # the gateway knows a new member's name within a second
    denied = gateway.command("audit", "list", "--action", "page.denied")["data"]
    assert any(row["target_label"] == f"POST {PATH}/new" for row in denied), denied


def test_what_is_not_the_visitors_is_not_there(
    gateway: GatewayProcess, owner: httpx.Client, developer: httpx.Client, stranger: httpx.Client
) -> None:
    path, text = create_well(owner, "not yours", environment="live")
    for who in (developer, stranger):
        for page in ("", "/edit", "/delete", "/rotate", "/rotate/watch", "/rotate/traffic"):
            assert who.get(f"{path}{page}").status_code == 404, page
        for page, fields in (
            ("/edit", fill("stolen", version="1")),
            ("/state", {"state": "off"}),
            ("/delete", {"anyway": "on"}),
            ("/rotate", {"grace": "0", "start": "now"}),
        ):
            assert who.post(f"{path}{page}", data=fields).status_code == 404, page
    assert ask(gateway, text).status_code == 200
    assert "not yours" in said(owner.get(path))


def test_a_developers_history_names_nobody_else(owner: httpx.Client, developer: httpx.Client) -> None:
    path, _ = create_well(owner, "shared")
    developer.post(f"{path}/state", data={"state": "off"})
    page = said(developer.get(path))
    assert "you disabled" in page
    assert "a member created" in page
    assert "owner-" not in page
    assert "audit log" not in page


@pytest.mark.parametrize("role", [Role.BILLING, Role.VIEWER])
def test_who_manages_no_keys_is_shown_none(role: Role, browse: Callable[..., httpx.Client], owner: httpx.Client) -> None:
    path, _ = create_well(owner, f"hidden from {role.value}")
    who = browse(role)
    assert {who.get(page).status_code for page in (f"{PATH}/new", f"{PATH}/models", path, f"{path}/edit")} == {403}
    assert create(who, "mine").status_code == 403


@pytest.mark.parametrize("name", ["key_0", "key_" + "0" * 32, "x" * 300, "%00", "key_%F0%9F%94%91"])
def test_an_id_that_is_none_is_a_page_that_says_so(name: str, owner: httpx.Client) -> None:
    assert owner.get(f"{PATH}/{name}").status_code == 404
    assert owner.post(f"{PATH}/{name}/delete").status_code == 404


def wait_for(holds: Callable[[], bool], seconds: float = 15.0) -> None:
    """For what is written every few seconds, such as the last use."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.2)


def set_last_use(gateway: GatewayProcess, path: str, *, hours: int) -> None:
    """As if the key had last been used so long ago."""
    at_ms = int((time.time() - hours * 3600) * 1000)
    connection = sqlite3.connect(gateway.data_dir / "anyrouter.db")
    with connection:
        connection.execute("UPDATE api_keys SET last_used_at_ms = ? WHERE id = ?", (at_ms, path.rpartition("/")[2]))
    connection.close()
