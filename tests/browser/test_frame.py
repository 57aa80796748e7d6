"""What all pages have in common: the frame, the theme, the menu."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

OpenPage = Callable[..., Page]


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_the_home_page_shows_where_one_can_go_and_keeps_nobody_out(
    look: str,
    open_page: OpenPage,
    axe: Callable[[Page], None],
    check_width: Callable[[Page], None],
    keep_picture: Callable[[Page, str], None],
) -> None:
    page = open_page("/", look=look)
    expect(page).to_have_title("Home · AnyRouter")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    axe(page)
    check_width(page)
    keep_picture(page, f"home-{look}")
    if look == "phone":
        expect(page.get_by_role("link", name="Profile")).to_be_hidden()
        page.get_by_text("Menu", exact=True).click()
    expect(page.get_by_role("link", name="Profile")).to_be_visible()


def test_a_chosen_theme_stays(open_page: OpenPage) -> None:
    page = open_page("/dashboard", look="light")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_label("Theme").select_option("dark")
    page.wait_for_url("**/dashboard")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_keyboard_leads_past_the_menu_to_the_content(open_page: OpenPage) -> None:
    page = open_page("/dashboard")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_without_scripts_the_menu_is_open_and_the_theme_has_a_button(open_page: OpenPage) -> None:
    page = open_page("/dashboard", look="phone", has_scripts=False)
    expect(page.get_by_role("link", name="Profile")).to_be_visible()
    expect(page.get_by_role("button", name="Set")).to_be_visible()


def test_who_is_not_signed_in_is_led_to_where_that_is_done(new_context: Callable[..., BrowserContext], problems: list[str]) -> None:
    page = new_context().new_page()
    page.goto("/dashboard?from=a%20link")
    assert page.url.endswith("/login?next=%2Fdashboard%3Ffrom%3Da%2520link")
    problems.clear()


def test_on_a_phone_the_menus_button_stands_beside_the_name_and_opens_below_it(open_page: OpenPage) -> None:
    page = open_page("/dashboard", look="phone")
    name, button = page.locator(".side .brand").bounding_box(), page.get_by_text("Menu", exact=True).bounding_box()
    assert name is not None
    assert button is not None
    assert name["y"] <= button["y"] + button["height"] / 2 <= name["y"] + name["height"]
    page.get_by_text("Menu", exact=True).click()
    first = page.get_by_role("navigation", name="Dashboard").get_by_role("link", name="Home").bounding_box()
    assert first is not None
    assert first["y"] > button["y"] + button["height"]
