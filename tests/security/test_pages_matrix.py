"""Who may see which page: every row of the table of pages, for everybody there is. A page without a row cannot be served."""

import re
from collections.abc import Callable, Iterator

import httpx
import pytest

from anyrouter.core.tenancy import Role
from anyrouter.policy.rights import may, rights_of_role
from anyrouter.web.pages.cookies import SESSION_COOKIE
from anyrouter.web.pages.routes import MEMBER, PUBLIC, PageRow
from support.dashboard import SignedIn, sign_in
from support.gateway import GatewayProcess
from support.pages import list_rows

ROWS = list_rows()
NOWHERE = "00000000-none"  # nothing has this id
GUARDED = [row for row in ROWS if row.needs != PUBLIC]
OURS = {"sec-fetch-site": "same-origin"}


def name_row(row: PageRow) -> str:
    return f"{row.method} {row.path}"


def address(row: PageRow) -> str:
    return re.sub(r"\{[^}]*\}", NOWHERE, row.path)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("pages"))
    yield process
    process.stop()


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.base_url, timeout=30) as made:
        yield made


@pytest.fixture(scope="module")
def as_role(gateway: GatewayProcess) -> Callable[[Role], SignedIn]:
    """A member of each role; signed in anew where a page has ended the session."""
    signed_in: dict[Role, SignedIn] = {}

    def find(role: Role) -> SignedIn:
        who = signed_in.get(role)
        if who is None or httpx.get(f"{gateway.base_url}/dashboard", headers=who.headers).status_code != 200:
            who = signed_in[role] = sign_in(gateway.data_dir, role)
        return who

    return find


def ask(client: httpx.Client, row: PageRow, headers: dict[str, str]) -> httpx.Response:
    content = {"content": b"", "headers": {**headers, "content-type": "application/x-www-form-urlencoded"}}
    return client.request(row.method, address(row), **(content if row.method == "POST" else {"headers": headers}))  # type: ignore[arg-type]


@pytest.mark.parametrize("row", GUARDED, ids=name_row)
def test_without_a_session_a_page_leads_to_the_sign_in_and_does_nothing(row: PageRow, client: httpx.Client) -> None:
    for cookie in ("", f"{SESSION_COOKIE}=", f"{SESSION_COOKIE}={'A' * 43}", "anyrouter-session=" + "A" * 43):
        reply = ask(client, row, {**OURS, **({"cookie": cookie} if cookie else {})})
        assert (reply.status_code, reply.headers["location"].partition("?")[0]) == (303, "/login")


@pytest.mark.parametrize("row", GUARDED, ids=name_row)
@pytest.mark.parametrize("role", list(Role))
def test_a_role_sees_what_its_scopes_allow_and_is_refused_the_rest(
    row: PageRow, role: Role, client: httpx.Client, as_role: Callable[[Role], SignedIn]
) -> None:
    reply = ask(client, row, as_role(role).headers)
    assert reply.status_code < 500, reply.text
    if row.needs != MEMBER and not may(rights_of_role(role), row.needs):
        assert reply.status_code == 403
    else:
        assert not reply.headers.get("location", "").startswith("/login"), reply.headers
    assert reply.headers["cache-control"] == "no-store" or row.path.startswith("/static")


@pytest.mark.parametrize("row", [row for row in ROWS if row.method == "POST"], ids=name_row)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "null"},
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "same-origin", "origin": "null"},
        {"sec-fetch-site": "same-origin", "origin": "http://evil.example"},
    ],
    ids=str,
)
def test_a_form_from_elsewhere_changes_nothing(
    row: PageRow, headers: dict[str, str], client: httpx.Client, as_role: Callable[[Role], SignedIn]
) -> None:
    reply = ask(client, row, {"cookie": as_role(Role.OWNER).headers["cookie"], **headers})
    assert reply.status_code == 403
    assert "not sent from a page of this gateway" in reply.text


@pytest.mark.parametrize("row", ROWS, ids=name_row)
def test_every_reply_has_the_policy_and_names_no_version_and_no_table(
    row: PageRow, client: httpx.Client, as_role: Callable[[Role], SignedIn]
) -> None:
    for headers in (OURS, as_role(Role.VIEWER).headers):
        reply = ask(client, row, headers)
        policy = reply.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert reply.headers["x-frame-options"] == "DENY"
        assert "server" not in reply.headers
        assert "Traceback" not in reply.text
        assert "sqlalchemy" not in reply.text.lower()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused_as_pages(method: str, client: httpx.Client) -> None:
    reply = client.request(method, "/dashboard", headers=OURS)
    assert reply.status_code == 405
    assert reply.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/dashboard/nowhere", "/dashboard/%2e%2e/login/x", "/static/x/%2e%2e%2fapp.py", "/setup/x"])
def test_what_is_not_there_is_a_page_that_says_so(path: str, client: httpx.Client) -> None:
    reply = client.get(path, headers=OURS)
    assert reply.status_code == 404
    assert "There is no such" in reply.text, reply.text
