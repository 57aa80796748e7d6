"""Single sign-on at an OpenID provider of somebody else's making, over real HTTP: who comes in the first time, and as what."""

import importlib
import warnings
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from support.gateway import GatewayProcess

CONFIG = """
[sso]
issuer = "http://localhost:{port}"
client_id = "anyrouter"
client_secret_variable = "SSO_SECRET"
name = "Example <ID>"
allowed_domains = ["example.org"]
default_role = "viewer"
"""
PEOPLE = {
    "ada": {"email": "ada@example.org", "email_verified": True, "name": "Ada Lovelace"},
    "bob": {"email": "bob@elsewhere.example", "email_verified": True},
    "eve": {"email": "eve@example.org"},
}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the provider's libraries are deprecating parts of each other


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with warnings.catch_warnings(), ExitStack() as stack:
        importlib.import_module("authlib.deprecate")  # sets a filter of its own
        warnings.simplefilter("ignore")
        mock = importlib.import_module("oidc_provider_mock")
        people = [mock.User(sub=subject, claims=claims) for subject, claims in PEOPLE.items()]
        server = stack.enter_context(mock.run_server_in_thread(require_nonce=True, user_claims=people))
        process = GatewayProcess(tmp_path_factory.mktemp("pages"), config=CONFIG.format(port=server.server_port), SSO_SECRET="any")
        yield process
        process.stop()
        assert "page failed" not in process.output, process.output


@pytest.fixture
def browser(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.base_url, headers={"sec-fetch-site": "cross-site"}) as client:
        yield client


def sign_on(browser: httpx.Client, subject: str, **form: str) -> httpx.Response:
    """The reply to a person who comes back from the provider."""
    begun = browser.get("/sso/start")
    browser.headers["cookie"] = begun.headers["set-cookie"].partition(";")[0]
    back = httpx.post(begun.headers["location"], data=form or {"sub": subject})
    return browser.get(back.headers["location"].removeprefix(str(browser.base_url).rstrip("/")))


def profile(browser: httpx.Client, reply: httpx.Response) -> str:
    cookie = next(line for line in reply.headers.get_list("set-cookie") if "anyrouter-session=" in line)
    return browser.get("/dashboard/settings/profile", headers={"cookie": cookie.partition(";")[0]}).text


def test_the_sign_in_page_offers_it_as_a_link_and_keeps_where_one_wanted_to_go(browser: httpx.Client) -> None:
    page = browser.get("/login?next=/dashboard/usage%3Fa=b")
    assert "Continue with Example &lt;ID&gt;" in page.text
    assert 'href="/sso/start?next=/dashboard/usage%3Fa%3Db"' in page.text


def test_who_comes_from_an_allowed_domain_becomes_a_member_with_the_default_role(browser: httpx.Client) -> None:
    page = profile(browser, sign_on(browser, "ada"))
    for expected in ('value="Ada Lovelace"', "ada@example.org", "<dd>viewer</dd>", 'data-label="With">Example &lt;ID&gt;', ">ada</code>"):
        assert expected in page, page
    again = profile(browser, sign_on(browser, "ada"))
    assert again.count("this one") == 1
    assert again.count("End the session of") == 1, "one member, two sessions"


@pytest.mark.parametrize(
    ("subject", "words"), [("bob", "addresses of your domain may not come in"), ("eve", "has not verified an e-mail address")]
)
def test_nobody_else_becomes_one(subject: str, words: str, browser: httpx.Client) -> None:
    reply = sign_on(browser, subject)
    assert (reply.status_code, words in reply.text) == (403, True), reply.text
    assert not any("anyrouter-session=" in line for line in reply.headers.get_list("set-cookie"))


def test_a_missing_secret_is_told_at_the_start(tmp_path_factory: pytest.TempPathFactory) -> None:
    config = '[sso]\nissuer = "https://id.example.org"\nclient_id = "a"\nclient_secret_variable = "NOT_THERE"\n'
    with pytest.raises(AssertionError, match="NOT_THERE"):
        GatewayProcess(tmp_path_factory.mktemp("start"), config=config)


def test_without_settings_there_is_none(tmp_path_factory: pytest.TempPathFactory) -> None:
    process = GatewayProcess(tmp_path_factory.mktemp("plain"))
    try:
        assert "Continue with" not in httpx.get(f"{process.base_url}/login").text
        for path in ("/sso/start", "/sso/callback?state=a&code=b"):
            reply = httpx.get(process.base_url + path)
            assert (reply.status_code, "no single sign-on" in reply.text) == (404, True)
    finally:
        process.stop()
