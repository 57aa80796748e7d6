"""The gateway's addresses: the API at once, the pages when somebody first looks at one."""

import gc
import importlib
import sys
from collections.abc import Callable

from starlette.types import ASGIApp

from anyrouter.bootstrap.money import make_billing
from anyrouter.bootstrap.services import Services
from anyrouter.bootstrap.single_sign_on import find_client_secret
from anyrouter.bootstrap.tenants import TenantReader
from anyrouter.relay.limiter import RateLimiter
from anyrouter.relay.relay import Relay
from anyrouter.settings import Settings
from anyrouter.storage.opening import Storage
from anyrouter.web.api.app import create_api
from anyrouter.web.api.ports import ApiPorts
from anyrouter.web.site import Site

# How long a thread that fills a template may keep the interpreter from the loop, which gives it up several times in a request.
# Python's own 5 ms would add to each of them; nothing else runs on threads for long.
SWITCH_INTERVAL_S = 0.0002


def make_site(  # noqa: PLR0917 -- all that the pages are over
    settings: Settings,
    storage: Storage,
    services: Services,
    tenants: TenantReader,
    api: ApiPorts,
    relay: Relay,
    limiter: RateLimiter,
    port: Callable[[], int],
) -> ASGIApp:
    """The API, and the pages beside it, where there are to be any. `port` is the one listened on."""
    find_client_secret(settings)  # an operator hears of a missing one now, not the first who wants to sign in

    def base_url() -> str:
        return settings.server.base_url(port())

    def load() -> ASGIApp:
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        pages = importlib.import_module("anyrouter.web.pages.app")  # a template engine and more, which not everybody needs
        ports = importlib.import_module("anyrouter.web.pages.ports")
        sign_in = importlib.import_module("anyrouter.bootstrap.sign_in")
        settings_pages = importlib.import_module("anyrouter.bootstrap.settings_pages")
        built: ASGIApp = pages.create_pages(
            ports.PagePorts(
                api=api,
                sessions=services.sessions,
                sign_in=sign_in.make_sign_in(storage, services),
                sign_in_links=services.sign_in_links,
                profiles=sign_in.make_profiles(storage, services),
                second_factors=sign_in.make_second_factors(storage, services),
                passkeys=sign_in.Later(lambda: sign_in.make_passkeys(storage, services, base_url)),
                single_sign_on=sign_in.Later(lambda: sign_in.find_single_sign_on(settings, storage, services)),
                sign_on_name="" if settings.sso.rules is None else settings.sso.rules.name,
                settings=settings_pages.make_settings_ports(storage, services, limiter),
                serve=relay.serve,
                tenants=lambda: tenants.current,
                base_url=base_url,
                billing=make_billing(settings),
                server_rpm=settings.limits.default_rpm,
            )
        )
        gc.freeze()  # what was loaded stays: the collector need not look at it again and again
        return built

    app = create_api(api)
    return Site(app, load) if settings.dashboard.enabled else app
