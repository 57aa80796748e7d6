"""The models by clicking: found, filtered, sorted, looked at, and tried."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_a_model_is_found_looked_at_and_leads_to_the_playground(
    look: str,
    open_page: OpenPage,
    axe: Callable[[Page], None],
    check_width: Callable[[Page], None],
    keep_picture: Callable[[Page, str], None],
) -> None:
    page = open_page("/dashboard/models?provider=openai", look=look)
    axe(page)
    check_width(page)
    keep_picture(page, f"models-{look}")
    page.get_by_role("searchbox").fill("gpt-4o")
    page.get_by_label("Context at least").fill("100k")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="gpt 4o", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("gpt 4o")
    axe(page)
    check_width(page)
    keep_picture(page, f"model-{look}")
    page.get_by_role("link", name="Try it in the playground").click()
    expect(page.get_by_label("Model", exact=True)).to_have_value("openai/gpt-4o")


def test_a_filter_is_in_the_address_and_a_mistake_is_told_at_its_field(
    open_page: OpenPage, axe: Callable[[Page], None], problems: list[str]
) -> None:
    page = open_page("/dashboard/models")
    page.get_by_label("Makes").select_option("embedding")
    page.wait_for_url("**makes=embedding**")
    page.get_by_role("link", name="Input").click()
    page.wait_for_url("**sort=input**")
    assert "makes=embedding" in page.url
    page.get_by_label("Input at most, $").fill("cheap")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("an amount in USD is needed")).to_be_visible()
    expect(page.get_by_label("Makes")).to_have_value("embedding")
    axe(page)
    problems[:] = [line for line in problems if "Failed to load resource" not in line]
