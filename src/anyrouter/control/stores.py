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
    """The seals of all rows that have one, credentials and webhooks, of all organisations."""

    async def list_seals(self, *, not_under: str, after_id: str = "", limit: int = 100) -> list[SealedRow]:
        """Those whose data key is not under that key-encryption key, by id, those behind `after_id`."""

    async def count_seals(self) -> Mapping[str, int]:
        """How many there are under each key-encryption key."""

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
    """Which events are wanted; None does not restrict. `before_number` is the place of a page. Times: `since` included, `until` not."""

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

    async def add_webhook(self, webhook: Webhook, event: AuditEvent) -> None:
        """Store a new one."""

    async def update_webhook(self, webhook: Webhook, event: AuditEvent) -> None:
        """Replace everything but id, organisation and created_at."""

    async def delete_webhook(self, webhook: Webhook, event: AuditEvent) -> None:
        """Forget it, and what was to be sent to it."""

    async def add_deliveries(self, deliveries: Sequence[WebhookDelivery]) -> None:
        """Store what is to be sent."""

    async def list_due(self, now: datetime, *, limit: int) -> list[WebhookDelivery]:
        """Those whose `next_at` has come, the most overdue first."""

    async def update_delivery(self, delivery: WebhookDelivery) -> None:
        """Replace attempts, times and status."""

    async def list_deliveries(self, webhook_id: str, *, limit: int) -> list[WebhookDelivery]:
        """The newest first."""


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

    async def take_notice(self, organisation_id: str, subject_id: str, kind: str, now: datetime) -> bool:
        """Whether this is the first time; it is noted then."""
