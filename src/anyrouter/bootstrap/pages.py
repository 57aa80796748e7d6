"""The pages of the gateway, built when somebody first looks at one."""

import importlib
from collections.abc import Callable

from starlette.types import ASGIApp

from anyrouter.bootstrap.money import make_billing
from anyrouter.bootstrap.services import Services
from anyrouter.bootstrap.tenants import TenantReader
from anyrouter.control.set_up import SetUp
from anyrouter.settings import Settings
from anyrouter.storage.opening import Storage
from anyrouter.web.api.ports import ApiPorts


def make_loader(  # noqa: PLR0917 -- all that the pages are over
    settings: Settings,
    storage: Storage,
    services: Services,
    set_up: SetUp,
    tenants: TenantReader,
    api: ApiPorts,
    port: Callable[[], int],
) -> Callable[[], ASGIApp]:
    """What imports and builds the pages. `port` is the one listened on. Called on a thread of its own."""

    def load() -> ASGIApp:
        pages = importlib.import_module("anyrouter.web.pages.app")  # a template engine and more, which not everybody needs
        ports = importlib.import_module("anyrouter.web.pages.ports")
        sign_in = importlib.import_module("anyrouter.bootstrap.sign_in")
        built: ASGIApp = pages.create_pages(
            ports.PagePorts(
                api=api,
                sessions=services.sessions,
                sign_in=sign_in.make_sign_in(storage, services, set_up),
                sign_in_links=services.sign_in_links,
                tenants=lambda: tenants.current,
                base_url=lambda: settings.server.base_url(port()),
                billing=make_billing(settings),
                server_rpm=settings.limits.default_rpm,
            )
        )
        return built

    return load
