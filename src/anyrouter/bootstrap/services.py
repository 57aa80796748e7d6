"""What people do to a data directory, put together: the same services for the gateway's API and for commands."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from anyrouter.bootstrap.credential_probe import HttpCredentialProbe
from anyrouter.bootstrap.leak_keys import HttpPublicKeys
from anyrouter.bootstrap.messages import HttpMessageSender
from anyrouter.bootstrap.tenant_client import make_tenant_client
from anyrouter.bootstrap.vault import make_vault
from anyrouter.control.audit import AuditService
from anyrouter.control.budgets import BudgetService
from anyrouter.control.credentials import CredentialService
from anyrouter.control.credits import CreditService
from anyrouter.control.denials import DenialLog
from anyrouter.control.environments import EnvironmentService
from anyrouter.control.idempotency import IdempotencyService
from anyrouter.control.keys import KeyService
from anyrouter.control.leaks import LeakService
from anyrouter.control.members import MemberService
from anyrouter.control.organisations import OrganisationService
from anyrouter.control.presets import PresetService
from anyrouter.control.rekey import RekeyService
from anyrouter.control.sessions import SessionService
from anyrouter.control.set_up import SetUp
from anyrouter.control.sign_in_links import SignInLinkService
from anyrouter.control.webhooks import WebhookService
from anyrouter.storage.vault import SealingVault
from anyrouter.upstream.client import HttpUpstreamClient
from anyrouter.upstream.proxies import Proxies

if TYPE_CHECKING:  # the database library takes half a second, which `--help` does without
    from anyrouter.settings import Settings
    from anyrouter.storage.opening import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One of each. They know neither HTTP nor who asks: that is an argument of what they do."""

    keys: KeyService
    presets: PresetService
    environments: EnvironmentService
    organisations: OrganisationService
    members: MemberService
    sessions: SessionService
    sign_in_links: SignInLinkService
    set_up: SetUp
    audit: AuditService
    denials: DenialLog
    idempotency: IdempotencyService
    budgets: BudgetService
    credits: CreditService
    credentials: CredentialService
    rekey: RekeyService
    webhooks: WebhookService
    leaks: LeakService | None  # where the operator wants reports
    vault: SealingVault
    tenant_client: HttpUpstreamClient  # connects where tenants say, and nowhere that is not public or allowed
    operator_client: HttpUpstreamClient

    async def aclose(self) -> None:
        """Close what connects to others."""
        await self.tenant_client.aclose()
        await self.operator_client.aclose()


def wall_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


def make_services(storage: "Storage", settings: "Settings", *, clock: Callable[[], datetime] = wall_clock) -> Services:
    """The services over a store that is open. Close them before it."""
    pepper, previous = storage.peppers.current, storage.peppers.previous
    tenant_client = make_tenant_client(settings.byok.allowed_hosts)
    operator_client = HttpUpstreamClient(proxies=Proxies.from_environment(os.environ))
    vault = make_vault(settings, storage.directory.kek, operator_client, seals=storage.seals)
    keys = KeyService(
        store=storage.keys,
        environments=storage.environments,
        organisations=storage.organisations,
        members=storage.members,
        pepper=pepper.secret,
        pepper_version=pepper.version,
        previous_pepper=None if previous is None else previous.secret,
        clock=clock,
        max_keys=settings.limits.keys_per_organisation,
    )
    return Services(
        keys=keys,
        presets=PresetService(store=storage.presets, environments=storage.environments, clock=clock),
        environments=EnvironmentService(store=storage.environments, clock=clock),
        organisations=OrganisationService(store=storage.organisations, clock=clock),
        members=MemberService(store=storage.members, keys=storage.keys, organisations=storage.organisations, clock=clock),
        sessions=SessionService(store=storage.sessions, clock=clock, rules=settings.dashboard.session_rules),
        sign_in_links=SignInLinkService(store=storage.sign_in, clock=clock),
        set_up=SetUp(storage.sign_in),
        audit=AuditService(store=storage.audit),
        denials=DenialLog(store=storage.audit, monotonic=time.monotonic),
        idempotency=IdempotencyService(store=storage.idempotency, clock=clock),
        budgets=BudgetService(store=storage.budgets, keys=storage.keys, environments=storage.environments, clock=clock),
        credits=CreditService(store=storage.credits, organisations=storage.organisations, clock=clock),
        credentials=_make_credentials(storage, settings, vault, tenant_client, clock),
        rekey=RekeyService(seals=storage.seals, audit=storage.audit, vault=vault, keys=vault.keys, clock=clock),
        webhooks=WebhookService(
            store=storage.webhooks,
            audit=storage.audit,
            vault=vault,
            sender=HttpMessageSender(tenant_client, clock=clock),
            clock=clock,
            allowed_hosts=settings.byok.allowed_hosts,
        ),
        leaks=LeakService(
            public_keys=HttpPublicKeys(operator_client, settings.leaks.github_keys_url),
            keys=keys,
            store=storage.keys,
            notices=storage.notices,
            clock=clock,
        )
        if settings.leaks.github
        else None,
        vault=vault,
        tenant_client=tenant_client,
        operator_client=operator_client,
    )


def _make_credentials(
    storage: "Storage", settings: "Settings", vault: SealingVault, client: HttpUpstreamClient, clock: Callable[[], datetime]
) -> CredentialService:
    return CredentialService(
        store=storage.credentials,
        audit=storage.audit,
        environments=storage.environments,
        keys=storage.keys,
        vault=vault,
        probe=HttpCredentialProbe(client),
        clock=clock,
        allowed_hosts=settings.byok.allowed_hosts,
    )
