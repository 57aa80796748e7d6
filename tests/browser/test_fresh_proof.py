"""A proof that it is you, asked for in the form that gives power: seen, typed and taken without losing anything."""

from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from support.dashboard import SignedIn, sign_in_again
from support.gateway import GatewayProcess

PASSWORD = "a long enough passphrase"


@pytest.fixture
def leave(gateway: GatewayProcess, member: Callable[..., SignedIn], new_context: Callable[..., BrowserContext]) -> Callable[[str], Page]:
    """Makes a page of an owner with a password who signed in half an hour ago."""

    def make(look: str) -> Page:
        who, form = member(), {"new_password": PASSWORD}
        httpx.post(f"{gateway.base_url}/dashboard/settings/profile/password", data=form, headers=who.headers)
        return new_context(look, sign_in_again(gateway.data_dir, who.member, minutes_ago=30)).new_page()

    return make


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_a_form_that_gives_power_asks_for_the_password_and_keeps_what_was_typed(
    look: str, leave: Callable[[str], Page], look_at: Callable[[Page, str], None], problems: list[str]
) -> None:
    page = leave(look)
    page.goto("/dashboard/settings/members/invite")
    page.get_by_label("E-mail address").fill(f"chief-{look}@example.org")
    page.locator("#role-owner").check()
    page.get_by_role("button", name="Make the invitation").click()
    asked = page.get_by_role("group", name="Confirm that it is you")
    expect(asked).to_be_visible()
    expect(page.get_by_label("E-mail address")).to_have_value(f"chief-{look}@example.org")
    expect(page.locator("#role-owner")).to_be_checked()
    look_at(page, f"proof-in-a-form-{look}")
    asked.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Make the invitation").click()
    expect(page.get_by_text("/invite?token=")).to_be_visible()
    problems[:] = [line for line in problems if "403" not in line]  # the first reply


@pytest.mark.parametrize("look", ["light", "phone"])
def test_a_key_that_administers_is_made_after_the_password(
    look: str, leave: Callable[[str], Page], look_at: Callable[[Page, str], None], problems: list[str]
) -> None:
    page = leave(look)
    page.goto("/dashboard/keys/new")
    page.get_by_label("Name", exact=True).fill(f"ops-{look}")
    page.locator("input[name=preset][value=custom]").check()
    page.locator("input[name=scopes][value='admin:keys']").check()
    page.get_by_role("button", name="Create key", exact=True).click()
    asked = page.get_by_role("group", name="Confirm that it is you")
    expect(asked.get_by_label("Your password")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value(f"ops-{look}")
    look_at(page, f"proof-for-a-key-{look}")
    asked.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Create key", exact=True).click()
    expect(page.get_by_role("heading", name="Your new key")).to_be_visible()
    problems[:] = [line for line in problems if "403" not in line]
