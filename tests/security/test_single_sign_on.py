"""Single sign-on at a provider that lies, over real HTTP: nobody comes in by what is not exactly as it must be."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from anyrouter.core.tenancy import Role
from support.dashboard import SignedIn, sign_in
from support.gateway import GatewayProcess
from support.identity_provider import CLIENT_ID, LyingProvider, sign_with_nothing
from support.served import wait_for
from support.upstream import Answer, json_answer

SECRET = "client-secret-4711"
CONFIG = """
[sso]
issuer = "{issuer}"
client_id = "anyrouter"
client_secret_variable = "SSO_SECRET"
name = "Example ID"
"""
PROFILE = "/dashboard/settings/profile"


@pytest.fixture(scope="module")
def lying() -> Iterator[LyingProvider]:
    with LyingProvider() as made:
        yield made


@pytest.fixture
def provider(lying: LyingProvider) -> LyingProvider:
    lying.behave()
    return lying


@pytest.fixture(scope="module")
def gateway(lying: LyingProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("sso"), config=CONFIG.format(issuer=lying.issuer), SSO_SECRET=SECRET)
    yield process
    process.stop()
    assert SECRET not in process.output
    assert "code-" not in process.output, "what came in an address is in no log"
    assert "page failed" not in process.output, process.output


@pytest.fixture
def member(gateway: GatewayProcess) -> SignedIn:
    return sign_in(gateway.data_dir, Role.DEVELOPER)


class Browser:
    """Keeps cookies as a browser does, secure ones over loopback too, and follows nothing by itself."""

    def __init__(self, base_url: str) -> None:
        self.base_url, self.cookies = base_url, dict[str, str]()

    def get(self, path: str, **params: str) -> httpx.Response:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"sec-fetch-site": "cross-site", **({"cookie": cookies} if cookies else {})}
        reply = httpx.get(self.base_url + path, params=params, headers=headers)
        for line in reply.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        return reply

    def begin(self, **params: str) -> str:
        reply = self.get("/sso/start", **params)
        assert reply.status_code == 303, reply.text
        return reply.headers["location"]

    @property
    def is_in(self) -> bool:
        return "__Host-anyrouter-session" in self.cookies and self.get(PROFILE).status_code == 200

    @property
    def is_fresh(self) -> bool:
        """Whether what is dangerous may be done without another proof: the page that asks for one leads on."""
        return self.get(f"{PROFILE}/confirm", next=PROFILE).status_code == 303


@pytest.fixture
def new_browser(gateway: GatewayProcess) -> Callable[[], Browser]:
    return lambda: Browser(gateway.base_url)


@pytest.fixture
def browser(new_browser: Callable[[], Browser]) -> Browser:
    return new_browser()


def said(reply: httpx.Response) -> str:
    found = re.search(r"<h1>You were not signed in</h1>\s*<p>([^<]*)</p>", reply.text)
    assert found is not None, reply.text
    return found[1].replace("&#39;", "'")


def test_the_honest_way_leads_in_and_on_and_keeps_the_account(
    provider: LyingProvider, browser: Browser, new_browser: Callable[[], Browser], member: SignedIn
) -> None:
    url = browser.begin(next="/dashboard/usage?range=7d")
    asked = parse_qs(urlsplit(url).query)
    assert asked["redirect_uri"] == [f"{browser.base_url}/sso/callback"]
    assert (asked["response_type"], asked["code_challenge_method"], asked["client_id"]) == (["code"], ["S256"], [CLIENT_ID])
    assert len(asked["nonce"][0]) >= 32
    assert len(asked["state"][0]) >= 32
    reply = browser.get("/sso/callback", **provider.visit(url, "ada", email=member.member.email.upper()))
    assert reply.headers["location"] == "/login/arrived?next=%2Fdashboard%2Fusage%3Frange%3D7d"
    assert browser.is_in
    profile = browser.get(PROFILE).text
    assert provider.issuer in profile
    assert 'data-label="With">Example ID' in profile
    assert provider.authorizations[-1].startswith("Basic ")
    assert "client_secret" not in provider.redeemed[-1]

    provider.behave()
    again = new_browser()
    again.get("/sso/callback", **provider.visit(again.begin(), "ada", email="ada-has-another@elsewhere.example"))
    assert again.is_in, "known by the subject, whatever the address is by now"
    assert member.member.email in again.get(PROFILE).text


def other_key(provider: LyingProvider) -> Callable[[Any], str]:
    stolen = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return lambda claims: provider.sign_rs256(claims, stolen)


def key_in_header(provider: LyingProvider) -> Callable[[Any], str]:
    own = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return lambda claims: provider.sign_rs256(claims, own, jwk=provider.publish(own))


def key_at_address_in_header(provider: LyingProvider) -> Callable[[Any], str]:
    own = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return lambda claims: provider.sign_rs256(claims, own, jku=f"{provider.issuer}/own-keys")  # which the provider fails on, if asked


def unknown_key(provider: LyingProvider) -> Callable[[Any], str]:
    return lambda claims: provider.sign_rs256(claims, kid="key-2")


def tampered(provider: LyingProvider) -> Callable[[Any], str]:
    def sign(claims: Any) -> str:
        head, _, signature = provider.sign_rs256(claims).split(".")
        return ".".join((head, provider.sign_rs256({**claims, "sub": "root"}).split(".")[1], signature))

    return sign


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        ({"iss": "https://accounts.evil.example"}, "(iss)"),
        ({"iss": None}, "(iss)"),
        ({"aud": "another-app"}, "(aud)"),
        ({"aud": ["another-app"]}, "(aud)"),
        ({"aud": None}, "(aud)"),
        ({"aud": [CLIENT_ID, "another-app"]}, "(azp)"),
        ({"azp": "another-app"}, "(azp)"),
        ({"nonce": "of-another-sign-in"}, "(nonce)"),
        ({"nonce": None}, "(nonce)"),
        ({"exp": int(time.time()) - 3600}, "(exp)"),
        ({"exp": None}, "(exp)"),
        ({"exp": "tomorrow"}, "(exp)"),
        ({"iat": int(time.time()) + 86_400}, "(iat)"),
        ({"nbf": int(time.time()) + 86_400}, "(iat)"),
        ({"sub": None}, "(sub)"),
        ({"sub": ""}, "(sub)"),
        ({"sub": 1}, "(sub)"),
        (lambda _: sign_with_nothing, "algorithm that is not allowed"),
        (lambda provider: provider.sign_with_public_key, "algorithm that is not allowed"),
        (other_key, "signature is not the provider's"),
        (key_in_header, "signature is not the provider's"),
        (key_at_address_in_header, "signature is not the provider's"),
        (tampered, "signature is not the provider's"),
        (unknown_key, "does not publish"),
        (lambda _: lambda _: "no.token", "signature is not the provider's"),
        (lambda _: lambda _: "", "signature is not the provider's"),
        (lambda _: lambda _: "x" * 40_000, "too long"),
    ],
)
def test_a_token_that_is_not_as_it_must_be_signs_nobody_in(
    lie: Any, words: str, provider: LyingProvider, browser: Browser, member: SignedIn
) -> None:
    answer = provider.visit(browser.begin(), "liar", email=member.member.email)
    if callable(lie):
        provider.sign = lie(provider)
    else:
        provider.claims |= lie
    reply = browser.get("/sso/callback", **answer)
    assert reply.status_code == 403
    assert words in said(reply)
    assert not browser.is_in
    assert member.member.email not in reply.text


@pytest.mark.parametrize("verified", [False, None, "true", "false", 1, "yes"])
def test_an_address_that_the_provider_has_not_verified_is_nobodys(
    verified: object, provider: LyingProvider, browser: Browser, member: SignedIn
) -> None:
    reply = browser.get("/sso/callback", **provider.visit(browser.begin(), "x", email=member.member.email, email_verified=verified))
    assert (reply.status_code, browser.is_in) == (403, False)
    assert "has not verified an e-mail address" in said(reply)


def test_what_the_userinfo_says_of_somebody_else_is_not_taken(provider: LyingProvider, browser: Browser, member: SignedIn) -> None:
    provider.userinfo = {"sub": "another", "email": member.member.email, "email_verified": True}
    reply = browser.get("/sso/callback", **provider.visit(browser.begin(), "mallory"))
    assert (reply.status_code, browser.is_in) == (502, False)
    provider.userinfo["sub"] = "mallory"
    browser.get("/sso/callback", **provider.visit(browser.begin(), "mallory"))
    assert browser.is_in, "it is taken when it is of the one who signed in"


def test_another_account_with_the_address_of_a_bound_member_is_not_that_member(
    provider: LyingProvider, new_browser: Callable[[], Browser], member: SignedIn
) -> None:
    first, second = new_browser(), new_browser()
    first.get("/sso/callback", **provider.visit(first.begin(), "was-here-first", email=member.member.email))
    assert first.is_in
    reply = second.get("/sso/callback", **provider.visit(second.begin(), "came-later", email=member.member.email))
    assert (reply.status_code, second.is_in) == (403, False)
    assert "bound to another account" in said(reply)


def test_a_state_is_good_for_one_callback(provider: LyingProvider, browser: Browser, member: SignedIn) -> None:
    answer = provider.visit(browser.begin(), "once", email=member.member.email)
    browser.get("/sso/callback", **answer)
    assert browser.is_in
    redeemed = len(provider.redeemed)
    reply = browser.get("/sso/callback", **answer)
    assert (reply.status_code, len(provider.redeemed)) == (400, redeemed), "the code is not even asked about"
    assert "not begun in this browser" in said(reply)


def test_a_state_of_another_browser_signs_in_neither(provider: LyingProvider, new_browser: Callable[[], Browser], member: SignedIn) -> None:
    attacker, victim, bare = new_browser(), new_browser(), new_browser()
    answer = provider.visit(attacker.begin(), "attacker", email=member.member.email)
    victim.begin()
    for other in (victim, bare):
        reply = other.get("/sso/callback", **answer)
        assert (reply.status_code, other.is_in) == (400, False)
    attacker.get("/sso/callback", **answer)
    assert attacker.is_in, "and is not used up by it"


@pytest.mark.parametrize(
    "changes", [{"state": ""}, {"state": "A" * 43}, {"state": "x" * 5000}, {"code": ""}, {"code": "x" * 5000}, {"code": "nobodys"}], ids=str
)
def test_a_callback_that_lacks_something_is_explained(
    changes: dict[str, str], provider: LyingProvider, browser: Browser, member: SignedIn
) -> None:
    answer = provider.visit(browser.begin(), "half", email=member.member.email)
    reply = browser.get("/sso/callback", **{**answer, **changes})
    assert (reply.status_code, browser.is_in) == (400, False)
    assert "Begin again at the sign-in page" in said(reply)


def test_an_answer_in_the_name_of_another_provider_is_not_redeemed(provider: LyingProvider, browser: Browser) -> None:
    answer = provider.visit(browser.begin(), "mixed-up")
    redeemed = len(provider.redeemed)
    reply = browser.get("/sso/callback", **answer, iss="https://accounts.evil.example")
    assert (reply.status_code, len(provider.redeemed)) == (403, redeemed), "the code goes to nobody (RFC 9207)"


@pytest.mark.parametrize(("error", "words"), [("access_denied", "said no"), ("<script>alert(1)</script>", "reports an error")])
def test_a_no_of_the_provider_is_told_and_quotes_nothing(error: str, words: str, provider: LyingProvider, browser: Browser) -> None:
    state = provider.visit(browser.begin(), "denied")["state"]
    reply = browser.get("/sso/callback", state=state, error=error, error_description="<b>pay here</b>")
    assert (reply.status_code, browser.is_in) == (400, False)
    assert words in said(reply)
    assert "<script>alert" not in reply.text
    assert "pay here" not in reply.text


@pytest.mark.parametrize(
    "instead",
    [
        json_answer({"error": "server_error"}, 500),
        json_answer({"error": "invalid_client"}, 401),
        json_answer({"access_token": "x"}),
        json_answer({"id_token": 7}),
        json_answer([]),
        Answer(body=b"\xff\xfe{{{"),
        Answer(body=b"[" * 100_000),
        Answer(status=302, headers={"location": "http://169.254.169.254/"}),
        Answer(is_cut=True, body=b"{"),
    ],
    ids=range(9),
)
def test_a_provider_that_answers_nonsense_is_named_as_whose_fault_it_is(instead: Answer, provider: LyingProvider, browser: Browser) -> None:
    answer = provider.visit(browser.begin(), "x")
    provider.instead = instead
    reply = browser.get("/sso/callback", **answer)
    assert (reply.status_code, browser.is_in) == (502, False)
    assert "sign-on provider" in said(reply)
    assert SECRET not in reply.text


def test_who_is_not_expected_is_turned_away_and_who_is_invited_comes_with_the_role_of_the_invitation(
    provider: LyingProvider, browser: Browser, gateway: GatewayProcess
) -> None:
    email = "newcomer@example.org"
    reply = browser.get("/sso/callback", **provider.visit(browser.begin(), "new", email=email))
    assert (reply.status_code, browser.is_in) == (403, False)
    assert "Ask an owner or an admin to invite you" in said(reply)
    gateway.command("org", "invite", email, "--role", "billing")
    browser.get("/sso/callback", **provider.visit(browser.begin(), "new", email=email, name="<b>Neo</b>"))
    assert browser.is_in
    assert "<dd>billing</dd>" in browser.get(PROFILE).text
    assert "<b>Neo" not in browser.get(PROFILE).text


def test_who_was_removed_does_not_come_back(provider: LyingProvider, browser: Browser, gateway: GatewayProcess, member: SignedIn) -> None:
    browser.get("/sso/callback", **provider.visit(browser.begin(), "leaver", email=member.member.email))
    assert browser.is_in
    gateway.command("org", "remove-member", member.member.id)
    assert not browser.is_in, "the session ended with the membership"
    reply = browser.get("/sso/callback", **provider.visit(browser.begin(), "leaver", email=member.member.email))
    assert (reply.status_code, browser.is_in) == (403, False)


def test_who_is_a_member_of_two_organisations_is_asked_which_and_gets_no_other(
    provider: LyingProvider, browser: Browser, gateway: GatewayProcess, member: SignedIn
) -> None:
    other = gateway.command("org", "create", "Second house")["data"]["id"]
    second = sign_in(gateway.data_dir, Role.BILLING, email=member.member.email, organisation_id=other)
    reply = browser.get("/sso/callback", **provider.visit(browser.begin(next=PROFILE), "both", email=member.member.email))
    assert reply.headers["location"] == "/login/organisation"
    assert not browser.is_in
    # The server notices within a moment what a command has made.
    assert wait_for(lambda: "Second house" in browser.get("/login/organisation").text)
    headers = {"cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items()), "sec-fetch-site": "same-origin"}
    stranger = sign_in(gateway.data_dir)
    nobody = httpx.post(f"{browser.base_url}/login/organisation", data={"member": stranger.member.id}, headers=headers)
    assert nobody.headers["location"] == "/login?done=again"
    chosen = httpx.post(f"{browser.base_url}/login/organisation", data={"member": second.member.id}, headers=headers)
    line = next(line for line in chosen.headers.get_list("set-cookie") if "anyrouter-session=" in line)
    page = httpx.get(browser.base_url + PROFILE, headers={"cookie": line.partition(";")[0]}).text
    assert "<dd>Second house</dd>" in page
    assert 'data-label="With">Example ID' in page


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_nobody_is_led_to_another_site_afterwards(elsewhere: str, provider: LyingProvider, browser: Browser, member: SignedIn) -> None:
    reply = browser.get("/sso/callback", **provider.visit(browser.begin(next=elsewhere), "led", email=member.member.email))
    assert reply.headers["location"] == "/login/arrived?next=%2Fdashboard"


def test_a_session_that_the_browser_had_ends_and_the_token_is_another(provider: LyingProvider, browser: Browser, member: SignedIn) -> None:
    browser.cookies["__Host-anyrouter-session"] = member.token
    assert browser.get("/sso/start").headers["location"] == "/dashboard", "who is signed in is led on"
    browser.get("/sso/callback", **provider.visit(browser.begin(again="yes"), "anew", email=member.member.email))
    assert browser.is_in
    assert browser.cookies["__Host-anyrouter-session"] != member.token
    old = httpx.get(browser.base_url + PROFILE, headers=member.headers)
    assert old.headers["location"].startswith("/login")


def test_the_flow_begins_at_the_address_that_it_will_come_back_to(gateway: GatewayProcess) -> None:
    there = httpx.get(gateway.base_url.replace("127.0.0.1", "localhost") + "/sso/start", params={"next": "/dashboard/keys"})
    assert there.headers["location"] == f"{gateway.base_url}/sso/start?home=yes&next=%2Fdashboard%2Fkeys"
    abroad = httpx.get(gateway.base_url + "/sso/start", headers={"host": "gateway.example.org"})
    assert abroad.status_code == 403, "without TLS no browser keeps the cookie"


def test_the_account_can_be_unlinked_unless_it_is_the_only_way_in(provider: LyingProvider, browser: Browser, member: SignedIn) -> None:
    proved = int(time.time())
    browser.get("/sso/callback", **provider.visit(browser.begin(), "linked", email=member.member.email, auth_time=proved))
    headers = {"cookie": f"__Host-anyrouter-session={browser.cookies['__Host-anyrouter-session']}", "sec-fetch-site": "same-origin"}
    form = {"issuer": provider.issuer, "subject": "linked"}
    only = httpx.post(f"{browser.base_url}{PROFILE}/identity/unlink", data=form, headers=headers)
    assert (only.status_code, "only way in" in only.text) == (422, True)
    httpx.post(f"{browser.base_url}{PROFILE}/password", data={"new_password": "correct horse battery"}, headers=headers)
    nobodys = httpx.post(f"{browser.base_url}{PROFILE}/identity/unlink", data={**form, "subject": "somebody"}, headers=headers)
    assert nobodys.status_code == 404
    gone = httpx.post(f"{browser.base_url}{PROFILE}/identity/unlink", data=form, headers=headers)
    assert gone.headers["location"] == f"{PROFILE}?done=unlinked"
    assert "No account is linked" in browser.get(PROFILE).text


def test_who_is_to_prove_it_anew_is_asked_by_the_provider_and_not_recognised_by_it(
    provider: LyingProvider, browser: Browser, member: SignedIn
) -> None:
    plain = parse_qs(urlsplit(browser.begin()).query)
    assert "prompt" not in plain
    url = browser.begin(again="yes")
    asked = parse_qs(urlsplit(url).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
    lately, long_ago = int(time.time()), int(time.time()) - 3600
    reply = browser.get("/sso/callback", **provider.visit(url, "anew-2", email=member.member.email, auth_time=long_ago))
    assert (reply.status_code, browser.is_in) == (403, False)
    assert "auth_time" in said(reply)
    browser.get("/sso/callback", **provider.visit(browser.begin(again="yes"), "anew-2", email=member.member.email, auth_time=lately))
    assert browser.is_in


@pytest.mark.parametrize("ago_s", [None, 3600, -86_400], ids=["untold", "an hour ago", "tomorrow"])
def test_a_provider_that_merely_knows_the_browser_proves_nothing_for_what_is_dangerous(
    ago_s: int | None, provider: LyingProvider, browser: Browser, member: SignedIn
) -> None:
    proved = None if ago_s is None else int(time.time()) - ago_s
    browser.get("/sso/callback", **provider.visit(browser.begin(), "known", email=member.member.email, auth_time=proved))
    assert browser.is_in, "it is enough to come in"
    assert not browser.is_fresh


@pytest.mark.parametrize("again", [{}, {"again": "yes"}], ids=["plain", "again"])
def test_who_has_proved_it_to_the_provider_a_moment_ago_need_not_do_so_again(
    again: dict[str, str], provider: LyingProvider, browser: Browser, member: SignedIn
) -> None:
    lately = int(time.time()) - 60
    browser.get("/sso/callback", **provider.visit(browser.begin(**again), "lately", email=member.member.email, auth_time=lately))
    assert browser.is_fresh


@pytest.mark.parametrize("lie", [None, "just now", True, 0, -5, 10**18], ids=repr)
def test_who_is_signed_in_confirms_nothing_at_a_provider_that_does_not_say_when_it_asked(
    lie: object, provider: LyingProvider, browser: Browser, member: SignedIn
) -> None:
    browser.get("/sso/callback", **provider.visit(browser.begin(), "silent", email=member.member.email))
    reply = browser.get("/sso/callback", **provider.visit(browser.begin(again="yes"), "silent", auth_time=lie))
    assert (reply.status_code, browser.is_in, browser.is_fresh) == (403, True, False), "the session of before goes on, as it was"
    assert "auth_time" in said(reply)
    assert "link to set a password" in said(reply), "there is another way"


def test_who_was_asked_anew_without_a_session_comes_in_where_the_provider_never_tells(
    provider: LyingProvider, browser: Browser, member: SignedIn
) -> None:
    answer = provider.visit(browser.begin(again="yes"), "never-tells", email=member.member.email, auth_time=None)
    browser.get("/sso/callback", **answer)
    assert browser.is_in
    assert not browser.is_fresh
