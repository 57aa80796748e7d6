"""The organisation's page over a real gateway: what each role sees of it, and its form."""

import html
import re
from collections.abc import Callable

import httpx
import pytest

from anyrouter.core.tenancy import Role
from anyrouter.web.pages.organisation import list_lifetimes, name_size
from support.gateway import GatewayProcess

from .conftest import PROBE, said

PATH = "/dashboard/settings"


def read_version(reply: httpx.Response) -> str:
    found = re.search(r'name="version" value="(\d+)"', reply.text)
    assert found is not None
    return found[1]


def test_who_manages_it_names_it_and_bounds_the_life_of_keys(gateway: GatewayProcess, owner: httpx.Client) -> None:
    version = read_version(owner.get(PATH))
    changed = owner.post(PATH, data={"name": f"Acme {PROBE}", "max_key_lifetime_s": "7776000", "version": version})
    assert changed.headers["location"] == f"{PATH}?done=changed"
    page = owner.get(changed.headers["location"])
    assert "The organisation is changed" in said(page)
    assert f"Acme {PROBE}" in said(page)
    assert PROBE not in page.text
    assert re.search(r'value="7776000" selected', page.text)
    shown = next(row for row in gateway.command("org", "list")["data"] if row["id"] == "org_default")
    assert shown["name"] == f"Acme {PROBE}"
    stale = owner.post(PATH, data={"name": "Late", "version": version})
    assert stale.status_code == 412
    assert "changed meanwhile" in said(stale)
    assert 'value="Late"' in stale.text


@pytest.mark.parametrize(
    ("field", "value"), [("name", ""), ("name", "x" * 101), ("max_key_lifetime_s", "5"), ("max_key_lifetime_s", "long")]
)
def test_a_mistake_is_told_at_its_field(owner: httpx.Client, field: str, value: str) -> None:
    reply = owner.post(PATH, data={"name": "Kept <b>", field: value})
    assert reply.status_code == 400
    assert f'id="{field}-error"' in reply.text
    assert field == "name" or 'value="Kept &lt;b&gt;"' in reply.text


def test_others_look_and_change_nothing_and_are_told_nothing_of_the_machine(
    owner: httpx.Client, stranger: httpx.Client, browse: Callable[..., httpx.Client]
) -> None:
    assert "SQLite" in said(owner.get(PATH))
    for role in (Role.DEVELOPER, Role.BILLING, Role.VIEWER):
        client = browse(role)
        page = client.get(PATH)
        assert page.status_code == 200
        assert "org_default" in page.text
        assert "SQLite" not in page.text
        assert '<button class="primary"' not in page.text
        assert client.post(PATH, data={"name": "Mine"}).status_code == 403
    elsewhere = said(stranger.get(PATH))
    assert "Elsewhere" in elsewhere
    assert "SQLite" not in elsewhere
    assert "org_default" not in elsewhere


def test_sizes_and_lifetimes_are_in_words() -> None:
    assert [name_size(count) for count in (0, 812, 4096, 3 * 2**20 + 2**19, 5 * 2**40)] == ["0 B", "812 B", "4.0 KiB", "3.5 MiB", "5.0 TiB"]
    assert ("90", "90 seconds") in list_lifetimes(90)
    assert len(list_lifetimes(86_400)) == len(list_lifetimes(None))
    assert html.escape("as long as they say") == list_lifetimes(None)[0][1]
