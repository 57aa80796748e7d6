"""What the API is given by whoever builds it. It looks nothing up elsewhere: no globals, no settings, no environment."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from anyrouter.control.audit import AuditService
from anyrouter.control.budgets import BudgetService
from anyrouter.control.catalogue_state import CatalogueState
from anyrouter.control.credentials import CredentialService
from anyrouter.control.credits import CreditService
from anyrouter.control.denials import DenialLog
from anyrouter.control.environments import EnvironmentService
from anyrouter.control.idempotency import IdempotencyService
from anyrouter.control.keys import KeyService
from anyrouter.control.leaks import LeakService
from anyrouter.control.members import MemberService
from anyrouter.control.organisations import OrganisationService
from anyrouter.control.ports import KeyStore, LedgerReader, StoreHealth
from anyrouter.control.presets import PresetService
from anyrouter.control.webhooks import WebhookService
from anyrouter.core.apikey import ApiKey
from anyrouter.core.catalogue import Model
from anyrouter.core.errors import Denied
from anyrouter.core.ledger import LedgerEntry
from anyrouter.core.secret import Secret
from anyrouter.core.tenancy import Environment
from anyrouter.policy.health import HealthBook
from anyrouter.policy.limit import LimitState
from anyrouter.policy.route import Snapshot
from anyrouter.relay.call import Principal, RequestHead
from anyrouter.relay.purse import BudgetState
from anyrouter.relay.stats import RelayStats


class Authenticator(Protocol):
    """The one decision about keys, shared with the data plane (architecture, "A request's way through it")."""

    def authorize(self, head: RequestHead) -> Principal | Denied | None:
        """The decision, without I/O; None when the key is not in memory and `find` must be awaited."""

    async def find(self, head: RequestHead) -> Principal | Denied:
        """The decision after one look at the store; StorageUnavailable when nobody can say."""

    def recognize(self, head: RequestHead) -> ApiKey | None:
        """Whose request was refused, if that is in memory; without I/O."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A number from elsewhere for /metrics. `name` is without the prefix, and without `_total` for a counter."""

    name: str
    text: str
    value: float
    is_counter: bool = False


def wall_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


def peer_address(scope_client: tuple[str, int] | None, headers: dict[bytes, bytes]) -> str:  # noqa: ARG001 -- a port's signature
    """The socket's other end: right when no proxy is trusted."""
    return scope_client[0] if scope_client else ""


def note_nothing(key_id: str, at_ms: int, address: str, user_agent: str | None) -> None:
    """Forget who used a key."""


def no_measures() -> Sequence[Measure]:
    """Nothing to add."""
    return ()


async def no_budgets(principal: Principal) -> Sequence[BudgetState]:  # noqa: ARG001 -- a port's signature
    """None holds."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPorts:
    """What the API and the pages are both over: what is kept and how it is changed, and what can be reached.

    `snapshot` and `catalogue` (models by id) give what holds at the moment, `is_hidden` which names are not to be
    listed, `public_environment` the one whose models anybody may see where the API is told that they may.
    `client_address` gives the client's address behind trusted proxies, from the socket's peer and the headers.
    """

    keys: KeyStore
    key_service: KeyService
    ledger: LedgerReader
    snapshot: Callable[[], Snapshot]
    catalogue: Callable[[], Mapping[str, Model]]
    presets: PresetService
    budgets: BudgetService
    credits: CreditService
    credentials: CredentialService
    webhooks: WebhookService
    environments: EnvironmentService
    organisations: OrganisationService
    members: MemberService
    audit: AuditService
    denials: DenialLog
    version: str
    client_address: Callable[[tuple[str, int] | None, dict[bytes, bytes]], str] = peer_address
    public_environment: Callable[[], Environment | None] = lambda: None
    is_hidden: Callable[[str], bool] = lambda _: False
    clock: Callable[[], datetime] = wall_clock
    monotonic: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiPorts(ControlPorts):
    """Everything that the reading API needs.

    `find_pending` finds a settled generation that is not yet in the database. `catalogue_state` is how the sources of the catalogue
    are. `limit_state` gives a key's rate limit at a monotonic time; nothing is counted. `note_use` is told of each use of a key
    (`relay.ports.KeyUse`). `journal` fails when intents could not be written. `health` is how the targets do. `budget_states` tells how
    the budgets stand that a key's requests count against, credits last; StorageUnavailable when nobody can say.
    """

    authenticator: Authenticator
    idempotency: IdempotencyService
    find_pending: Callable[[str], Awaitable[LedgerEntry | None]]
    stats: RelayStats
    limit_state: Callable[[Principal, float], LimitState]
    store: StoreHealth
    journal: StoreHealth
    leaks: LeakService | None = None  # None: nobody's reports are taken
    note_use: Callable[[str, int, str, str | None], None] = note_nothing
    budget_states: Callable[[Principal], Awaitable[Sequence[BudgetState]]] = no_budgets
    measures: Callable[[], Sequence[Measure]] = no_measures
    catalogue_state: Callable[[], CatalogueState] = CatalogueState
    public_url: str | None = None
    is_catalogue_public: bool = False
    metrics_token: Secret | None = None
    health: HealthBook = field(default_factory=HealthBook)
