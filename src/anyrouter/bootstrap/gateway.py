"""The gateway, put together and run until it is told to stop."""

import asyncio
import contextlib
import gc
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import structlog
import uvloop

from anyrouter.bootstrap.authorizations import Authorizations
from anyrouter.bootstrap.byok import QuarantineNotes, TenantUpstreams
from anyrouter.bootstrap.chores import Chore, keep_doing
from anyrouter.bootstrap.gateway_facts import GatewayFacts
from anyrouter.bootstrap.model_lists import HttpModelLists
from anyrouter.bootstrap.money import make_holds
from anyrouter.bootstrap.notices import list_message_work, make_notices
from anyrouter.bootstrap.pages import Beginning, PagesProcess
from anyrouter.bootstrap.prices import Prices
from anyrouter.bootstrap.probes import Probes
from anyrouter.bootstrap.server import GatewayServer, configure_server
from anyrouter.bootstrap.services import Services, make_services, wall_clock
from anyrouter.bootstrap.single_sign_on import find_client_secret
from anyrouter.bootstrap.target_facts import KnownTargets
from anyrouter.bootstrap.tenant_client import make_guard
from anyrouter.bootstrap.tenants import TenantReader
from anyrouter.bootstrap.web_ports import make_api_ports
from anyrouter.control.environments import declare_environments
from anyrouter.control.first_use import FirstUses
from anyrouter.core.apikey import FIRST_KEY_NAME
from anyrouter.core.audit import SYSTEM
from anyrouter.core.provider import AuthKind
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.policy.candidate import RoutingRules
from anyrouter.policy.hedge import HedgePolicy
from anyrouter.policy.reply_cache import ReplyStore
from anyrouter.policy.rights import OPERATOR_RIGHTS
from anyrouter.policy.succession import RetryPolicy
from anyrouter.relay.authenticate import Authenticator
from anyrouter.relay.limiter import RateLimiter
from anyrouter.relay.outbox import Outbox
from anyrouter.relay.ports import Origin
from anyrouter.relay.relay import Relay
from anyrouter.relay.replay import Replay
from anyrouter.relay.stats import RelayStats
from anyrouter.sandbox.server import SandboxServer
from anyrouter.settings import Settings
from anyrouter.storage.opening import ServingStorage, open_serving_storage
from anyrouter.storage.thread_priority import lower_priority
from anyrouter.upstream.client import HttpUpstreamClient
from anyrouter.upstream.proxies import Proxies
from anyrouter.web.api.app import create_api
from anyrouter.web.behind.forward import Forward
from anyrouter.web.front.heap import keep_freed_memory
from anyrouter.web.site import Site

FIRST_KEY_ENVIRONMENT = "test"
_TICK_S = 1.0
_GRANTS_EVERY_S = 300.0
_QUARANTINE_EVERY_S = 5.0
_FORGETTING_EVERY_S = 3600.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What is known once the gateway listens. `first_key` is the text of the key that the very first start makes, else None."""

    port: int
    first_key: str | None
    setup_token: str | None = field(repr=False)  # while there is no owner
    interrupted: int  # generations that the last run had left open


def run(settings: Settings, on_started: Callable[[Started], None], *, pages: Sequence[str]) -> None:
    """Serve until SIGINT or SIGTERM. InternalError with a text for the operator when it cannot start.

    `pages` is the command that runs the pages' process (`bootstrap.pages.PagesProcess`).
    """
    if settings.dashboard.enabled:
        find_client_secret(settings)  # an operator hears of a missing one now, not the first who wants to sign in
    uvloop.run(_serve(settings, on_started, pages if settings.dashboard.enabled else ()))


async def _serve(settings: Settings, on_started: Callable[[Started], None], pages_command: Sequence[str]) -> None:
    _put_reading_behind()
    prices = Prices(settings)
    async with _storage(settings, prices) as storage, _sandbox() as sandbox, _client(settings, outbox := Outbox()) as client:
        prices.add_sandbox(sandbox.port)
        prices.add_client(client)
        authorizations = Authorizations(settings.upstreams, client)
        prices.add_authorizations(authorizations.by_upstream)
        tenants = TenantReader(storage)
        await declare_environments(storage.environments, settings.declare_environments(_now_ms()), wall_clock(), is_complete=True)
        await tenants.read()
        _warn_of_unknown_environments(settings, tenants)
        services = make_services(storage, settings)
        tenant_upstreams = TenantUpstreams(services.vault, client)
        tenant_upstreams.update(tenants.current.credentials)
        prices.add_tenants(tenant_upstreams.by_environment)
        first_key = await _make_first_key(storage, services)
        setup_token = await services.set_up.begin() if settings.dashboard.enabled else None
        stats, limiter = RelayStats(), RateLimiter(settings.limits.default_rpm)
        replay = _make_replay(settings, storage, stats)
        authenticator = _make_authenticator(settings, storage, tenants)
        relay = Relay(
            authenticator=authenticator,
            limiter=limiter,
            client=client,
            ledger=storage.ledger,
            key_use=storage.key_use,
            snapshot=prices.snapshot(),
            stats=stats,
            on_internal_error=_report,
            keep_alive_s=int(settings.server.stream_comment_s),
            retries=RetryPolicy(retries=settings.routing.retries),
            presets=lambda: tenants.current.presets,
            replay=replay.answer,
            rules=_make_rules(settings),
            hedging=HedgePolicy(floor_s=settings.routing.hedge_floor_s),
            holds=make_holds(settings, storage, limiter),
        )
        ports = make_api_ports(settings, prices, storage, services, tenants, authenticator, limiter, relay)
        pages = _make_pages(pages_command, relay, limiter, prices, storage)

        def tell(port: int) -> None:
            if pages is not None:
                digest = services.set_up.digest
                pages.begin(Beginning(settings=settings, port=port, sandbox_port=sandbox.port, setup_digest=digest, sources=prices.sources))
            on_started(Started(port=port, first_key=first_key, setup_token=setup_token, interrupted=storage.recovered.interrupted))

        site = create_api(ports) if pages is None else Site(create_api(ports), Forward(pages.open))
        server = GatewayServer(configure_server(settings, relay, site, outbox), tell)
        work = _list_work(settings, storage, services, relay, client, tenant_upstreams)

        def take_tenants() -> None:
            if tenant_upstreams.update(tenants.current.credentials):
                prices.add_tenants(tenant_upstreams.by_environment)
                relay.snapshot = prices.snapshot()

        beside = _beside(storage, tenants, take_tenants, authenticator, relay, replay, prices, pages, authorizations, work)
        async with contextlib.aclosing(services), beside:
            _settle_memory()
            await server.serve()


def _make_pages(command: Sequence[str], relay: Relay, limiter: RateLimiter, prices: Prices, storage: ServingStorage) -> PagesProcess | None:
    facts = GatewayFacts(relay, limiter, prices.state, storage.ledger.find_pending)
    return PagesProcess(command, facts, relay, storage.watch) if command else None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _put_reading_behind() -> None:
    """What is done on threads beside the requests is done by two, behind them."""
    threads = ThreadPoolExecutor(2, thread_name_prefix="anyrouter-behind", initializer=lower_priority)
    asyncio.get_running_loop().set_default_executor(threads)


def _settle_memory() -> None:
    """What was built lives as long as the process: the collector need not look at it again and again."""
    keep_freed_memory()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _warn_of_unknown_environments(settings: Settings, tenants: TenantReader) -> None:
    for upstream_id, slug in settings.list_unknown_environments(tenants.current.list_slugs(DEFAULT_ORGANISATION_ID)):
        _log.warning("environment_of_upstream_unknown", upstream=upstream_id, environment=slug)


def _make_authenticator(settings: Settings, storage: ServingStorage, tenants: TenantReader) -> Authenticator:
    return Authenticator(
        lookup=storage.keys,
        peppers=[pepper.secret for pepper in (storage.peppers.current, storage.peppers.previous) if pepper is not None],
        tenants=lambda: tenants.current,
        confirmed_at_s=lambda: storage.watch.confirmed_at,
        failures_per_minute=settings.limits.failed_auth_per_minute,
    )


def _make_rules(settings: Settings) -> RoutingRules:
    routing = settings.routing
    facts_of = KnownTargets(settings.upstreams).facts_of
    return RoutingRules(facts_of=facts_of, strategy_of=routing.find_strategy, is_hedged=routing.is_hedged)


def _list_work(  # noqa: PLR0917 -- all that it is about
    settings: Settings,
    storage: ServingStorage,
    services: Services,
    relay: Relay,
    client: HttpUpstreamClient,
    tenant_upstreams: TenantUpstreams,
) -> list[Coroutine[Any, Any, None]]:
    """What goes on beside the requests for as long as the gateway runs."""
    first_uses = FirstUses(store=storage.keys, notices=storage.key_use, clock=wall_clock)
    storage.watch.subscribe(first_uses.wake)
    notices = make_notices(settings, storage)
    notes = QuarantineNotes(storage.credentials, relay.health, tenant_upstreams.find, tell=notices.tell_quarantine)
    return [
        keep_doing(Chore(name="quarantine", interval_s=_QUARANTINE_EVERY_S, work=notes.write)),
        *_probe(settings, relay, client),
        *map(keep_doing, _list_chores(services)),
        *list_message_work(settings, storage, services, notices),
        first_uses.run(),
    ]


def _make_replay(settings: Settings, storage: ServingStorage, stats: RelayStats) -> Replay:
    return Replay(
        ledger=storage.ledger,
        stats=stats,
        store=ReplyStore(max_bytes=settings.cache.max_bytes),
        environments={table.slug: table.cache_ttl_s for table in settings.environments},
        ttl_s=settings.cache.ttl_s,
    )


@contextlib.asynccontextmanager
async def _storage(settings: Settings, prices: Prices) -> AsyncIterator[ServingStorage]:
    url = settings.storage.database_url
    storage = await open_serving_storage(
        settings.data_dir,
        url.reveal() if url is not None else None,
        environment=os.environ,
        price_interrupted=prices.price_interrupted,
        max_days=settings.retention.ledger_days,
        max_rows=settings.retention.ledger_rows,
    )
    try:
        yield storage
    finally:
        await storage.aclose()


@contextlib.asynccontextmanager
async def _sandbox() -> AsyncIterator[SandboxServer]:
    async with SandboxServer() as sandbox:
        yield sandbox


@contextlib.asynccontextmanager
async def _client(settings: Settings, outbox: Outbox) -> AsyncIterator[HttpUpstreamClient]:
    judge = make_guard(settings.byok.allowed_hosts)

    def guard(origin: Origin, address: str) -> bool:
        """The operator's own upstreams may be anywhere; what a tenant named is at public addresses."""
        return not origin.is_guarded or judge(origin, address)

    client = HttpUpstreamClient(proxies=Proxies.from_environment(os.environ), outbox=outbox, guard=guard)
    try:
        yield client
    finally:
        await client.aclose()


def _list_chores(services: Services) -> list[Chore]:
    return [
        Chore(name="monthly grants", interval_s=_GRANTS_EVERY_S, work=services.credits.settle_all_months),
        Chore(name="old replies", interval_s=_FORGETTING_EVERY_S, work=services.idempotency.forget_old),
        Chore(name="old sessions", interval_s=_FORGETTING_EVERY_S, work=services.sessions.forget_old),
    ]


def _probe(settings: Settings, relay: Relay, client: HttpUpstreamClient) -> list[Coroutine[Any, Any, None]]:
    """The active probes of upstreams whose credential is a key, where the operator wants them."""
    asked = [upstream for upstream in settings.upstreams if upstream.credential_kind in {AuthKind.HEADER, AuthKind.NONE}]
    if not settings.routing.probe_s or not asked:
        return []
    return [Probes(relay.health, HttpModelLists(client, asked), [upstream.id for upstream in asked]).keep_probing(settings.routing.probe_s)]


@contextlib.asynccontextmanager
async def _beside(  # noqa: PLR0917 -- all that lives beside the requests
    storage: ServingStorage,
    tenants: TenantReader,
    take_tenants: Callable[[], None],
    authenticator: Authenticator,
    relay: Relay,
    replay: Replay,
    prices: Prices,
    pages: PagesProcess | None,
    authorizations: Authorizations,
    probing: Sequence[Coroutine[Any, Any, None]],
) -> AsyncIterator[None]:
    """What runs beside the requests: the second's tick, changed keys and environments, changed prices, tokens to be bought."""

    def on_change(organisations: frozenset[str]) -> None:
        authenticator.forget()
        tenants.wake(organisations)
        relay.running.wake()

    def on_tenants() -> None:
        take_tenants()
        authenticator.forget()
        relay.running.wake()

    def on_prices() -> None:
        relay.snapshot = prices.snapshot()
        if pages is not None:
            pages.tell(prices.sources)

    async def tick() -> None:
        while True:
            authorizations.tick()
            await asyncio.sleep(_TICK_S)
            relay.tick()
            replay.tick()

    storage.watch.subscribe(on_change)
    tenants.wake()  # something may have changed between the first reading and now
    judging = relay.running.keep_judging(lambda mistake: _report("", mistake))
    beside = (tick(), tenants.keep_current(on_tenants), prices.keep_current(on_prices), judging, *probing)
    tasks = [asyncio.create_task(work) for work in beside]
    try:
        yield
    finally:
        if pages is not None:
            await pages.aclose()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await authorizations.aclose()


async def _make_first_key(storage: ServingStorage, services: Services) -> str | None:
    """On the very first start: a key that works at once and costs nothing. Its text is shown once and not kept."""
    if await storage.keys.list_keys(DEFAULT_ORGANISATION_ID, limit=1):
        return None
    _, text = await services.keys.create(name=FIRST_KEY_NAME, environment=FIRST_KEY_ENVIRONMENT, actor=SYSTEM, rights=OPERATOR_RIGHTS)
    return text


def _report(request_id: str, error: BaseException) -> None:
    """Log a mistake of ours: its kind and place, not its text, which may quote a request."""
    where, trace = [], error.__traceback__
    while trace is not None:
        where.append(f"{trace.tb_frame.f_code.co_filename.rpartition('anyrouter/')[2]}:{trace.tb_lineno}")
        trace = trace.tb_next
    _log.error("internal_error", request_id=request_id, error=type(error).__name__, where=where)
