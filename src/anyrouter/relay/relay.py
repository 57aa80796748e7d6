"""The data plane: one request from its judged head to its settled ledger entry.

    authorize, find   whose request it is, on the head            relay.authenticate, policy.authorize
    run               the rest, phase by phase:
      _admit          body, route, model, limits                  wire, policy.route, policy.limit
      _attempt        intent, upstream, fallback                  policy.attempt
      _deliver, _stream   the reply, whole or as it comes         wire, relay.stream
      _settle         usage, price, ledger                        policy.price

Nothing here knows HTTP's framing, a database or a framework. Whatever happens, the client gets one reply and the ledger one entry.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import cast

from anyrouter.core.errors import (
    ClientError,
    Denied,
    StorageUnavailable,
    UpstreamBroken,
    UpstreamError,
    UpstreamStatus,
)
from anyrouter.core.ids import generation_id_of
from anyrouter.core.ledger import EntryState, LedgerEntry
from anyrouter.core.usage import NO_USAGE, Usage, UsageSource, estimate_tokens
from anyrouter.policy.attempt import Attempts, judge, read_retry_after
from anyrouter.policy.authorize import expiry_notice, judge_model
from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.policy.route import Snapshot, route, select_providers
from anyrouter.relay.authenticate import Authenticator
from anyrouter.relay.call import Principal, RequestHead
from anyrouter.relay.generation import Generation
from anyrouter.relay.lane import Lane, make_lane
from anyrouter.relay.limiter import RateLimiter
from anyrouter.relay.ports import Downstream, Exchange, KeyUse, Ledger, UpstreamClient
from anyrouter.relay.reply_head import JSON_HEAD, STREAM_HEAD, limit_lines, refusal_lines
from anyrouter.relay.stats import RelayStats
from anyrouter.relay.stream import StreamPump
from anyrouter.wire.dialect import DIALECTS
from anyrouter.wire.failure import render_failure, render_stream_failure, scrub
from anyrouter.wire.reply import InvalidReply, ReplyFacts

MAX_REPLY_BYTES = 64 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024
MAX_TRACE_ID = 128
_CLIENT_GONE = 499
_MAX_LANES = 10_000


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
    ) -> None:
        self.snapshot, self.stats = snapshot, stats
        self.authorize, self.find = authenticator.authorize, authenticator.find
        self._limiter, self._client, self._ledger, self._key_use = limiter, client, ledger, key_use
        self._on_internal_error, self._keep_alive_s = on_internal_error, keep_alive_s
        self._lanes: dict[tuple[str, str, str], Lane] = {}
        self._pumps: set[StreamPump] = set()

    async def run(self, head: RequestHead, principal: Principal, body: bytes, downstream: Downstream) -> None:
        """Serve one request whose key may use the endpoint. Replies exactly once; never raises but for its own cancellation."""
        generation: Generation | None = None
        self.stats.running += 1
        try:
            admitted = self._admit(head, principal, body, downstream)
            if isinstance(admitted, Denied):
                self._refuse(head, admitted, downstream, principal)
                return
            generation = admitted
            if not self._ledger.has_room():
                await self._ledger.wait_for_room()
            await self._attempt(generation)
        except asyncio.CancelledError:
            if generation is not None:
                self._abandon(generation)
            if not downstream.is_closed:
                raise
        except StorageUnavailable as error:
            denied = Denied(code=error.code, message="The gateway cannot record the request now. Try again shortly.", retry_after_s=1.0)
            self._fail(head, principal, downstream, generation, denied)
        except Exception as error:  # noqa: BLE001 -- the last resort: reported, settled and answered
            self._on_internal_error(head.request_id, error)
            message = f"The gateway made a mistake. Its operator finds it in the log by the request id {head.request_id}."
            self._fail(head, principal, downstream, generation, Denied(code="internal_error", message=message))
        finally:
            self.stats.running -= 1

    def refuse(self, head: RequestHead, denied: Denied, downstream: Downstream) -> None:
        """Answer a request whose head was judged and found wanting, in the dialect of its endpoint."""
        self._refuse(head, denied, downstream, None)

    def tick(self) -> None:
        """Called once a second: keep silent streams alive."""
        for pump in list(self._pumps):
            pump.keep_alive(self._keep_alive_s)

    def _admit(self, head: RequestHead, principal: Principal, body: bytes, downstream: Downstream) -> Generation | Denied:
        """Judge the body; a refusal here has cost the caller nothing and the upstreams nothing."""
        key, headers = principal.key, head.headers
        self._key_use.note(key.id, head.now_ms, head.client_host, _latin(headers.get(b"user-agent")))
        trace_id = headers.get(b"x-anyrouter-trace-id")
        if trace_id is not None and not _is_trace_id(trace_id):
            message = f"X-AnyRouter-Trace-Id must have 1 to {MAX_TRACE_ID} printable ASCII characters."
            return Denied(code="invalid_parameter", param="X-AnyRouter-Trace-Id", message=message)
        dialect = DIALECTS[ENDPOINTS[head.endpoint].dialect]
        try:
            request = dialect.read_request(head.endpoint, body)
        except ClientError as error:
            return error.denied
        pin = headers.get(b"x-anyrouter-provider")
        lane = self._lanes.get((key.id, head.endpoint, request.model)) if pin is None else None
        if lane is None or not lane.is_of(principal, self.snapshot):
            found = self._find_lane(principal, head.endpoint, request.model, _latin(pin))
            if isinstance(found, Denied):
                return found
            lane = found
        limit = self._limiter.admit(principal, time.monotonic())
        if isinstance(limit, Denied):
            return limit
        return Generation(
            id=generation_id_of(head.request_id),
            head=head,
            principal=principal,
            dialect=dialect,
            request=request,
            downstream=downstream,
            limit=limit,
            attempts=Attempts(lane.targets),
            target=lane.targets[0],
            stop=lane.stops[0],
            lane=lane,
        )

    def _find_lane(self, principal: Principal, endpoint: str, model: str, pin: str | None) -> Lane | Denied:
        targets = route(self.snapshot, principal.environment, endpoint, model, pin)
        if isinstance(targets, Denied):
            return targets
        denied = judge_model(principal.key, targets[0].model)
        if denied is not None:
            return denied
        allowed = select_providers(principal.key, targets)
        if isinstance(allowed, Denied):
            return allowed
        targets = allowed
        lane = make_lane(principal, self.snapshot, endpoint, targets)
        if pin is None:
            if len(self._lanes) >= _MAX_LANES:
                self._lanes.clear()
            self._lanes[principal.key.id, endpoint, model] = lane
        return lane

    async def _attempt(self, generation: Generation) -> None:
        """Try one target after the other until one answers or none is left."""
        attempts, downstream = generation.attempts, generation.downstream
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- a coroutine runs in a task
        downstream.watch(on_close=cast("Callable[[], None]", task.cancel), on_pause=generation.pause, on_resume=generation.resume)
        while (target := attempts.next()) is not None:
            generation.target, generation.stop = target, generation.lane.stops[len(attempts.records)]
            self._ledger.intend(generation.intend())
            generation.is_asked = True
            asked_s = time.monotonic()
            try:
                generation.exchange = exchange = await self._send(generation)
                generation.upstream_s += time.monotonic() - asked_s
                if not 200 <= exchange.status < 300:  # noqa: PLR2004 -- RFC 9110, section 15.3
                    raise await _refused_by(exchange)
                await (self._stream if generation.request.is_streamed else self._deliver)(generation, exchange, asked_s)
            except UpstreamError as error:
                failed_s = time.monotonic()
                if generation.exchange is None:
                    generation.upstream_s += failed_s - asked_s
                generation.exchange = None
                attempts.fail(target, error, int((failed_s - asked_s) * 1000))
                self.stats.count_attempt(target.upstream.id, attempts.records[-1].error)
                if generation.is_begun or generation.is_settled:
                    self._break_off(generation, error)
                    return
            except asyncio.CancelledError:
                if generation.exchange is not None:
                    generation.exchange.cancel()
                raise
            else:
                return
        self._fail(generation.head, generation.principal, downstream, generation, attempts.refusal())

    def _send(self, generation: Generation) -> Awaitable[Exchange]:
        target, upstream_head = generation.target, generation.stop.head
        parts = generation.request.encode(target.upstream_model_json, is_asking_usage=target.upstream.provider.is_asking_usage)
        lines = upstream_head.render(generation.head.headers, sum(map(len, parts)))
        return self._client.send(upstream_head.origin, lines, parts, upstream_head.timeouts)

    async def _deliver(self, generation: Generation, exchange: Exchange, asked_s: float) -> None:
        """A whole reply: read, billed, delivered."""
        waited_s = time.monotonic()
        generation.first_byte_s = waited_s
        body = await exchange.read(MAX_REPLY_BYTES)
        received_s = time.monotonic()
        generation.upstream_s += received_s - waited_s
        head, target = generation.head, generation.target
        try:
            read, facts = generation.dialect.read_reply(head.endpoint, body)
        except InvalidReply as error:
            raise UpstreamBroken(str(error)) from None
        generation.facts = facts
        usage = facts.usage or _estimate(generation, facts)
        cost = generation.price(usage)
        reply = generation.dialect.render_reply(head.endpoint, read, generation.naming(), usage, generation.show_cost(cost))
        generation.attempts.succeed(target, exchange.status, int((received_s - asked_s) * 1000))
        self.stats.count_attempt(target.upstream.id, None)
        self._record(generation, generation.entry(EntryState.SETTLED, 200, usage, cost))
        generation.is_begun = True
        generation.downstream.reply(200, self._reply_head(generation, JSON_HEAD), reply)

    async def _stream(self, generation: Generation, exchange: Exchange, asked_s: float) -> None:
        """A streamed reply, passed on as it comes."""
        kind = next((value for name, value in exchange.headers if name == b"content-type"), b"")
        if not kind.lower().startswith(b"text/event-stream"):
            body = await exchange.read(MAX_ERROR_BYTES)
            said = scrub(kind.decode("latin-1"), (generation.target.upstream.credential,))[:60] or "no content type"
            raise UpstreamBroken(f"it answered a request for a stream with {said} ({len(body)} bytes)")
        rewriter = generation.dialect.open_stream(generation.head.endpoint, generation.request, generation.naming(), generation.cost_fields)
        generation.facts = rewriter.facts

        def begin() -> None:
            generation.first_byte_s = time.monotonic()
            generation.is_begun = True
            generation.downstream.start(200, self._reply_head(generation, STREAM_HEAD))

        def settle() -> None:
            generation.attempts.succeed(generation.target, exchange.status, int((time.monotonic() - asked_s) * 1000))
            self.stats.count_attempt(generation.target.upstream.id, None)
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

    def _break_off(self, generation: Generation, error: UpstreamError) -> None:
        """A stream that cannot go on: what was delivered is billed, and the client is told before the stream ends."""
        denied = judge(generation.target, error).denied
        if not generation.is_settled:
            self._settle(generation, EntryState.FAILED, 200, generation.partial, denied.code)
        head, downstream = generation.head, generation.downstream
        if generation.request.is_streamed:
            dialect, model = generation.dialect.name, generation.target.model
            downstream.write(render_stream_failure(dialect, denied, head.request_id, generation.id, model))
            downstream.finish()

    def _abandon(self, generation: Generation) -> None:
        """The client is gone, or the process is about to be: the upstream was cancelled, what was used is billed."""
        if generation.is_asked and not generation.is_settled:
            generation.attempts.abandon(generation.target, "client_closed_request")
            partial = generation.partial
            if partial.source is UsageSource.NONE:
                tokens = generation.request.estimated_input_tokens
                partial = Usage(input_tokens=tokens, source=UsageSource.ESTIMATED)
            self._settle(generation, EntryState.CANCELLED, _CLIENT_GONE, partial, "client_closed_request")

    def _fail(self, head: RequestHead, principal: Principal, downstream: Downstream, generation: Generation | None, denied: Denied) -> None:
        """The request ends in an error that no other target can mend."""
        if generation is None:
            self._refuse(head, denied, downstream, principal)
            return
        if generation.is_asked and not generation.is_settled:
            if not generation.attempts.records:
                generation.attempts.abandon(generation.target, denied.code)
            self._settle(generation, EntryState.FAILED, denied.http_status, generation.partial, denied.code)
        if not generation.is_begun:
            self._refuse(head, denied, downstream, principal, generation)
        else:
            downstream.abort()

    def _settle(self, generation: Generation, state: EntryState, status: int, usage: Usage, error_code: str | None = None) -> None:
        self._record(generation, generation.entry(state, status, usage, generation.price(usage), error_code))

    def _record(self, generation: Generation, entry: LedgerEntry) -> None:
        generation.is_settled = True
        self._ledger.settle(entry)
        self.stats.count(entry)

    def _refuse(
        self, head: RequestHead, denied: Denied, downstream: Downstream, principal: Principal | None, generation: Generation | None = None
    ) -> None:
        if generation is None:
            self.stats.count_refusal(head.endpoint, denied.code)
        dialect = ENDPOINTS[head.endpoint].dialect
        generation_id = generation_id_of(head.request_id) if generation is None else generation.id
        lines = b"X-Generation-Id: %s\r\n%s%s" % (generation_id.encode(), self._common_lines(head, principal), refusal_lines(denied))
        if principal is not None:
            lines += limit_lines(self._limiter.peek(principal, time.monotonic()), dialect, head.now_ms)
        downstream.reply(denied.http_status, JSON_HEAD + lines, render_failure(dialect, denied, head.request_id))

    def _reply_head(self, generation: Generation, kind: bytes) -> bytes:
        head = generation.head
        return b"%sX-Generation-Id: %s\r\n%s%d\r\nX-AnyRouter-Overhead-Ms: %d.%03d\r\n%s%s" % (
            kind,
            generation.id.encode(),
            generation.stop.served_by,
            max(1, len(generation.attempts.records) + (0 if generation.is_settled else 1)),
            *divmod(int(generation.overhead_s(time.monotonic()) * 1_000_000), 1000),
            self._common_lines(head, generation.principal),
            limit_lines(generation.limit, generation.dialect.name, head.now_ms),
        )

    def _common_lines(self, head: RequestHead, principal: Principal | None) -> bytes:
        lines = b"X-Request-Id: %s\r\n" % head.request_id.encode()
        trace_id = head.headers.get(b"x-anyrouter-trace-id")
        if trace_id is not None and _is_trace_id(trace_id):
            lines += b"X-AnyRouter-Trace-Id: %s\r\n" % trace_id
        if head.endpoint.startswith("messages"):
            lines += b"request-id: %s\r\n" % head.request_id.encode()
        if principal is not None and principal.key.expires_at is not None:
            notice = expiry_notice(principal.key, head.now_ms)
            if notice is not None:
                lines += b"AnyRouter-Key-Expires: %s\r\n" % notice.encode()
        return lines


def _estimate(generation: Generation, facts: ReplyFacts) -> Usage:
    if generation.head.endpoint == "messages/count_tokens":
        return NO_USAGE
    is_embedding = generation.head.endpoint == "embeddings"
    return Usage(
        input_tokens=generation.request.measured_input_tokens(),
        output_tokens=0 if is_embedding else estimate_tokens(facts.output_bytes),
        source=UsageSource.ESTIMATED,
    )


async def _refused_by(exchange: Exchange) -> UpstreamStatus:
    """The error that an upstream's status is. Its status counts also when its text is too long or broken."""
    wait_s = _retry_after_s(exchange)
    try:
        body = await exchange.read(MAX_ERROR_BYTES)
    except UpstreamError:
        body = b""
    return UpstreamStatus("error status", status=exchange.status, body=body, retry_after_s=wait_s)


def _retry_after_s(exchange: Exchange) -> float | None:
    value = next((value for name, value in exchange.headers if name == b"retry-after"), None)
    return None if value is None else read_retry_after(value.decode("latin-1"), time.time())


def _is_trace_id(value: bytes) -> bool:
    return 0 < len(value) <= MAX_TRACE_ID and value.isascii() and value.decode("ascii").isprintable()


def _latin(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
