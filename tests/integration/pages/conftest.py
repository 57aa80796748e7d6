"""A gateway of its own for each module, and members who look at its pages as a browser does."""

import html
import re
from collections.abc import Callable, Iterator

import httpx
import pytest

from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Role
from support.dashboard import sign_in
from support.gateway import GatewayProcess

# In every text that a member can type: shows up as it is, or the page is broken.
PROBE = "<script>alert(1)</script>\"'&"
CONFIG = """
[billing]
routing_fee_usd = "0.0005"

[byok]
allowed_hosts = ["127.0.0.1"]
"""


def said(reply: httpx.Response) -> str:
    """What a page says, without its tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", reply.text)).split())


def follow(client: httpx.Client, reply: httpx.Response) -> httpx.Response:
    """The page that a form leads to, asked for with the cookies of the form's reply as well."""
    assert reply.status_code == 303, said(reply)
    set_here = [line.partition(";")[0] for line in reply.headers.get_list("set-cookie")]
    return client.get(reply.headers["location"], headers={"cookie": "; ".join([client.headers["cookie"], *set_here])})


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("pages"), config=CONFIG)
    yield process
    process.stop()
    assert "page failed" not in process.output, process.output


@pytest.fixture(scope="module")
def browse(gateway: GatewayProcess) -> Iterator[Callable[..., httpx.Client]]:
    """Makes a client that is signed in as a new member of a role."""
    clients: list[httpx.Client] = []

    def make(role: Role = Role.OWNER, organisation_id: str = DEFAULT_ORGANISATION_ID) -> httpx.Client:
        member = sign_in(gateway.data_dir, role, organisation_id=organisation_id)
        clients.append(httpx.Client(base_url=gateway.base_url, headers=member.headers))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture(scope="module")
def owner(browse: Callable[..., httpx.Client]) -> httpx.Client:
    return browse()


@pytest.fixture(scope="module")
def stranger(gateway: GatewayProcess, browse: Callable[..., httpx.Client]) -> httpx.Client:
    """The owner of another organisation."""
    created = gateway.command("org", "create", "Elsewhere")
    return browse(Role.OWNER, created["data"]["id"])
