"""The home page over a real gateway: what is wrong comes first, steps tick themselves, and every role sees its own part."""

import html
import re
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from anyrouter.core.tenancy import Role
from support.dashboard import sign_in
from support.gateway import GatewayProcess
from support.generations import make_entry, settle

from .conftest import PROBE

PATH = "/dashboard"
HOUR_MS = 3_600_000
NOW_MS = time.time_ns() // 1_000_000
CONFIG = """
[[upstreams]]
id = "brittle"
provider = "openai"
base_url = "http://127.0.0.1:9/v1"
credential_variable = "KEY_OF_BRITTLE"
"""
_PROBLEM = re.compile(
    r'<li class="notice (bad|warn)">.*?</span> (.*?)</p><p>(.*?)</p></div><a class="button small" href="(.*?)"', re.DOTALL
)
_STEP = re.compile(r'<li( class="done")?><span class="tick".*?<p class="step-title">(?:<a href="[^"]*">)?([^<]*)', re.DOTALL)


def list_problems(reply: httpx.Response) -> dict[str, str]:
    """Where each problem is mended, by its title."""
    assert reply.status_code == 200, reply.text
    return {html.unescape(title): html.unescape(path) for _, title, _, path in _PROBLEM.findall(reply.text)}


def list_steps(reply: httpx.Response) -> dict[str, bool]:
    """Whether each step is done."""
    assert reply.status_code == 200, reply.text
    return {html.unescape(title).strip(): bool(done) for done, title in _STEP.findall(reply.text)}


def list_left(reply: httpx.Response) -> set[str]:
    """The steps that are not done."""
    return {title for title, is_done in list_steps(reply).items() if not is_done}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A new installation."""
    process = GatewayProcess(tmp_path_factory.mktemp("fresh"))
    yield process
    process.stop()
    assert "page failed" not in process.output, process.output


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """One that has worked for weeks, and in which much is wrong."""
    process = GatewayProcess(tmp_path_factory.mktemp("worn"), config=CONFIG, KEY_OF_BRITTLE="sk-brittle")
    before = [make_entry(NOW_MS - days * 24 * HOUR_MS, cost_nanousd=1_000_000_000) for days in range(1, 15)]
    settle(process, [*before, make_entry(NOW_MS, cost_nanousd=40_000_000_000)])
    key = process.create_key()
    process.command("keys", "create", "--name", f"Ends {PROBE}", "--env", "live", "--expires", "3d")
    for _ in range(6):
        httpx.post(
            f"{process.base_url}/api/v1/chat/completions",
            headers={"authorization": f"Bearer {key}"},
            json={"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "Hi"}]},
            timeout=30,
        )
    process.command("budgets", "create", "45", "--name", f"Cap {PROBE}", "--per", "total")
    yield process
    process.stop()
    assert "page failed" not in process.output, process.output


def test_trouble_comes_first_and_leads_to_where_it_is_mended(owner: httpx.Client):
    reply = wait_for(owner, "The budget of")
    problems = list_problems(reply)
    assert next(path for title, path in problems.items() if title.startswith("The upstream brittle")) == "/dashboard/settings/upstreams"
    assert problems[f"The budget of the organisation (Cap {PROBE}) is spent"] == "/dashboard/settings/limits"
    assert problems["A key ends soon"] == "/dashboard/keys?health=expires_soon"
    assert problems["Unusual spend"].startswith("/dashboard/activity?from=")
    assert reply.text.index("Needs a look") < reply.text.index("since midnight UTC")
    for path in problems.values():
        assert owner.get(path).status_code == 200, path


def wait_for(client: httpx.Client, title: str) -> httpx.Response:
    """The page, when it tells of what a command has just changed."""
    deadline = time.monotonic() + 10
    while title not in (reply := client.get(PATH)).text and time.monotonic() < deadline:
        time.sleep(0.1)
    return reply


def test_unusual_spend_leads_to_the_requests_that_it_was(owner: httpx.Client):
    found = owner.get(list_problems(owner.get(PATH))["Unusual spend"])
    assert "$40.00" in found.text


@pytest.mark.parametrize(
    ("role", "unseen"),
    [
        (Role.OWNER, set()),
        (Role.ADMIN, set()),
        (Role.DEVELOPER, {"budget", "A key ends"}),
        (Role.BILLING, {"A key ends"}),
        (Role.VIEWER, {"budget", "A key ends"}),
    ],
)
def test_a_role_is_told_of_what_it_may_see(role: Role, unseen: set[str], browse: Callable[..., httpx.Client]):
    wait_for(browse(Role.OWNER), "The budget of")
    titles = " ".join(list_problems(browse(role).get(PATH)))
    for part in ("The upstream brittle", "Unusual spend", "budget", "A key ends"):
        assert (part in titles) == (part not in unseen), part


def test_todays_numbers_are_beside_yesterdays_and_lead_on(owner: httpx.Client):
    text = owner.get(PATH).text
    spent = re.search(r'<dt>Spend</dt><dd><a href="([^"]+)">\$([0-9.]+)</a><span class="trend">([^<]+)', text)
    assert spent is not None
    assert "yesterday by now" in spent[3]
    assert owner.get(html.unescape(spent[1])).status_code == 200
    assert 'role="img" aria-label="Spend by hour, today.' in text


def test_what_people_type_is_text(owner: httpx.Client):
    reply = owner.get(PATH)
    assert PROBE not in reply.text
    assert f"Ends {PROBE}" in html.unescape(reply.text)


def test_another_organisation_hears_nothing_of_it(stranger: httpx.Client):
    reply = stranger.get(PATH)
    assert not {title for title in list_problems(reply) if not title.startswith("The upstream")}
    assert "$40" not in reply.text
    assert list_steps(reply)["Send the first request"] is False


def test_a_new_installation_is_told_what_to_do_and_ticks_it(fresh: GatewayProcess, browse_at: Callable[..., httpx.Client]):
    member = browse_at(fresh)
    titles = ["Set up the owner", "Connect a provider", "Create an API key", "Send the first request"]
    more = ["Set a budget or a limit", "Invite somebody", "Protect your account"]
    assert list_steps(member.get(PATH)) == {title: title == "Set up the owner" for title in (*titles, *more)}
    key = fresh.create_key(environment="test")
    assert list_steps(member.get(PATH))["Create an API key"] is True
    fresh.command("budgets", "create", "5", "--env", "live")
    sent = httpx.post(
        f"{fresh.base_url}/api/v1/chat/completions",
        headers={"authorization": f"Bearer {key}"},
        json={"model": "sandbox/echo", "messages": [{"role": "user", "content": "Hi"}]},
    )
    assert sent.status_code == 200, sent.text
    fresh.command("org", "invite", "new@example.org", "--role", "viewer")
    deadline = time.monotonic() + 10  # what a command changes is noticed within a second
    while (left := list_left(member.get(PATH))) != {"Connect a provider", "Protect your account"} and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == {"Connect a provider", "Protect your account"}
    assert list_steps(browse_at(fresh, Role.VIEWER).get(PATH)) == {"Set up the owner": True, "Protect your account": False}


def test_where_live_reaches_no_provider_all_is_not_said_to_be_well(fresh: GatewayProcess, browse_at: Callable[..., httpx.Client]):
    reply = browse_at(fresh).get(PATH)
    assert list_problems(reply) == {}
    assert "All is well" not in reply.text
    assert 'Nothing is wrong. live has no provider yet: <a href="/dashboard/settings/byok/new">' in reply.text
    seen = browse_at(fresh, Role.VIEWER).get(PATH).text
    assert "Nothing is wrong. live has no provider yet." in seen
    assert "/dashboard/settings/byok/new" not in seen


def test_steps_are_hidden_in_one_browser_and_shown_again(fresh: GatewayProcess, browse_at: Callable[..., httpx.Client]):
    member = browse_at(fresh)
    hidden = member.post(f"{PATH}/steps", data={"show": "no"})
    assert (hidden.status_code, hidden.headers["location"]) == (303, PATH)
    cookie = hidden.headers["set-cookie"].partition(";")[0]
    both = {"cookie": f"{member.headers['cookie']}; {cookie}"}
    reply = member.get(PATH, headers=both)
    assert list_steps(reply) == {}
    assert "Show the next steps again" in reply.text
    shown = member.post(f"{PATH}/steps", data={"show": "yes"}, headers=both)
    assert "Max-Age=0" in shown.headers["set-cookie"]
    other = browse_at(fresh)
    assert list_steps(other.get(PATH, headers={"cookie": f"{other.headers['cookie']}; {cookie}"})), "another member's cookie hides nothing"


@pytest.fixture(scope="module")
def browse_at() -> Iterator[Callable[..., httpx.Client]]:
    """Signs a new member in at a gateway."""
    clients: list[httpx.Client] = []

    def make(at: GatewayProcess, role: Role = Role.OWNER) -> httpx.Client:
        clients.append(httpx.Client(base_url=at.base_url, headers=sign_in(at.data_dir, role).headers))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
