"""One request on its way: what was judged, where it goes, what has been measured. Lives as long as the request."""

import time
from collections.abc import Callable, Iterable

import msgspec
from msgspec.structs import replace

from anyrouter.core.errors import Denied, UpstreamError
from anyrouter.core.ledger import HEDGE_LOST, EntryState, Intent, Outcome
from anyrouter.core.money import to_usd_string
from anyrouter.core.usage import NO_USAGE, Usage, UsageSource, estimate_tokens, is_charged
from anyrouter.policy.attempt import Attempts
from anyrouter.policy.candidate import Candidate
from anyrouter.policy.charge import Charge, charge
from anyrouter.policy.circuit import REFUSED
from anyrouter.policy.limit import LimitState
from anyrouter.policy.outcome import Outcome as AttemptOutcome
from anyrouter.policy.outcome import judge_outcome
from anyrouter.policy.price import price
from anyrouter.policy.rate_headers import read_allowances
from anyrouter.policy.route import Target
from anyrouter.policy.succession import Attempt
from anyrouter.relay.call import Principal, RequestHead
from anyrouter.relay.hold import Hold
from anyrouter.relay.lane import Lane, Stop
from anyrouter.relay.ports import Downstream, Exchange
from anyrouter.wire.dialect import Dialect
from anyrouter.wire.reply import CostFields, Naming, ReplyFacts, StreamRewriter
from anyrouter.wire.request import InferenceRequest
from anyrouter.wire.translation.translation import DecodedRequest, Translation


class Generation(msgspec.Struct, kw_only=True):
    """The state of one inference request after it was admitted."""

    id: str
    head: RequestHead
    principal: Principal
    dialect: Dialect | Translation  # the client's; how a reply of the target is read and rendered for it
    request: InferenceRequest
    downstream: Downstream
    limit: LimitState
    attempts: Attempts
    target: Target
    stop: Stop
    lane: Lane
    order: tuple[Candidate, ...]  # whom it is tried at
    on_leave: Callable[["Generation"], None]  # called when the client is gone and no task is there to be cancelled
    cancel: Callable[[], object] | None = None  # the task's
    asked_s: float = 0.0  # when the attempt under way began
    intent: Intent | None = None  # the last attempt's
    exchange: Exchange | None = None  # the one under way
    upstream_s: float = 0.0  # time spent waiting for upstreams
    first_byte_s: float | None = None  # monotonic
    is_asked: bool = False  # whether an upstream may have seen the request
    is_begun: bool = False  # whether the client has got a byte
    is_settled: bool = False
    settled: Outcome | None = None  # with what
    is_waiting: bool = False  # for a reply, without a task
    lanes: dict[str, Lane] | None = None  # by public model id, where a request names several
    attempt: Attempt | None = None  # under way, its permit not given back
    conversation: bytes | None = None  # its name, where that was asked for
    is_placed: bool = False  # the order is not the one that anybody would get
    is_requiring_parameters: bool = False  # the client's provider.require_parameters
    partial: Usage = NO_USAGE  # what had been used when the reply broke off
    decoded: DecodedRequest | None = None  # the request in the form, once a target needed that
    rewriter: StreamRewriter | None = None
    hold: Hold | None = None  # what it has taken of limits and budgets, where there are any
    cut: Denied | None = None  # why its key may not go on
    facts: ReplyFacts = msgspec.field(default_factory=ReplyFacts)

    def naming(self) -> Naming:
        """What the reply is called."""
        target = self.target
        return Naming(f'"{self.id}"'.encode(), target.model_json, target.provider_json)

    def turn_to_first(self) -> bool:
        """The first candidate is about to be asked, at once; False when its health gives no permit, or a second one may be asked too."""
        candidate, now_s = self.order[0], time.monotonic()
        health = candidate.health
        if len(self.order) == 1:
            permit = health.admit_alone(now_s)
        else:
            permit = REFUSED if self.lane.is_hedged else health.admit(now_s)
            if permit == REFUSED:
                return False
            health.spend(now_s, self.request.estimated_input_tokens)  # it decides between targets only
        self.attempt = Attempt(candidate, permit)
        return True

    def turn_to(self, attempt: Attempt) -> None:
        """Another candidate is about to be asked, or the same one again."""
        self.attempt = attempt
        self.stand_at(attempt.candidate)

    def stand_at(self, candidate: Candidate) -> None:
        """It is a candidate's reply that the client gets."""
        lane = self.lane if self.lanes is None else self.lanes[candidate.target.model]
        self.stop, self.target = lane.stops[candidate.position], candidate.target

    def hear(self, now_s: float) -> None:
        """The target's first byte has come."""
        self.first_byte_s = now_s

    @property
    def is_contested(self) -> bool:
        """Whether another attempt may yet be the one that replies: nothing is to be sent that is not the target's."""
        return False

    def find_serving(self) -> "Generation":
        """The one whose reply the client gets, or would get now."""
        return self

    def release(self) -> None:
        """The attempt under way has ended for a reason that says nothing about its target."""
        attempt, self.attempt = self.attempt, None
        if attempt is not None:
            attempt.candidate.health.fail(attempt.permit, time.monotonic(), AttemptOutcome.UNTOLD)

    def fail(self, error: UpstreamError) -> None:
        """The attempt under way has failed after its first byte."""
        attempt, self.attempt = self.attempt, None
        if attempt is not None:
            attempt.candidate.health.fail(attempt.permit, time.monotonic(), judge_outcome(error))

    def learn(self, headers: Iterable[tuple[bytes, bytes]], now_s: float) -> None:
        """Read what the target says of its rate limits."""
        if self.attempt is not None:
            self.attempt.candidate.health.learn(now_s, read_allowances(headers, time.time()))

    def succeed(self, now_s: float, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """The attempt under way has ended well. `headers` are the reply's, which are looked at every now and then."""
        attempt, self.attempt = self.attempt, None
        if attempt is None:
            return
        health = attempt.candidate.health
        if now_s >= health.budget.next_look_s:
            health.learn(now_s, read_allowances(headers, time.time()))
        first_s, asked_s = self.first_byte_s, self.asked_s
        ttft_ms = tokens_per_s = None
        if self.request.is_streamed and first_s is not None:
            ttft_ms = (first_s - asked_s) * 1000
            usage, seconds = self.facts.usage, now_s - first_s
            if usage is not None and usage.output_tokens and seconds > 0:
                tokens_per_s = usage.output_tokens / seconds
        health.succeed(attempt.permit, now_s, (now_s - asked_s) * 1000, ttft_ms, tokens_per_s)

    def leave(self) -> None:
        """The client is gone."""
        if self.cancel is not None:
            self.cancel()
        else:
            self.on_leave(self)

    def pause(self) -> None:
        """The client is slow: stop reading from the upstream."""
        if self.exchange is not None:
            self.exchange.pause()

    def resume(self) -> None:
        """The client takes bytes again."""
        if self.exchange is not None:
            self.exchange.resume()

    def price(self, usage: Usage) -> int:
        """The tariff's price of a usage in nano-USD; 0 where there is no tariff."""
        tariff = self.target.tariff
        return price(tariff, usage) if tariff is not None and is_charged(usage) else 0

    def estimate(self, facts: ReplyFacts) -> Usage:
        """The usage of a whole reply that does not tell it."""
        if self.head.endpoint == "messages/count_tokens":
            return NO_USAGE
        output_tokens = 0 if self.head.endpoint == "embeddings" else estimate_tokens(facts.output_bytes)
        return Usage(input_tokens=self.request.measured_input_tokens(), output_tokens=output_tokens, source=UsageSource.ESTIMATED)

    def cost_fields(self, usage: Usage) -> CostFields:
        """The cost block for the client."""
        return self.show_cost(self.price(usage))

    def show_cost(self, cost_nanousd: int) -> CostFields:
        """The cost block for the client, of a tariff's price that is known already."""
        if self.stop.billing is not None:
            return _show_charge(self.charge(cost_nanousd, is_served=self.is_asked), is_byok=self.stop.is_byok)
        amount = to_usd_string(cost_nanousd).encode()
        return CostFields(b"0", b"0", False, amount) if self.stop.is_sandboxed else CostFields(amount)  # noqa: FBT003 -- by position

    def charge(self, price_nanousd: int, *, is_served: bool) -> Charge:
        """What is charged where that is not just the tariff's price."""
        stop = self.stop
        assert stop.billing is not None  # noqa: S101 -- the caller has looked
        return charge(stop.billing, price_nanousd, is_byok=stop.is_byok, is_sandboxed=stop.is_sandboxed, is_served=is_served)

    def overhead_s(self, now_s: float) -> float:
        """Time spent in the gateway itself so far."""
        return max(0.0, now_s - self.head.started_s - self.upstream_s)

    def intend(self) -> Intent:
        """The record made before the target is asked."""
        head = self.head
        facts = head.facts or head.read_facts()
        self.intent = intent = replace(
            self.stop.intent,
            generation_id=self.id,
            attempt=len(self.attempts.records) + 1,  # their `number`, a call less
            request_id=head.request_id,
            created_at_ms=head.now_ms,
            is_streamed=self.request.is_streamed,
            estimated_input_tokens=self.request.estimated_input_tokens,
            trace_id=facts.trace_text,
            app_title=facts.app_title,
            http_referer=facts.http_referer,
            user_agent=facts.user_agent,
        )
        return intent

    def outcome(self, state: EntryState, status: int, usage: Usage, cost: int, error_code: str | None = None) -> Outcome:
        """The record of how the attempt ended whose intent was made last. `cost` is the tariff's price of `usage` in nano-USD."""
        now_s, facts, stop = time.monotonic(), self.facts, self.stop
        started_s, first_byte_s = self.head.started_s, self.first_byte_s
        charged, fee, upstream_cost, shadow_cost = (0, 0, 0, cost) if stop.is_sandboxed else (cost, 0, 0, 0)
        if stop.billing is not None:
            is_served = self.is_asked and is_charged(usage) and error_code != HEDGE_LOST
            charged, fee, upstream_cost, shadow_cost = self.charge(cost, is_served=is_served)
        return Outcome(
            state,
            status,
            usage,
            charged,
            fee,
            upstream_cost,
            shadow_cost,
            stop.is_price_unknown,
            stop.is_byok,
            error_code,
            facts.finish_reason,
            facts.native_finish_reason,
            facts.upstream_id,
            int((now_s - started_s) * 1000),
            None if first_byte_s is None else int((first_byte_s - started_s) * 1000),
            0 if first_byte_s is None else int((now_s - first_byte_s) * 1000),
            int(max(0.0, now_s - started_s - self.upstream_s) * 1e6),  # `overhead_s`, a call less
            tuple(self.attempts.records),
        )


def _show_charge(charged: Charge, *, is_byok: bool) -> CostFields:
    shadow = to_usd_string(charged.shadow_cost).encode() if charged.shadow_cost else None
    return CostFields(to_usd_string(charged.cost).encode(), to_usd_string(charged.upstream_cost).encode(), is_byok, shadow)
