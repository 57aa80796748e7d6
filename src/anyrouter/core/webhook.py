"""Webhooks: where an organisation wants to hear of what happens to it, and the form in which it is told.

Compatibility law: receivers check signatures by the specification "Standard Webhooks" 1.0 (symmetric, `v1`), and know a message by its id.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from anyrouter.core.byok import Sealed, SealPlace

SECRET_PREFIX = "whsec_"  # noqa: S105 -- what secrets begin with
SECRET_BYTES = 32
SECRET_FIELD = "signing_secret"  # noqa: S105 -- a field's name
ALL_EVENTS = "*"
_OWNER = "webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """`events` holds names such as `key.expiring`, kinds such as `key.*`, and `*`. `sealed` is the signing secret under the vault's keys.

    `host` is where the secret signs for, `seal_version` the row version that it was sealed under. `after_number` is the last event of the
    audit log that was looked at for it.
    """

    id: str
    organisation_id: str
    url: str
    host: str
    events: tuple[str, ...]
    sealed: Sealed
    seal_version: int
    created_at: datetime
    updated_at: datetime
    name: str = ""
    is_disabled: bool = False
    after_number: int = 0
    version: int = 1

    @property
    def place(self) -> SealPlace:
        """Where its secret was sealed."""
        return SealPlace(
            organisation_id=self.organisation_id,
            environment_id="",
            provider=_OWNER,
            row_id=self.id,
            field=SECRET_FIELD,
            row_version=self.seal_version,
            host=self.host,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivery:
    """One message on its way: tried until it is delivered or given up. `body` is JSON without secrets.

    `next_at` None without a `delivered_at`: it was given up. `status` is the receiver's last one, None when it did not answer.
    """

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

    @property
    def state(self) -> str:
        """How it stands: `waiting`, `delivered` or `given_up`."""
        if self.delivered_at is not None:
            return "delivered"
        return "given_up" if self.next_at is None else "waiting"


def delivery_id(webhook_id: str, number: int) -> str:
    """The id of the message about an event of the audit log: the same whoever makes it how often."""
    return f"{webhook_id}:{number}"


def is_wanted(events: Iterable[str], action: str) -> bool:
    """Whether who asked for `events` wants to hear of this one."""
    kind = action.partition(".")[0]
    return any(wanted in {ALL_EVENTS, action, f"{kind}.*"} for wanted in events)


def make_secret(random: bytes) -> str:
    """The text of a signing secret."""
    return SECRET_PREFIX + base64.b64encode(random).decode("ascii")


def sign(secret: str, message_id: str, timestamp_s: int, body: bytes) -> str:
    """The header `webhook-signature`: HMAC-SHA256 over id, time (Unix seconds) and body, joined by points."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message_id}.{timestamp_s}.".encode("ascii") + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")
