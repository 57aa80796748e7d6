"""What pages ask of the process that serves requests: how things stand there at the moment. It is another process than theirs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from anyrouter.control.catalogue_state import CatalogueState
from anyrouter.core.ledger import LedgerEntry
from anyrouter.core.tenancy import Environment
from anyrouter.policy.health import HealthReport, TargetKey, TargetState
from anyrouter.policy.limit import LimitState
from anyrouter.relay.stats import UpstreamRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A target that was asked since the gateway has started. `rank` as `TargetHealth.rank` has it; `asked` counts its requests."""

    key: TargetKey
    state: TargetState
    rank: int
    asked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentLoad:
    """How the limits of an environment stand at the moment; None: it has none of that kind."""

    requests: LimitState | None = None
    tokens: LimitState | None = None
    running: LimitState | None = None


class Gateway(Protocol):
    """Nothing is counted or changed by asking. StorageUnavailable from all of it: the gateway is ending, or does not answer."""

    async def list_standings(self, upstream_ids: Collection[str]) -> Sequence[Standing]:
        """The targets of these upstreams, what was asked last at the end."""

    async def report(self, keys: Sequence[TargetKey]) -> Mapping[TargetKey, HealthReport]:
        """How targets do; those that were not asked since the gateway has started are left out."""

    async def read_records(self) -> Mapping[str, UpstreamRecord]:
        """How upstreams have done lately, by id; without those that were not asked."""

    async def read_loads(self, environments: Sequence[Environment]) -> Sequence[EnvironmentLoad]:
        """How the limits of each stand: those that hold for a key without limits of its own."""

    async def read_catalogue_state(self) -> CatalogueState:
        """How the sources of models beside the bundled ones are."""

    async def find_pending(self, generation_id: str) -> LedgerEntry | None:
        """A settled generation that is not yet in the database, by its id or its upstream's."""
