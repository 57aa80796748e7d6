"""What the pages are given by whoever builds them. They look nothing up elsewhere."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from anyrouter.control.profile import ProfileService
from anyrouter.control.second_factor import SecondFactorService
from anyrouter.control.sessions import SessionService
from anyrouter.control.sign_in import SignInService
from anyrouter.control.sign_in_links import SignInLinkService
from anyrouter.core.tenants import Tenants
from anyrouter.policy.charge import PLAIN, Billing
from anyrouter.web.api.ports import ControlPorts, wall_clock
from anyrouter.web.pages.downstream import Serve
from anyrouter.web.pages.gateway import Gateway
from anyrouter.web.pages.settings_ports import SettingsPorts

if TYPE_CHECKING:  # their libraries take 10 MB each, which only who signs in that way needs
    from anyrouter.control.passkeys import PasskeyService
    from anyrouter.control.single_sign_on import SingleSignOn


@dataclass(frozen=True, slots=True, kw_only=True)
class PagePorts:
    """Everything that the pages need: what they share with the API (`api`), and what is theirs alone.

    `gateway` is asked how requests go, and `serve` is its relay's, for the playground: both are in another process. `tenants` gives
    what is known of all organisations at the moment, without I/O. `base_url` tells the address of the gateway as clients reach it,
    without a path: for snippets and links. `billing` is what the operator charges, `server_rpm` how many requests a minute the whole
    gateway takes, None where that is not known. `passkeys` and `single_sign_on` are made when they are first asked for;
    `sign_on_name` is what people know the provider by, empty where there is none.
    """

    api: ControlPorts
    gateway: Gateway
    sessions: SessionService
    sign_in: SignInService
    sign_in_links: SignInLinkService
    profiles: ProfileService
    second_factors: SecondFactorService
    passkeys: "Callable[[], Awaitable[PasskeyService]]"
    single_sign_on: "Callable[[], Awaitable[SingleSignOn | None]]"
    sign_on_name: str
    settings: SettingsPorts
    serve: Serve
    tenants: Callable[[], Tenants]
    base_url: Callable[[], str]
    billing: Billing = PLAIN
    server_rpm: int | None = None
    clock: Callable[[], datetime] = field(default=wall_clock)
