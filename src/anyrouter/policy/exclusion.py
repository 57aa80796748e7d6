"""Which candidates a request's preferences leave out, and by what.

What is unknown is left out where the preference is a promise about privacy or money: nobody may find out afterwards that it was
not kept. Unknown abilities are no reason: in the same dialect the request arrives as it is, and the upstream says what it thinks.
"""

from collections.abc import Iterable

from anyrouter.core.catalogue import PriceTier, Tariff
from anyrouter.policy.candidate import Candidate
from anyrouter.policy.preference import Byok, Preferences, PriceBound


def find_reason(candidate: Candidate, preferences: Preferences, parameters: Iterable[str], input_tokens: int) -> str | None:
    """Why a candidate is not tried; None when nothing speaks against it.

    `parameters` are the request's members that matter (`candidate.list_parameters`), `input_tokens` its estimated size.
    """
    return (
        _by_name(candidate, preferences)
        or _by_region(candidate, preferences)
        or _by_policy(candidate, preferences)
        or _by_price(candidate.target.tariff, preferences.max_price, input_tokens)
        or _by_ability(candidate, preferences, parameters)
    )


def _by_name(candidate: Candidate, preferences: Preferences) -> str | None:
    if preferences.ignore and not candidate.names.isdisjoint(preferences.ignore):
        return "ignore"
    if preferences.only and candidate.names.isdisjoint(preferences.only):
        return "only"
    if not preferences.is_fallback_allowed and preferences.order and candidate.names.isdisjoint(preferences.order):
        return "allow_fallbacks: not in order"
    return None


def _by_region(candidate: Candidate, preferences: Preferences) -> str | None:
    region = candidate.facts.region
    if not preferences.regions or candidate.target.upstream.is_sandbox or (region or "").lower() in preferences.regions:
        return None
    return f"region: {region or 'unknown'}"


def _by_policy(candidate: Candidate, preferences: Preferences) -> str | None:
    facts = candidate.facts
    if preferences.byok is (Byok.NEVER if facts.is_byok else Byok.ONLY):
        return f"byok: {preferences.byok.value}"
    if preferences.is_collection_denied and facts.is_collecting is not False:
        return "data_collection: " + ("unknown" if facts.is_collecting is None else "allow")
    if preferences.is_retention_denied and facts.is_retaining is not False:
        return "zdr: " + ("unknown" if facts.is_retaining is None else "retains")
    if preferences.is_distillation_needed and facts.is_distillable is not True:
        return "enforce_distillable_text: " + ("unknown" if facts.is_distillable is None else "not allowed")
    if preferences.quantizations and (facts.quantization or "unknown") not in preferences.quantizations:
        return f"quantizations: {facts.quantization or 'unknown'}"
    return None


def _by_price(tariff: Tariff | None, bound: PriceBound | None, input_tokens: int) -> str | None:
    if bound is None:
        return None
    if tariff is None:
        return "max_price: price unknown"
    rate = select_rate(tariff, input_tokens)
    for name, price, most in (
        ("prompt", rate.input_nanousd, bound.prompt_nanousd),
        ("completion", rate.output_nanousd, bound.completion_nanousd),
        ("request", tariff.request_nanousd, bound.request_nanousd),
    ):
        if most is not None and price > most:
            return f"max_price.{name}"
    return None


def _by_ability(candidate: Candidate, preferences: Preferences, parameters: Iterable[str]) -> str | None:
    lacking = candidate.lacks(parameters) if preferences.is_requiring_parameters else []
    return f"require_parameters: {', '.join(sorted(lacking))}" if lacking else None


def select_rate(tariff: Tariff, input_tokens: int) -> Tariff | PriceTier:
    """The prices that hold for a request of that input."""
    rate: Tariff | PriceTier = tariff
    for tier in tariff.tiers:
        if input_tokens <= tier.above_tokens:
            break
        rate = tier
    return rate
