"""What the gateway tells its pages' process: how targets, upstreams and limits stand, and a chat of the playground as it comes."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from anyrouter.control.catalogue_state import CatalogueState
from anyrouter.core.apikey import ApiKey
from anyrouter.core.ledger import LedgerEntry
from anyrouter.core.tenancy import Environment, Organisation
from anyrouter.policy.health import HealthReport, TargetKey
from anyrouter.policy.limit import LimitState
from anyrouter.relay.call import Principal
from anyrouter.relay.limiter import RateLimiter
from anyrouter.relay.relay import Relay
from anyrouter.relay.stats import UpstreamRecord
from anyrouter.relay.terms import make_terms
from anyrouter.web.pages.gateway import EnvironmentLoad, Gateway, Standing

T = TypeVar("T")

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_AT_ONCE = 32  # then requests have their turn


class GatewayFacts(Gateway):
    """`Gateway` in the gateway itself. What takes long is done in parts, between which requests are served."""

    def __init__(
        self,
        relay: Relay,
        limiter: RateLimiter,
        catalogue_state: Callable[[], CatalogueState],
        find_pending: Callable[[str], LedgerEntry | None],
    ) -> None:
        self._relay, self._limiter = relay, limiter
        self._catalogue_state, self._find_pending = catalogue_state, find_pending

    async def list_standings(self, upstream_ids: Collection[str]) -> Sequence[Standing]:
        """See the port."""
        wanted, now_s, found = frozenset(upstream_ids), time.monotonic(), []
        async for key, health in _in_parts([pair for pair in self._relay.health.items() if pair[0][0] in wanted]):
            state = health.read_state(now_s)
            found.append(Standing(key=key, state=state, rank=health.rank(now_s), asked=health.admitted))
        return found

    async def report(self, keys: Sequence[TargetKey]) -> Mapping[TargetKey, HealthReport]:
        """See the port."""
        now_s, found = time.monotonic(), {}
        async for key in _in_parts(keys):
            health = self._relay.health.look(key)
            if health is not None:
                found[key] = health.report(now_s)
        return found

    async def read_records(self) -> Mapping[str, UpstreamRecord]:
        """See the port."""
        return dict(self._relay.stats.upstreams)

    async def read_loads(self, environments: Sequence[Environment]) -> Sequence[EnvironmentLoad]:
        """See the port."""
        return [read_load(self._limiter, environment) async for environment in _in_parts(environments)]

    async def read_catalogue_state(self) -> CatalogueState:
        """See the port."""
        return self._catalogue_state()

    async def find_pending(self, generation_id: str) -> LedgerEntry | None:
        """See the port."""
        return self._find_pending(generation_id)


def read_load(limiter: RateLimiter, environment: Environment) -> EnvironmentLoad:
    """How an environment's limits stand: those that hold for a key without limits of its own."""
    principal, now_s = _anybody(environment), time.monotonic()
    requests = limiter.peek(principal, now_s) if environment.rate_limit_rpm is not None else None
    terms = make_terms(principal)
    shown: dict[str, LimitState] = {}
    if terms is not None:
        shown = {row.name: row.state for row in limiter.show(terms, now_s, time.time_ns() // 1_000_000)}
    return EnvironmentLoad(requests=requests, tokens=shown.get("tokens"), running=shown.get("concurrency"))


def _anybody(environment: Environment) -> Principal:
    """Whoever has a key of the environment that restricts nothing. There is no such key: nothing is counted for it."""
    key = ApiKey(
        id="",
        organisation_id=environment.organisation_id,
        environment_id=environment.id,
        environment=environment.slug,
        name="",
        label="",
        digest=b"",
        pepper_version=0,
        rotation_group="",
        scopes=frozenset(),
        created_at=_LONG_AGO,
        updated_at=_LONG_AGO,
    )
    return Principal(
        key=key, environment=environment, organisation=Organisation(id=environment.organisation_id, name="", created_at=_LONG_AGO)
    )


async def _in_parts(items: Iterable[T]) -> AsyncIterator[T]:
    """The items, and a turn for others behind every few."""
    for number, item in enumerate(items, 1):
        yield item
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
