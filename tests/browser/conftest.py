"""The dashboard in a real browser: Debian's Chromium, driven by Playwright.

What a page must not do fails the test that opened it: a line in the console that is an error or a warning, a script's exception, a
violation of the policy, a request to another host. Where these tests are asked for by name (`make test-browser`) screenshots are kept
in `.cache/screenshots`.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from anyrouter.core.tenancy import Role
from anyrouter.web.pages.cookies import SESSION_COOKIE
from support.dashboard import SignedIn, sign_in
from support.gateway import GatewayProcess

SCREENSHOTS = Path(__file__).parents[2] / ".cache" / "screenshots"
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 360, "height": 780}
LOOKS = {"light": (DESKTOP, "light"), "dark": (DESKTOP, "dark"), "phone": (PHONE, "light")}
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
_TIMEOUT_MS = 15_000

expect.set_options(timeout=_TIMEOUT_MS)  # machines that do other things beside are slower than its own 5 s


def find_chromium() -> str:
    """Where it is. Without one these tests are left out, and say so; where they are asked for by name they fail."""
    found = os.environ.get("CHROMIUM") or next((path for name in _PROGRAMS if (path := shutil.which(name))), None)
    if found is None:
        reason = "no Chromium was found: install it (apt-get install chromium), or set CHROMIUM to its program"
        if os.environ.get("BROWSER_REQUIRED"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One for each module: while it is there its event loop is this thread's, and tests that have one of their own cannot run."""
    program = find_chromium()
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's own sandbox refuses to run as root
    without_weight = ["--disable-gpu", "--disable-extensions"]  # a third of what a new context costs
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*arguments, *without_weight, "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("browser"))
    yield process
    process.stop()


@pytest.fixture
def site(gateway: GatewayProcess) -> str:
    """The gateway's address by a name: browsers keep passkeys for names only."""
    return gateway.base_url.replace("127.0.0.1", "localhost")


@pytest.fixture
def member(gateway: GatewayProcess) -> Callable[..., SignedIn]:
    """Makes a member of a role, with a session."""

    def make(role: Role = Role.OWNER, **more: str) -> SignedIn:
        return sign_in(gateway.data_dir, role, **more)

    return make


@pytest.fixture
def problems() -> list[str]:
    """What pages did that they must not. A test that provokes a refusal takes its line out."""
    return []


@pytest.fixture
def new_context(chromium: Browser, site: str, problems: list[str]) -> Iterator[Callable[..., BrowserContext]]:
    """Makes a browser of its own: `look` is one of LOOKS, `who` is signed in already."""
    contexts: list[BrowserContext] = []

    def watch(page: Page) -> None:
        page.set_default_timeout(_TIMEOUT_MS)
        page.on("console", lambda message: _note_line(problems, message))
        page.on("pageerror", lambda error: problems.append(f"exception: {error}"))
        page.on("request", lambda request: _note_request(problems, request, site))

    def make(look: str = "light", who: SignedIn | None = None, *, has_scripts: bool = True) -> BrowserContext:
        viewport, scheme = LOOKS[look]
        context = chromium.new_context(base_url=site, viewport=viewport, color_scheme=scheme, java_script_enabled=has_scripts)
        contexts.append(context)
        if who is not None:
            # Its address is written with https because the protocol takes secure cookies for no other; cookies know no port.
            context.add_cookies(
                [
                    {
                        "name": SESSION_COOKIE,
                        "value": who.token,
                        "url": site.replace("http://", "https://"),
                        "secure": True,
                        "httpOnly": True,
                        "sameSite": "Lax",
                    }
                ]
            )
        context.on("page", watch)
        return context

    yield make
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def open_page(new_context: Callable[..., BrowserContext], member: Callable[..., SignedIn]) -> Callable[..., Page]:
    """Opens a page as a member of a role (an owner, unless `who` or `role` says otherwise), in one of the LOOKS."""

    def show(path: str, *, look: str = "light", who: SignedIn | None = None, role: Role = Role.OWNER, has_scripts: bool = True) -> Page:
        page = new_context(look, who or member(role), has_scripts=has_scripts).new_page()
        page.goto(path)
        return page

    return show


@pytest.fixture
def axe() -> Callable[[Page], None]:
    """Fails when a page has something that keeps people out (WCAG 2.1 AA and axe's own good practice)."""

    def check(page: Page) -> None:
        found = Axe().run(page, options={"runOnly": {"type": "tag", "values": _RULES}, "resultTypes": ["violations"]})
        said = [
            f"{violation['id']}: {violation['help']}: {node['html'][:300]}"
            for violation in found.response["violations"]
            for node in violation["nodes"]
        ]
        assert said == []

    return check


@pytest.fixture
def check_width() -> Callable[[Page], None]:
    """Fails when a page is wider than its window."""

    def check(page: Page) -> None:
        width, window = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert width <= window, f"the page is {width} wide, its window {window}"

    return check


@pytest.fixture
def keep_picture() -> Callable[[Page, str], None]:
    """Keeps what a page looks like now, for who wants to see it."""

    def keep(page: Page, name: str) -> None:
        if not os.environ.get("BROWSER_REQUIRED"):
            return
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    return keep


@pytest.fixture
def look_at(
    axe: Callable[[Page], None], check_width: Callable[[Page], None], keep_picture: Callable[[Page, str], None]
) -> Callable[[Page, str], None]:
    """Everything that a page must be in every look."""

    def check(page: Page, name: str) -> None:
        axe(page)
        check_width(page)
        keep_picture(page, name)

    return check


def _note_line(problems: list[str], message: ConsoleMessage) -> None:
    if message.type in {"error", "warning"}:
        problems.append(f"console: {message.text}")


def _note_request(problems: list[str], request: Request, site: str) -> None:
    if not request.url.startswith((site + "/", "data:", "blob:")):
        problems.append(f"request to another host: {request.url}")
