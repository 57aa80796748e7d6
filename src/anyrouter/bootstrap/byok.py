"""Tenants' own credentials as upstreams: built of their records, opened when a request needs one, kept open for a minute at most."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

import structlog

from anyrouter.bootstrap.authorizations import buy_with, sign_with
from anyrouter.bootstrap.credential_probe import make_upstream
from anyrouter.control.credential_place import locate
from anyrouter.control.stores import CredentialStore
from anyrouter.core.authorization import Authorization, Opening, OutgoingRequest
from anyrouter.core.byok import ProviderCredential
from anyrouter.core.errors import UpstreamStatus
from anyrouter.core.provider import AuthKind, Provider
from anyrouter.core.secret import Secret
from anyrouter.core.vault import KekUnavailable, Vault
from anyrouter.policy.addresses import name_place
from anyrouter.policy.byok import priority_of
from anyrouter.policy.health import HealthBook
from anyrouter.policy.route import Upstream
from anyrouter.providers.address import UnusableVariableError
from anyrouter.providers.registry import PROVIDERS
from anyrouter.relay.ports import UpstreamClient

OPEN_S = 60.0
_RENEW_S = 45.0  # from then on it is opened anew while it is still used
_ANY_VENDOR = "*"
_NOWHERE = "https://unusable.invalid"
_log = structlog.get_logger(__name__)


class VaultOpening(Opening):
    """The secret of one credential as its record is: another record has an opening of its own. Belongs to one event loop."""

    def __init__(self, vault: Vault, credential: ProviderCredential, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._vault, self._credential, self._monotonic = vault, credential, monotonic
        self._secret: Secret | None = None
        self._opened_s = float("-inf")
        self._task: asyncio.Task[None] | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """See the port."""
        return () if self._secret is None else (self._secret.reveal(),)

    def read(self) -> Secret | None:
        """See the port."""
        age_s = self._monotonic() - self._opened_s
        if age_s >= OPEN_S:
            return None
        if age_s >= _RENEW_S:
            self._begin()
        return self._secret

    async def prepare(self, wait_s: float) -> None:
        """See the port. However many wait for it, it is opened once."""
        if self.read() is not None:
            return
        task = self._begin()
        await asyncio.wait({task}, timeout=wait_s)
        if not task.done():
            raise KekUnavailable("a credential was not opened in time", kek_id=self._credential.sealed.kek_id)
        task.result()

    def _begin(self) -> asyncio.Task[None]:
        task = self._task
        if task is None or task.done():
            task = self._task = asyncio.get_running_loop().create_task(self._open())
            task.add_done_callback(_observe)
        return task

    async def _open(self) -> None:
        started_s = self._monotonic()
        credential = self._credential
        self._secret = await self._vault.open(credential.place, credential.sealed)
        self._opened_s = started_s


class NothingToOpen(Opening):
    """Of a credential whose secret was dropped: it is refused here, so that what stands in for a rejected one does, and nothing else."""

    secrets = ()

    def read(self) -> Secret | None:
        """See the port."""
        return None

    async def prepare(self, wait_s: float) -> None:  # noqa: ARG002 -- there is nothing to wait for
        """See the port."""
        raise UpstreamStatus("its secret has to be entered again", status=401, body=b"")


class OpenedAuthorization(Authorization):
    """A credential of which only the open one tells how it is used: signatures, bought tokens, or a plain header."""

    def __init__(self, opening: VaultOpening, provider: Provider, make: Callable[[Secret], Authorization | None]) -> None:
        self._opening, self._provider, self._make = opening, provider, make
        self._made: tuple[Secret, Authorization | None] | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """See the port."""
        inner = self._made[1] if self._made is not None else None
        return self._opening.secrets if inner is None else (*self._opening.secrets, *inner.secrets)

    def render(self, request: OutgoingRequest) -> bytes:
        """See the port."""
        secret = self._opening.read()
        if secret is None:
            return b""
        inner = self._find(secret)
        if inner is not None:
            return inner.render(request)
        return f"{self._provider.credential_header}: {self._provider.credential_prefix}{secret.reveal()}\r\n".encode("latin-1")

    async def prepare(self, wait_s: float) -> None:
        """See the port."""
        started_s = time.monotonic()
        await self._opening.prepare(wait_s)
        secret = self._opening.read()
        inner = None if secret is None else self._find(secret)
        if inner is not None:
            await inner.prepare(max(0.0, wait_s - (time.monotonic() - started_s)))

    def reject(self) -> None:
        """See the port."""
        if self._made is not None and self._made[1] is not None:
            self._made[1].reject()

    def _find(self, secret: Secret) -> Authorization | None:
        if self._made is None or self._made[0] != secret:
            self._made = (secret, self._make(secret))
        return self._made[1]


class TenantUpstreams:
    """The upstreams of all credentials that are not disabled, by their environment. Belongs to the loop in which requests are served.

    What did not change keeps its upstream, and with it what is open.
    """

    def __init__(self, vault: Vault, client: UpstreamClient, *, providers: Mapping[str, Provider] = PROVIDERS) -> None:
        self._vault, self._client, self._providers = vault, client, providers
        self._kept: dict[str, tuple[ProviderCredential, Upstream | None]] = {}
        self.by_environment: dict[str, tuple[Upstream, ...]] = {}

    def update(self, credentials: Mapping[str, tuple[ProviderCredential, ...]]) -> bool:
        """Take the records of the moment; says whether `by_environment` is another than before."""
        known, self._kept = self._kept, {}
        found: dict[str, tuple[Upstream, ...]] = {}
        for environment_id, rows in credentials.items():
            upstreams = [upstream for row in rows if (upstream := self._find(row, known)) is not None]
            if upstreams:
                found[environment_id] = tuple(upstreams)
        is_changed = found != self.by_environment
        self.by_environment = found
        return is_changed

    def find(self, credential_id: str) -> ProviderCredential | None:
        """The record of a credential, as it was taken last."""
        kept = self._kept.get(credential_id)
        return None if kept is None else kept[0]

    def _find(self, credential: ProviderCredential, known: Mapping[str, tuple[ProviderCredential, Upstream | None]]) -> Upstream | None:
        kept = known.get(credential.id)
        if kept is None or _without_observations(kept[0]) != _without_observations(credential):
            kept = (credential, self._make(credential))
        self._kept[credential.id] = kept
        return kept[1]

    def _make(self, credential: ProviderCredential) -> Upstream | None:
        provider = self._providers.get(credential.provider)
        if provider is None or credential.is_disabled:
            return None
        base_url = _locate(provider, credential)
        opening, authorization = self._open(provider, credential) if base_url else (NothingToOpen(), None)
        address = urlsplit(base_url or _NOWHERE)
        vendors = [vendor for vendor in provider.vendors if vendor != _ANY_VENDOR]
        return Upstream(
            id=credential.id,
            provider=provider,
            scheme=address.scheme,
            host=address.hostname or "",
            port=address.port or (443 if address.scheme == "https" else 80),
            base_path=address.path.rstrip("/"),
            opening=opening,
            authorization=authorization,
            byok=credential,
            region=credential.region,
            is_guarded=True,
            priority=priority_of(credential),
            models={f"{vendor}/*": "" for vendor in vendors or _list_vendors(credential)},
            is_open=True,
            variables=credential.variables,
            has_own_address=credential.base_url is not None,
        )

    def _open(self, provider: Provider, credential: ProviderCredential) -> tuple[Opening | None, Authorization | None]:
        opening = VaultOpening(self._vault, credential)
        if set(provider.auth) <= {AuthKind.HEADER, AuthKind.NONE}:
            return opening, None
        return None, OpenedAuthorization(opening, provider, partial(self._make_inner, provider, credential))

    def _make_inner(self, provider: Provider, credential: ProviderCredential, secret: Secret) -> Authorization | None:
        upstream = make_upstream(provider, credential, secret)
        if upstream is None or upstream.credential_kind is AuthKind.HEADER:
            return None
        if upstream.credential_kind is AuthKind.SIGV4:
            return sign_with(upstream)
        return buy_with(upstream, self._client, lambda text: _log.warning("token_not_bought", upstream=credential.id, reason=text))


class QuarantineNotes:
    """Tells the store, and `tell`, which credentials are left alone for now; what requests do with them is health's to say."""

    def __init__(
        self,
        store: CredentialStore,
        health: HealthBook,
        find: Callable[[str], ProviderCredential | None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        tell: Callable[[ProviderCredential, datetime, str], Awaitable[None]] | None = None,
    ) -> None:
        self._store, self._health, self._find, self._monotonic, self._tell = store, health, find, monotonic, tell
        self._noted: dict[str, str] = {}

    async def write(self) -> None:
        """Write what has changed since the last time. StorageUnavailable."""
        now_s, seen = self._monotonic(), dict[str, tuple[str, float]]()
        for (upstream_id, _), health in list(self._health.items()):
            if upstream_id.startswith("byok_") and (wait_s := health.wait_s(now_s)) > 0:
                seen[upstream_id] = ("rate_limited" if health.is_resting(now_s) else "rejected_or_failing", wait_s)
        for credential_id, (reason, wait_s) in seen.items():
            if self._noted.get(credential_id) != reason:
                await self._note(credential_id, datetime.now(UTC) + timedelta(seconds=wait_s), reason)
                self._noted[credential_id] = reason
        for credential_id in [known for known in self._noted if known not in seen]:
            await self._note(credential_id, None, None)
            del self._noted[credential_id]

    async def _note(self, credential_id: str, until: datetime | None, reason: str | None) -> None:
        credential = self._find(credential_id)
        if credential is not None:
            await self._store.note_quarantine(credential.organisation_id, credential_id, until, reason)
            if self._tell is not None and until is not None and reason is not None:
                await self._tell(credential, until, reason)


def _locate(provider: Provider, credential: ProviderCredential) -> str:
    """The base URL of a credential that can be used; empty when its secret has to be entered again, for that place or at all."""
    if credential.needs_secret:
        return ""
    try:
        base_url = locate(provider, credential.base_url, credential.variables)
    except (UnusableVariableError, KeyError):
        base_url = ""
    if base_url and name_place(base_url) == credential.host:
        return base_url
    _log.warning("credential_needs_secret", credential=credential.id, provider=provider.id)
    return ""


def _list_vendors(credential: ProviderCredential) -> list[str]:
    """The vendors of a provider that has none of its own: those of the models that the credential is for, else the provider itself."""
    return sorted({model.partition("/")[0] for model in credential.models or ()}) or [credential.provider]


def _without_observations(credential: ProviderCredential) -> ProviderCredential:
    return replace(credential, quarantined_until=None, quarantine_reason=None, updated_at=credential.created_at)


def _observe(task: asyncio.Task[None]) -> None:
    """What went wrong is told to whoever waits; nobody need be waiting."""
    if not task.cancelled():
        task.exception()
