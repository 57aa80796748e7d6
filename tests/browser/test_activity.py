"""The activity pages by clicking: filters, a generation's attempts, and the live tail; in all looks, by keyboard, without scripts."""

import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from anyrouter.core.ledger import AttemptRecord, EntryState
from support.dashboard import SignedIn
from support.gateway import GatewayProcess
from support.generations import make_entry, settle

PATH = "/dashboard/activity"
NOW_MS = time.time_ns() // 1_000_000
EVIL = "<img src=x onerror=alert(1)>\"'"
OpenPage = Callable[..., Page]
Check = Callable[[Page], None]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """One with generations of many kinds."""
    process = GatewayProcess(tmp_path_factory.mktemp("browser"))
    tried = AttemptRecord(upstream="azure-eu", provider="azure", model="gpt-4o", status=503, latency_ms=300, error="upstream_error")
    served = AttemptRecord(upstream="openai", provider="openai", model="gpt-4o", status=200, latency_ms=900)
    kinds = (
        {"attempts": (tried, served), "latency_ms": 1300, "ttft_ms": 700, "is_streamed": True, "app_title": "Support bot"},
        {"state": EntryState.FAILED, "status": 502, "error_code": "upstream_error", "attempts": (tried,)},
        {"model": "anthropic/claude", "provider": "anthropic", "upstream": "anthropic", "app_title": EVIL},
        {"state": EntryState.CANCELLED, "status": 499, "error_code": "client_closed_request", "model": EVIL},
    )
    settle(process, [make_entry(NOW_MS - number * 60_000, **kinds[number % 4]) for number in range(80)])
    yield process
    process.stop()


@pytest.fixture(scope="module", autouse=True)
def tail_key(gateway: GatewayProcess) -> str:
    """The text of a key, made before there is a browser, whose event loop commands cannot share."""
    return gateway.create_key(environment="test", name="tail")


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_it_looks_good_and_keeps_nobody_out(
    look: str, open_page: OpenPage, axe: Check, check_width: Check, keep_picture: Callable[[Page, str], None]
) -> None:
    page = open_page(f"{PATH}?status=ok&range=24h&min_latency=1", look=look)
    expect(page).to_have_title("Activity · AnyRouter")
    axe(page)
    check_width(page)
    keep_picture(page, f"activity-{look}")
    page.locator("tbody th a").first.click()
    expect(page.get_by_role("heading", name="Attempts")).to_be_visible()
    expect(page.get_by_role("img", name="1. azure-eu: 300 ms, upstream_error.")).to_be_visible()
    page.get_by_text("The attempts in numbers").click()
    axe(page)
    check_width(page)
    keep_picture(page, f"generation-{look}")


def test_filters_are_set_by_clicks_and_taken_away_and_a_failure_is_explained(open_page: OpenPage, problems: list[str]) -> None:
    page = open_page(PATH)
    expect(page.locator("tbody tr")).to_have_count(50)
    page.get_by_label("Outcome").select_option("errors")
    page.wait_for_url("**/activity?status=errors")
    expect(page.locator("tbody tr")).to_have_count(20)
    page.get_by_text("More filters").click()
    page.get_by_label("Latency from, in ms").fill("soon")
    page.get_by_label("Latency from, in ms").press("Enter")
    expect(page.get_by_text("A whole number of milliseconds is needed")).to_be_visible()
    expect(page.get_by_label("Latency from, in ms")).to_have_attribute("aria-invalid", "true")
    problems[:] = [line for line in problems if "status of 400" not in line]
    page.get_by_label("Remove the filter Latency from").click()
    page.locator("tbody th a").first.click()
    expect(page.get_by_text("Whose fault: The provider's.")).to_be_visible()
    page.get_by_role("link", name="Activity", exact=True).last.click()
    page.get_by_role("link", name="Next page").click()
    expect(page.locator("tbody tr")).to_have_count(30)
    page.get_by_role("link", name="First page").click()
    page.get_by_role("link", name=EVIL).first.click()
    expect(page.locator("tbody tr")).to_have_count(20)


def test_the_live_tail_shows_a_request_that_is_made_meanwhile(
    open_page: OpenPage, gateway: GatewayProcess, tail_key: str, axe: Check
) -> None:
    page = open_page(f"{PATH}?key=tail&environment=test")
    expect(page.get_by_text("No generation is like that")).to_be_visible()
    page.get_by_role("button", name="Watch live").click()
    expect(page.get_by_text("Watching live.")).to_be_visible()
    ask(gateway, tail_key, "sandbox/echo")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.get_by_text("Watching live: 1 new.")).to_be_visible()
    expect(page.locator("tbody tr")).to_contain_text("sandbox/echo")
    expect(page.get_by_text("No generation is like that")).to_be_hidden()
    axe(page)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused.")).to_be_visible()
    ask(gateway, tail_key, "sandbox/echo")
    page.wait_for_timeout(2500)  # longer than it takes when it is not paused
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("button", name="Watch live").click()
    expect(page.locator("tbody tr")).to_have_count(2)


def test_the_live_tail_of_who_is_signed_out_elsewhere_leaves_nothing_on_the_screen(
    open_page: OpenPage, gateway: GatewayProcess, member: Callable[..., SignedIn], problems: list[str]
) -> None:
    who = member()
    page = open_page(PATH, who=who)
    page.get_by_role("button", name="Watch live").click()
    expect(page.get_by_text("Watching live.")).to_be_visible()
    httpx.post(f"{gateway.base_url}/logout", headers=who.headers)
    page.wait_for_url("**/login?**")
    assert "sandbox/" not in page.content()
    problems.clear()  # that the session is over is what was asked for


def test_the_live_tail_ends_after_half_an_hour_so_that_the_session_can(open_page: OpenPage, member: Callable[..., SignedIn]) -> None:
    page = open_page("/dashboard", who=member())
    page.clock.install()
    page.goto(PATH)
    page.get_by_role("button", name="Watch live").click()
    expect(page.get_by_text("Watching live.")).to_be_visible()
    page.clock.fast_forward("29:00")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.clock.fast_forward("02:00")
    expect(page.get_by_text("Paused after half an hour.")).to_be_visible()
    page.get_by_role("button", name="Watch live").click()
    expect(page.get_by_text("Watching live.")).to_be_visible()


def test_without_scripts_there_is_a_link_that_loads_it_anew(open_page: OpenPage) -> None:
    page = open_page(f"{PATH}?range=1h", has_scripts=False)
    expect(page.get_by_role("button", name="Watch live")).to_be_hidden()
    page.get_by_role("link", name="Refresh").click()
    expect(page.locator("tbody tr").first).to_be_visible()
    page.get_by_label("Id", exact=True).fill(page.locator("tbody tr").first.get_attribute("data-id") or "")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("tbody tr")).to_have_count(1)


def ask(gateway: GatewayProcess, key: str, model: str) -> None:
    """A request for a model."""
    reply = httpx.post(
        f"{gateway.base_url}/api/v1/chat/completions",
        headers={"authorization": f"Bearer {key}"},
        json={"model": model, "messages": [{"role": "user", "content": "Hi"}]},
    )
    assert reply.status_code == 200, reply.text
