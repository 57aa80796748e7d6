"""From the link that the first start prints to a signed-in owner, out and in again: by clicking, by keys, on a phone, without scripts."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from support.gateway import GatewayProcess
from support.visitor import PASSWORD, join, path_of, set_up_token

NewContext = Callable[..., BrowserContext]
Check = Callable[[Page], None]
Picture = Callable[[Page, str], None]
REFUSED = ("status of 400", "status of 403", "status of 404")


def aside(work: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    """What it returns, on a thread of its own: this one has the browser's event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work, *arguments, **more).result()


@pytest.fixture
def forgive(problems: list[str]) -> Callable[[], None]:
    """Takes out what the console says of refusals that the test has provoked."""

    def take_out() -> None:
        problems[:] = [line for line in problems if not any(status in line for status in REFUSED)]

    return take_out


def test_the_printed_link_makes_an_owner_who_signs_out_and_in_again(  # noqa: PLR0917 -- fixtures
    gateway: GatewayProcess,
    new_context: NewContext,
    axe: Check,
    check_width: Check,
    keep_picture: Picture,
    forgive: Callable[[], None],
) -> None:
    page = new_context().new_page()
    link = f"/setup?token={set_up_token(gateway)}"
    page.goto(link)
    expect(page).to_have_title("Set up AnyRouter")
    expect(page.get_by_label("E-mail address")).to_be_focused()
    axe(page)
    check_width(page)
    keep_picture(page, "setup")
    page.get_by_label("E-mail address").fill("ada@example.org")
    page.get_by_label("Your name").fill("Ada Lovelace")
    page.get_by_label("Password", exact=True).fill("ada@example.org")
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_text("is tried first")).to_be_visible()
    expect(page.get_by_label("Password", exact=True)).to_have_value("")
    expect(page.get_by_label("E-mail address")).to_have_value("ada@example.org")
    axe(page)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    page.wait_for_url("**/dashboard")
    expect(page.get_by_text("ada@example.org · owner")).to_be_visible()

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    page.go_back()
    expect(page).to_have_url(re.compile("/login"))  # nothing of the dashboard was kept
    page.goto("/dashboard/settings/byok")
    page.get_by_label("E-mail address").fill("ada@example.org")
    page.get_by_label("Password", exact=True).fill("this is not the one")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("The address or the password is not right")
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    axe(page)
    keep_picture(page, "login-wrong")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Show the password").click()
    expect(page.get_by_label("Password", exact=True)).to_have_attribute("type", "text")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/dashboard/settings/byok")

    page.goto(link)
    expect(page.get_by_text("nothing to set up here")).to_be_visible()
    forgive()


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_the_sign_in_page_keeps_nobody_out(
    look: str, new_context: NewContext, axe: Check, check_width: Check, keep_picture: Picture
) -> None:
    page = new_context(look).new_page()
    page.goto("/login")
    page.get_by_text("Forgot your password?").click()
    axe(page)
    check_width(page)
    keep_picture(page, f"login-{look}")


def test_the_keyboard_is_enough(gateway: GatewayProcess, new_context: NewContext) -> None:
    aside(join, gateway, "keys@example.org", "viewer")
    page = new_context().new_page()
    page.goto("/login")
    page.keyboard.type("keys@example.org")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Show the password")).to_be_focused()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Hide the password")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/dashboard")
    page.get_by_role("button", name="Sign out").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/login?done=signed-out")


def test_an_invitation_and_a_forgotten_password_on_a_phone_without_scripts(
    gateway: GatewayProcess, new_context: NewContext, check_width: Check, keep_picture: Picture, forgive: Callable[[], None]
) -> None:
    invited = aside(gateway.command, "org", "invite", "bob@example.org", "--role", "billing")
    page = new_context("phone", has_scripts=False).new_page()
    page.goto(path_of(invited["link"]))
    check_width(page)
    keep_picture(page, "invitation-phone")
    page.get_by_label("Your name").fill("Bob")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Join").click()
    page.wait_for_url("**/dashboard")
    page.get_by_role("button", name="Sign out").click()

    made = aside(gateway.command, "org", "members", "link", "bob@example.org")
    page.goto(path_of(made["link"]))
    check_width(page)
    keep_picture(page, "reset-phone")
    page.get_by_label("Password", exact=True).fill("another one than the first")
    page.get_by_role("button", name="Set the password").click()
    page.wait_for_url("**/dashboard")
    page.goto(path_of(made["link"]))
    expect(page.get_by_text("it may have been used")).to_be_visible()
    forgive()


def test_the_pages_of_links_and_choices_keep_nobody_out(
    gateway: GatewayProcess, new_context: NewContext, axe: Check, keep_picture: Picture, forgive: Callable[[], None]
) -> None:
    other = aside(gateway.command, "org", "create", "Elsewhere")["data"]["id"]
    aside(join, gateway, "both@example.org", "viewer")
    aside(join, gateway, "both@example.org", org=other)
    invited = aside(gateway.command, "org", "invite", "cy@example.org")
    made = aside(gateway.command, "org", "members", "link", "both@example.org")
    page = new_context().new_page()
    for name, path in (("invitation", path_of(invited["link"])), ("reset", path_of(made["link"])), ("login-cookie", "/login/arrived")):
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        axe(page)
        keep_picture(page, name)
    page.goto("/login")
    page.get_by_label("E-mail address").fill("both@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Choose an organisation")).to_be_visible()
    axe(page)
    keep_picture(page, "login-organisation")
    page.get_by_role("button", name="Elsewhere").click()
    page.wait_for_url("**/dashboard")
    expect(page.locator(".who")).to_contain_text("owner")
    forgive()
