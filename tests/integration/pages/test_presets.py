"""The presets' pages over a real gateway: made, used by a request, changed, deleted; developers look."""

import html
import re
from collections.abc import Callable

import httpx
import pytest

from anyrouter.core.tenancy import Role
from support.gateway import GatewayProcess

from .conftest import PROBE, said

PATH = "/dashboard/settings/presets"


def create(client: httpx.Client, slug: str, **fields: str) -> httpx.Response:
    return client.post(f"{PATH}/new", data={"slug": slug, "environment": "test", "model": "sandbox/echo", **fields})


def test_a_preset_is_made_and_requests_use_it(gateway: GatewayProcess, owner: httpx.Client) -> None:
    made = create(owner, "writer", name=PROBE, system_prompt=f"Be {PROBE}\r\nand terse", config='{"temperature": 0.25}', description=PROBE)
    assert made.headers["location"] == f"{PATH}/test/writer?done=created"
    page = owner.get(made.headers["location"])
    assert PROBE not in page.text
    assert html.escape(f"Be {PROBE}\nand terse").replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page.text
    assert "&#34;temperature&#34;: 0.25" in page.text
    assert "@preset/writer" in said(owner.get(f"{PATH}?environment=test"))
    key = gateway.create_key(environment="test")
    body = {"model": "@preset/writer", "messages": [{"role": "user", "content": "Hi"}]}
    reply = httpx.post(f"{gateway.base_url}/api/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"})
    assert reply.status_code == 200, reply.text
    shown = gateway.command("presets", "show", "writer", "--env", "test")["data"]
    assert (shown["name"], shown["description"]) == (PROBE, PROBE)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"slug": "No Slug"}, "slug"),
        ({"slug": ""}, "slug"),
        ({"config": "{"}, "config"),
        ({"config": "[1]"}, "config"),
        ({"config": "[" * 5000}, "config"),
        ({"config": '{"messages": []}'}, "config"),
        ({"config": '{"a b": 1}'}, "config"),
        ({"model": "@preset/other"}, "model"),
        ({"dialect": "latin"}, "dialect"),
        ({"environment": "nowhere"}, "environment"),
        ({"name": "x" * 101}, "name"),
        ({"description": "x" * 2001}, "description"),
    ],
)
def test_a_mistake_is_told_at_its_field_and_nothing_is_lost(owner: httpx.Client, fields: dict[str, str], field: str) -> None:
    reply = create(owner, **{"slug": "fine", "system_prompt": "Kept <b>", **fields})
    assert reply.status_code == 400
    assert re.search(rf'id="{field}-error">[^<]+', reply.text), said(reply)
    assert "Kept &lt;b&gt;" in reply.text


def test_a_preset_is_changed_and_deleted(owner: httpx.Client) -> None:
    create(owner, "short", config='{"top_p": 0.5}', system_prompt="Once")
    path = f"{PATH}/test/short"
    assert "of this slug already" in said(create(owner, "short"))
    changed = owner.post(path, data={"name": "Shorter", "model": "", "config": '{"max_tokens": 5}', "version": "1"})
    page = owner.get(changed.headers["location"])
    assert "version 2" in said(page)
    assert "top_p" not in page.text
    assert "Once" not in page.text
    stale = owner.post(path, data={"name": "Late", "version": "1"})
    assert stale.status_code == 412
    assert 'value="Late"' in stale.text
    assert "deleted" in said(owner.get(owner.post(f"{path}/delete").headers["location"]))
    assert owner.get(path).status_code == 404


def test_a_developer_looks_at_those_of_sandboxes_and_others_at_none(
    owner: httpx.Client, stranger: httpx.Client, browse: Callable[..., httpx.Client]
) -> None:
    create(owner, "seen")
    create(owner, "unseen", environment="live", model="openai/gpt-4o")
    developer = browse(Role.DEVELOPER)
    page = developer.get(f"{PATH}/test/seen")
    assert "sandbox/echo" in said(page)
    assert "Save" not in said(page)
    assert "Create preset" not in said(developer.get(PATH))
    assert developer.get(f"{PATH}/live/unseen").status_code == developer.get(f"{PATH}?environment=live").status_code == 404
    assert create(developer, "mine").status_code == developer.post(f"{PATH}/test/seen/delete").status_code == 403
    viewer = browse(Role.VIEWER)
    assert "no environment that your role works in" in said(viewer.get(PATH))
    assert viewer.get(f"{PATH}/test/seen").status_code == 404
    assert browse(Role.BILLING).get(PATH).status_code == 403
    assert stranger.get(f"{PATH}/test/seen").status_code == stranger.post(f"{PATH}/test/seen/delete").status_code == 404
    assert owner.get(f"{PATH}/test/seen").status_code == 200
