"""Passkeys with Chromium's own authenticator: made in the profile, a way in, a way to confirm, deleted."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from anyrouter.core.tenancy import Role
from support.dashboard import SignedIn, sign_in, sign_in_again
from support.gateway import GatewayProcess

PROFILE = "/dashboard/settings/profile"
OpenPage = Callable[..., Page]


class Authenticator:
    """A virtual one of a page's browser, whose owner is verified by a touch."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)
        self._session.send("WebAuthn.enable")
        kind = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True}
        added = self._session.send("WebAuthn.addVirtualAuthenticator", {"options": {**kind, "automaticPresenceSimulation": True}})
        self.id = added["authenticatorId"]

    def send(self, command: str, **parameters: Any) -> Any:
        return self._session.send(f"WebAuthn.{command}", {"authenticatorId": self.id, **parameters})


def add_passkey(page: Page, name: str) -> None:
    page.goto(PROFILE)
    page.get_by_label("Name of this device or key").fill(name)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("The passkey is added")).to_be_visible()


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_text("You are signed out")).to_be_visible()


def test_a_passkey_is_made_used_to_come_in_renamed_and_deleted(
    open_page: OpenPage,
    member: Callable[..., SignedIn],
    axe: Callable[[Page], None],
    keep_picture: Callable[[Page, str], None],
    problems: list[str],
) -> None:
    who = member(Role.VIEWER)
    page = open_page(PROFILE, who=who)
    authenticator = Authenticator(page)
    add_passkey(page, "My <laptop>")
    row = page.get_by_role("row", name="My <laptop>")
    expect(row.get_by_role("cell", name="never")).to_be_visible()
    axe(page)
    keep_picture(page, "profile-passkeys")

    sign_out(page)
    page.goto(f"/login?next={PROFILE}")
    axe(page)
    keep_picture(page, "login-ways")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(f"**{PROFILE}")
    expect(page.get_by_role("row", name="My <laptop>").get_by_text("just now")).to_have_count(2)
    expect(page.get_by_role("cell", name="passkey", exact=True)).to_be_visible()
    assert [entry["signCount"] for entry in authenticator.send("getCredentials")["credentials"]] == [2]

    row = page.get_by_role("row", name="My <laptop>")
    row.get_by_text("Rename").click()
    row.get_by_label("New name of My <laptop>").fill("Old laptop")
    row.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The passkey has its new name")).to_be_visible()

    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete Old laptop").click()
    expect(page.get_by_text("This is the only way in that you have")).to_be_visible()
    page.goto(PROFILE)
    page.get_by_label("New password").fill("correct horse battery")
    page.get_by_role("button", name="Set a password").click()
    page.get_by_role("button", name="Delete Old laptop").click()
    expect(page.get_by_text("The passkey is deleted here")).to_be_visible()
    sign_out(page)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_text("This passkey was not accepted")).to_be_visible()
    problems[:] = [line for line in problems if "422" not in line and "403" not in line]  # what was refused


def test_what_goes_wrong_with_the_authenticator_is_told_at_the_button(open_page: OpenPage, problems: list[str]) -> None:
    page = open_page(PROFILE)
    authenticator = Authenticator(page)
    add_passkey(page, "First")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("alert")).to_have_text("This device has a passkey of yours already.")
    authenticator.send("setUserVerified", isUserVerified=False)
    authenticator.send("clearCredentials")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("alert")).to_have_text("It was cancelled, or took too long. Try again.")
    page.context.set_offline(offline=True)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("alert")).to_have_text("The gateway cannot be reached. Try again.")
    page.context.set_offline(offline=False)
    problems[:] = [line for line in problems if "ERR_INTERNET_DISCONNECTED" not in line]


def test_after_a_while_a_passkey_confirms_that_it_is_you(
    open_page: OpenPage, new_context: Callable[..., BrowserContext], gateway: GatewayProcess, problems: list[str]
) -> None:
    who = sign_in(gateway.data_dir)
    page = open_page(PROFILE, who=who)
    Authenticator(page)
    add_passkey(page, "Key")
    old = sign_in_again(gateway.data_dir, who.member, minutes_ago=20)
    page.context.add_cookies(
        [{**cookie, "value": old.token} for cookie in page.context.cookies() if cookie["name"].endswith("session")]  # type: ignore[typeddict-item]
    )
    page.goto(PROFILE)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    page.get_by_role("button", name="Confirm with a passkey").click()
    page.wait_for_url(f"**{PROFILE}")
    page.get_by_role("button", name="Set it up").click()
    expect(page.get_by_role("heading", name="Set up an authenticator app")).to_be_visible()
    problems[:] = [line for line in problems if "403" not in line]  # the begin that was refused


@pytest.mark.parametrize("path", ["/login", PROFILE])
def test_at_a_bare_address_the_page_says_where_passkeys_are_of_use(
    path: str, new_context: Callable[..., BrowserContext], gateway: GatewayProcess, site: str, problems: list[str]
) -> None:
    context = new_context(who=None)
    if path == PROFILE:
        who = sign_in(gateway.data_dir)
        cookie = {
            "name": "__Host-anyrouter-session",
            "value": who.token,
            "url": gateway.base_url.replace("http:", "https:"),
            "secure": True,
        }
        context.add_cookies([cookie])  # type: ignore[list-item]
    page = context.new_page()
    page.goto(gateway.base_url + path)
    expect(page.get_by_role("link", name=site)).to_have_attribute(
        "href", f"{site}{path}" + ("?next=/dashboard" if path == "/login" else "")
    )
    expect(page.get_by_role("button", name="passkey")).to_have_count(0)
    problems[:] = [line for line in problems if not line.startswith("request to another host")]


@pytest.mark.parametrize("look", ["dark", "phone"])
def test_the_profile_fits_and_keeps_nobody_out(
    look: str,
    open_page: OpenPage,
    axe: Callable[[Page], None],
    check_width: Callable[[Page], None],
    keep_picture: Callable[[Page, str], None],
) -> None:
    page = open_page(PROFILE, look=look)
    Authenticator(page)
    add_passkey(page, "A device with a name that is rather long, so that a narrow window has to break it")
    axe(page)
    check_width(page)
    keep_picture(page, f"profile-{look}")


def test_without_scripts_the_profile_says_that_passkeys_need_them(open_page: OpenPage) -> None:
    page = open_page(PROFILE, has_scripts=False)
    expect(page.get_by_text("Adding one needs JavaScript")).to_be_visible()
    expect(page.get_by_role("button", name="Add a passkey")).to_be_hidden()
