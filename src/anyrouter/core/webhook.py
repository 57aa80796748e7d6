"""Webhooks: where an organisation wants to hear of what happens to it."""

from dataclasses import dataclass
from datetime import datetime

from anyrouter.core.byok import Sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """`events` holds names such as `key.expiring`, and `*`. `sealed` is the signing secret under the vault's keys."""

    id: str
    organisation_id: str
    url: str
    events: tuple[str, ...]
    sealed: Sealed
    created_at: datetime
    updated_at: datetime
    name: str = ""
    is_disabled: bool = False
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivery:
    """One message on its way: tried until it is delivered or given up. `body` is JSON without secrets."""

    id: str
    webhook_id: str
    organisation_id: str
    event: str
    body: bytes
    created_at: datetime
    next_at: datetime | None
    attempts: int = 0
    status: int | None = None
    delivered_at: datetime | None = None
