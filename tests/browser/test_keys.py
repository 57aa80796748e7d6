"""A key's life by clicking: made, copied, tried, changed, rotated, ended; by keyboard, on a phone, in both themes, without scripts."""

import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from support.dashboard import SignedIn

OpenPage = Callable[..., Page]
Check = Callable[[Page], None]
PATH = "/dashboard/keys"


def make_key(page: Page, name: str) -> str:
    """A key of the sandbox, by the form; its text."""
    page.goto(f"{PATH}/new")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("radio", name="Test").check()
    page.get_by_role("button", name="Create key").click()
    return page.locator("#new-key-text").inner_text()


def ask(site: str, key: str) -> None:
    """A request with the key, as a program sends it."""
    reply = httpx.get(f"{site}/api/v1/key", headers={"authorization": f"Bearer {key}", "user-agent": "batch-job/2.1"})
    assert reply.status_code == 200


def test_a_key_is_made_copied_and_tried(
    site: str,
    new_context: Callable[..., BrowserContext],
    member: Callable[..., SignedIn],
    axe: Check,
    keep_picture: Callable[[Page, str], None],
) -> None:
    context = new_context("light", member())
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site)
    page = context.new_page()
    page.goto(PATH)
    page.get_by_role("link", name="Create key").click()
    dialog = page.get_by_role("dialog", name="Create key")
    expect(dialog.get_by_label("Name", exact=True)).to_be_focused()
    expect(dialog.get_by_role("radio", name="Test")).to_be_checked()  # what reaches something comes first
    dialog.get_by_label("Name", exact=True).fill("backend")
    dialog.get_by_text("Restrict it to models").click()
    dialog.get_by_label("Search for models").fill("echo")
    dialog.get_by_label("sandbox/echo").check()
    dialog.get_by_label("Search for models").fill("nothing like it")
    expect(dialog.get_by_text("No model that this key could reach")).to_be_visible()
    expect(dialog.get_by_label("sandbox/echo")).to_be_checked()  # what was chosen stays
    axe(page)
    keep_picture(page, "keys-new")
    dialog.get_by_role("button", name="Create key").click()

    key = page.locator("#new-key-text").inner_text()
    assert re.fullmatch(r"ar-test-[0-9A-Za-z]{45}", key)
    page.get_by_role("button", name="Copy key").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == key
    with page.expect_request("**/api/v1/chat/completions") as sent:
        page.get_by_role("button", name="Send a test request").click()
    assert key not in sent.value.url
    expect(page.get_by_text("It works")).to_be_visible()
    expect(page.get_by_text(re.compile(r"\d+ ms · cost \$0\.00 · (1 token|(?!1 )\d+ tokens) in, \d+ out"))).to_be_visible()
    assert key not in page.url
    assert page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})") == "{}"
    axe(page)
    keep_picture(page, "keys-made")
    page.get_by_role("link", name="I have stored it").click()
    expect(page.get_by_role("heading", name="backend", level=1)).to_be_visible()
    expect(page.get_by_text("sandbox/echo")).to_be_visible()
    axe(page)
    keep_picture(page, "keys-key")


def test_a_key_is_rotated_in_four_steps_while_its_traffic_is_watched(
    site: str, open_page: OpenPage, axe: Check, keep_picture: Callable[[Page, str], None]
) -> None:
    page = open_page(PATH)
    old = make_key(page, "worker")
    page.get_by_role("link", name="I have stored it").click()
    page.get_by_role("link", name="Rotate", exact=True).click()
    expect(page.get_by_role("listitem").filter(has_text="Create the new key")).to_have_attribute("aria-current", "step")
    axe(page)
    page.get_by_role("button", name="Make the new key").click()
    new = page.locator("#new-key-text").inner_text()
    assert new != old
    axe(page)
    page.get_by_role("link", name="It is in place").click()
    expect(page.locator("#content").get_by_text("Nobody has used the new key yet")).to_be_visible()
    expect(page.get_by_text("Live:")).to_be_visible()
    ask(site, new)
    ask(site, old)
    expect(page.locator("#content").get_by_text("Both keys are in use")).to_be_visible()  # by itself
    expect(page.locator("tr[data-old]").get_by_text("batch-job 2.1")).to_be_visible()
    axe(page)
    keep_picture(page, "keys-watch")
    page.get_by_role("link", name="Next: delete the old key").click()
    expect(page.get_by_text("It still has traffic")).to_be_visible()
    axe(page)
    page.get_by_label("End it all the same").check()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("The key is deleted")).to_be_visible()
    expect(page.get_by_role("link", name="worker", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("worker .rotated"))).to_have_count(0)


def test_a_test_request_that_is_refused_says_why(open_page: OpenPage, problems: list[str]) -> None:
    page = open_page(f"{PATH}/new")
    page.get_by_label("Name", exact=True).fill("walled in")
    page.get_by_text("Addresses, beginning, tags").click()
    page.get_by_label("Only from these addresses").fill("203.0.113.0/24")
    page.get_by_role("button", name="Create key").click()
    page.get_by_role("button", name="Send a test request").click()
    expect(page.get_by_text("Refused: 403 ip_not_allowed")).to_be_visible()
    assert len(problems) == 1  # the console's line about that reply
    problems.clear()


def test_a_form_with_a_mistake_keeps_everything_and_leads_to_the_field(open_page: OpenPage, axe: Check, problems: list[str]) -> None:
    page = open_page(f"{PATH}/new")
    page.get_by_label("Name", exact=True).fill("kept")
    page.get_by_text("Budget and rate limits").click()
    page.get_by_label("Requests a minute").fill("many")
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_text("The key is not made yet")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("kept")
    expect(page.get_by_label("Requests a minute")).to_have_attribute("aria-invalid", "true")
    page.get_by_role("link", name="rate limit rpm").click()
    expect(page.get_by_label("Requests a minute")).to_be_in_viewport()
    axe(page)
    problems.clear()  # the console's line about the 400


def test_many_keys_are_chosen_and_changed_at_once(open_page: OpenPage, axe: Check) -> None:
    page = open_page(PATH)
    for name in ("crowd one", "crowd two"):
        make_key(page, name)
    page.goto(f"{PATH}?q=crowd")
    page.get_by_label("Select all keys of this page").check()
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_role("heading", name="Disable 2 keys?")).to_be_visible()
    axe(page)
    page.get_by_role("button", name="Disable them").click()
    expect(page.get_by_text("The keys are disabled")).to_be_visible()
    page.get_by_label("State", exact=True).select_option("disabled")  # sends itself
    page.wait_for_url("**state=disabled**")
    expect(page.get_by_role("link", name="crowd one")).to_be_visible()
    page.get_by_role("link", name="Key", exact=True).click()
    page.wait_for_url("**sort=name**")
    assert "q=crowd" in page.url


def test_the_keyboard_alone_makes_a_key(open_page: OpenPage) -> None:
    page = open_page(f"{PATH}/new")
    page.keyboard.type("by keyboard")
    page.keyboard.press("Escape")  # asks, and stays when the answer is no
    expect(page.get_by_role("dialog", name="Create key")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("by keyboard")
    page.get_by_label("Name", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Your new key")).to_be_visible()
    page.goto(f"{PATH}/new")
    page.keyboard.press("Escape")
    page.wait_for_url(f"**{PATH}")


@pytest.mark.parametrize("look", ["dark", "phone"])
def test_the_pages_fit_and_keep_nobody_out(
    look: str, open_page: OpenPage, axe: Check, check_width: Check, keep_picture: Callable[[Page, str], None]
) -> None:
    page = open_page(PATH, look=look)
    make_key(page, f"seen {look}")
    axe(page)
    check_width(page)
    page.get_by_role("link", name="I have stored it").click()
    key = page.url
    for name, path in (
        ("keys", f"{PATH}?q=seen"),
        ("keys-new", f"{PATH}/new"),
        ("keys-key", key),
        ("keys-edit", f"{key}/edit"),
        ("keys-rotate", f"{key}/rotate"),
        ("keys-delete", f"{key}/delete"),
    ):
        page.goto(path)
        for fold in page.locator("details.fold > summary").all():
            fold.click()
        axe(page)
        check_width(page)
        keep_picture(page, f"{name}-{look}")


def test_everything_but_the_test_request_works_without_scripts(open_page: OpenPage) -> None:
    page = open_page(f"{PATH}/new", has_scripts=False)
    page.get_by_label("Name", exact=True).fill("plain")
    page.get_by_text("Restrict it to models").click()
    page.get_by_label("Search for models").fill("claude")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_label("sandbox/echo")).to_have_count(0)
    page.get_by_label("Search for models").fill("echo")
    page.get_by_label("Search for models").press("Enter")  # which makes no key
    page.get_by_label("sandbox/echo").check()
    page.get_by_label("Search for models").fill("")
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_text("Your browser runs no scripts here")).to_be_visible()
    expect(page.get_by_role("button", name="Send a test request")).to_be_hidden()
    page.get_by_role("link", name="I have stored it").click()
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_text("Budget and rate limits").click()
    page.get_by_label("Requests a minute").fill("7")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The key is changed")).to_be_visible()
    page.get_by_role("link", name="Rotate", exact=True).click()
    page.get_by_role("button", name="Make the new key").click()
    page.get_by_role("link", name="It is in place").click()
    expect(page.get_by_role("link", name="Refresh")).to_be_visible()
    expect(page.get_by_text("Live:")).to_be_hidden()
    page.get_by_role("link", name="Next: delete the old key").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("The key is deleted")).to_be_visible()


def test_a_page_with_all_that_it_loads_is_light(open_page: OpenPage) -> None:
    page = open_page("/dashboard")
    sizes: list[int] = []
    page.on("response", lambda reply: sizes.append(len(reply.body())))
    page.goto(f"{PATH}/new")
    page.wait_for_load_state("networkidle")
    assert 0 < sum(sizes) <= 100_000, sizes
