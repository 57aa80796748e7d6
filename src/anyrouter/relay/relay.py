"""The data plane: one request from its judged head to its settled ledger entry.

    authorize, find      whose request it is, on the head          relay.authenticate, policy.authorize
    serve                the rest, phase by phase:
      admit              body, route, model, limits                relay.admission: wire, policy.route, policy.limit
      _send_at_once      intent, the first target                  most requests; `_arrived` delivers their reply
      _run, _attempt     intent, upstream, fallback                policy.attempt; everything that has to wait
      _deliver, _stream  the reply, whole or as it comes           wire, relay.stream
      _settle            usage, price, ledger                      policy.price

Nothing here knows HTTP's framing, a database or a framework. Whatever happens, the client gets one reply and the ledger one entry.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from anyrouter.core.errors import ClientError, Denied, StorageUnavailable, UpstreamBroken, UpstreamError
from anyrouter.core.ids import generation_id_of
from anyrouter.core.ledger import EntryState, Outcome
from anyrouter.core.preset import PresetTable
from anyrouter.core.usage import Usage, UsageSource
from anyrouter.policy.attempt import judge
from anyrouter.policy.candidate import NO_RULES, RoutingRules
from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.policy.health import HealthBook
from anyrouter.policy.route import Snapshot
from anyrouter.policy.succession import RetryPolicy
from anyrouter.relay.admission import Admission
from anyrouter.relay.authenticate import Authenticator
from anyrouter.relay.call import Principal, RequestHead
from anyrouter.relay.encoding import encode, encode_head
from anyrouter.relay.generation import Generation
from anyrouter.relay.limiter import RateLimiter
from anyrouter.relay.ports import Downstream, Exchange, KeyUse, Ledger, UpstreamClient
from anyrouter.relay.refusal import MAX_REFUSAL_BYTES, read_refusal
from anyrouter.relay.reply_head import ARRAY_HEAD, JSON_HEAD, STREAM_HEAD, common_lines, limit_lines, refusal_lines, reply_head
from anyrouter.relay.stats import RelayStats
from anyrouter.relay.stream import StreamPump, open_rewriter, render_break
from anyrouter.relay.successors import Successors
from anyrouter.wire.failure import render_failure, scrub
from anyrouter.wire.reply import InvalidReply

MAX_REPLY_BYTES = 64 * 1024 * 1024
_CLIENT_GONE = 499


class Relay:
    """Serves inference requests. Everything that it needs comes by constructor; `snapshot` is replaced by assignment."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        limiter: RateLimiter,
        client: UpstreamClient,
        ledger: Ledger,
        key_use: KeyUse,
        snapshot: Snapshot,
        stats: RelayStats,
        on_internal_error: Callable[[str, BaseException], None],
        keep_alive_s: int = 15,
        retries: RetryPolicy | None = None,
        presets: Callable[[], PresetTable] = PresetTable,
        replay: Callable[[Generation], bool] = lambda _: False,
        rules: RoutingRules = NO_RULES,
    ) -> None:
        self.stats, self._retries, self._replay = stats, retries or RetryPolicy(), replay
        self.authorize, self.find = authenticator.authorize, authenticator.find
        self._admission = Admission(limiter=limiter, key_use=key_use, snapshot=snapshot, stats=stats, presets=presets, rules=rules)
        self._limiter, self._client, self._ledger = limiter, client, ledger
        self._on_internal_error, self._keep_alive_s = on_internal_error, keep_alive_s
        self._pumps: set[StreamPump] = set()

    @property
    def snapshot(self) -> Snapshot:
        """The configuration that requests are routed by."""
        return self._admission.snapshot

    @snapshot.setter
    def snapshot(self, snapshot: Snapshot) -> None:
        self._admission.snapshot = snapshot

    @property
    def health(self) -> HealthBook:
        """How the targets do that were asked."""
        return self._admission.health

    def serve(self, head: RequestHead, principal: Principal, body: bytes, downstream: Downstream) -> Coroutine[Any, Any, None] | None:
        """Serve one request whose key may use the endpoint: reply exactly once, now or later. Raises nothing.

        What is returned is left to do, in a task. Most requests need none: they are sent at once, and their reply is delivered in
        the very callback that brings the end of it.
        """
        generation: Generation | None = None
        try:
            admitted = self._admission.admit(head, principal, body, downstream, self._leave)
            if isinstance(admitted, Denied):
                self._refuse(head, admitted, downstream, principal)
                return None
            generation = admitted
            return None if generation is None or self._replay(generation) or self._send_at_once(generation) else self._run(generation)
        except Exception as error:  # noqa: BLE001 -- the last resort: reported, settled and answered
            self._mend(head, principal, downstream, generation, error)
            return None

    def refuse(self, head: RequestHead, denied: Denied, downstream: Downstream) -> None:
        """Answer a request whose head was judged and found wanting, in the dialect of its endpoint."""
        self._refuse(head, denied, downstream, None)

    def tick(self) -> None:
        """Called once a second: keep silent streams alive."""
        for pump in list(self._pumps):
            pump.keep_alive(self._keep_alive_s)

    # Without a task.
    def _send_at_once(self, generation: Generation) -> bool:
        """Ask the first target, if that can be done without waiting. `_arrived` is called when it has answered, or `_leave`."""
        client, upstream_head = self._client, generation.stop.head
        try:
            parts, lines, size = encode(generation)
        except ClientError:
            return False  # another target may take it
        if not (lines and client.is_ready(upstream_head.origin, size) and self._ledger.has_room()):
            return False
        if not generation.turn_to_first():
            return False
        self._ledger.intend(generation.intend())
        generation.is_asked = True
        generation.asked_s = time.monotonic()
        arrived = partial(self._arrived, generation)
        generation.exchange = client.begin(upstream_head.origin, lines, parts, size, upstream_head.timeouts, arrived)
        generation.is_waiting = True
        self.stats.running += 1
        generation.downstream.watch(generation)
        return True

    def _arrived(self, generation: Generation) -> None:
        """A reply is here, whole if it is short and no stream; or none will be."""
        exchange, head = generation.exchange, generation.head
        if exchange is None:
            return
        self.stats.running -= 1
        generation.is_waiting, error = False, None
        try:
            generation.upstream_s += time.monotonic() - generation.asked_s
            if exchange.failure is None and 200 <= exchange.status < 300 and not generation.request.is_streamed:  # noqa: PLR2004 -- RFC 9110, section 15.3
                body = exchange.take(MAX_REPLY_BYTES)
                if body is not None:
                    self._deliver(generation, exchange, body)
                    return
        except UpstreamError as broken:
            error = broken
        except Exception as mistake:  # noqa: BLE001 -- as in `serve`
            self._mend(head, generation.principal, generation.downstream, generation, mistake)
            return
        generation.downstream.follow(self._run(generation, error))

    def _leave(self, generation: Generation) -> None:
        """The client is gone, and no task serves it."""
        exchange, generation.exchange = generation.exchange, None
        if exchange is not None:
            self.stats.running -= generation.is_waiting  # a task that is about to begin counts by itself
            generation.is_waiting = False
            exchange.cancel()
            self._abandon(generation)

    # In a task.

    async def _run(self, generation: Generation, error: UpstreamError | None = None) -> None:
        """Serve to the end what could not be served at once. `error` is why the reply that came is of no use."""
        head, principal, downstream = generation.head, generation.principal, generation.downstream
        self.stats.running += 1
        try:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 -- a coroutine runs in a task
            generation.cancel = task.cancel
            downstream.watch(generation)
            if downstream.is_closed:
                self._abandon(generation)
                return
            if not self._ledger.has_room():
                await self._ledger.wait_for_room()
            await self._attempt(generation, error)
        except asyncio.CancelledError:
            self._abandon(generation)
            if not downstream.is_closed:
                raise
        except Exception as mistake:  # noqa: BLE001 -- as in `serve`
            self._mend(head, principal, downstream, generation, mistake)
        finally:
            self.stats.running -= 1

    async def _attempt(self, generation: Generation, error: UpstreamError | None) -> None:
        """Ask one target after the other until one answers or none is left. The first may have been asked already."""
        attempts, succession = generation.attempts, Successors(generation, self._retries)
        attempt = succession.begin()
        while attempt is not None:
            generation.turn_to(attempt)
            try:
                if error is not None:
                    raise error
                if attempt.delay_s:
                    await asyncio.sleep(attempt.delay_s)
                await self._try(generation)
            except UpstreamError as failure:
                error = None
                is_fallback_allowed = self._take_failure(generation, failure)
                if generation.is_begun or generation.is_settled:
                    generation.fail(failure)
                    self._break_off(generation, failure)
                    return
                succession.fail(attempt, failure, is_fallback_allowed=is_fallback_allowed)
            except ClientError as refusal:
                attempts.skip(refusal.denied)
                generation.release()
            except asyncio.CancelledError:
                if generation.exchange is not None:
                    generation.exchange.cancel()
                raise
            else:
                return
            attempt = succession.next()
        denied = attempts.refusal() if attempts.is_any else succession.refusal()
        self._fail(generation.head, generation.principal, generation.downstream, generation, denied)

    def _take_failure(self, generation: Generation, failure: UpstreamError) -> bool:
        """Put a failed attempt on record; says whether another may follow."""
        failed_s = time.monotonic()
        if generation.exchange is None:
            generation.upstream_s += failed_s - generation.asked_s
        generation.exchange = None
        judged = generation.attempts.fail(generation.target, failure, int((failed_s - generation.asked_s) * 1000))
        generation.stop.tally.fail(judged.denied.code)
        return judged.is_fallback_allowed

    async def _try(self, generation: Generation) -> None:
        """Ask the target, unless it was asked, and deliver what it says. UpstreamError when that is of no use."""
        exchange = generation.exchange
        if exchange is None or exchange.is_stale:
            generation.exchange = None
            parts, lines, size = encode(generation)
            if generation.intent is None or generation.intent.attempt != generation.attempts.number:
                self._ledger.intend(generation.intend())
            generation.is_asked = True
            generation.asked_s = time.monotonic()
            head = generation.stop.head
            exchange = await self._client.send(head.origin, lines or await encode_head(generation, parts, size), parts, head.timeouts)
            generation.exchange = exchange
            generation.upstream_s += time.monotonic() - generation.asked_s
        elif exchange.failure is not None and not exchange.status:
            raise exchange.failure
        if not 200 <= exchange.status < 300:  # noqa: PLR2004 -- RFC 9110, section 15.3
            raise await read_refusal(generation, exchange)
        if generation.request.is_streamed:
            await self._stream(generation, exchange)
        else:
            generation.first_byte_s = waited_s = time.monotonic()
            body = await exchange.read(MAX_REPLY_BYTES)
            generation.upstream_s += time.monotonic() - waited_s
            self._deliver(generation, exchange, body)

    # Both.

    def _deliver(self, generation: Generation, exchange: Exchange, body: bytes) -> None:
        """A whole reply: billed and delivered."""
        received_s = time.monotonic()
        if generation.first_byte_s is None:
            generation.first_byte_s = received_s
        head = generation.head
        try:
            read, facts = generation.dialect.read_reply(head.endpoint, body)
        except InvalidReply as error:
            raise UpstreamBroken(scrub(str(error), generation.target.upstream.secrets)) from None
        generation.facts = facts
        usage = facts.usage or generation.estimate(facts)
        cost = generation.price(usage)
        reply = generation.dialect.render_reply(head.endpoint, read, generation.naming(), usage, generation.show_cost(cost))
        self._succeed(generation, exchange, received_s)
        self._record(generation, generation.outcome(EntryState.SETTLED, 200, usage, cost))
        generation.is_begun = True
        generation.downstream.reply(200, reply_head(generation, JSON_HEAD), reply)

    async def _stream(self, generation: Generation, exchange: Exchange) -> None:
        """A streamed reply, passed on as it comes."""
        kind = next((value for name, value in exchange.headers if name == b"content-type"), b"")
        if not kind.lower().startswith(generation.dialect.stream_type):
            body = await exchange.read(MAX_REFUSAL_BYTES)
            said = scrub(kind.decode("latin-1"), generation.target.upstream.secrets)[:60] or "no content type"
            raise UpstreamBroken(f"it answered a request for a stream with {said} ({len(body)} bytes)")
        rewriter = open_rewriter(generation)

        def begin() -> None:
            generation.first_byte_s = time.monotonic()
            generation.is_begun = True
            generation.downstream.start(200, reply_head(generation, ARRAY_HEAD if generation.head.is_array else STREAM_HEAD))

        def settle() -> None:
            self._succeed(generation, exchange, time.monotonic())
            self._settle(generation, EntryState.SETTLED, 200, rewriter.usage())

        pump = StreamPump(generation, exchange, rewriter, begin=begin, settle=settle)
        self._pumps.add(pump)
        try:
            await exchange.stream_to(pump)
            pump.finish()
        except UpstreamError:
            if rewriter.is_done and generation.is_settled:
                pass  # the generation was whole; what broke came after its end
            elif pump.error is not None:
                raise pump.error from None
            else:
                raise
        finally:
            self._pumps.discard(pump)
            if not generation.is_settled and generation.is_begun:
                generation.partial = rewriter.usage()
        generation.downstream.finish()

    def _succeed(self, generation: Generation, exchange: Exchange, now_s: float) -> None:
        """The target's reply is good and whole: told to all that learn from it."""
        generation.attempts.succeed(generation.target, exchange.status, int((now_s - generation.asked_s) * 1000))
        generation.stop.tally.succeed()
        generation.succeed(now_s, exchange.headers)
        if len(generation.order) > 1:
            self._admission.remember(generation, now_s)

    def _break_off(self, generation: Generation, error: UpstreamError) -> None:
        """A stream that cannot go on: what was delivered is billed, and the client is told before the stream ends."""
        denied = judge(generation.target, error).denied
        if not generation.is_settled:
            self._settle(generation, EntryState.FAILED, 200, generation.partial, denied.code)
        if generation.request.is_streamed:
            generation.downstream.write(render_break(generation, denied))
            generation.downstream.finish()

    def _abandon(self, generation: Generation) -> None:
        """The client is gone, or the process is about to be: the upstream was cancelled, what was used is billed."""
        generation.release()
        if generation.is_asked and not generation.is_settled:
            generation.attempts.abandon(generation.target, "client_closed_request")
            partial = generation.partial
            if partial.source is UsageSource.NONE:
                tokens = generation.request.estimated_input_tokens
                partial = Usage(input_tokens=tokens, source=UsageSource.ESTIMATED)
            self._settle(generation, EntryState.CANCELLED, _CLIENT_GONE, partial, "client_closed_request")

    def _mend(
        self, head: RequestHead, principal: Principal, downstream: Downstream, generation: Generation | None, error: Exception
    ) -> None:
        """Something that should not have happened: reported, settled and answered."""
        if isinstance(error, StorageUnavailable):
            denied = Denied(code=error.code, message="The gateway cannot record the request now. Try again shortly.", retry_after_s=1.0)
        else:
            self._on_internal_error(head.request_id, error)
            message = f"The gateway made a mistake. Its operator finds it in the log by the request id {head.request_id}."
            denied = Denied(code="internal_error", message=message)
        self._fail(head, principal, downstream, generation, denied)

    def _fail(self, head: RequestHead, principal: Principal, downstream: Downstream, generation: Generation | None, denied: Denied) -> None:
        """The request ends in an error that no other target can mend."""
        if generation is None:
            self._refuse(head, denied, downstream, principal)
            return
        generation.release()
        if generation.is_asked and not generation.is_settled:
            if not generation.attempts.records:
                generation.attempts.abandon(generation.target, denied.code)
            self._settle(generation, EntryState.FAILED, denied.http_status, generation.partial, denied.code)
        if not generation.is_begun:
            self._refuse(head, denied, downstream, principal, generation)
        else:
            downstream.abort()

    def _settle(self, generation: Generation, state: EntryState, status: int, usage: Usage, error_code: str | None = None) -> None:
        self._record(generation, generation.outcome(state, status, usage, generation.price(usage), error_code))

    def _record(self, generation: Generation, outcome: Outcome) -> None:
        intent = generation.intent
        assert intent is not None  # noqa: S101 -- nothing is settled that was not intended
        generation.is_settled, generation.settled = True, outcome
        self._ledger.settle(intent, outcome)
        generation.stop.tally.count(outcome)

    def _refuse(
        self, head: RequestHead, denied: Denied, downstream: Downstream, principal: Principal | None, generation: Generation | None = None
    ) -> None:
        if generation is None:
            self.stats.count_refusal(head.endpoint, denied.code)
        dialect = ENDPOINTS[head.endpoint].dialect
        generation_id = generation_id_of(head.request_id) if generation is None else generation.id
        lines = b"X-Generation-Id: %s\r\n%s%s" % (generation_id.encode(), common_lines(head, principal), refusal_lines(denied))
        if principal is not None:
            lines += limit_lines(self._limiter.peek(principal, time.monotonic()), dialect, head.now_ms)
        downstream.reply(denied.http_status, JSON_HEAD + lines, render_failure(dialect, denied, head.request_id))
