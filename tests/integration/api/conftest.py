"""The reading API over what it is used with: SQLite, the ledger's roll-up, the authenticator, the catalogue, two upstreams."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.dependencies import models as dependencies

from anyrouter.bootstrap.services import Services, make_services
from anyrouter.bootstrap.tenants import TenantReader
from anyrouter.control.catalogue import load_catalogue
from anyrouter.control.keys import KeyService
from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import StorageUnavailable
from anyrouter.core.ids import new_generation_id
from anyrouter.core.ledger import AttemptRecord, EntryState, LedgerEntry
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Environment
from anyrouter.core.usage import Usage
from anyrouter.policy.route import Snapshot, Upstream
from anyrouter.providers.registry import PROVIDERS
from anyrouter.relay.authenticate import Authenticator
from anyrouter.relay.limiter import RateLimiter
from anyrouter.relay.stats import RelayStats
from anyrouter.settings import load_settings
from anyrouter.storage.database import Database
from anyrouter.storage.ledger_rows import record_missing
from anyrouter.storage.opening import Storage, open_storage
from anyrouter.web.api.app import create_api
from anyrouter.web.api.ports import ApiPorts
from support.databases import lay_tables
from support.operator_keys import WHO

PEPPER = b"MARKER-pepper-of-thirty-two-byte".hex()
CATALOGUE = load_catalogue(datetime(2026, 11, 24, tzinfo=UTC))


def make_upstream(upstream_id: str, provider: str, models: dict[str, str], **fields: Any) -> Upstream:
    return Upstream(
        id=upstream_id,
        provider=PROVIDERS[provider],
        scheme="http",
        host="127.0.0.1",
        port=1,
        base_path="",
        models=models,
        credential="sk-MARKER-upstream",
        **fields,
    )


SANDBOX_MODELS = {f"{vendor}/*": "" for vendor in sorted({model.vendor for model in CATALOGUE.models.values()})}
SNAPSHOT = Snapshot(
    upstreams=(
        make_upstream("openai", "openai", {"openai/*": ""}, is_open=True),
        make_upstream("backup", "openai", {"openai/*": "", "own/llama": "llama"}, priority=1),
        make_upstream("anthropic", "anthropic", {"anthropic/*": ""}),
        make_upstream("sandbox", "sandbox", SANDBOX_MODELS, is_sandbox=True),
        make_upstream("sandbox", "sandbox-anthropic", {"anthropic/*": ""}, is_sandbox=True),
    ),
    resolve=CATALOGUE.resolve,
    nearest=CATALOGUE.find_nearest,
)


class Switch:
    """A health check that can be switched off, as a full disk does it."""

    def __init__(self) -> None:
        self.is_broken = False

    async def check(self) -> None:
        if self.is_broken:
            raise StorageUnavailable("down", internal="MARKER-internal /var/lib/anyrouter table api_keys")


class Moment:
    """Now, as far as keys and days are concerned."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass(kw_only=True)
class World:
    """The application and what is behind it."""

    app: FastAPI
    client: httpx.AsyncClient
    ports: ApiPorts
    keys: KeyService
    services: Services
    storage: Storage
    database: Database
    environments: dict[str, Environment]
    pending: dict[str, LedgerEntry]
    authenticator: Authenticator
    journal: Switch
    clock: Moment
    stats: RelayStats
    tenants: TenantReader

    async def refresh(self) -> None:
        """Know the tenants as they are stored now; a gateway does so by itself."""
        await self.tenants.read()
        self.authenticator.forget()

    async def make_key(self, **fields: Any) -> tuple[ApiKey, dict[str, str]]:
        """A key, and the header that presents it."""
        fields.setdefault("name", f"key {time.monotonic_ns()}")
        key, text = await self.keys.create(**{**WHO, **fields})
        return key, {"Authorization": f"Bearer {text}"}

    async def get(self, path: str, headers: dict[str, str] | None = None, **options: Any) -> httpx.Response:
        """GET below /api/v1."""
        return await self.client.get(f"/api/v1{path}", headers=headers, **options)

    async def record(self, *entries: LedgerEntry) -> None:
        """Have entries in the database."""
        await self.database.write(lambda connection: record_missing(connection, [entry.split() for entry in entries]))

    def make_entry(self, key: ApiKey, **fields: Any) -> LedgerEntry:
        """A settled generation of a key."""
        return make_entry(key, **fields)

    def make_app(self, **changed: Any) -> httpx.AsyncClient:
        """A client of another application over the same store; close it."""
        return client_of(create_api(replace(self.ports, **changed)))


def client_of(app: FastAPI, address: str = "203.0.113.7") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, client=(address, 40000))
    return httpx.AsyncClient(transport=transport, base_url="http://gateway")


def make_entry(key: ApiKey, **fields: Any) -> LedgerEntry:
    now_ms = int(time.time() * 1000)
    values: dict[str, Any] = {
        "generation_id": new_generation_id(now_ms),
        "attempt": 1,
        "request_id": "req-1",
        "organisation_id": key.organisation_id,
        "environment_id": key.environment_id,
        "environment": key.environment,
        "api_key_id": key.id,
        "rotation_group": key.rotation_group,
        "endpoint": "chat/completions",
        "model": "openai/gpt-4o",
        "upstream_model": "gpt-4o",
        "provider": "openai",
        "upstream": "openai",
        "created_at_ms": now_ms,
        "state": EntryState.SETTLED,
        "status": 200,
        "usage": Usage(input_tokens=100, output_tokens=20, cache_read_tokens=40, reasoning_tokens=5),
        "cost_nanousd": 1_234_567,
        "attempts": (AttemptRecord(upstream="openai", provider="openai", model="openai/gpt-4o", status=200, latency_ms=300),),
    }
    return LedgerEntry(**(values | fields))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    storage = await open_storage(lay_tables(tmp_path / "data"), environment={"ANYROUTER_PEPPER": PEPPER})
    clock, stats, pending, journal = Moment(), RelayStats(), {}, Switch()
    storage.watch.subscribe(lambda _: authenticator.forget())
    tenants = TenantReader(storage)
    await tenants.read()
    environments = {row.slug: row for row in await storage.environments.list_environments(DEFAULT_ORGANISATION_ID)}
    authenticator = Authenticator(
        lookup=storage.keys,
        peppers=(storage.peppers.current.secret,),
        tenants=lambda: tenants.current,
        confirmed_at_s=time.monotonic,
    )
    services = make_services(storage, load_settings(data_dir=tmp_path / "data", environ={}), clock=clock)

    async def find_pending(generation_id: str) -> LedgerEntry | None:
        return pending.get(generation_id)

    ports = ApiPorts(
        authenticator=authenticator,
        keys=storage.keys,
        key_service=services.keys,
        ledger=storage.reader,
        find_pending=find_pending,
        snapshot=lambda: SNAPSHOT,
        catalogue=lambda: CATALOGUE.models,
        presets=services.presets,
        environments=services.environments,
        organisations=services.organisations,
        members=services.members,
        audit=services.audit,
        denials=services.denials,
        idempotency=services.idempotency,
        budgets=services.budgets,
        credits=services.credits,
        credentials=services.credentials,
        webhooks=services.webhooks,
        leaks=services.leaks,
        stats=stats,
        limit_state=RateLimiter().peek,
        store=storage.health,
        journal=journal,
        version="1.2.3",
        public_environment=lambda: environments["live"],
        clock=clock,
    )
    app = create_api(ports)
    async with client_of(app) as client:
        yield World(
            app=app,
            client=client,
            ports=ports,
            keys=services.keys,
            services=services,
            storage=storage,
            database=storage.database,
            environments=environments,
            pending=pending,
            authenticator=authenticator,
            journal=journal,
            clock=clock,
            stats=stats,
            tenants=tenants,
        )
    await asyncio.shield(storage.aclose())
    for known in vars(dependencies).values():  # fifty applications, through which every search for garbage would go
        if hasattr(known, "cache_clear"):
            known.cache_clear()
