"""How a generation ends when it does not end well, and how every end is put on record.

Whatever happens, the client gets one reply and the ledger one entry of the generation's own. What lost a race has another.
"""

import time
from collections.abc import Callable

from anyrouter.core.errors import Denied, StorageUnavailable, UpstreamError
from anyrouter.core.ids import generation_id_of
from anyrouter.core.ledger import EntryState, Outcome
from anyrouter.core.usage import Usage, UsageSource
from anyrouter.core.vault import KekUnavailable, SealBroken
from anyrouter.policy.attempt import judge
from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.relay.call import Principal, RequestHead
from anyrouter.relay.generation import Generation
from anyrouter.relay.limiter import RateLimiter
from anyrouter.relay.ports import Downstream, Ledger
from anyrouter.relay.reply_head import JSON_HEAD, common_lines, limit_lines, refusal_lines
from anyrouter.relay.stats import RelayStats
from anyrouter.relay.stream import render_break
from anyrouter.relay.terms import make_terms
from anyrouter.wire.failure import render_failure

_OK, _CLIENT_GONE = 200, 499


class Ending:
    """Ends generations: settles them and answers their clients."""

    def __init__(
        self, *, ledger: Ledger, limiter: RateLimiter, stats: RelayStats, on_internal_error: Callable[[str, BaseException], None]
    ) -> None:
        self._ledger, self._limiter, self._stats, self._on_internal_error = ledger, limiter, stats, on_internal_error

    def take_failure(self, generation: Generation, failure: UpstreamError) -> bool:
        """Put a failed attempt on record; says whether another may follow."""
        failed_s = time.monotonic()
        if generation.exchange is None:
            generation.upstream_s += failed_s - generation.asked_s
        generation.exchange = None
        judged = generation.attempts.fail(generation.target, failure, int((failed_s - generation.asked_s) * 1000))
        generation.stop.tally.fail(judged.denied.code)
        return judged.is_fallback_allowed

    def break_off(self, generation: Generation, error: UpstreamError) -> None:
        """A stream that cannot go on: what was delivered is billed, and the client is told before the stream ends."""
        denied = generation.attempts.tell(judge(generation.target, error).denied)
        if not generation.is_settled:
            self.settle(generation, EntryState.FAILED, 200, generation.partial, denied.code)
        if generation.request.is_streamed:
            generation.downstream.write(render_break(generation, denied))
            generation.downstream.finish()

    def abandon(self, generation: Generation) -> None:
        """The client is gone, or the process is about to be: the upstream was cancelled, what was used is billed."""
        generation.release()
        if generation.is_asked and not generation.is_settled:
            generation.attempts.abandon(generation.target, "client_closed_request")
            self.settle(generation, EntryState.CANCELLED, _CLIENT_GONE, _find_partial(generation), "client_closed_request")
        if generation.hold is not None:
            generation.hold.end()

    def cut(self, generation: Generation, denied: Denied) -> None:
        """Its key may not go on: the upstream was cancelled, what was delivered is billed, and the client is told. Not what is whole."""
        downstream = generation.downstream
        if generation.is_settled:
            if generation.is_begun and generation.request.is_streamed:
                downstream.finish()
            return
        generation.release()
        if generation.is_asked:
            status = _OK if generation.is_begun else denied.http_status
            generation.attempts.abandon(generation.target, denied.code)
            self.settle(generation, EntryState.CANCELLED, status, _find_partial(generation), denied.code)
        if generation.hold is not None:
            generation.hold.end()
        if generation.is_begun:
            downstream.write(render_break(generation, denied))
            downstream.finish()
        else:
            self.refuse(generation.head, denied, downstream, generation.principal, generation)

    def mend(
        self, head: RequestHead, principal: Principal, downstream: Downstream, generation: Generation | None, error: Exception
    ) -> None:
        """Something that should not have happened: reported, settled and answered."""
        if isinstance(error, SealBroken | KekUnavailable):
            denied = Denied(code=error.code, message=error.public, retry_after_s=1.0)
        elif isinstance(error, StorageUnavailable):
            denied = Denied(code=error.code, message="The gateway cannot record the request now. Try again shortly.", retry_after_s=1.0)
        else:
            self.report(head, error)
            message = f"The gateway made a mistake. Its operator finds it in the log by the request id {head.request_id}."
            denied = Denied(code="internal_error", message=message)
        self.fail(head, principal, downstream, generation, denied)

    def fail(self, head: RequestHead, principal: Principal, downstream: Downstream, generation: Generation | None, denied: Denied) -> None:
        """The request ends in an error that no other target can mend."""
        if generation is None:
            self.refuse(head, denied, downstream, principal)
            return
        generation.release()
        if generation.is_asked and not generation.is_settled:
            if not generation.attempts.records:
                generation.attempts.abandon(generation.target, denied.code)
            self.settle(generation, EntryState.FAILED, denied.http_status, generation.partial, denied.code)
        if generation.hold is not None:
            generation.hold.end()
        if not generation.is_begun:
            self.refuse(head, denied, downstream, principal, generation)
        else:
            downstream.abort()

    def report(self, head: RequestHead, error: Exception) -> None:
        """Something that should not have happened, and that the client need not hear of."""
        self._on_internal_error(head.request_id, error)

    def settle(self, generation: Generation, state: EntryState, status: int, usage: Usage, error_code: str | None = None) -> None:
        """Put the outcome on record, priced by the target's tariff."""
        self.record(generation, generation.outcome(state, status, usage, generation.price(usage), error_code))

    def record(self, generation: Generation, outcome: Outcome) -> None:
        """Put the outcome on record."""
        intent = generation.intent
        assert intent is not None  # noqa: S101 -- nothing is settled that was not intended
        generation.is_settled, generation.settled = True, outcome
        self._ledger.settle(intent, outcome)
        if generation.hold is not None:
            generation.hold.end(outcome.usage.input_tokens + outcome.usage.output_tokens)
        generation.stop.tally.count(outcome)

    def lose(self, generation: Generation, outcome: Outcome) -> None:
        """Put on record that an attempt lost a race (relay.race). The generation's own entry is another attempt's."""
        intent = generation.intent
        assert intent is not None  # noqa: S101 -- it was asked
        generation.is_settled, generation.settled = True, outcome
        self._ledger.lose(intent, outcome)
        generation.stop.tally.lose(outcome)

    def refuse(
        self, head: RequestHead, denied: Denied, downstream: Downstream, principal: Principal | None, generation: Generation | None = None
    ) -> None:
        """Reply with an error, in the dialect of the request's endpoint."""
        if generation is None:
            self._stats.count_refusal(head.endpoint, denied.code)
        dialect = ENDPOINTS[head.endpoint].dialect
        generation_id = generation_id_of(head.request_id) if generation is None else generation.id
        lines = b"X-Generation-Id: %s\r\n%s%s" % (generation_id.encode(), common_lines(head, principal), refusal_lines(denied))
        if principal is not None:
            now_s, terms = time.monotonic(), make_terms(principal)
            others = () if terms is None else self._limiter.show(terms, now_s, time.time_ns() // 1_000_000)
            lines += limit_lines(self._limiter.peek(principal, now_s), dialect, head.now_ms, others)
        downstream.reply(denied.http_status, JSON_HEAD + lines, render_failure(dialect, denied, head.request_id))


def _find_partial(generation: Generation) -> Usage:
    """What had been used when it was given up: its input at least."""
    partial = generation.partial
    if partial.source is not UsageSource.NONE:
        return partial
    return Usage(input_tokens=generation.request.estimated_input_tokens, source=UsageSource.ESTIMATED)
