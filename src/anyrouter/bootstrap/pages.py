"""The gateway's addresses: the API at once, the pages when somebody first looks at one."""

import importlib
from collections.abc import Callable

from starlette.types import ASGIApp

from anyrouter.bootstrap.money import make_billing
from anyrouter.bootstrap.services import Services
from anyrouter.bootstrap.tenants import TenantReader
from anyrouter.settings import Settings
from anyrouter.storage.opening import Storage
from anyrouter.web.api.app import create_api
from anyrouter.web.api.ports import ApiPorts
from anyrouter.web.site import Site


def make_site(  # noqa: PLR0917 -- all that the pages are over
    settings: Settings,
    storage: Storage,
    services: Services,
    tenants: TenantReader,
    api: ApiPorts,
    port: Callable[[], int],
) -> ASGIApp:
    """The API, and the pages beside it, where there are to be any. `port` is the one listened on."""

    def load() -> ASGIApp:
        pages = importlib.import_module("anyrouter.web.pages.app")  # a template engine and more, which not everybody needs
        ports = importlib.import_module("anyrouter.web.pages.ports")
        sign_in = importlib.import_module("anyrouter.bootstrap.sign_in")
        built: ASGIApp = pages.create_pages(
            ports.PagePorts(
                api=api,
                sessions=services.sessions,
                sign_in=sign_in.make_sign_in(storage, services),
                sign_in_links=services.sign_in_links,
                tenants=lambda: tenants.current,
                base_url=lambda: settings.server.base_url(port()),
                billing=make_billing(settings),
                server_rpm=settings.limits.default_rpm,
            )
        )
        return built

    app = create_api(api)
    return Site(app, load) if settings.dashboard.enabled else app
