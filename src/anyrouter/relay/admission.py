"""Judging a request's body: what is asked, where it may go in which order, whether the limits allow it.

A refusal here has cost the caller nothing and the upstreams nothing.
"""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
from msgspec.structs import replace

from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.ids import generation_id_of
from anyrouter.core.preset import PresetTable
from anyrouter.policy.affinity import Affinity, ConversationKey
from anyrouter.policy.attempt import Attempts
from anyrouter.policy.authorize import judge_key, judge_model
from anyrouter.policy.budget import Grant
from anyrouter.policy.candidate import NO_RULES, Candidate, Exclusion, RoutingRules, Selection, list_parameters, make_candidates
from anyrouter.policy.conversation import name_conversation
from anyrouter.policy.dry_run import explain, render
from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.policy.health import HealthBook
from anyrouter.policy.limit import LimitState
from anyrouter.policy.model_list import list_models
from anyrouter.policy.preference import Preferences, read_preferences, sort_by_variant
from anyrouter.policy.route import CHAT_ENDPOINTS, Snapshot, pin_target, route, select_allowed
from anyrouter.policy.selection import select
from anyrouter.policy.strategy import Demand
from anyrouter.relay.call import Principal, RequestHead
from anyrouter.relay.dry_run import ROUTE, bound_output, list_names, list_unreached, rehearse
from anyrouter.relay.generation import Generation
from anyrouter.relay.hold import Holds, Unread, Wish
from anyrouter.relay.lane import Lane, make_lane
from anyrouter.relay.limiter import RateLimiter
from anyrouter.relay.ports import Downstream, KeyUse
from anyrouter.relay.reply_head import JSON_HEAD, common_lines, limit_lines
from anyrouter.relay.stats import RelayStats
from anyrouter.relay.terms import Terms
from anyrouter.relay.token_count import COUNT_TOKENS, COUNTED_FOR, reply_with_estimate
from anyrouter.wire.dialect import DIALECTS
from anyrouter.wire.output_limit import set_output_limit
from anyrouter.wire.preset import apply_preset, no_such_preset, read_preset
from anyrouter.wire.request import InferenceRequest

_MAX_LANES = 10_000
_DIALECT_OF = {
    path: DIALECTS[row.dialect] for path, row in ENDPOINTS.items() if row.is_inference and not row.is_dry and row.dialect in DIALECTS
}
_PRESET_MARK = "@preset/"


class Admission:
    """Admits requests. `snapshot` is replaced by assignment; lanes made of an earlier one, or of an earlier key, are not used."""

    def __init__(
        self,
        *,
        limiter: RateLimiter,
        key_use: KeyUse,
        snapshot: Snapshot,
        stats: RelayStats,
        presets: Callable[[], PresetTable] = PresetTable,
        rules: RoutingRules = NO_RULES,
        holds: Holds,
    ) -> None:
        self.snapshot, self._stats, self._holds = snapshot, stats, holds
        self.health, self.affinity = HealthBook(), Affinity()
        self._limiter, self._key_use, self._presets, self._rules = limiter, key_use, presets, rules
        self._lanes: dict[tuple[str, str, str], Lane] = {}

    def admit(  # noqa: PLR0911 -- one a step
        self, head: RequestHead, principal: Principal, body: bytes, downstream: Downstream, on_leave: Callable[[Generation], None]
    ) -> Generation | Denied | Unread | None:
        """The generation that the request makes, counted against the limits; or why there is none. None when it is answered already.

        Unread: something has to be read before anybody can say; nothing was counted, and the request is to be admitted again.
        """
        key, said = principal.key, head.facts or head.read_facts()
        self._key_use.note(key.id, head.now_ms, head.client_host, said.client_agent)
        if said.denied is not None:
            return said.denied
        now_s = time.monotonic()
        if head.endpoint == ROUTE:
            return self._explain(head, principal, body, downstream, now_s)
        try:
            request = self._read(head, principal, body)
        except ClientError as error:
            return error.denied
        choice = self._plan(head, principal, request, said.pin, now_s)
        if isinstance(choice, Denied):
            return self._estimate(head, principal, request, downstream, now_s) if head.endpoint == COUNT_TOKENS else choice
        terms = choice.lane.terms
        if terms is not None:
            return self._admit_on_terms(terms, head, principal, request, choice, downstream, on_leave, now_s)
        limit = self._limiter.admit(principal, now_s)
        if isinstance(limit, Denied):
            return limit
        return _generate(head, principal, request, choice, downstream, on_leave, limit)

    def _admit_on_terms(  # noqa: PLR0917 -- as `admit`
        self,
        terms: Terms,
        head: RequestHead,
        principal: Principal,
        request: InferenceRequest,
        choice: "_Choice",
        downstream: Downstream,
        on_leave: Callable[[Generation], None],
        now_s: float,
    ) -> Generation | Denied | Unread:
        """As `admit`, of a request that counts against more than requests per minute."""
        wish = _wish(head, request, choice, now_s)
        if self._holds.is_unread(terms, principal, wish.now_ms):
            return Unread(self._holds, terms, principal)
        hold = self._holds.take(terms, principal, wish)
        if isinstance(hold, Denied):
            return hold
        if len(hold.order) < len(choice.order):
            choice.turn_to(hold.order)
        if hold.max_tokens is not None:
            body = set_output_limit(request.members, head.endpoint, hold.max_tokens, is_newer_name=hold.is_newer_name)
            dialect = _DIALECT_OF[head.endpoint]
            if dialect.read_named_request is None:
                request = dialect.read_request(head.endpoint, body)
            else:
                request = dialect.read_named_request(head.endpoint, body, request.model)
        generation = _generate(head, principal, request, choice, downstream, on_leave, hold.limit)
        generation.hold = hold
        return generation

    def _plan(
        self, head: RequestHead, principal: Principal, request: InferenceRequest, pin: str | None, now_s: float
    ) -> "_Choice | Denied":
        """Whom the request would be sent to now. `pin` is the only provider that its head allows, if it names one."""
        lane = self._find_lane(principal, head.endpoint, request.model, pin)
        shortcut: Selection | None = None
        if not isinstance(lane, Lane):
            if lane.type == "permission_error" or "models" not in request.members.values:
                return lane  # another model stands in for one that fails or is not there, not for one that the key may not use
        elif not request.remove and lane.variant is None:  # none of the gateway's own members: nothing is wished for
            remembered = self.affinity.count(principal.environment.id, lane.candidates.model, now_s) if len(self.affinity) else 0
            shortcut = lane.candidates.shortcut(remembered)
        if shortcut is not None:
            assert isinstance(lane, Lane)  # noqa: S101 -- only a lane has a shortcut
            return _Choice(lane, shortcut.candidates)
        return self._choose(head, principal, request, lane, now_s)

    def _estimate(
        self, head: RequestHead, principal: Principal, request: InferenceRequest, downstream: Downstream, now_s: float
    ) -> Denied | None:
        """Tell how long a request is whose tokens nobody counts; or why it would not be served."""
        choice = self._plan(replace(head, endpoint=COUNTED_FOR), principal, request, head.read_facts().pin, now_s)
        if isinstance(choice, Denied):
            return choice
        limit = self._limiter.admit(principal, now_s)
        if isinstance(limit, Denied):
            return limit
        reply_with_estimate(head, principal, request.estimated_input_tokens, limit, downstream)
        return None

    def _explain(
        self, head: RequestHead, principal: Principal, body: bytes, downstream: Downstream, now_s: float
    ) -> Denied | Unread | None:
        """Reply with what would become of a request; its refusal is a part of that, unless nobody can read it."""
        try:
            own = rehearse(head, body, self.snapshot.resolve)
            request = self._read(own, principal, body)
        except ClientError as error:
            return error.denied
        key, environment, pin = principal.key, principal.environment, own.read_facts().pin
        choice = self._plan(own, principal, request, pin, now_s)
        verdict = self._rehearse(own, principal, request, choice, now_s)
        if isinstance(verdict, Unread):
            return verdict
        outcome: Selection | Denied
        if isinstance(choice, Denied):
            outcome = choice
        else:
            outcome = Selection(candidates=choice.order, excluded=choice.excluded)
            routes = [route(self.snapshot, environment, own.endpoint, name) for name in list_names(request)]
            found = [targets for targets in routes if not isinstance(targets, Denied)]
            unreached = list_unreached(outcome, found, "the key's restrictions" if pin is None else "X-AnyRouter-Provider")
            outcome = Selection(candidates=choice.order, excluded=(*choice.excluded, *unreached))
        now = datetime.fromtimestamp(head.now_ms / 1000, UTC)
        denied = judge_key(key, principal.owner, ENDPOINTS[own.endpoint], head.client_host, now)
        told = explain(
            outcome,
            now_s,
            input_tokens=request.estimated_input_tokens,
            output_tokens=bound_output(own.endpoint, request),
            denied=denied or (verdict if isinstance(verdict, Denied) else None),
            grant=None if isinstance(verdict, Denied) else verdict,
        )
        limits = limit_lines(self._limiter.peek(principal, now_s), ENDPOINTS[ROUTE].dialect, head.now_ms)
        reply = msgspec.json.encode({"data": {"endpoint": own.endpoint, **render(told)}})
        downstream.reply(200, JSON_HEAD + common_lines(head, principal) + limits, reply)
        return None

    def _rehearse(
        self, head: RequestHead, principal: Principal, request: InferenceRequest, choice: "_Choice | Denied", now_s: float
    ) -> Grant | Denied | Unread | None:
        """What limits and budgets would answer to a request now; nothing is taken."""
        terms = None if isinstance(choice, Denied) else choice.lane.terms
        if terms is None or isinstance(choice, Denied):
            return self._limiter.judge(principal, now_s)
        wish = _wish(head, request, choice, now_s)
        if self._holds.is_unread(terms, principal, wish.now_ms):
            return Unread(self._holds, terms, principal)
        return self._holds.judge(terms, principal, wish)

    def remember(self, generation: Generation, now_s: float) -> None:
        """A request was served by one of several: its conversation stays there, unless that is where anybody's goes."""
        target = generation.target
        if not generation.is_placed and target is generation.order[0].target:
            return
        name = generation.conversation or self._name_conversation(generation.head, generation.request)
        if name is not None:
            key = ConversationKey(generation.principal.environment.id, target.model, name)
            self.affinity.keep(key, target.upstream.id, now_s)

    def _read(self, head: RequestHead, principal: Principal, body: bytes) -> InferenceRequest:
        endpoint = head.endpoint
        dialect = _DIALECT_OF[endpoint]
        if head.model is not None and dialect.read_named_request is not None:
            request = dialect.read_named_request(endpoint, body, head.model)
        else:
            request = dialect.read_request(endpoint, body)
        if _PRESET_MARK not in request.model and "preset" not in request.members.values:
            return request
        asked = read_preset(request.members, head.model)
        if asked is None:
            return request
        preset = self._presets().find(principal.environment.id, asked[0])
        if preset is None:
            raise ClientError(no_such_preset(*asked))
        return dialect.read_request(endpoint, apply_preset(body, preset, endpoint, head.model))

    def _choose(
        self, head: RequestHead, principal: Principal, request: InferenceRequest, lane: Lane | Denied, now_s: float
    ) -> "_Choice | Denied":
        """The lanes and the order of a request that wishes for something, or that several targets could serve."""
        members, endpoint = request.members, head.endpoint
        is_wishing = bool(request.remove)
        preferences = read_preferences(members.raw("provider")) if is_wishing else None
        if isinstance(preferences, Denied):
            return preferences
        names = list_models(members, request.model) if is_wishing else (request.model,)
        pin = head.read_facts().pin
        found = [lane, *(self._find_lane(principal, endpoint, name, pin) for name in names[1:])]
        lanes = {one.candidates.model: one for one in found if isinstance(one, Lane)}
        if not lanes:
            return next(one for one in found if isinstance(one, Denied))
        groups = [one.candidates for one in lanes.values()]
        variant = lane.variant if isinstance(lane, Lane) else None
        wish: Preferences | None = sort_by_variant(preferences, variant)
        conversation = self._name_conversation(head, request) if any(len(group.all) > 1 for group in groups) else None
        environment_id = principal.environment.id
        places: dict[str, str] = {}
        if conversation is not None and len(self.affinity):
            for model in lanes:
                place = self.affinity.find(ConversationKey(environment_id, model, conversation), now_s)
                if place is not None:
                    places[model] = place
        demand = Demand(
            now_s=now_s,
            random=random.random(),  # noqa: S311 -- weights, not secrets
            input_tokens=request.estimated_input_tokens,
            parameters=list_parameters(members),
            places=places,
        )
        selection = select(groups, wish, demand)
        if isinstance(selection, Denied):
            return selection
        order = selection.candidates
        is_strict = preferences is not None and preferences.is_requiring_parameters
        first = lanes[order[0].target.model]
        if preferences is not None and preferences.is_hedged is not None:
            first = msgspec.structs.replace(first, is_hedged=preferences.is_hedged)
        return _Choice(
            first,
            order,
            lanes if len(lanes) > 1 else None,
            is_requiring_parameters=is_strict,
            conversation=conversation,
            is_placed=bool(places) or not selection.is_settled,
            excluded=selection.excluded,
        )

    @staticmethod
    def _name_conversation(head: RequestHead, request: InferenceRequest) -> bytes | None:
        return name_conversation(request.members, head.headers.get(b"x-session-id")) if head.endpoint in CHAT_ENDPOINTS else None

    def _find_lane(self, principal: Principal, endpoint: str, model: str, pin: str | None) -> Lane | Denied:
        key = principal.key
        if pin is None:
            kept = self._lanes.get((key.id, endpoint, model))
            if kept is not None and kept.is_of(principal, self.snapshot):
                return kept
        targets = route(self.snapshot, principal.environment, endpoint, model)
        if isinstance(targets, Denied):
            return targets
        denied = judge_model(key, targets[0].model)
        if denied is not None:
            return denied
        allowed = select_allowed(key, targets)
        if pin is not None and not isinstance(allowed, Denied):
            allowed = pin_target(self.snapshot, principal.environment, allowed, pin)
        if isinstance(allowed, Denied):
            return allowed
        strategy, facts_of = self._rules.strategy_of(targets[0].model), self._rules.facts_of
        candidates = make_candidates(allowed, self.health, time.monotonic(), strategy=strategy, facts_of=facts_of)
        is_hedged, billing = self._rules.is_hedged(targets[0].model), self._holds.billing
        lane = make_lane(principal, self.snapshot, endpoint, candidates, self._stats, is_hedged=is_hedged, billing=billing)
        if pin is None:
            if len(self._lanes) >= _MAX_LANES:
                self._lanes.clear()
            self._lanes[key.id, endpoint, model] = lane
        return lane


def _wish(head: RequestHead, request: InferenceRequest, choice: "_Choice", now_s: float) -> Wish:
    stops = [(candidate, choice.lane_of(candidate).stops[candidate.position]) for candidate in choice.order]
    tries = 2 if choice.lane.is_hedged and len(stops) > 1 else 1
    return Wish(head.endpoint, request, stops, tries, now_s, time.time_ns() // 1_000_000)


def _generate(  # noqa: PLR0917 -- as `admit`
    head: RequestHead,
    principal: Principal,
    request: InferenceRequest,
    choice: "_Choice",
    downstream: Downstream,
    on_leave: Callable[[Generation], None],
    limit: LimitState,
) -> Generation:
    order, lane = choice.order, choice.lane
    stop = lane.stops[order[0].position]
    return Generation(
        id=generation_id_of(head.request_id),
        head=head,
        principal=principal,
        dialect=lane.dialect,
        request=request,
        downstream=downstream,
        limit=limit,
        attempts=Attempts(),
        target=stop.target,
        stop=stop,
        lane=lane,
        order=order,
        lanes=choice.lanes,
        on_leave=on_leave,
        is_requiring_parameters=choice.is_requiring_parameters,
        conversation=choice.conversation,
        is_placed=choice.is_placed,
    )


class _Choice(msgspec.Struct, eq=False):
    """Whom a request is sent to."""

    lane: Lane
    order: tuple[Candidate, ...]
    lanes: dict[str, Lane] | None = None
    is_requiring_parameters: bool = False
    conversation: bytes | None = None
    is_placed: bool = False
    excluded: tuple[Exclusion, ...] = ()

    def lane_of(self, candidate: Candidate) -> Lane:
        """The lane that the candidate is of."""
        return self.lane if self.lanes is None else self.lanes[candidate.target.model]

    def turn_to(self, order: tuple[Candidate, ...]) -> None:
        """Only these are left of the order."""
        first, self.order = self.lane_of(order[0]), order
        self.lane = first if first.is_hedged is self.lane.is_hedged else msgspec.structs.replace(first, is_hedged=self.lane.is_hedged)
