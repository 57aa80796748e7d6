"""The catalogue and the configured upstreams as what the data plane routes by."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import structlog

from anyrouter.bootstrap.model_lists import HttpModelLists
from anyrouter.bootstrap.money import make_billing
from anyrouter.bootstrap.overlay_file import OverlayFile
from anyrouter.control.catalogue import Catalogue, load_catalogue
from anyrouter.control.catalogue_state import CatalogueState
from anyrouter.control.discovery import Discovery
from anyrouter.control.overlay import NO_OVERLAY, Overlay, compose
from anyrouter.core.authorization import Authorization
from anyrouter.core.catalogue import Model
from anyrouter.core.ledger import Intent
from anyrouter.core.provider import AuthKind, Provider
from anyrouter.core.usage import Usage, UsageSource
from anyrouter.policy.charge import charge
from anyrouter.policy.price import price
from anyrouter.policy.route import Snapshot, Upstream
from anyrouter.providers.sandbox import SANDBOX, SANDBOX_MAKERS
from anyrouter.relay.ports import UpstreamClient
from anyrouter.settings import Settings
from anyrouter.settings.upstreams import SANDBOX_ID
from anyrouter.settings.upstreams import Upstream as ConfiguredUpstream

# The simulated provider's `timeout` model never answers: this is how long a test of it takes.
SANDBOX_FIRST_BYTE_S = 10.0
_BYOK_PREFIX = "byok_"  # of the ids of tenants' credentials
_RELOAD_SLACK_S = 1.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The operator's own words, and the models that upstreams say they have, by upstream."""

    overlay: Overlay
    found: Mapping[str, Sequence[Model]]


class Prices:
    """The catalogue of the moment and what is made of it.

    It is replaced as a whole when an announced price change comes, when the operator's file of models says something else, and when
    an upstream has other models than before. SettingsError when that file cannot be used at the start.
    """

    def __init__(self, settings: Settings, sources: "Sources | None" = None) -> None:
        """Of another process's `sources`, where those are given: then that process follows them, and `take` is told."""
        self._bundled = load_catalogue(datetime.now(UTC))
        self._sources = sources
        self._file = _open_overlay(settings, self._bundled) if sources is None else None
        self._configured = {configured.id: _upstream(configured) for configured in settings.upstreams}
        self._settings = settings
        self._discovery: Discovery | None = None
        self._sandbox: tuple[Upstream, ...] = ()
        self._sandbox_port = 0
        self._on_change: Callable[[], None] = lambda: None
        self._tenants: Mapping[str, tuple[Upstream, ...]] = {}
        self.catalogue = self._compose()

    def add_sandbox(self, port: int) -> None:
        """The simulated provider has its port."""
        self._sandbox_port = port

    def add_client(self, client: UpstreamClient) -> None:
        """Upstreams can be asked for their models."""
        upstreams = [upstream for upstream in self._settings.upstreams if upstream.discovery_vendor is not None]
        vendors = {upstream.id: upstream.discovery_vendor or "" for upstream in upstreams}
        self._discovery = Discovery(vendors, HttpModelLists(client, upstreams), lambda: datetime.now(UTC))

    @property
    def sources(self) -> "Sources":
        """What the catalogue is made of beside the bundled one."""
        if self._sources is not None:
            return self._sources
        return Sources(
            overlay=NO_OVERLAY if self._file is None else self._file.overlay,
            found={} if self._discovery is None else self._discovery.models,
        )

    def take(self, sources: "Sources") -> None:
        """These are the sources now."""
        self._sources = sources
        self._replace()

    def add_authorizations(self, by_upstream: Mapping[str, Authorization]) -> None:
        """What upstreams are asked with, where a line of the head does not do, is there."""
        configured = self._configured.items()
        self._configured = {name: replace(upstream, authorization=by_upstream.get(name)) for name, upstream in configured}

    def add_tenants(self, by_environment: Mapping[str, tuple[Upstream, ...]]) -> None:
        """The upstreams of tenants' own accounts are these."""
        self._tenants = by_environment

    def snapshot(self) -> Snapshot:
        """What the data plane routes by."""
        catalogue = self.catalogue
        upstreams = tuple(self._with_discovered(upstream) for upstream in self._configured.values())
        return Snapshot(
            upstreams=upstreams + self._sandboxes(),
            resolve=catalogue.resolve,
            nearest=catalogue.find_nearest,
            tenants=self._tenants,
        )

    def is_hidden(self, name: str) -> bool:
        """Whether a model is not to be listed."""
        return self.catalogue.is_hidden(name)

    def state(self) -> CatalogueState:
        """How the sources of models beside the bundled ones are."""
        problems = () if self._file is None else self._file.problems
        return CatalogueState(
            overlay_read_at=None if self._file is None else self._file.read_at,
            overlay_problems=tuple(f"{problem.setting}: {problem.text}" if problem.setting else problem.text for problem in problems),
            lists={} if self._discovery is None else dict(self._discovery.states),
        )

    def price_interrupted(self, intent: Intent) -> int:
        """The nano-USD of a generation of which only the intent is known: its estimated input, nothing for output.

        With a tenant's own credential, whose id its upstream has, the routing fee. A reply that was kept has asked for nothing.
        """
        if not intent.estimated_input_tokens:
            return 0
        model = self.catalogue.resolve(intent.model)
        is_byok = intent.upstream.startswith(_BYOK_PREFIX)
        if intent.upstream == SANDBOX_ID or ((model is None or model.tariff is None) and not is_byok):
            return 0
        used = Usage(input_tokens=intent.estimated_input_tokens, source=UsageSource.ESTIMATED)
        listed = 0 if model is None or model.tariff is None else price(model.tariff, used)
        return charge(make_billing(self._settings), listed, is_byok=is_byok).cost

    async def keep_current(self, on_change: Callable[[], None]) -> None:
        """Follow all that the catalogue is made of until cancelled, and tell whenever there is another one."""
        self._on_change = on_change
        sources = [self._keep_prices()]
        if self._file is not None:
            sources.append(self._file.follow(self._replace))
        if self._discovery is not None and self._settings.catalogue.discovery_s:
            sources.append(self._discovery.keep_looking(self._settings.catalogue.discovery_s, self._replace))
        await asyncio.gather(*map(_follow, sources))

    async def _keep_prices(self) -> None:
        while (until := self._bundled.valid_until) is not None:
            await asyncio.sleep(max(0.0, (until - datetime.now(UTC)).total_seconds()) + _RELOAD_SLACK_S)
            self._bundled = await asyncio.to_thread(load_catalogue, datetime.now(UTC))
            self._replace()

    def _replace(self) -> None:
        self.catalogue = self._compose()
        self._on_change()

    def _compose(self) -> Catalogue:
        sources = self.sources
        return compose(self._bundled, sources.overlay, [model for models in sources.found.values() for model in models])

    def _with_discovered(self, upstream: Upstream) -> Upstream:
        found = {model.id: model.upstream_name for model in self.sources.found.get(upstream.id, ())}
        return replace(upstream, models=found | dict(upstream.models)) if found else upstream

    def _sandboxes(self) -> tuple[Upstream, ...]:
        """The simulated provider has every model of the catalogue, each in its maker's format."""
        named = {vendor for row in SANDBOX_MAKERS for vendor in row.vendors if vendor not in SANDBOX.vendors}
        others = frozenset(model.vendor for model in self.catalogue.models.values()) - named
        if not self._sandbox or self._sandbox[0].models.keys() != {f"{vendor}/*" for vendor in others}:
            makers = (_sandbox_upstream(row, self._sandbox_port, frozenset(row.vendors)) for row in SANDBOX_MAKERS)
            self._sandbox = (_sandbox_upstream(SANDBOX, self._sandbox_port, others), *makers)
        return self._sandbox


async def _follow(source: Coroutine[Any, Any, None]) -> None:
    """Follow one source; what becomes of the others does not depend on it."""
    try:
        await source
    except Exception:  # noqa: BLE001 -- the last resort: the gateway goes on with what it has
        _log.exception("catalogue_source_lost")


def _open_overlay(settings: Settings, bundled: Catalogue) -> OverlayFile | None:
    if settings.overlay_path is None:
        return None
    from anyrouter.settings.overlay import read_overlay, serves_beyond  # noqa: PLC0415 -- its tables cost time and memory; most have no file

    is_served = serves_beyond(bundled, settings.upstreams)
    return OverlayFile(settings.overlay_path, lambda path: read_overlay(path, bundled, is_served))


def _upstream(configured: ConfiguredUpstream) -> Upstream:
    address = urlsplit(configured.base_url)
    deadlines, credential = configured.timeouts, configured.credential
    return Upstream(
        id=configured.id,
        provider=configured.provider,
        scheme=address.scheme,
        host=address.hostname or "",
        port=address.port or (443 if address.scheme == "https" else 80),
        base_path=address.path.rstrip("/"),
        credential=credential.reveal() if credential is not None and configured.credential_kind is AuthKind.HEADER else "",
        priority=configured.priority,
        models={model.public: model.upstream_name or "" for model in configured.models},
        environments=None if configured.environments is None else frozenset(configured.environments),
        # A provider has new models before the catalogue knows them: what it does not serve, it says itself.
        is_open=True,
        variables=configured.variables,
        has_own_address=configured.has_own_address,
        region=configured.region,
        connect_s=deadlines.connect_s,
        first_byte_s=deadlines.first_byte_s,
        idle_s=deadlines.idle_s,
        total_s=deadlines.total_s,
    )


def _sandbox_upstream(provider: Provider, port: int, vendors: frozenset[str]) -> Upstream:
    return Upstream(
        id=SANDBOX_ID,
        provider=provider,
        scheme="http",
        host="127.0.0.1",
        port=port,
        base_path="",
        credential="sandbox",
        models={f"{vendor}/*": "" for vendor in vendors},
        is_sandbox=True,
        first_byte_s=SANDBOX_FIRST_BYTE_S,
    )
