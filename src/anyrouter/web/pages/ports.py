"""What the pages are given by whoever builds them. They look nothing up elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from anyrouter.control.sessions import SessionService
from anyrouter.control.sign_in import SignInService
from anyrouter.control.sign_in_links import SignInLinkService
from anyrouter.core.tenants import Tenants
from anyrouter.policy.charge import PLAIN, Billing
from anyrouter.web.api.ports import ApiPorts, wall_clock


@dataclass(frozen=True, slots=True, kw_only=True)
class PagePorts:
    """Everything that the pages need: what the API has (`api`), and what is theirs alone.

    `tenants` gives what is known of all organisations at the moment, without I/O. `base_url` tells the address of the gateway as clients
    reach it, without a path: for snippets and links. `billing` is what the operator charges, `server_rpm` how many requests a minute
    the whole gateway takes, None where that is not known.
    """

    api: ApiPorts
    sessions: SessionService
    sign_in: SignInService
    sign_in_links: SignInLinkService
    tenants: Callable[[], Tenants]
    base_url: Callable[[], str]
    billing: Billing = PLAIN
    server_rpm: int | None = None
    clock: Callable[[], datetime] = field(default=wall_clock)
