"""The dashboard as one ASGI application: everything that a person sees.

It knows no server and no settings; who builds it hands it its ports. Each area adds its pages with their rows of who may see them.
"""

from starlette.routing import Router
from starlette.types import ASGIApp

from anyrouter.web.pages.activity import ActivityPages
from anyrouter.web.pages.appearance import AppearancePages
from anyrouter.web.pages.assets import Assets
from anyrouter.web.pages.byok import ByokPages
from anyrouter.web.pages.confirmation import ConfirmationPages
from anyrouter.web.pages.edge import PageEdge
from anyrouter.web.pages.home import HomePages
from anyrouter.web.pages.invitation import InvitationPages
from anyrouter.web.pages.keys import KeyPages
from anyrouter.web.pages.login import LoginPages
from anyrouter.web.pages.login_code import LoginCodePages
from anyrouter.web.pages.model_view import ModelView
from anyrouter.web.pages.models import ModelPages
from anyrouter.web.pages.passkeys import PasskeyPages
from anyrouter.web.pages.playground import PlaygroundPages
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.profile import ProfilePages
from anyrouter.web.pages.render import Templates
from anyrouter.web.pages.reset import ResetPages
from anyrouter.web.pages.routes import PageRoutes
from anyrouter.web.pages.second_factor import SecondFactorPages
from anyrouter.web.pages.settings import SettingsPages
from anyrouter.web.pages.setup import SetUpPages
from anyrouter.web.pages.single_sign_on import SignOnPages
from anyrouter.web.pages.usage import UsagePages


def add_pages(ports: PagePorts, assets: Assets, templates: Templates) -> PageRoutes:
    """All pages, and the table of who may see which."""
    routes, models = PageRoutes(ports, templates), ModelView(ports.api)
    for area in (
        LoginPages(ports),
        LoginCodePages(ports),
        SignOnPages(ports),
        SetUpPages(ports),
        InvitationPages(ports),
        ResetPages(ports),
        ProfilePages(ports),
        ConfirmationPages(ports),
        SecondFactorPages(ports),
        PasskeyPages(ports),
        HomePages(ports),
        ActivityPages(ports),
        KeyPages(ports),
        ModelPages(ports, models),
        PlaygroundPages(ports, models),
        AppearancePages(assets),
        ByokPages(ports),
        SettingsPages(ports),
        UsagePages(ports),
    ):
        area.add_to(routes)
    return routes


def create_pages(ports: PagePorts) -> ASGIApp:
    """The application. Nothing is asked of the ports before the first request."""
    assets = Assets()
    templates = Templates(assets)
    router = Router(routes=list(add_pages(ports, assets, templates).routes), redirect_slashes=False)
    return PageEdge(router, ports=ports, templates=templates)
