"""The settings by clicking: each page's flow, in both themes and on a phone, and nothing that keeps people out."""

import re
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from support.dashboard import SignedIn
from support.gateway import GatewayProcess
from support.webhook_receiver import WebhookReceiver

OpenPage = Callable[..., Page]
Look = Callable[[Page], None]
Check = Callable[..., None]
SETTINGS = "/dashboard/settings"
NAV = {
    "BYOK": "Bring your own key",
    "Environments": "Environments",
    "Presets": "Presets",
    "Members": "Members",
    "Credits": "Credits",
    "Limits": "Limits",
    "Webhooks": "Webhooks",
    "Audit log": "Audit log",
    "Upstreams": "Upstreams",
}


@pytest.fixture(scope="module")
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as made:
        yield made


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, receiver: WebhookReceiver) -> Iterator[GatewayProcess]:
    config = f'[byok]\nallowed_hosts = ["127.0.0.1", "{receiver.authority}"]\n'
    process = GatewayProcess(tmp_path_factory.mktemp("settings"), config=config)
    yield process
    process.stop()
    assert "page failed" not in process.output, process.output


@pytest.fixture
def check(axe: Look, check_width: Look) -> Check:
    """Nothing keeps people out, and nothing is wider than the window."""

    def run(page: Page, heading: str = "") -> None:
        """`heading` is that of a page that a click has just led to."""
        if heading:
            expect(page.get_by_role("heading", level=1, name=heading)).to_be_visible()
        axe(page)
        check_width(page)

    return run


def take_refusal(problems: list[str]) -> None:
    """The console tells of the form that was refused, and of nothing else."""
    (line,) = problems
    assert "the server responded with a status of 4" in line
    problems.clear()


def accept_next(page: Page) -> None:
    page.once("dialog", lambda dialog: dialog.accept())


def test_a_credential_is_entered_tested_ordered_and_deleted(
    open_page: OpenPage, check: Check, keep_picture: Callable[..., None], problems: list[str]
) -> None:
    page = open_page(f"{SETTINGS}/byok")
    check(page)
    page.get_by_role("link", name="Add the first one").click()
    page.get_by_label(re.compile("Search")).fill("compatible")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**q=compatible")
    page.get_by_role("link", name=re.compile("OpenAI-compatible")).first.click()
    page.get_by_label("API key").fill("sk-very-secret-text-0123456789")
    page.get_by_label("Address of the server").fill("http://10.1.2.3/v1")
    page.get_by_role("button", name="Add the credential").click()
    expect(page.get_by_role("alert")).to_be_visible()
    take_refusal(problems)
    check(page)
    assert page.get_by_label("API key").input_value() == ""
    page.get_by_label("API key").fill("sk-very-secret-text-0123456789")
    page.get_by_label("Address of the server").fill("http://127.0.0.1:9/v1")
    page.get_by_role("button", name="Add the credential").click()
    expect(page.get_by_text("The credential is entered")).to_be_visible()
    assert "sk-very-secret" not in page.content()
    check(page)
    page.get_by_role("button", name="Test", exact=True).click()
    expect(page.get_by_text("No answer")).to_be_visible()
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_text("switched off: no request uses it")).to_be_visible()
    keep_picture(page, "settings-byok")
    page.get_by_role("link", name="← Credentials").click()
    check(page, "Bring your own key")
    page.get_by_role("link", name="openai-compatible").click()
    accept_next(page)
    page.get_by_role("button", name="Delete the credential").click()
    expect(page.get_by_text("The credential is deleted")).to_be_visible()


def test_somebody_is_invited_and_joins_gets_another_role_and_is_removed(
    open_page: OpenPage, new_context: Callable[..., BrowserContext], check: Check, site: str
) -> None:
    page = open_page(f"{SETTINGS}/members")
    check(page)
    page.get_by_role("link", name="Invite somebody").click()
    check(page, "Invite somebody")
    page.get_by_label("E-mail address").fill("ann@example.org")
    page.get_by_label("Viewer").check()
    page.get_by_role("button", name="Make the invitation").click()
    link = page.locator("pre").inner_text()
    check(page, "Invitation for ann@example.org")
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_role("heading", name="Invited, and not here yet")).to_be_visible()
    other = new_context().new_page()
    other.goto(site + link[link.index("/invite") :])
    other.get_by_label("Name").fill("Ann")
    other.locator('input[type="password"]').first.fill("a long enough passphrase")
    other.get_by_role("button", name="Join").click()
    other.wait_for_url("**/dashboard**")
    page.reload()
    page.get_by_role("link", name="Ann").click()
    check(page, "Ann")
    expect(page.get_by_text("The password alone lets anybody in")).to_be_visible()
    page.get_by_label("Developer").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The member is changed")).to_be_visible()
    page.get_by_role("button", name="Make a new sign-in link").click()
    expect(page.get_by_text("The link is shown this once")).to_be_visible()
    assert "/reset?token=lnk_" in page.locator("pre").inner_text()
    page.go_back()
    accept_next(page)
    page.get_by_role("button", name="Remove the member").click()
    expect(page.get_by_text("The member is removed")).to_be_visible()
    expect(page.get_by_role("link", name="Ann")).to_have_count(0)


def test_an_environment_is_made_bounded_switched_off_and_deleted(
    open_page: OpenPage, check: Check, keep_picture: Callable[..., None], problems: list[str]
) -> None:
    page = open_page(f"{SETTINGS}/environments")
    check(page)
    page.get_by_role("link", name="Create environment").click()
    check(page, "Create environment")
    page.get_by_label("Slug").fill("Bad Slug")
    page.get_by_label("Requests per minute").fill("60")
    page.get_by_role("button", name="Create environment").click()
    expect(page.locator("#slug-error")).to_be_visible()
    take_refusal(problems)
    assert page.get_by_label("Requests per minute").input_value() == "60"
    page.get_by_label("Slug").fill("staging")
    page.get_by_role("button", name="Create environment").click()
    expect(page.get_by_text("The environment is made")).to_be_visible()
    expect(page.get_by_text("0 of 60 in the last minute")).to_be_visible()
    check(page)
    keep_picture(page, "settings-environment")
    accept_next(page)
    page.get_by_role("button", name="Switch off").click()
    expect(page.get_by_text("its keys are refused until")).to_be_visible()
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_text("The environment is in use again")).to_be_visible()
    page.get_by_label("Type staging to delete it").fill("staging")
    page.get_by_role("button", name="Delete the environment").click()
    expect(page.get_by_text("The environment is deleted")).to_be_visible()


def test_a_budget_is_made_changed_and_deleted(open_page: OpenPage, check: Check, problems: list[str]) -> None:
    page = open_page(f"{SETTINGS}/limits")
    check(page)
    page.get_by_role("link", name="Create budget").click()
    check(page, "Create budget")
    page.get_by_label("At most, in US dollars").fill("much")
    page.get_by_role("button", name="Create budget").click()
    expect(page.locator("#limit-error")).to_be_visible()
    take_refusal(problems)
    page.get_by_label("At most, in US dollars").fill("250")
    page.get_by_label("An environment's").check()
    page.get_by_role("button", name="Create budget").click()
    expect(page.get_by_text("The budget holds from now on")).to_be_visible()
    check(page)
    page.get_by_label("It is whole again").select_option("daily")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The budget is changed")).to_be_visible()
    page.get_by_role("link", name="← Limits").click()
    expect(page.get_by_text("$0.00 of $250.00")).to_be_visible()
    check(page)
    page.get_by_role("link", name=re.compile("Edit the budget of")).click()
    accept_next(page)
    page.get_by_role("button", name="Delete the budget").click()
    expect(page.get_by_text("The budget is deleted")).to_be_visible()


def test_a_preset_is_made_changed_and_deleted(open_page: OpenPage, check: Check, problems: list[str]) -> None:
    page = open_page(f"{SETTINGS}/presets")
    page.get_by_label("Environment").select_option("test")
    page.wait_for_url("**environment=test")
    check(page, "Presets")
    page.get_by_role("link", name="Create the first one").click()
    check(page, "Create preset")
    page.get_by_label("Slug").fill("writer")
    page.get_by_label("Other settings").fill("{")
    page.get_by_role("button", name="Create preset").click()
    expect(page.locator("#config-error")).to_be_visible()
    take_refusal(problems)
    page.get_by_label("Other settings").fill('{"temperature": 0.2}')
    page.get_by_role("button", name="Create preset").click()
    expect(page.get_by_text("The preset is made")).to_be_visible()
    check(page)
    page.get_by_label("System prompt").fill("Be terse.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The preset is changed")).to_be_visible()
    accept_next(page)
    page.get_by_role("button", name="Delete the preset").click()
    expect(page.get_by_text("The preset is deleted")).to_be_visible()


def test_a_webhook_is_added_tried_told_and_deleted(
    open_page: OpenPage, check: Check, receiver: WebhookReceiver, member: Callable[..., SignedIn], site: str
) -> None:
    who = member()
    page = open_page(f"{SETTINGS}/webhooks", who=who)
    check(page)
    page.get_by_role("link", name="Add webhook").click()
    check(page, "Add webhook")
    page.get_by_label("Address").fill(receiver.url)
    page.get_by_label("Everything", exact=False).first.uncheck()
    page.get_by_label("budget.*").check()
    page.get_by_role("button", name="Add webhook").click()
    assert page.locator("pre").inner_text().startswith("whsec_")
    check(page)
    page.get_by_role("link", name=re.compile("I have kept it")).click()
    page.get_by_role("button", name="Send a test message").click()
    expect(page.get_by_text("The receiver took the test message")).to_be_visible()
    seen = len(receiver.received)
    httpx.post(f"{site}{SETTINGS}/limits/new", headers=who.headers, data={"owner": "organisation", "limit": "9", "period": "daily"})
    receiver.wait_for(lambda rows: len(rows) > seen)
    page.reload()
    expect(page.get_by_text("The receiver took the test message")).to_be_hidden()
    expect(page.get_by_role("cell", name="budget.create")).to_be_visible()
    check(page)
    accept_next(page)
    page.get_by_role("button", name="Delete the webhook").click()
    expect(page.get_by_text("The webhook is deleted")).to_be_visible()


def test_the_audit_log_is_searched_read_taken_away_and_checked(
    open_page: OpenPage, check: Check, keep_picture: Callable[..., None]
) -> None:
    page = open_page(SETTINGS)
    check(page)
    page.get_by_label("Name").fill("Acme")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The organisation is changed")).to_be_visible()
    page.get_by_role("link", name="Audit log").click()
    check(page, "Audit log")
    keep_picture(page, "settings-audit")
    page.get_by_label("What").select_option("org.*")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**action=org.*")
    page.get_by_role("link", name="org.change").first.click()
    expect(page.get_by_role("row", name=re.compile("name Default Acme"))).to_be_visible()
    check(page)
    page.get_by_role("link", name="← Audit log").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename == "audit.csv"
    page.get_by_role("link", name="Check the chain").click()
    page.get_by_role("button", name="Check the chain").click()
    expect(page.get_by_text("The chain is whole")).to_be_visible()
    check(page)


@pytest.mark.parametrize("look", ["dark", "phone"])
def test_every_page_is_reached_by_the_menu_and_looks_right(
    look: str, open_page: OpenPage, axe: Look, check_width: Look, keep_picture: Callable[..., None]
) -> None:
    check = axe if look == "dark" else check_width  # colours there, widths here; all else is the same as in the flows
    page = open_page(SETTINGS, look=look)
    expect(page.get_by_role("heading", name="About this gateway")).to_be_visible()
    check(page)
    for link, heading in NAV.items():
        if look == "phone":
            page.get_by_text("Menu", exact=True).click()
        page.get_by_role("navigation", name="Dashboard").get_by_role("link", name=link, exact=True).click()
        expect(page.get_by_role("heading", level=1, name=heading)).to_be_visible()
        check(page)
        keep_picture(page, f"settings-{link.lower().replace(' ', '-')}-{look}")


@pytest.mark.parametrize(
    "place",
    ["byok/new?provider=aws", "members/invite", "environments/new", "environments/live", "limits/new", "webhooks/new", "presets/new"],
)
def test_forms_fit_on_a_phone(place: str, open_page: OpenPage, check_width: Look) -> None:
    page = open_page(f"{SETTINGS}/{place}", look="phone")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    check_width(page)


def test_without_scripts_the_forms_work(open_page: OpenPage) -> None:
    page = open_page(f"{SETTINGS}/limits/new", has_scripts=False)
    page.get_by_label("At most, in US dollars").fill("5")
    page.get_by_role("button", name="Create budget").click()
    page.get_by_role("button", name="Delete the budget").click()
    expect(page.get_by_text("The budget is deleted")).to_be_visible()


def test_fields_of_a_filter_stand_on_one_line_and_use_a_phones_width(open_page: OpenPage) -> None:
    for place in ("audit", "members"):
        page = open_page(f"{SETTINGS}/{place}")
        boxes = [box for field in page.locator("main .filters").locator("input, select, button").all() if (box := field.bounding_box())]
        assert len(boxes) >= 3
        first = [box for box in boxes if abs(box["y"] - boxes[0]["y"]) < boxes[0]["height"]]
        assert len(first) >= 3
        assert {(box["y"], box["height"]) for box in first} == {(first[0]["y"], first[0]["height"])}
        narrow = open_page(f"{SETTINGS}/{place}", look="phone")
        search, form = narrow.get_by_label("Search").bounding_box(), narrow.locator("main .filters").bounding_box()
        assert search is not None
        assert form is not None
        assert search["width"] == form["width"]
