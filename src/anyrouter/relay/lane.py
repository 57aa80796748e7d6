"""What requests have in common: made once for a key, an endpoint and a model, and used by every request that asks for the same."""

import msgspec

from anyrouter.core.ledger import Intent
from anyrouter.core.provider import Quirk
from anyrouter.core.tenancy import EnvironmentKind
from anyrouter.policy.candidate import Candidate, Candidates
from anyrouter.policy.charge import PLAIN, PPM, Billing
from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.policy.route import Snapshot, Target
from anyrouter.providers.adaptation import list_refused, select_quirks
from anyrouter.relay.call import Principal
from anyrouter.relay.stats import RelayStats, Tally
from anyrouter.relay.terms import Terms, make_terms
from anyrouter.relay.upstream_head import UpstreamHead
from anyrouter.wire.dialect import DIALECTS, Dialect


class Stop(msgspec.Struct, frozen=True):
    """One target of a lane. `intent` is a pattern: what differs from request to request is filled in by the generation."""

    target: Target
    head: UpstreamHead
    quirks: tuple[Quirk, ...]  # of a provider whose format the gateway writes itself
    refused: frozenset[str]  # members of earlier messages that one whose format the client writes does not take
    intent: Intent
    served_by: bytes
    is_sandboxed: bool
    is_price_unknown: bool
    tally: Tally
    is_byok: bool = False  # asked with a tenant's own credential
    billing: Billing | None = None  # None: the tariff's price is what is charged


class Lane(msgspec.Struct, frozen=True):
    """The stops of requests of one principal to one endpoint for one model, one for each candidate, in their order.

    `terms` is None for nearly everybody: nothing is to be looked at then but requests per minute.
    """

    principal: Principal
    snapshot: Snapshot
    dialect: Dialect  # the client's
    candidates: Candidates
    stops: tuple[Stop, ...]
    variant: str | None  # of the name that was asked for
    is_hedged: bool = False  # whether a second target is asked beside a first one that is silent for too long
    terms: Terms | None = None

    def is_of(self, principal: Principal, snapshot: Snapshot) -> bool:
        """Whether it was made of the very records that hold now: a changed key or environment is another object."""
        made_for = self.principal
        return self.snapshot is snapshot and made_for.key is principal.key and made_for.environment is principal.environment


def make_lane(
    principal: Principal,
    snapshot: Snapshot,
    endpoint: str,
    candidates: Candidates,
    stats: RelayStats,
    *,
    is_hedged: bool = False,
    billing: Billing = PLAIN,
) -> Lane:
    """The lane of these candidates, counted in `stats`."""
    dialect = DIALECTS[ENDPOINTS[endpoint].dialect]
    stops = tuple(_make_stop(principal, endpoint, candidate, stats, billing) for candidate in candidates.all)
    known = candidates.all[0].target.known
    variant = None if known is None else known.variant
    return Lane(principal, snapshot, dialect, candidates, stops, variant, is_hedged, make_terms(principal))


def _make_stop(principal: Principal, endpoint: str, candidate: Candidate, stats: RelayStats, billing: Billing) -> Stop:
    target, is_byok = candidate.target, candidate.facts.is_byok
    key, upstream = principal.key, target.upstream
    common = {
        "generation_id": "",
        "attempt": 1,
        "request_id": "",
        "organisation_id": key.organisation_id,
        "environment_id": key.environment_id,
        "environment": key.environment,
        "api_key_id": key.id,
        "rotation_group": key.rotation_group,
        "endpoint": endpoint,
        "model": target.model,
        "upstream_model": target.upstream_model,
        "provider": upstream.provider.id,
        "upstream": upstream.id,
        "created_at_ms": 0,
    }
    quirks = select_quirks(upstream.provider, target.way.dialect, target.upstream_model)
    return Stop(
        target=target,
        head=UpstreamHead(target),
        quirks=quirks if target.way.is_translated else (),
        refused=frozenset() if target.way.is_translated else list_refused(quirks),
        intent=msgspec.convert(common, Intent),
        served_by=f"X-AnyRouter-Served-By: {upstream.id}; attempt=".encode("latin-1"),
        is_sandboxed=principal.environment.kind is EnvironmentKind.SANDBOX or upstream.is_sandbox,
        is_price_unknown=target.tariff is None,
        tally=stats.tally_of(endpoint, key.environment, upstream.provider.id, upstream.id),
        is_byok=is_byok,
        billing=billing if is_byok or billing.markup_ppm != PPM else None,
    )
