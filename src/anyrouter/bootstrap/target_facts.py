"""What the operator and the catalogue know of the targets, as what requests choose by."""

from collections.abc import Sequence

from msgspec.structs import replace

from anyrouter.core.byok import ProviderCredential
from anyrouter.policy.candidate import NO_FACTS, TargetFacts, list_unsupported
from anyrouter.policy.route import Target
from anyrouter.settings.upstreams import Upstream


class KnownTargets:
    """`facts_of` of the configured upstreams. The simulated provider is as if nothing were known of it but its model."""

    def __init__(self, upstreams: Sequence[Upstream]) -> None:
        self._by_upstream = {upstream.id: _read(upstream) for upstream in upstreams}

    def facts_of(self, target: Target) -> TargetFacts:
        """What is known of a target: its upstream's row, its model's row, and its provider's for the format that it is asked in."""
        known, upstream = target.known, target.upstream
        supported = None if known is None else known.supported_parameters
        own = upstream.byok
        return replace(
            self._by_upstream.get(upstream.id, NO_FACTS) if own is None else _read_byok(own, upstream.region),
            supported_parameters=None if supported is None else frozenset(supported),
            unsupported_parameters=list_unsupported(upstream.provider, target.upstream_model, target.way.dialect),
        )


def _read(upstream: Upstream) -> TargetFacts:
    return TargetFacts(
        weight=upstream.weight,
        region=upstream.region,
        quantization=upstream.quantization,
        is_collecting=upstream.is_collecting,
        is_retaining=upstream.is_retaining,
        is_distillable=upstream.is_distillable,
    )


def _read_byok(own: ProviderCredential, region: str | None) -> TargetFacts:
    """Of a tenant's account nobody knows more than its owner says."""
    return TargetFacts(weight=own.weight, region=region, is_retaining=own.is_retaining, is_byok=True)
