"""The catalogue and the configured upstreams as what the data plane routes by."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from anyrouter.control.catalogue import Catalogue, load_catalogue
from anyrouter.core.ledger import Intent
from anyrouter.core.provider import Provider
from anyrouter.core.usage import Usage, UsageSource
from anyrouter.policy.price import price
from anyrouter.policy.route import Snapshot, Upstream
from anyrouter.providers.sandbox import SANDBOX, SANDBOX_ANTHROPIC
from anyrouter.settings import Settings
from anyrouter.settings.upstreams import SANDBOX_ID
from anyrouter.settings.upstreams import Upstream as ConfiguredUpstream

# The simulated provider's `timeout` model never answers: this is how long a test of it takes.
SANDBOX_FIRST_BYTE_S = 10.0
_RELOAD_SLACK_S = 1.0


class Prices:
    """The catalogue of the moment and what is made of it; replaced as a whole when an announced price change comes."""

    def __init__(self, settings: Settings) -> None:
        self.catalogue = load_catalogue(datetime.now(UTC))
        self._configured = tuple(_upstream(configured) for configured in settings.upstreams)
        self._sandbox: tuple[Upstream, ...] = ()

    def add_sandbox(self, port: int) -> None:
        """The simulated provider has its port."""
        named = {vendor for vendor in SANDBOX_ANTHROPIC.vendors if vendor not in SANDBOX.vendors}
        others = {model.vendor for model in self.catalogue.models.values()} - named
        self._sandbox = (
            _sandbox_upstream(SANDBOX, port, frozenset(others)),
            _sandbox_upstream(SANDBOX_ANTHROPIC, port, frozenset(SANDBOX_ANTHROPIC.vendors)),
        )

    def snapshot(self) -> Snapshot:
        """What the data plane routes by."""
        catalogue = self.catalogue
        return Snapshot(upstreams=self._configured + self._sandbox, resolve=catalogue.resolve, nearest=catalogue.find_nearest)

    def price_interrupted(self, intent: Intent) -> int:
        """The nano-USD of a generation of which only the intent is known: its estimated input, nothing for output."""
        model = self.catalogue.resolve(intent.model)
        if model is None or model.tariff is None or intent.upstream == SANDBOX_ID:
            return 0
        return price(model.tariff, Usage(input_tokens=intent.estimated_input_tokens, source=UsageSource.ESTIMATED))

    async def keep_current(self, replace: Callable[[Catalogue], None]) -> None:
        """Load the catalogue anew whenever it says that a price changes, and hand it on."""
        while (until := self.catalogue.valid_until) is not None:
            await asyncio.sleep(max(0.0, (until - datetime.now(UTC)).total_seconds()) + _RELOAD_SLACK_S)
            self.catalogue = await asyncio.to_thread(load_catalogue, datetime.now(UTC))
            replace(self.catalogue)


def _upstream(configured: ConfiguredUpstream) -> Upstream:
    address = urlsplit(configured.base_url)
    deadlines = configured.timeouts
    return Upstream(
        id=configured.id,
        provider=configured.provider,
        scheme=address.scheme,
        host=address.hostname or "",
        port=address.port or (443 if address.scheme == "https" else 80),
        base_path=address.path.rstrip("/"),
        credential=configured.credential.reveal() if configured.credential is not None else "",
        priority=configured.priority,
        models={model.public: model.upstream_name or "" for model in configured.models},
        environments=frozenset(configured.environments),
        # A provider has new models before the catalogue knows them: what it does not serve, it says itself.
        is_open=True,
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
