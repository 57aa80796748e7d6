"""The data plane: one request from its judged head to its settled ledger entry.

    authorize, find      whose request it is, on the head          relay.authenticate, policy.authorize
    serve                the rest, phase by phase:
      admit              body, route, model, limits                relay.admission: wire, policy.route, policy.limit
      _send_at_once      intent, the first target                  most requests; `_arrived` delivers their reply
      _run, _attempt     intent, upstream, fallback                policy.attempt; everything that has to wait
      _deliver, _stream  the reply, whole or as it comes           wire, relay.stream
      Ending             every other end; usage, price, ledger     relay.ending, policy.price

Nothing here knows HTTP's framing, a database or a framework.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from anyrouter.core.errors import ClientError, Denied, UpstreamBroken, UpstreamError
from anyrouter.core.ledger import EntryState
from anyrouter.core.preset import PresetTable
from anyrouter.policy.candidate import NO_RULES, RoutingRules
from anyrouter.policy.health import HealthBook
from anyrouter.policy.hedge import HedgePolicy
from anyrouter.policy.route import Snapshot
from anyrouter.policy.succession import Attempt, RetryPolicy
from anyrouter.relay.admission import Admission
from anyrouter.relay.authenticate import Authenticator
from anyrouter.relay.call import Principal, RequestHead
from anyrouter.relay.encoding import encode, encode_head
from anyrouter.relay.ending import Ending
from anyrouter.relay.generation import Generation
from anyrouter.relay.hedge import Hedger
from anyrouter.relay.hold import Holds, Unread
from anyrouter.relay.limiter import RateLimiter
from anyrouter.relay.ports import Downstream, Exchange, KeyUse, Ledger, UpstreamClient
from anyrouter.relay.purse import Purse
from anyrouter.relay.race import HedgedGeneration
from anyrouter.relay.refusal import MAX_REFUSAL_BYTES, read_refusal
from anyrouter.relay.reply_head import ARRAY_HEAD, JSON_HEAD, STREAM_HEAD, reply_head
from anyrouter.relay.running import RunningCalls
from anyrouter.relay.stats import RelayStats
from anyrouter.relay.stream import StreamPump, open_rewriter
from anyrouter.relay.successors import Successors
from anyrouter.wire.failure import scrub
from anyrouter.wire.reply import InvalidReply

MAX_REPLY_BYTES = 64 * 1024 * 1024
_SETTLED = EntryState.SETTLED  # read off the class, a member costs ten times as much


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
        hedging: HedgePolicy | None = None,
        holds: Holds | None = None,
    ) -> None:
        self.stats, self._retries, self._replay = stats, retries or RetryPolicy(), replay
        self.authorize, self.find = authenticator.authorize, authenticator.find
        self.holds = holds = holds or Holds(limiter, Purse(ledger), ledger)
        self._admission = Admission(
            limiter=limiter, key_use=key_use, snapshot=snapshot, stats=stats, presets=presets, rules=rules, holds=holds
        )
        self._client, self._ledger = client, ledger
        self._ending = ending = Ending(ledger=ledger, limiter=limiter, stats=stats, on_internal_error=on_internal_error)
        self._record, self._settle, self._keep_alive_s = ending.record, ending.settle, keep_alive_s
        self._hedger = Hedger(hedging or HedgePolicy(), ask=self._try, ending=ending, ledger=ledger, stats=stats)
        self._pumps: set[StreamPump] = set()
        self.running = RunningCalls(lookup=authenticator.lookup, tenants=authenticator.tenants, cut=self._cut)
        self._calls = self.running.calls

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
                self._ending.refuse(head, admitted, downstream, principal)
                return None
            if isinstance(admitted, Unread):
                return self._serve_later(admitted, head, principal, body, downstream)
            generation = admitted
            if generation is None or self._replay(generation) or self._send_at_once(generation):
                return None
            hedged = self._hedger.enter(generation) if generation.lane.is_hedged else None
            return self._run(hedged or generation, None, hedged)
        except Exception as error:  # noqa: BLE001 -- the last resort: reported, settled and answered
            self._ending.mend(head, principal, downstream, generation, error)
            return None

    def refuse(self, head: RequestHead, denied: Denied, downstream: Downstream) -> None:
        """Answer a request whose head was judged and found wanting, in the dialect of its endpoint."""
        self._ending.refuse(head, denied, downstream, None)

    def tick(self) -> None:
        """Called once a second: keep silent streams alive."""
        for pump in list(self._pumps):
            if not pump.generation.is_contested:
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
        self._calls[generation.id] = generation
        generation.downstream.watch(generation)
        return True

    def _arrived(self, generation: Generation) -> None:
        """A reply is here, whole if it is short and no stream; or none will be."""
        exchange, head = generation.exchange, generation.head
        if exchange is None:
            return
        self.stats.running -= 1
        self._calls.pop(generation.id, None)
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
            self._ending.mend(head, generation.principal, generation.downstream, generation, mistake)
            return
        generation.downstream.follow(self._run(generation, error))

    def _leave(self, generation: Generation) -> None:
        """The client is gone, and no task serves it."""
        exchange, generation.exchange = generation.exchange, None
        if exchange is not None:
            self.stats.running -= generation.is_waiting  # a task that is about to begin counts by itself
            generation.is_waiting = False
            self._calls.pop(generation.id, None)
            exchange.cancel()
            self._ending.abandon(generation)

    def _cut(self, generation: Generation, denied: Denied) -> None:
        """Its key may not go on. What is whole is not cut."""
        if generation.cut is not None or generation.find_serving().is_settled:
            return
        generation.cut = denied
        if generation.cancel is not None:
            generation.cancel()
        elif generation.is_waiting and generation.exchange is not None:
            exchange, generation.exchange = generation.exchange, None
            generation.is_waiting = False
            self.stats.running -= 1
            self._calls.pop(generation.id, None)
            exchange.cancel()
            self._ending.cut(generation, denied)

    # In a task.

    async def _serve_later(self, unread: Unread, head: RequestHead, principal: Principal, body: bytes, downstream: Downstream) -> None:
        """Serve a request for which something has to be read first."""
        admitted: Generation | Denied | Unread | None = unread
        generation: Generation | None = None
        hedged: HedgedGeneration | None = None
        try:
            while isinstance(admitted, Unread):
                await admitted.read()
                admitted = self._admission.admit(head, principal, body, downstream, self._leave)
            if isinstance(admitted, Denied):
                self._ending.refuse(head, admitted, downstream, principal)
                return
            generation = admitted
            if generation is None or self._replay(generation):
                return
            hedged = self._hedger.enter(generation) if generation.lane.is_hedged else None
        except Exception as error:  # noqa: BLE001 -- as in `serve`
            self._ending.mend(head, principal, downstream, generation, error)
            return
        await self._run(hedged or generation, None, hedged)

    async def _run(self, generation: Generation, error: UpstreamError | None = None, hedged: HedgedGeneration | None = None) -> None:
        """Serve to the end what could not be served at once. `error` is why the reply that came is of no use.

        `hedged` is the generation itself, where a second target may be asked beside the first.
        """
        head, principal, downstream = generation.head, generation.principal, generation.downstream
        self.stats.running += 1
        try:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 -- a coroutine runs in a task
            generation.cancel = task.cancel
            self._calls[generation.id] = generation
            downstream.watch(generation)
            if downstream.is_closed:
                self._ending.abandon(generation)
                return
            if not self._ledger.has_room():
                await self._ledger.wait_for_room()
            succession = Successors(generation, self._retries)
            attempt = succession.begin() if hedged is None else await self._hedger.race(hedged, succession)
            if hedged is None or not hedged.is_over:
                await self._attempt(generation, error, succession, attempt)
        except asyncio.CancelledError:
            if generation.cut is not None and not downstream.is_closed:
                if hedged is None or not hedged.is_over:
                    self._ending.cut(generation, generation.cut)
                return
            self._ending.abandon(generation)
            if not downstream.is_closed:
                raise
        except Exception as mistake:  # noqa: BLE001 -- as in `serve`
            self._ending.mend(head, principal, downstream, generation, mistake)
        finally:
            self.stats.running -= 1
            self._calls.pop(generation.id, None)
            if generation.hold is not None:
                generation.hold.end()

    async def _attempt(self, generation: Generation, error: UpstreamError | None, succession: Successors, attempt: Attempt | None) -> None:
        """Ask one target after the other until one answers or none is left. The first may have been asked already."""
        attempts = generation.attempts
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
                is_fallback_allowed = self._ending.take_failure(generation, failure)
                if generation.is_begun or generation.is_settled:
                    generation.fail(failure)
                    self._ending.break_off(generation, failure)
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
        self._ending.fail(generation.head, generation.principal, generation.downstream, generation, denied)

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
            waited_s = time.monotonic()
            generation.hear(waited_s)
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
        self._record(generation, generation.outcome(_SETTLED, 200, usage, cost))
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
            generation.hear(time.monotonic())
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
