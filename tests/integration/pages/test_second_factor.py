"""An authenticator app over a real gateway: set up, asked for after the password, replaced by recovery codes, turned off."""

import html
import re
from collections.abc import Iterator

import httpx
import pytest

from anyrouter.core.tenancy import Role
from support.authenticator import AuthenticatorApp
from support.dashboard import SignedIn, sign_in, sign_in_again
from support.gateway import GatewayProcess

PROFILE = "/dashboard/settings/profile"
PATH = f"{PROFILE}/second-factor"
PASSWORD = "correct horse battery"
OURS = {"sec-fetch-site": "same-origin"}


class Person:
    """A member with a password, whose browser is signed in."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self.who = sign_in(gateway.data_dir, Role.DEVELOPER)
        self.base_url, self.browsers = gateway.base_url, list[httpx.Client]()
        self.client = self.browse(self.who)
        assert self.client.post(f"{PROFILE}/password", data={"new_password": PASSWORD}).status_code == 303
        self.app: AuthenticatorApp
        self.recovery: list[str] = []

    def browse(self, who: SignedIn) -> httpx.Client:
        return self.open(who.headers)

    def open(self, headers: dict[str, str]) -> httpx.Client:
        self.browsers.append(httpx.Client(base_url=self.base_url, headers=headers))
        return self.browsers[-1]

    def begin(self) -> str:
        assert self.client.post(f"{PATH}/begin").headers["location"] == PATH
        found = re.search(r'id="secret">([A-Z2-7 ]+)<', self.client.get(PATH).text)
        assert found is not None
        self.app = AuthenticatorApp(found[1])
        return found[1].replace(" ", "")

    def set_up(self) -> None:
        self.begin()
        page = self.client.post(PATH, data={"code": self.app.code(-1)})
        assert page.status_code == 200
        self.recovery = re.findall(r"\b(?:[a-z2-7]{4}-){3}[a-z2-7]{4}\b", page.text)

    def log_in(self) -> httpx.Client:
        """A browser that has given the password, and is asked for the code."""
        browser = self.open(OURS)
        reply = browser.post("/login", data={"email": self.who.member.email, "password": PASSWORD, "next": "/dashboard/settings/profile"})
        assert reply.headers["location"] == "/login/code"
        assert not any("session=" in line for line in reply.headers.get_list("set-cookie")), "the password alone lets nobody in"
        cookie = next(line for line in reply.headers.get_list("set-cookie") if "pending=" in line)
        browser.headers["cookie"] = cookie.partition(";")[0]
        return browser


@pytest.fixture
def person(gateway: GatewayProcess) -> Iterator[Person]:
    made = Person(gateway)
    yield made
    for browser in made.browsers:
        browser.close()


def is_in(reply: httpx.Response) -> bool:
    return reply.status_code == 303 and any("anyrouter-session=" in line for line in reply.headers.get_list("set-cookie"))


def test_an_app_is_set_up_by_a_qr_code_and_a_first_code_and_gives_ten_recovery_codes_once(person: Person) -> None:
    secret = person.begin()
    page = person.client.get(PATH)
    assert "<svg" in page.text
    assert "style=" not in page.text
    assert f"secret={secret}" in html.unescape(page.text)
    assert "off" in person.client.get(PROFILE).text
    wrong = person.client.post(PATH, data={"code": person.app.wrong_code()})
    assert (wrong.status_code, 'id="code-error"' in wrong.text, secret[:4] in wrong.text) == (403, True, True)
    codes = person.client.post(PATH, data={"code": person.app.code(-1)})
    assert len(re.findall(r"\b(?:[a-z2-7]{4}-){3}[a-z2-7]{4}\b", codes.text)) == 10
    assert codes.headers["cache-control"] == "no-store"
    assert "10 recovery codes are left" in person.client.get(PROFILE).text
    assert person.client.get(PATH).headers["location"] == PROFILE, "the secret is never shown again"
    assert person.client.post(f"{PATH}/begin").headers["location"] == PROFILE, "nor replaced without turning it off"


def test_the_password_leads_to_the_code_and_each_code_lets_in_once(person: Person) -> None:
    person.set_up()
    browser = person.log_in()
    assert person.who.member.email in browser.get("/login/code").text
    again = browser.post("/login/code", data={"code": person.app.code(-1)})
    assert (again.status_code, "was used before" in again.text) == (403, True), "the code that set it up is used up"
    reply = browser.post("/login/code", data={"code": f" {person.app.code(0)[:3]} {person.app.code(0)[3:]}"})
    assert is_in(reply)
    assert "settings%2Fprofile" in reply.headers["location"]
    assert browser.post("/login/code", data={"code": person.app.code(1)}).headers["location"] == "/login?done=again", "it is over"
    assert not is_in(person.log_in().post("/login/code", data={"code": person.app.code(0)})), "nor is it taken in another sign-in"
    assert is_in(person.log_in().post("/login/code", data={"code": person.app.code(1)}))


def test_a_recovery_code_lets_in_once_and_one_less_is_left(person: Person) -> None:
    person.set_up()
    assert is_in(person.log_in().post("/login/code", data={"code": person.recovery[3].upper().replace("-", " ")}))
    assert not is_in(person.log_in().post("/login/code", data={"code": person.recovery[3]}))
    assert "9 recovery codes are left" in person.client.get(PROFILE).text
    renewed = person.client.post(f"{PATH}/recovery")
    fresh = re.findall(r"\b(?:[a-z2-7]{4}-){3}[a-z2-7]{4}\b", renewed.text)
    assert not is_in(person.log_in().post("/login/code", data={"code": person.recovery[0]})), "those before are worth nothing"
    assert is_in(person.log_in().post("/login/code", data={"code": fresh[0]}))


def test_after_five_wrong_codes_one_begins_again_with_the_password(person: Person) -> None:
    person.set_up()
    browser = person.log_in()
    for _ in range(5):
        assert browser.post("/login/code", data={"code": person.app.wrong_code()}).status_code == 403
    assert browser.post("/login/code", data={"code": person.app.code(0)}).headers["location"] == "/login?done=tries"
    assert "Too many codes were wrong" in browser.get("/login?done=tries").text
    assert browser.get("/login/code").headers["location"] == "/login?done=again"


def test_twenty_wrong_codes_in_an_hour_stop_all_tries_however_many_passwords_are_entered(person: Person) -> None:
    person.set_up()
    replies = []
    for _ in range(5):
        browser = person.log_in()
        replies += [browser.post("/login/code", data={"code": person.app.wrong_code()}) for _ in range(5)]
    assert [reply.status_code for reply in replies] == [403] * 20 + [429] * 5
    assert int(replies[-1].headers["retry-after"]) > 3000
    assert not is_in(person.log_in().post("/login/code", data={"code": person.app.code(0)})), "not even the right one is looked at"


def test_without_the_password_there_is_nothing_to_enter_a_code_into(gateway: GatewayProcess) -> None:
    for cookie in ("", "__Host-anyrouter-pending=" + "A" * 43):
        headers = {**OURS, **({"cookie": cookie} if cookie else {})}
        assert httpx.get(f"{gateway.base_url}/login/code", headers=headers).headers["location"] == "/login?done=again"
        reply = httpx.post(f"{gateway.base_url}/login/code", data={"code": "123456"}, headers=headers)
        assert reply.headers["location"] == "/login?done=again"


def test_wrong_codes_are_on_record(person: Person, gateway: GatewayProcess) -> None:
    person.set_up()
    person.log_in().post("/login/code", data={"code": person.app.wrong_code()})
    events = gateway.command("audit", "list")["data"]
    mine = [event for event in events if event["target_label"] == person.who.member.email]
    assert {"session.denied", "second_factor.enable"} <= {event["action"] for event in mine}


def test_after_a_while_it_is_turned_off_by_a_code_and_not_by_the_password(person: Person, gateway: GatewayProcess) -> None:
    person.set_up()
    old = person.browse(sign_in_again(gateway.data_dir, person.who.member, minutes_ago=20))
    turned = old.post(f"{PATH}/disable")
    assert turned.headers["location"].startswith(f"{PROFILE}/confirm?")
    assert 'name="code"' in old.get(turned.headers["location"]).text
    assert old.post(f"{PROFILE}/confirm", data={"password": PASSWORD}).status_code == 403, "who knows the password is not enough"
    assert old.post(f"{PATH}/disable").headers["location"].startswith(f"{PROFILE}/confirm?")
    assert old.post(f"{PROFILE}/confirm", data={"code": person.app.code(0)}).headers["location"] == PROFILE
    assert old.post(f"{PATH}/disable").headers["location"] == f"{PROFILE}?done=factor-off"
    browser = httpx.post(f"{person.base_url}/login", data={"email": person.who.member.email, "password": PASSWORD}, headers=OURS)
    assert is_in(browser)


def test_the_secret_being_set_up_is_shown_to_a_fresh_session_only(person: Person, gateway: GatewayProcess) -> None:
    person.begin()
    old = person.browse(sign_in_again(gateway.data_dir, person.who.member, minutes_ago=20))
    replies = [old.get(PATH), old.post(PATH, data={"code": person.app.code(0)})]
    replies += [old.post(f"{PATH}/{step}") for step in ("begin", "recovery", "disable")]
    for reply in replies:
        assert reply.headers["location"].startswith(f"{PROFILE}/confirm?")


def test_a_reset_link_gives_a_new_password_and_the_code_is_still_asked_for(person: Person, gateway: GatewayProcess) -> None:
    person.set_up()
    token = gateway.command("org", "members", "link", person.who.member.email)["token"]
    reply = httpx.post(f"{person.base_url}/reset", data={"token": token, "password": "another horse entirely"}, headers=OURS)
    assert (reply.headers["location"], is_in(reply)) == ("/login/code", False)
