"""Passkeys of an authenticator that lies: what is not exactly as it must be makes none, signs nobody in and confirms nothing."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from anyrouter.core.tenancy import Role
from support.dashboard import SignedIn, sign_in, sign_in_again
from support.gateway import GatewayProcess
from support.soft_authenticator import PRESENT, VERIFIED, SoftAuthenticator, encode

PROFILE = "/dashboard/settings/profile"
PASSKEYS = f"{PROFILE}/passkeys"
OURS = {"sec-fetch-site": "same-origin"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("passkeys"))
    yield process
    process.stop()
    assert "page failed" not in process.output, process.output


class Browser:
    """One that nobody or somebody is signed in with."""

    def __init__(self, base_url: str, who: SignedIn | None = None) -> None:
        self.base_url, self.cookies = base_url, [] if who is None else [who.headers["cookie"]]

    def post(self, path: str, **form: str) -> httpx.Response:
        reply = httpx.post(self.base_url + path, data=form, headers={**OURS, "cookie": "; ".join(self.cookies)})
        self.cookies += [line.partition(";")[0] for line in reply.headers.get_list("set-cookie") if "browser=" in line]
        return reply

    def ask(self, path: str) -> dict[str, Any]:
        reply = self.post(f"{path}/begin")
        assert reply.status_code == 200, reply.text
        assert reply.headers["content-type"] == "application/json"
        return reply.json()

    def sign_in(self, authenticator: SoftAuthenticator, **lies: Any) -> httpx.Response:
        asked = self.ask("/login/passkey")
        return self.post("/login/passkey", id=asked["id"], response=authenticator.sign(asked["options"], **lies))


def is_in(reply: httpx.Response) -> bool:
    return reply.status_code == 303 and any("anyrouter-session=" in line for line in reply.headers.get_list("set-cookie"))


@pytest.fixture
def origin(gateway: GatewayProcess) -> str:
    return gateway.base_url.replace("127.0.0.1", "localhost")


@pytest.fixture
def new_browser(gateway: GatewayProcess) -> Callable[..., Browser]:
    return lambda who=None: Browser(gateway.base_url, who)


@pytest.fixture
def who(gateway: GatewayProcess) -> SignedIn:
    return sign_in(gateway.data_dir, Role.DEVELOPER)


def enrol(browser: Browser, origin: str) -> SoftAuthenticator:
    authenticator = SoftAuthenticator(origin)
    asked = browser.ask(PASSKEYS)
    added = browser.post(PASSKEYS, id=asked["id"], response=authenticator.make(asked["options"]), name="Key")
    assert added.headers["location"] == f"{PROFILE}?done=passkey-added"
    return authenticator


@pytest.fixture
def authenticator(new_browser: Callable[..., Browser], who: SignedIn, origin: str) -> SoftAuthenticator:
    return enrol(new_browser(who), origin)


def test_the_honest_way_leads_in_and_asks_for_no_more_than_is_needed(
    new_browser: Callable[..., Browser], authenticator: SoftAuthenticator
) -> None:
    browser = new_browser()
    asked = browser.ask("/login/passkey")["options"]["publicKey"]
    assert (asked["rpId"], asked["userVerification"]) == ("localhost", "required")
    assert not asked.get("allowCredentials"), "nobody is told whose passkeys there are"
    assert is_in(browser.sign_in(authenticator))


@pytest.mark.parametrize(
    "lies",
    [
        {"origin": "http://localhost"},
        {"origin": "https://evil.example"},
        {"origin": "https://localhost.evil.example"},
        {"rp_id": "evil.example"},
        {"flags": PRESENT},
        {"flags": VERIFIED},
        {"flags": 0},
        {"type": "webauthn.create"},
        {"challenge": encode(b"a" * 32)},
        {"challenge": ""},
        {"key": ec.generate_private_key(ec.SECP256R1())},
        {"user_handle": b"mem_of-somebody-else"},
        {"count": 1},
        {"count": 0},
    ],
    ids=" ".join,
)
def test_a_proof_that_is_not_as_it_must_be_signs_nobody_in(
    lies: dict[str, Any], new_browser: Callable[..., Browser], authenticator: SoftAuthenticator
) -> None:
    assert is_in(new_browser().sign_in(authenticator, count=5))
    reply = new_browser().sign_in(authenticator, **lies)
    assert (reply.status_code, is_in(reply)) == (403, False)
    assert "This passkey was not accepted" in reply.text
    assert is_in(new_browser().sign_in(authenticator, count=6)), "the honest one still does"


@pytest.mark.parametrize("response", ["", "{}", "[]", "null", "{", '{"id": 1}', '{"response": {}}', "x" * 70_000, '{"id": "\\ud800"}'])
def test_what_is_no_answer_at_all_is_refused_in_words(response: str, new_browser: Callable[..., Browser], who: SignedIn) -> None:
    browser, member = new_browser(), new_browser(who)
    assert browser.post("/login/passkey", id=browser.ask("/login/passkey")["id"], response=response).status_code == 403
    assert member.post(PASSKEYS, id=member.ask(PASSKEYS)["id"], response=response, name="Key").status_code == 422


def test_a_challenge_is_for_one_use_and_one_browser(new_browser: Callable[..., Browser], authenticator: SoftAuthenticator) -> None:
    browser, other = new_browser(), new_browser()
    asked = browser.ask("/login/passkey")
    answer = authenticator.sign(asked["options"])
    other.ask("/login/passkey")
    assert not is_in(other.post("/login/passkey", id=asked["id"], response=answer)), "overheard, it is of no use elsewhere"
    assert not is_in(new_browser().post("/login/passkey", id=asked["id"], response=answer))
    assert is_in(browser.post("/login/passkey", id=asked["id"], response=answer))
    assert not is_in(browser.post("/login/passkey", id=asked["id"], response=answer))
    assert not is_in(browser.post("/login/passkey", id="", response=answer))


@pytest.mark.parametrize(
    "lies",
    [{"origin": "https://evil.example"}, {"rp_id": "evil.example"}, {"flags": PRESENT}, {"type": "webauthn.get"}, {"challenge": "AAAA"}],
)
def test_no_passkey_is_made_for_another_place_or_by_who_was_not_verified(
    lies: dict[str, Any], new_browser: Callable[..., Browser], who: SignedIn, origin: str
) -> None:
    browser, authenticator = new_browser(who), SoftAuthenticator(origin)
    asked = browser.ask(PASSKEYS)
    reply = browser.post(PASSKEYS, id=asked["id"], response=authenticator.make(asked["options"], **lies), name="Key")
    assert (reply.status_code, "makes no passkey" in reply.text) == (422, True)
    assert not is_in(new_browser().sign_in(authenticator))


def test_a_passkey_is_made_in_the_session_that_began_it(
    new_browser: Callable[..., Browser], gateway: GatewayProcess, who: SignedIn, origin: str
) -> None:
    victim, attacker = new_browser(who), new_browser(sign_in(gateway.data_dir, Role.VIEWER))
    asked = attacker.ask(PASSKEYS)
    answer = SoftAuthenticator(origin).make(asked["options"])
    assert victim.post(PASSKEYS, id=asked["id"], response=answer, name="Key").status_code == 422
    assert attacker.post(PASSKEYS, id=asked["id"], response=answer, name="").status_code == 400, "it needs a name"


def test_one_credential_is_of_one_member(
    new_browser: Callable[..., Browser], gateway: GatewayProcess, authenticator: SoftAuthenticator
) -> None:
    other = new_browser(sign_in(gateway.data_dir, Role.VIEWER))
    asked = other.ask(PASSKEYS)
    reply = other.post(PASSKEYS, id=asked["id"], response=authenticator.make(asked["options"]), name="Key")
    assert reply.status_code == 409


def test_after_a_while_one_confirms_by_ones_own_passkey_and_no_other(
    new_browser: Callable[..., Browser], gateway: GatewayProcess, who: SignedIn, origin: str
) -> None:
    mine = enrol(new_browser(who), origin)
    others = enrol(new_browser(sign_in(gateway.data_dir, Role.VIEWER)), origin)
    old = new_browser(sign_in_again(gateway.data_dir, who.member, minutes_ago=20))
    refused = old.post(f"{PASSKEYS}/begin")
    assert (refused.status_code, refused.json()["go"].startswith(f"{PROFILE}/confirm")) == (403, True)
    confirm = f"{PROFILE}/confirm/passkey"
    asked = old.ask(confirm)
    assert [entry["id"] for entry in asked["options"]["publicKey"]["allowCredentials"]] == [encode(mine.credential_id)]
    assert old.post(confirm, id=asked["id"], response=others.sign(asked["options"])).status_code == 403
    assert old.post(f"{PASSKEYS}/begin").status_code == 403
    asked = old.ask(confirm)
    assert old.post(confirm, id=asked["id"], response=mine.sign(asked["options"])).status_code == 303
    assert old.post(f"{PASSKEYS}/begin").status_code == 200


def test_nobody_names_or_deletes_a_passkey_of_somebody_else(
    new_browser: Callable[..., Browser], gateway: GatewayProcess, who: SignedIn, origin: str
) -> None:
    authenticator = enrol(new_browser(who), origin)
    page = httpx.get(gateway.base_url + PROFILE, headers=who.headers).text
    path = page.partition(f'action="{PASSKEYS}/')[2].partition("/name")[0]
    attacker = new_browser(sign_in(gateway.data_dir))
    assert attacker.post(f"{PASSKEYS}/{path}/name", name="Mine").status_code == 404
    assert attacker.post(f"{PASSKEYS}/{path}/delete").status_code == 404
    assert is_in(new_browser().sign_in(authenticator))


def test_who_was_removed_comes_in_with_no_passkey(
    new_browser: Callable[..., Browser], gateway: GatewayProcess, who: SignedIn, authenticator: SoftAuthenticator
) -> None:
    gateway.command("org", "remove-member", who.member.id)
    assert not is_in(new_browser().sign_in(authenticator))


def test_where_no_browser_keeps_passkeys_that_is_said(tmp_path_factory: pytest.TempPathFactory) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    config = '[server]\npublic_url = "https://192.0.2.7"\n'
    process = GatewayProcess(tmp_path_factory.mktemp("bare"), "--port", str(port), config=config)
    base_url = f"http://127.0.0.1:{port}"
    try:
        who = sign_in(process.data_dir)
        assert "server.public_url" in httpx.get(base_url + PROFILE, headers=who.headers).text
        begun = httpx.post(f"{base_url}/login/passkey/begin", headers=OURS)
        assert (begun.status_code, "a domain with TLS" in begun.json()["message"]) == (422, True)
    finally:
        process.stop()
