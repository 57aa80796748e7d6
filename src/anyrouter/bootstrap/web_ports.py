"""What the API and the pages are over, put together in each of their processes."""

from collections.abc import Callable
from dataclasses import fields

from anyrouter import __version__
from anyrouter.bootstrap.measures import list_measures
from anyrouter.bootstrap.money import tell_budgets
from anyrouter.bootstrap.prices import Prices
from anyrouter.bootstrap.services import Services
from anyrouter.bootstrap.tenants import TenantReader
from anyrouter.core.errors import StorageUnavailable
from anyrouter.core.ledger import LedgerEntry
from anyrouter.policy.route import Snapshot
from anyrouter.relay.authenticate import Authenticator
from anyrouter.relay.limiter import RateLimiter
from anyrouter.relay.relay import Relay
from anyrouter.settings import Settings
from anyrouter.storage.journal_ledger import JournalLedger
from anyrouter.storage.opening import ServingStorage, Storage
from anyrouter.web.api.ports import ApiPorts, ControlPorts
from anyrouter.web.front.addresses import TrustedProxies


def make_control_ports(  # noqa: PLR0917 -- all that they are over
    settings: Settings, prices: Prices, storage: Storage, services: Services, tenants: TenantReader, snapshot: Callable[[], Snapshot]
) -> ControlPorts:
    """`snapshot` gives what requests are routed by at the moment."""
    proxies = TrustedProxies(settings.server.trusted_proxies)

    def client_address(peer: tuple[str, int] | None, headers: dict[bytes, bytes]) -> str:
        return proxies.client_host(peer[0] if peer else "", headers.get(b"x-forwarded-for"))

    return ControlPorts(
        keys=storage.keys,
        key_service=services.keys,
        ledger=storage.reader,
        snapshot=snapshot,
        catalogue=lambda: prices.catalogue.listed,
        presets=services.presets,
        budgets=services.budgets,
        credits=services.credits,
        credentials=services.credentials,
        webhooks=services.webhooks,
        environments=services.environments,
        organisations=services.organisations,
        members=services.members,
        audit=services.audit,
        denials=services.denials,
        version=__version__,
        client_address=client_address,
        public_environment=tenants.find_public,
        is_hidden=prices.is_hidden,
    )


def make_api_ports(  # noqa: PLR0917 -- all that the API is over
    settings: Settings,
    prices: Prices,
    storage: ServingStorage,
    services: Services,
    tenants: TenantReader,
    authenticator: Authenticator,
    limiter: RateLimiter,
    relay: Relay,
) -> ApiPorts:
    """What the API alone needs, and what it is over with the pages."""
    server = settings.server
    control = make_control_ports(settings, prices, storage, services, tenants, lambda: relay.snapshot)

    async def find_pending(generation_id: str) -> LedgerEntry | None:
        return storage.ledger.find_pending(generation_id)

    return ApiPorts(
        **{field.name: getattr(control, field.name) for field in fields(control)},
        authenticator=authenticator,
        leaks=services.leaks,
        idempotency=services.idempotency,
        find_pending=find_pending,
        note_use=storage.key_use.note,
        catalogue_state=prices.state,
        stats=relay.stats,
        health=relay.health,
        limit_state=limiter.peek,
        budget_states=tell_budgets(relay),
        store=storage.health,
        journal=JournalHealth(storage.ledger),
        measures=lambda: list_measures(storage, services, prices, relay),
        public_url=server.public_url,
        is_catalogue_public=server.public_models,
        metrics_token=server.metrics_token,
    )


class JournalHealth:
    """Whether usage can be recorded now."""

    def __init__(self, ledger: JournalLedger) -> None:
        self._ledger = ledger

    async def check(self) -> None:
        """StorageUnavailable when the ledger's queue is full."""
        if not self._ledger.has_room():
            raise StorageUnavailable("The ledger's queue is full: the database has not taken entries for a while.")
