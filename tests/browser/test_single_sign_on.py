"""Single sign-on by clicking: to a provider on another port and back, where a browser has to keep cookies on the way."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from anyrouter.core.tenancy import Role
from support.dashboard import SignedIn
from support.gateway import GatewayProcess
from support.identity_provider import LyingProvider

PROFILE = "/dashboard/settings/profile"
CONFIG = '[sso]\nissuer = "{issuer}"\nclient_id = "anyrouter"\nname = "Example ID"\n'


@pytest.fixture(scope="module")
def provider() -> Iterator[LyingProvider]:
    with LyingProvider() as made:
        yield made


@pytest.fixture(scope="module")
def gateway(provider: LyingProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("browser"), config=CONFIG.format(issuer=provider.issuer))
    yield process
    process.stop()


@pytest.fixture
def known(provider: LyingProvider, member: Callable[..., SignedIn]) -> LyingProvider:
    """The provider, at which a member of ours signs in."""
    provider.behave()
    provider.claims = {"email": member(Role.VIEWER).member.email}
    return provider


@pytest.mark.parametrize("look", ["light", "phone"])
def test_one_is_led_to_the_provider_and_back_to_where_one_wanted_to_go(
    look: str,
    known: LyingProvider,
    new_context: Callable[..., BrowserContext],
    look_at: Callable[[Page, str], None],
    problems: list[str],
) -> None:
    known.person = f"ada-{look}"
    page = new_context(look).new_page()
    page.goto(f"/login?next={PROFILE}")
    look_at(page, f"login-single-sign-on-{look}")
    page.get_by_role("link", name="Continue with Example ID").click()
    page.wait_for_url(f"**{PROFILE}")
    expect(page.get_by_text(f"ada-{look}", exact=True)).to_be_visible()
    look_at(page, f"profile-single-sign-on-{look}")

    known.claims |= {"aud": "another"}
    page.goto("/sso/start?again=yes")
    expect(page.get_by_role("heading", name="You were not signed in")).to_be_visible()
    look_at(page, f"single-sign-on-failed-{look}")
    # There and back is to other origins than the one that the test begins at; the refusal at the end is a 403.
    problems[:] = [line for line in problems if not line.startswith("request to another host") and "403" not in line]
