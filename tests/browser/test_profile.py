"""The profile by clicking: a password, an authenticator app, the sign-in with both, sessions."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from support.authenticator import AuthenticatorApp
from support.dashboard import SignedIn, sign_in_again
from support.gateway import GatewayProcess

PROFILE = "/dashboard/settings/profile"
PASSWORD = "correct horse battery"
OpenPage = Callable[..., Page]


def set_password(page: Page) -> None:
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Set a password").click()
    expect(page.get_by_text("Your password is changed")).to_be_visible()


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_an_authenticator_app_is_set_up_asked_for_and_turned_off(
    look: str, open_page: OpenPage, member: Callable[..., SignedIn], look_at: Callable[[Page, str], None], problems: list[str]
) -> None:
    who = member()
    page = open_page(PROFILE, look=look, who=who)
    set_password(page)
    page.get_by_role("button", name="Set it up").click()
    expect(page.get_by_role("img", name=re.compile("QR code"))).to_be_visible()
    look_at(page, f"second-factor-{look}")
    app = AuthenticatorApp(page.locator("#secret").inner_text())
    page.get_by_label("Code", exact=True).fill(app.wrong_code())
    page.get_by_role("button", name="Turn it on").click()
    expect(page.get_by_label("Code", exact=True)).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Code", exact=True).fill(app.code(-1))
    page.get_by_role("button", name="Turn it on").click()
    expect(page.get_by_role("heading", name="Keep these recovery codes")).to_be_visible()
    recovery = page.locator("#codes").inner_text().split()
    assert len(recovery) == 10
    look_at(page, f"recovery-codes-{look}")
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_text("10 recovery codes are left")).to_be_visible()

    page.context.clear_cookies()
    page.goto(f"/login?next={PROFILE}")
    page.get_by_label("E-mail address").fill(who.member.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Code", exact=True)).to_be_focused()
    look_at(page, f"login-code-{look}")
    page.get_by_text("No phone at hand?").click()
    page.get_by_label("Recovery code").fill(recovery[0])
    page.keyboard.press("Enter")
    expect(page.get_by_text("9 recovery codes are left")).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Turn it off").click()
    expect(page.get_by_text("your password alone signs you in")).to_be_visible()
    problems[:] = [line for line in problems if "403" not in line]  # the wrong code


def test_one_confirms_by_the_password_and_goes_on_where_one_wanted(
    open_page: OpenPage, gateway: GatewayProcess, member: Callable[..., SignedIn], axe: Callable[[Page], None]
) -> None:
    who = member()
    set_password(open_page(PROFILE, who=who))
    page = open_page(PROFILE, who=sign_in_again(gateway.data_dir, who.member, minutes_ago=20))
    page.get_by_role("button", name="Set it up").click()
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    axe(page)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Show the QR code").click()
    expect(page.get_by_role("img", name=re.compile("QR code"))).to_be_visible()


def test_all_of_it_works_without_scripts(open_page: OpenPage, gateway: GatewayProcess, member: Callable[..., SignedIn]) -> None:
    who = member()
    for _ in range(2):
        sign_in_again(gateway.data_dir, who.member)
    page = open_page(PROFILE, who=who, has_scripts=False)
    page.get_by_label("Name", exact=True).fill("Ada <Lovelace>")
    page.get_by_role("button", name="Save the name").click()
    expect(page.get_by_text("Ada <Lovelace>")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^End the session"))).to_have_count(2)
    page.get_by_role("button", name=re.compile("^End the session")).first.click()
    page.get_by_role("button", name="Sign out everywhere else").click()
    expect(page.get_by_role("button", name=re.compile("^End the session"))).to_have_count(0)
    expect(page.get_by_text("You are signed out everywhere else")).to_be_visible()
