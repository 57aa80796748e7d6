"""The usage page by clicking: from a number to its chart, from a name into it, back by taking filters away; in all looks."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from anyrouter.core.ledger import EntryState
from support.gateway import GatewayProcess
from support.usage_entries import make_usage_entry, record

PATH = "/dashboard/usage"
HOUR_MS = 3_600_000
EVIL = "<img src=x onerror=alert(1)>\"'"
OpenPage = Callable[..., Page]
Check = Callable[[Page], None]


@pytest.fixture(scope="module", autouse=True)
def _used(gateway: GatewayProcess) -> None:
    """Entries of two keys, three models and three apps over 20 days."""
    now_ms = time.time_ns() // 1_000_000
    names = ("web shop", EVIL)
    keys = [str(gateway.command("keys", "create", "--name", name, "--env", "live")["data"]["id"]) for name in names]
    record(
        gateway.data_dir,
        [
            make_usage_entry(
                now_ms - number * 5 * HOUR_MS - 60_000,
                api_key_id=keys[number % 2],
                model=("openai/gpt-4o", "anthropic/claude", EVIL)[number % 3],
                provider=("openai", "anthropic", "openai")[number % 3],
                app_title=(None, "editor", EVIL)[number % 3],
                state=EntryState.FAILED if number % 9 == 0 else EntryState.SETTLED,
                latency_ms=300 + number * 20,
                cost_nanousd=1_000_000_000 + number * 10_000_000,
            )
            for number in range(96)
        ],
    )


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_it_looks_good_and_keeps_nobody_out(
    look: str, open_page: OpenPage, axe: Check, check_width: Check, keep_picture: Callable[[Page, str], None]
) -> None:
    page = open_page(f"{PATH}?range=30d", look=look)
    expect(page).to_have_title("Usage · AnyRouter")
    page.get_by_text("Show the numbers").click()
    axe(page)
    check_width(page)
    keep_picture(page, f"usage-{look}")
    page.goto(f"{PATH}?range=24h&by=key&measure=latency&app={EVIL}".replace('"', "%22"))
    axe(page)
    check_width(page)


def test_a_click_leads_into_a_number_and_a_name_and_back(open_page: OpenPage) -> None:
    page = open_page(PATH)
    page.get_by_role("link", name="Requests 96").click()
    expect(page.get_by_role("heading", name="Requests by model")).to_be_visible()
    expect(page.get_by_role("link", name="Requests 96")).to_have_attribute("aria-current", "true")
    page.get_by_role("rowheader", name="anthropic/claude").get_by_role("link").click()
    expect(page.get_by_role("link", name="Remove the filter Model: anthropic/claude")).to_be_visible()
    expect(page.get_by_role("heading", name="Requests by key")).to_be_visible()
    page.get_by_role("rowheader", name="web shop").get_by_role("link").click()
    expect(page.get_by_role("link", name="Remove the filter Key: web shop")).to_be_visible()
    expect(page.get_by_role("link", name="Requests 16")).to_be_visible()
    shared = page.url
    page.get_by_role("link", name="Remove the filter Model: anthropic/claude").click()
    expect(page.get_by_role("link", name="Requests 48")).to_be_visible()
    page.goto(shared)
    expect(page.get_by_role("link", name="Requests 16")).to_be_visible()
    page.get_by_role("link", name="All together").click()
    page.get_by_role("table").get_by_role("link").first.click()
    expect(page.get_by_role("link", name="24 hours")).to_be_visible()
    expect(page.get_by_label("From")).to_have_value(page.get_by_label("To").input_value())
    expect(page.get_by_role("rowheader").first).to_contain_text(":00")


def test_a_click_on_a_bar_leads_into_its_day(open_page: OpenPage) -> None:
    page = open_page(f"{PATH}?range=7d&by=provider")
    page.locator(".pointed a").nth(5).click()
    expect(page.get_by_label("From")).to_have_value(page.get_by_label("To").input_value())
    expect(page.get_by_role("heading", name="Spend by provider")).to_be_visible()
    assert page.locator(".pointed rect").count() == 24


def test_days_and_the_browsers_own_zone_are_chosen_and_mistakes_said(open_page: OpenPage, problems: list[str]) -> None:
    page = open_page(f"{PATH}?by=app")
    today = datetime.now(UTC).date().isoformat()
    page.get_by_label("From").fill(today)
    page.get_by_label("To").fill(today)
    page.get_by_label("Time zone").select_option("Asia/Tokyo")
    page.get_by_label("Compare with").select_option("Nothing")
    page.get_by_role("button", name="Show", exact=True).click()
    assert f"zone=Asia%2FTokyo&by=app&compare=off&from={today}".split("&")[1] in page.url
    expect(page.get_by_label("Time zone")).to_have_value("Asia/Tokyo")
    expect(page.get_by_role("heading", name="Spend by app")).to_be_visible()
    page.get_by_label("From").fill("2020-01-01")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("At most 400 days can be shown at once.")
    expect(page.get_by_label("From")).to_have_value("2020-01-01")
    problems.clear()  # the browser's line on the status 400


def test_the_csv_is_downloaded_as_shown(open_page: OpenPage) -> None:
    page = open_page(f"{PATH}?range=7d&by=app")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    assert download.value.suggested_filename == "usage.csv"
    assert download.value.path().read_text().splitlines()[0].startswith("day,app,requests,errors")


def test_it_works_without_scripts_and_by_keyboard(open_page: OpenPage) -> None:
    page = open_page(f"{PATH}?range=7d", has_scripts=False)
    page.get_by_role("link", name="By provider").click()
    expect(page.get_by_role("heading", name="Spend by provider")).to_be_visible()
    page.get_by_text("Show the numbers").click()
    expect(page.get_by_role("region", name="Spend by provider, as a table")).to_be_visible()
    page.get_by_role("link", name="Latency").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Latency")).to_be_visible()
    expect(page.locator("ul.legend")).to_contain_text("95 % of the requests (p95)")
