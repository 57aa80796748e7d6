"""The pages of the gateway, built when somebody first looks at one."""

import importlib
from collections.abc import Callable

from starlette.types import ASGIApp

from anyrouter.bootstrap.money import make_billing
from anyrouter.bootstrap.services import Services
from anyrouter.bootstrap.tenants import TenantReader
from anyrouter.settings import Settings
from anyrouter.web.api.ports import ApiPorts


def make_loader(
    settings: Settings, services: Services, tenants: TenantReader, api: ApiPorts, port: Callable[[], int]
) -> Callable[[], ASGIApp]:
    """What imports and builds the pages. `port` is the one listened on. Called on a thread of its own."""

    def load() -> ASGIApp:
        pages = importlib.import_module("anyrouter.web.pages.app")  # a template engine and more, which not everybody needs
        ports = importlib.import_module("anyrouter.web.pages.ports")
        built: ASGIApp = pages.create_pages(
            ports.PagePorts(
                api=api,
                sessions=services.sessions,
                tenants=lambda: tenants.current,
                base_url=lambda: settings.server.base_url(port()),
                billing=make_billing(settings),
                server_rpm=settings.limits.default_rpm,
            )
        )
        return built

    return load
