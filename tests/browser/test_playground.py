"""The playground by clicking: answers as they come, two side by side, stopped, in error; and without scripts."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]
PATH = "/dashboard/playground"
ATTACK = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"


def ask(page: Page, message: str) -> None:
    page.get_by_label("Your message").fill(message)
    page.get_by_role("button", name="Send").click()


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_an_answer_comes_with_what_it_took_and_the_code_that_does_the_same(
    look: str,
    open_page: OpenPage,
    axe: Callable[[Page], None],
    check_width: Callable[[Page], None],
    keep_picture: Callable[[Page, str], None],
) -> None:
    page = open_page(f"{PATH}?environment=test&model=sandbox/echo&beside=sandbox/long", look=look)
    page.get_by_text("Options").click()
    page.get_by_label("Temperature").fill("0.5")
    ask(page, "Good morning")
    first, second = page.locator('[data-talk="0"]'), page.locator('[data-talk="1"]')
    expect(first.locator(".turn.assistant .said")).to_have_text("Good morning")
    expect(first.locator(".figures")).to_contain_text("$0.00")
    expect(first.locator(".figures")).to_contain_text("First token")
    expect(second.locator(".turn.assistant .said")).to_contain_text("a long story")
    expect(second.locator(".figures")).to_contain_text("2,000 out")
    expect(page.get_by_label("Your message")).to_be_focused()
    page.get_by_role("button", name="Show the code").click()
    expect(page.locator("#code")).to_be_focused()
    expect(page.locator("#code-0-curl")).to_contain_text('"temperature": 0.5')
    page.locator("#code summary").filter(has_text="Python").first.click()
    expect(page.locator("#code-0-python")).to_be_visible()
    expect(page.locator("#code").get_by_role("button", name="Copy").first).to_be_visible()
    axe(page)
    check_width(page)
    keep_picture(page, f"playground-{look}")


def test_a_conversation_goes_on_and_begins_anew_by_keyboard(open_page: OpenPage) -> None:
    page = open_page(f"{PATH}?environment=test&model=sandbox/echo")
    message = page.get_by_label("Your message")
    for text in ("One", "Two"):
        message.fill(text)
        page.keyboard.press("Control+Enter")
        expect(page.locator(".turn.assistant .said").last).to_have_text(text)
        expect(page.locator(".figures")).to_have_count(1 if text == "One" else 2)
    page.get_by_role("button", name="Show the code").press("Enter")
    expect(page.locator("#code-0-curl")).to_contain_text('"content": "One"')
    page.locator(".figures").last.get_by_role("link", name="details").click()
    expect(page.locator("main")).to_contain_text("AnyRouter playground")
    page.go_back()
    page.get_by_role("link", name="New conversation").click()
    expect(page.locator(".turn")).to_have_count(0)
    expect(page.get_by_label("Model", exact=True)).to_have_value("sandbox/echo")


def test_stop_ends_what_is_under_way_and_leaves_what_is_whole(open_page: OpenPage) -> None:
    page = open_page(f"{PATH}?environment=test&model=sandbox/echo&beside=sandbox/timeout")
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    ask(page, "Hello")
    expect(page.locator('[data-talk="0"] .figures')).to_contain_text("Cost")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator('[data-talk="1"] .figures')).to_contain_text("what had come by then is billed")
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    expect(page.get_by_role("button", name="Send")).to_be_enabled()


def test_what_a_model_says_is_text_and_runs_nothing(open_page: OpenPage) -> None:
    page = open_page(f"{PATH}?environment=test&model=sandbox/echo")
    ask(page, ATTACK)
    expect(page.locator(".turn.assistant .said")).to_have_text(ATTACK)
    expect(page.locator(".figures")).to_have_count(1)
    page.get_by_role("button", name="Show the code").click()
    expect(page.locator("#code-0-curl")).to_contain_text("onerror")
    assert page.locator("main img, main script").count() == 0
    expect(page).to_have_title("Playground · AnyRouter")


def test_a_refusal_and_a_broken_answer_are_told_where_the_answer_would_be(open_page: OpenPage, problems: list[str]) -> None:
    page = open_page(f"{PATH}?environment=test&model=sandbox/rate-limited&beside=sandbox/cut-stream")
    ask(page, "Hello")
    expect(page.locator('[data-talk="0"]').get_by_role("alert")).to_contain_text("No answer")
    expect(page.locator('[data-talk="1"]').get_by_role("alert")).to_contain_text("No answer")
    expect(page.get_by_label("Your message")).to_have_value("Hello")
    page.context.clear_cookies()
    page.get_by_role("button", name="Send").click()
    expect(page.locator('[data-talk="0"]').get_by_role("alert").last).to_contain_text("not signed in any more")
    problems[:] = [line for line in problems if "Failed to load resource" not in line]


def test_another_environment_offers_its_own_models(open_page: OpenPage) -> None:
    page = open_page(f"{PATH}?environment=test")
    assert page.locator("#known-models option").count() > 0
    page.get_by_label("Environment").select_option("live")
    expect(page.locator("#known-models option")).to_have_count(0)


def test_another_environment_keeps_no_model_that_it_never_serves_and_no_code_of_the_one_before(
    open_page: OpenPage, axe: Callable[[Page], None], keep_picture: Callable[[Page, str], None], problems: list[str]
) -> None:
    page = open_page(f"{PATH}?environment=test&model=sandbox/echo&beside=sandbox/long")
    page.get_by_role("button", name="Show the code").click()
    expect(page.locator("#code")).to_be_visible()
    page.get_by_label("Environment").select_option("live")
    expect(page.locator("#code")).to_be_hidden()
    expect(page.get_by_label("Model", exact=True)).to_have_value("")
    expect(page.locator("#beside")).to_have_value("")
    expect(page.locator("#reach").get_by_role("link", name="Add a provider credential")).to_be_visible()
    page.get_by_label("Model", exact=True).fill("sandbox/echo")
    ask(page, "Hello")
    trouble = page.locator('[data-talk="0"]').get_by_role("alert")
    expect(trouble).to_contain_text("live has no provider for it")
    expect(trouble.get_by_role("link", name="Provider credentials")).to_be_visible()
    expect(page.locator(".turn")).to_have_count(1)
    axe(page)
    keep_picture(page, "playground-unserved")
    page.get_by_label("Environment").select_option("test")
    expect(page.locator("#reach a")).to_have_count(0)
    expect(page.get_by_label("Model", exact=True)).to_have_value("sandbox/echo")
    problems[:] = [line for line in problems if "Failed to load resource" not in line]


def test_without_scripts_the_answer_is_on_the_next_page(open_page: OpenPage) -> None:
    page = open_page(f"{PATH}?environment=test&model=sandbox/echo", has_scripts=False)
    for text in ("One", "Two"):
        ask(page, text)
        expect(page.locator(".turn.assistant .said").last).to_have_text(text)
    expect(page.locator(".turn")).to_have_count(4)
    expect(page.locator(".figures")).to_contain_text("Tokens")
    expect(page.locator("#code-0-curl")).to_be_visible()
    page.locator(".figures").get_by_role("link", name="details").click()
    expect(page.locator("main")).to_contain_text("sandbox/echo")
