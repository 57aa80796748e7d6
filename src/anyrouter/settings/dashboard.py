"""The section `[dashboard]`: the pages, and for how long one stays signed in."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from anyrouter.policy.session import SessionRules
from anyrouter.settings.fields import Boolean, Count, Section


class DashboardSettings(Section):
    """The dashboard at the gateway's own address, where people sign in."""

    enabled: Boolean = Field(default=True, description="Whether there is one. `false`: its addresses are 404, and nobody signs in.")
    session_idle_hours: Annotated[Count, Field(le=8760)] = Field(
        default=12, description="Hours without a visit after which one has to sign in again."
    )
    session_days: Annotated[Count, Field(le=365)] = Field(
        default=14, description="Days after signing in after which one has to sign in again, visits or not."
    )

    @property
    def session_rules(self) -> SessionRules:
        """As the sessions want them."""
        return SessionRules(idle=timedelta(hours=self.session_idle_hours), lifetime=timedelta(days=self.session_days))
