"""The home page in a browser: trouble leads to where it is mended, steps are hidden and shown; in all looks."""

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from anyrouter.core.tenancy import Role
from support.gateway import GatewayProcess
from support.generations import make_entry, settle

NOW_MS = time.time_ns() // 1_000_000
HOUR_MS = 3_600_000
OpenPage = Callable[..., Page]
Check = Callable[[Page], None]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """One with some weeks behind it, a budget that is nearly spent, and a key that ends soon."""
    process = GatewayProcess(tmp_path_factory.mktemp("browser"))
    hours = [make_entry(NOW_MS - number * HOUR_MS, cost_nanousd=(1 + number % 5) * 100_000_000) for number in range(14 * 24)]
    settle(process, [*hours, make_entry(NOW_MS, cost_nanousd=9_000_000_000)])
    process.command("budgets", "create", "115", "--per", "total")
    process.command("keys", "create", "--name", "website", "--env", "live", "--expires", "3d")
    yield process
    process.stop()


@pytest.fixture(autouse=True, scope="module")
def _made_first(gateway: GatewayProcess) -> None:
    """Commands cannot share the browser's event loop."""


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_it_looks_good_and_keeps_nobody_out(
    look: str, open_page: OpenPage, axe: Check, check_width: Check, keep_picture: Callable[[Page, str], None]
) -> None:
    page = open_page("/dashboard", look=look)
    expect(page).to_have_title("Home · AnyRouter")
    expect(page.locator(".problems").get_by_text("A key ends soon")).to_be_visible()
    expect(page.get_by_role("img", name="Spend by hour, today.")).to_be_visible()
    axe(page)
    check_width(page)
    keep_picture(page, f"home-{look}")


def test_trouble_and_numbers_lead_to_where_there_is_more(open_page: OpenPage) -> None:
    page = open_page("/dashboard")
    page.get_by_role("link", name="See these requests: Unusual spend").click()
    expect(page).to_have_title("Activity · AnyRouter")
    expect(page.get_by_text("$9.00")).to_be_visible()
    page.go_back()
    page.get_by_role("link", name="Rotate, or extend: A key ends soon").click()
    expect(page.get_by_role("link", name="website")).to_be_visible()
    page.go_back()
    page.locator(".tile").filter(has_text="Requests").get_by_role("link").click()
    expect(page).to_have_title("Activity · AnyRouter")


def test_steps_are_hidden_and_shown_again(open_page: OpenPage) -> None:
    page = open_page("/dashboard")
    expect(page.get_by_role("heading", name="Next steps")).to_be_visible()
    page.get_by_role("button", name="Hide the next steps").click()
    expect(page.get_by_role("heading", name="Next steps")).to_be_hidden()
    page.get_by_role("button", name="Show the next steps again").click()
    page.get_by_role("link", name="Protect your account").click()
    page.wait_for_url("**/dashboard/settings/profile")


def test_who_only_looks_is_not_asked_to_mend(open_page: OpenPage) -> None:
    page = open_page("/dashboard", role=Role.VIEWER)
    expect(page.locator(".problems").get_by_text("Unusual spend")).to_be_visible()
    expect(page.get_by_text("A key ends soon")).to_be_hidden()
    expect(page.get_by_role("link", name="Create an API key")).to_be_hidden()
