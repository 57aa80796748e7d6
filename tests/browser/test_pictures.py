"""The pictures of the documentation: what the dashboard shows after two months of requests. `make pictures` keeps them in docs/pictures."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from support.dashboard import SignedIn
from support.gateway import GatewayProcess
from support.months import write_months

PROJECT = Path(__file__).parents[2]
KEPT = PROJECT / "docs" / "pictures"
PICTURES = {
    "usage": ("/dashboard/usage?range=30d&by=model", "light"),
    "keys": ("/dashboard/keys", "dark"),
}
MOST_BYTES = 250_000


@pytest.fixture(scope="module")
def months(gateway: GatewayProcess) -> int:
    return write_months(gateway)


@pytest.mark.parametrize("name", PICTURES)
def test_the_readme_shows_what_the_dashboard_shows(
    name: str, months: int, new_context: Callable[..., BrowserContext], member: Callable[..., SignedIn]
) -> None:
    path, look = PICTURES[name]
    page = new_context(look, member(email=f"ada-{name}@example.org")).new_page()
    page.goto(path)
    picture = take(page)
    assert months > 5_000
    assert len(picture) < MOST_BYTES
    directory = KEPT if os.environ.get("KEEP_PICTURES") else PROJECT / ".cache" / "screenshots"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.png").write_bytes(picture)


def take(page: Page) -> bytes:
    """The upper part, as a person sees it first."""
    page.wait_for_load_state("networkidle")
    return page.screenshot(full_page=False, animations="disabled", caret="hide")


def test_the_kept_pictures_are_there() -> None:
    readme = (PROJECT / "README.md").read_text()
    assert [name for name in PICTURES if f"docs/pictures/{name}.png" not in readme or not (KEPT / f"{name}.png").is_file()] == []
