"""The pages below /dashboard/settings, but BYOK and a member's own profile."""

from anyrouter.web.pages.audit import AuditPages
from anyrouter.web.pages.credits import CreditPages
from anyrouter.web.pages.environments import EnvironmentPages
from anyrouter.web.pages.limits import LimitPages
from anyrouter.web.pages.members import MemberPages
from anyrouter.web.pages.organisation import OrganisationPages
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.presets import PresetPages
from anyrouter.web.pages.routes import PageRoutes
from anyrouter.web.pages.upstreams import UpstreamPages
from anyrouter.web.pages.webhooks import WebhookPages


class SettingsPages:
    """One after the other."""

    def __init__(self, ports: PagePorts) -> None:
        self._areas = (
            OrganisationPages(ports),
            EnvironmentPages(ports),
            PresetPages(ports),
            MemberPages(ports),
            CreditPages(ports),
            LimitPages(ports),
            WebhookPages(ports),
            AuditPages(ports),
            UpstreamPages(ports),
        )

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        for area in self._areas:
            area.add_to(routes)
