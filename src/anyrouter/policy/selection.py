"""Which candidates a request is tried at, in which order: preferences, strategy, health and the conversation's place in one answer.

    leave out          preferences that forbid (policy.exclusion)
    put in order       strategy or `sort`, then own credentials, then `order`
    leave out          the operator's behind a tenant's credential that was rejected, unless that says that they stand in for it
    move back          who lacks what the request needs; who is short of rate or ill; who is slower than asked for
    move to the front  where the conversation is, if nothing speaks against it

The ill are moved back and never left out: `policy.succession` says what becomes of them.
"""

from collections.abc import Sequence

from anyrouter.core.errors import Denied
from anyrouter.policy.candidate import SOFTLY_REQUIRED, Candidate, Candidates, Exclusion, Selection
from anyrouter.policy.exclusion import find_reason
from anyrouter.policy.health import WELL
from anyrouter.policy.preference import NO_PREFERENCES, Byok, Preferences, Strategy
from anyrouter.policy.strategy import Demand, arrange, misses


def select(groups: Sequence[Candidates], preferences: Preferences | None, demand: Demand) -> Selection | Denied:
    """The candidates of the models in `groups`, the first model's before the second's unless sorted across; a refusal names all filters.

    For a request for one model without preferences `Candidates.shortcut` gives the same answer at once where it is the only one.
    """
    wish = preferences or NO_PREFERENCES
    excluded: list[Exclusion] = []
    kept = [_filter(group, preferences, demand, excluded) for group in groups]
    if wish.is_sorted_across_models and wish.sort is not None:
        kept = [[candidate for group in kept for candidate in group]]
    chosen: list[Candidate] = []
    is_settled = wish.sort is None
    rejected: Candidate | None = None
    for group, candidates in zip(groups, kept, strict=False):
        if candidates:
            wanted = _take_turns(group, _order(candidates, wish, wish.sort or group.strategy, demand), wish)
            wanted, rejected = _leave_operators(wanted, rejected, excluded)
            if not wanted:
                continue
            if not wish.is_fallback_allowed and not wish.order:
                excluded += [_exclude(candidate, "allow_fallbacks: not the first") for candidate in wanted[1:]]
                wanted = wanted[:1]
            ordered = _prefer_place(_move_back(wanted, wish, demand), demand)
            if not chosen:
                is_settled = is_settled and group.strategy is Strategy.PRIORITY and ordered[0] is wanted[0]
            chosen += ordered
    if not chosen:
        return _refuse(groups, excluded)
    return Selection(candidates=tuple(chosen), excluded=tuple(excluded), is_settled=is_settled)


def _filter(group: Candidates, preferences: Preferences | None, demand: Demand, excluded: list[Exclusion]) -> list[Candidate]:
    if preferences is None:
        return list(group.all)
    kept = []
    for candidate in group.all:
        reason = find_reason(candidate, preferences, demand.parameters, demand.input_tokens)
        if reason is None:
            kept.append(candidate)
        else:
            excluded.append(_exclude(candidate, reason))
    return kept


def _order(candidates: list[Candidate], wish: Preferences, strategy: Strategy, demand: Demand) -> list[Candidate]:
    ordered = arrange(candidates, strategy, demand)
    if wish.byok in (Byok.PREFER, Byok.LAST) or (strategy is not Strategy.PRIORITY and not wish.is_sorted_across_models):
        ordered.sort(key=lambda candidate: _account(candidate, wish))  # whose account pays is not a matter of speed
    if wish.order:
        places = {name: place for place, name in reversed(list(enumerate(wish.order)))}
        ordered.sort(key=lambda candidate: min((places[name] for name in candidate.names if name in places), default=len(places)))
    return ordered


def _account(candidate: Candidate, wish: Preferences) -> tuple[bool, int]:
    """A tenant's own go before the operator's unless the request says otherwise, by their order unless the request sorts."""
    is_byok = candidate.facts.is_byok
    is_by_order = is_byok and wish.sort is None
    return is_byok is (wish.byok is Byok.LAST), candidate.target.upstream.priority if is_by_order else 0


def _take_turns(group: Candidates, ordered: list[Candidate], wish: Preferences) -> list[Candidate]:
    """Where the first is a tenant's credential of an order that others have too, it is the one whose turn it is."""
    turns, first = group.turns, ordered[0]
    if turns is None or wish.sort is not None or wish.order or first.target.upstream.byok is None:
        return ordered
    priority = first.target.upstream.priority
    like = [one for one in ordered if one.target.upstream.priority == priority and one.health.is_well] or [first]
    chosen = turns.take([(one.target.upstream.id, one.facts.weight) for one in like])
    return sorted(ordered, key=lambda one: (one.target.upstream.priority != priority, one.target.upstream.id != chosen))


def _leave_operators(
    candidates: list[Candidate], rejected: Candidate | None, excluded: list[Exclusion]
) -> tuple[list[Candidate], Candidate | None]:
    """Without the operator's that would stand in for a rejected credential in silence; and the credential that these were left for."""
    kept = []
    for candidate in candidates:
        byok = candidate.target.upstream.byok
        if byok is not None and not byok.is_fallback and candidate.health.is_rejected:
            rejected = rejected or candidate
        if byok is None and rejected is not None:
            excluded.append(_exclude(candidate, f"byok: {rejected.target.upstream.id} was rejected"))
        else:
            kept.append(candidate)
    return kept, rejected


def _move_back(candidates: list[Candidate], wish: Preferences, demand: Demand) -> list[Candidate]:
    """Stable: who has nothing against it keeps its place. A wrong answer is worse than a late one, so lacking an ability goes last."""
    if len(candidates) == 1:
        return candidates
    now_s, needed = demand.now_s, demand.parameters & SOFTLY_REQUIRED
    is_measuring = bool(wish.latency or wish.throughput)
    return sorted(
        candidates,
        key=lambda candidate: (
            bool(needed and candidate.lacks(needed)),
            candidate.health.rank(now_s, demand.input_tokens),
            is_measuring and misses(candidate, wish.latency, wish.throughput, now_s),
        ),
    )


def _prefer_place(candidates: list[Candidate], demand: Demand) -> list[Candidate]:
    if not demand.places:
        return candidates
    for index, candidate in enumerate(candidates):
        target = candidate.target
        if demand.places.get(target.model) == target.upstream.id and candidate.health.rank(demand.now_s, demand.input_tokens) == WELL:
            if candidate.lacks(demand.parameters & SOFTLY_REQUIRED) or candidate.facts.is_byok is not candidates[0].facts.is_byok:
                return candidates  # whose account pays is not a matter of where a conversation happened to be
            return [candidate, *candidates[:index], *candidates[index + 1 :]]
    return candidates


def _exclude(candidate: Candidate, reason: str) -> Exclusion:
    return Exclusion(upstream=candidate.target.upstream.id, model=candidate.target.model, reason=reason)


def _refuse(groups: Sequence[Candidates], excluded: list[Exclusion]) -> Denied:
    models = " or ".join(dict.fromkeys(group.model for group in groups))
    reasons = ", ".join(f"{exclusion.upstream} ({exclusion.reason})" for exclusion in excluded)
    if any(exclusion.reason.startswith("region") for exclusion in excluded):
        return Denied(
            code="region_not_allowed",
            param="provider.region",
            message=f"The request demands a region, and no upstream for {models} is known to be there: {reasons}.",
            metadata={"excluded": list_exclusions(excluded)},
        )
    hint = " An unknown property is one that the operator has not declared." if ": unknown" in reasons else ""
    return Denied(
        code="no_route",
        param="provider",
        message=f"The request's provider preferences leave no upstream for {models}: {reasons}.{hint}",
        metadata={"excluded": list_exclusions(excluded)},
    )


def list_exclusions(excluded: Sequence[Exclusion]) -> list[dict[str, str]]:
    """The excluded as they are shown in an error's metadata and in a dry run."""
    return [{"upstream": exclusion.upstream, "model": exclusion.model, "reason": exclusion.reason} for exclusion in excluded]
