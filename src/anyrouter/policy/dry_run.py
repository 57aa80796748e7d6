"""What would become of a request, without sending it: the answer of `POST /route`.

Built from the very selection that a real request gets, so that it cannot say something else.
"""

from typing import Any

import msgspec

from anyrouter.core.errors import Denied
from anyrouter.core.money import to_usd
from anyrouter.core.usage import Usage
from anyrouter.policy.budget import Grant
from anyrouter.policy.candidate import Candidate, Exclusion, Selection
from anyrouter.policy.exclusion import select_rate
from anyrouter.policy.health import SHORT, SICK, WELL
from anyrouter.policy.price import price
from anyrouter.policy.selection import list_exclusions

_STATES = {WELL: "well", SHORT: "short", SICK: "sick"}


class PriceRange(msgspec.Struct, frozen=True, kw_only=True):
    """What the request may cost in nano-USD, over the targets whose price is known.

    From its input alone at the cheapest, to its input and `output_tokens` at the dearest; None for an answer without a bound.
    """

    least_nanousd: int
    most_nanousd: int | None
    is_price_unknown: bool  # of at least one target


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The targets in their order with what stands against them, those left out, and whether the key would be refused."""

    candidates: tuple[Candidate, ...]
    states: tuple[str, ...]
    excluded: tuple[Exclusion, ...]
    denied: Denied | None
    price: PriceRange | None
    input_tokens: int
    output_tokens: int | None
    grant: Grant | None


def explain(
    selection: Selection | Denied,
    now_s: float,
    *,
    input_tokens: int,
    output_tokens: int | None,
    denied: Denied | None = None,
    grant: Grant | None = None,
) -> Explanation:
    """The explanation of a selection.

    `output_tokens` is the request's own limit, None without one; `denied` what the key's rights and limits would answer to the
    real request (None: it would be let through), `grant` what budgets would reserve for it.
    """
    candidates = selection.candidates if isinstance(selection, Selection) else ()
    return Explanation(
        candidates=candidates,
        states=tuple(_STATES[candidate.health.rank(now_s, input_tokens)] for candidate in candidates),
        excluded=selection.excluded if isinstance(selection, Selection) else (),
        denied=denied or (selection if isinstance(selection, Denied) else None),
        price=bound_price(candidates, input_tokens, output_tokens),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        grant=grant,
    )


def bound_price(candidates: tuple[Candidate, ...], input_tokens: int, output_tokens: int | None) -> PriceRange | None:
    """What the request may cost; None when no target's price is known."""
    tariffs = [candidate.target.tariff for candidate in candidates]
    known = [tariff for tariff in tariffs if tariff is not None]
    if not known:
        return None
    least = min(price(tariff, Usage(input_tokens=input_tokens)) for tariff in known)
    whole = Usage(input_tokens=input_tokens, output_tokens=output_tokens or 0)
    return PriceRange(
        least_nanousd=least,
        most_nanousd=None if output_tokens is None else max(price(tariff, whole) for tariff in known),
        is_price_unknown=len(known) < len(tariffs),
    )


def render(explanation: Explanation) -> dict[str, Any]:
    """The reply's `data` member: contract, section 5."""
    denied, price_range = explanation.denied, explanation.price
    excluded = list_exclusions(explanation.excluded) or list((denied.metadata if denied else {}).get("excluded", ()))
    document: dict[str, Any] = {
        "targets": [
            _render_target(candidate, state, explanation.input_tokens)
            for candidate, state in zip(explanation.candidates, explanation.states, strict=True)
        ],
        "excluded": excluded,
        "allowed": denied is None,
        "price": {
            "currency": "usd",
            "input_tokens": explanation.input_tokens,
            "max_output_tokens": explanation.output_tokens,
            "min": None if price_range is None else to_usd(price_range.least_nanousd),
            "max": None if price_range is None or price_range.most_nanousd is None else to_usd(price_range.most_nanousd),
            "price_unknown": price_range is None or price_range.is_price_unknown,
        },
    }
    grant = explanation.grant
    if grant is not None:
        document["price"]["reserved"] = to_usd(max((amount for _, amount in grant.amounts), default=0))
        document["price"]["lowered_max_tokens"] = grant.tokens
    if denied is not None:
        document["error"] = {"code": denied.code, "message": denied.message, "param": denied.param, "status": denied.http_status}
    return document


def _render_target(candidate: Candidate, state: str, input_tokens: int) -> dict[str, Any]:
    target, facts = candidate.target, candidate.facts
    rate = None if target.tariff is None else select_rate(target.tariff, input_tokens)
    return {
        "upstream": target.upstream.id,
        "provider": target.upstream.provider.name,
        "model": target.model,
        "upstream_model": target.upstream_model,
        "priority": target.upstream.priority,
        "weight": facts.weight,
        "region": facts.region,
        "quantization": facts.quantization,
        "is_byok": facts.is_byok,
        "health": state,
        "pricing_per_million": None if rate is None else {"prompt": to_usd(rate.input_nanousd), "completion": to_usd(rate.output_nanousd)},
    }
