"""Environments that tests put into a store directly."""

from datetime import UTC, datetime

from anyrouter.control.audit import make_event
from anyrouter.core.audit import OPERATOR, AuditEvent
from anyrouter.core.tenancy import Environment

MOMENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def environment_event(environment: Environment, action: str = "environment.change") -> AuditEvent:
    """The event of something that the operator did to an environment."""
    return make_event(OPERATOR, environment.organisation_id, action, MOMENT, target_id=environment.id, target_label=environment.slug)
