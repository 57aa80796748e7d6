"""Events for changes that tests make in a store directly."""

from anyrouter.core.apikey import ApiKey
from anyrouter.core.audit import OPERATOR, AuditEvent
from anyrouter.core.ids import new_id
from anyrouter.storage.records import to_ms


def event_of(key: ApiKey, action: str = "key.change") -> AuditEvent:
    """The event of something that the operator did to a key, at the key's `updated_at`."""
    return AuditEvent(
        id=new_id("aud", to_ms(key.updated_at)),
        organisation_id=key.organisation_id,
        at=key.updated_at,
        actor=OPERATOR,
        action=action,
        target_id=key.id,
        target_label=key.label,
        environment=key.environment,
    )
