"""What the control plane needs of the store for people, credentials, money and the audit log.

Every change takes the event that records it and writes both in one transaction, in which the organisation's epoch is bumped too: what
cannot be recorded is not done. Rows have a `version`: a change stores the row with the version after the one it was made of, and is
refused (ClientError `etag_mismatch`) when another was stored meanwhile. All methods may raise StorageUnavailable.
One contract suite runs over every implementation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from anyrouter.core.apikey import ApiKey
from anyrouter.core.audit import AuditEvent, ChainedEvent
from anyrouter.core.budget import Budget
from anyrouter.core.byok import ProviderCredential, Sealed
from anyrouter.core.credits import CreditTransaction
from anyrouter.core.tenancy import Environment, Invitation, Member, Organisation
from anyrouter.core.webhook import Webhook, WebhookDelivery


class OrganisationStore(Protocol):
    """Organisations."""

    async def list_organisations(self) -> list[Organisation]:
        """All, active or not, oldest first."""

    async def add_organisation(self, organisation: Organisation, first: Sequence[Environment], event: AuditEvent) -> None:
        """Store a new one with its first environments."""

    async def update_organisation(self, organisation: Organisation, event: AuditEvent) -> None:
        """Replace everything but id and created_at."""


class MemberStore(Protocol):
    """Members and invitations."""

    async def list_members(self, organisation_id: str) -> list[Member]:
        """All, active or not, oldest first."""

    async def add_member(self, member: Member, event: AuditEvent, *, invitation: Invitation | None = None) -> None:
        """Store a new one, or an inactive one again, and the invitation as accepted; ClientError `duplicate_name` for a known address."""

    async def update_member(self, member: Member, event: AuditEvent) -> None:
        """Replace name, role and state. One that becomes inactive takes its personal keys with it: they are deleted in the transaction.

        So is all that it signs in with, and its sessions end. When it is added again, nothing of that comes back. A member's links end with
        a change of role, and all of the organisation's when who could make some may do so no more.
        ClientError `unprocessable` for the last active owner.
        """

    async def add_invitation(self, invitation: Invitation, event: AuditEvent) -> None:
        """Store a new one."""

    async def find_invitation(self, digest: bytes) -> Invitation | None:
        """The one with that token's digest, whatever its state."""

    async def list_invitations(self, organisation_id: str) -> list[Invitation]:
        """All that were neither accepted nor revoked, oldest first."""

    async def update_invitation(self, invitation: Invitation, event: AuditEvent) -> None:
        """Replace the times of acceptance and revocation; ClientError `unprocessable` when it was accepted or revoked before."""


class CredentialStore(Protocol):
    """Provider credentials of tenants. Secrets come and go sealed."""

    async def list_credentials(self, organisation_id: str, *, environment_id: str | None = None) -> list[ProviderCredential]:
        """All, in the order in which they are tried: provider, sort order, id."""

    async def find_credential(self, organisation_id: str, credential_id: str) -> ProviderCredential | None:
        """One by its id."""

    async def add_credential(self, credential: ProviderCredential, event: AuditEvent) -> None:
        """Store a new one; ClientError `duplicate_name` when its environment has one of that provider and name."""

    async def update_credential(self, credential: ProviderCredential, event: AuditEvent) -> None:
        """Replace everything but id, organisation, environment, provider, created_at and what the gateway itself observes.

        Only where the stored version is the one before; ClientError `etag_mismatch`, `not_found` or `duplicate_name`. The seal is replaced
        by one of this very version alone: what a change of key-encryption keys has written meanwhile stays.
        """

    async def delete_credential(self, credential: ProviderCredential, event: AuditEvent) -> None:
        """Forget it; ClientError `not_found`."""

    async def note_quarantine(self, organisation_id: str, credential_id: str, until: datetime | None, reason: str | None) -> None:
        """Keep that it is not used for a while; no version, no event: the gateway's own observation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedRow:
    """Whose secret is under which key-encryption key."""

    id: str
    organisation_id: str
    sealed: Sealed


class SealStore(Protocol):
    """The seals of all rows that have one, credentials, webhooks and second factors, of all organisations."""

    async def list_seals(self, *, not_under: str, after_id: str = "", limit: int = 100) -> list[SealedRow]:
        """Those whose data key is not under that key-encryption key, by id, those behind `after_id`."""

    async def count_seals(self) -> Mapping[str, int]:
        """How many there are under each key-encryption key."""

    async def find_seal(self, row_id: str) -> SealedRow | None:
        """That of one row as it is now; None where it has none."""

    async def replace_seal(self, row: SealedRow, new: Sealed) -> bool:
        """Replace a seal by one of the same secret, if it is still the old one; says whether it was. No version and no event."""


class BudgetStore(Protocol):
    """Budgets beside those that keys bring themselves."""

    async def list_budgets(self, organisation_id: str) -> list[Budget]:
        """All, oldest first."""

    async def add_budget(self, budget: Budget, event: AuditEvent) -> None:
        """Store a new one."""

    async def update_budget(self, budget: Budget, event: AuditEvent) -> None:
        """Replace limit, period, models and name."""

    async def delete_budget(self, budget: Budget, event: AuditEvent) -> None:
        """Forget it."""


_Day = date  # the name `date` is a field's below


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageDifference:
    """A day (UTC) whose ledger entries do not add up to the sums by day."""

    date: _Day
    ledger_nanousd: int
    sums_nanousd: int
    ledger_requests: int
    sums_requests: int


class CreditStore(Protocol):
    """Credits. Transactions are only ever added."""

    async def add_transaction(self, transaction: CreditTransaction, event: AuditEvent) -> bool:
        """Store it; False when one with that id is there already: then nothing changes."""

    async def list_transactions(self, organisation_id: str, *, limit: int = 100, before_id: str | None = None) -> list[CreditTransaction]:
        """The newest first, those before `before_id`."""

    async def sum_transactions(self, organisation_id: str) -> int:
        """All that was given less what was taken back, in nano-USD."""

    async def sum_usage(self, organisation_id: str, *, date_from: date | None = None, date_to: date | None = None) -> int:
        """What the organisation was charged in these days (UTC, both included), in nano-USD."""

    async def compare_usage(self, organisation_id: str) -> list[UsageDifference]:
        """The days on which the entries of the ledger and the sums by day do not say the same, as far as entries are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which events are wanted; None does not restrict. `before_number` is the place of a page. Times: `since` included, `until` not.

    `text` is a part of who did it, of what it was done to, of the action, an address, a request's id, a code, or of a name that the key had
    then or has now; the case of ASCII letters does not matter.
    """

    organisation_id: str
    action: str | None = None  # exact, or `key.*`
    actor_id: str | None = None
    target_id: str | None = None
    environment: str | None = None
    is_denied: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    before_number: int | None = None
    limit: int = 100
    text: str | None = None


class AuditStore(Protocol):
    """The audit log. Changes write their events themselves; here are those of what was refused, and the reading."""

    async def add_event(self, event: AuditEvent) -> None:
        """Chain an event that comes with no change."""

    async def list_events(self, query: AuditFilter) -> list[ChainedEvent]:
        """The newest first."""

    async def read_chain(self, organisation_id: str, *, after_number: int, limit: int) -> list[ChainedEvent]:
        """In the order of the chain."""

    async def read_head(self, organisation_id: str) -> tuple[int, bytes]:
        """Number and hash of the last event; (0, GENESIS) when there is none."""


class WebhookStore(Protocol):
    """Webhooks and what is sent to them."""

    async def list_webhooks(self, organisation_id: str) -> list[Webhook]:
        """All, oldest first."""

    async def find_webhook(self, webhook_id: str) -> Webhook | None:
        """One by its id, whoever's."""

    async def add_webhook(self, webhook: Webhook, event: AuditEvent) -> None:
        """Store a new one. It hears of what the audit log takes from then on, its own event first: its `after_number` is set here."""

    async def update_webhook(self, webhook: Webhook, event: AuditEvent) -> None:
        """Replace everything but id, organisation, created_at and `after_number`; ClientError `etag_mismatch`, `not_found`.

        The seal is replaced by one of this very version alone, as with `CredentialStore`.
        """

    async def delete_webhook(self, webhook: Webhook, event: AuditEvent) -> None:
        """Forget it, and what was to be sent to it; ClientError `not_found`."""

    async def list_behind(self) -> list[Webhook]:
        """Those, of all organisations, for which the audit log has events that were not looked at."""

    async def add_deliveries(self, webhook: Webhook, after_number: int, deliveries: Sequence[WebhookDelivery]) -> None:
        """Store what is to be sent, and that the log was looked at up to that number; both or neither.

        What is stored already stays as it is, and nothing is stored of a webhook that is not there any more.
        """

    async def count_pending(self, webhook_id: str) -> int:
        """How many wait for being sent."""

    async def list_due_webhooks(self, now: datetime, *, limit: int) -> list[str]:
        """The ids of those for which something is due, the most overdue first."""

    async def list_due(self, webhook_id: str, now: datetime, *, limit: int) -> list[WebhookDelivery]:
        """What is to be sent to it now, the most overdue first."""

    async def update_delivery(self, delivery: WebhookDelivery) -> None:
        """Replace attempts, times and status."""

    async def list_deliveries(self, webhook_id: str, *, limit: int) -> list[WebhookDelivery]:
        """The newest first."""

    async def delete_deliveries_before(self, moment: datetime) -> int:
        """Forget those that were made before and are not waiting; how many there were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReply:
    """The first reply to a change with an Idempotency-Key; `status` None while that is under way."""

    request_digest: bytes
    created_at: datetime
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class IdempotencyStore(Protocol):
    """Replies that are given again."""

    async def begin_reply(
        self,
        principal_id: str,
        idempotency_key: str,
        organisation_id: str,
        request_digest: bytes,
        now: datetime,
        *,
        expired_before: datetime,
    ) -> StoredReply | None:
        """None when the key is now taken for this request; else what is stored. One from before `expired_before` is taken over."""

    async def finish_reply(self, principal_id: str, idempotency_key: str, reply: StoredReply) -> None:
        """Keep the reply."""

    async def abandon_reply(self, principal_id: str, idempotency_key: str) -> None:
        """Free the key: nothing was changed."""

    async def delete_replies_before(self, moment: datetime) -> int:
        """Forget the old ones; how many there were."""


class NoticeStore(Protocol):
    """What was told once."""

    async def take_notice(self, organisation_id: str, subject_id: str, kind: str, now: datetime, event: AuditEvent | None = None) -> bool:
        """Whether this is the first time. Then it is noted, and the event is chained, both or neither."""

    async def delete_notices_before(self, moment: datetime) -> int:
        """Forget the old ones; how many there were."""


class ExpiryReader(Protocol):
    """Finds keys by the time at which they expire."""

    async def list_expiring(self, after: datetime, until: datetime, *, limit: int, after_id: str = "") -> list[ApiKey]:
        """Keys, of all organisations, that are neither deleted nor disabled and expire then, by id, those behind `after_id`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HourlySpend:
    """What a rotation group was charged in an hour, and in all hours of a time before it; in nano-USD."""

    rotation_group: str
    last_nanousd: int
    before_nanousd: int


class SpendReader(Protocol):
    """What was charged, as warnings need it. `ports.LedgerReader` has what people look at."""

    async def sum_by_model(self, budget: Budget, since: datetime | None) -> Mapping[str, int]:
        """What counts against a budget's owner, by model, in nano-USD, since the beginning of that day (UTC)."""

    async def list_hourly(self, organisation_id: str, hour: int, *, hours_before: int) -> list[HourlySpend]:
        """Of the rotation groups that were charged in that hour (since 1970-01-01 UTC), or in the hours before it."""
