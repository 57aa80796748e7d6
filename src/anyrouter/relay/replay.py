"""Replies given again: a request that may is answered with what its like was answered with, and no upstream is asked.

The request has been admitted as any other: key, scope, limits, model and providers are judged. A kept reply is used only while the
target that made it is one of those that this very request could go to.
"""

import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from anyrouter.core.ledger import EntryState, Outcome
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.policy.candidate import Candidate
from anyrouter.policy.reply_cache import CacheQuestion, KeptReply, ReplyStore, name_reply
from anyrouter.relay.call import CacheWish
from anyrouter.relay.generation import Generation
from anyrouter.relay.ports import Ledger, Watcher
from anyrouter.relay.reply_head import ARRAY_HEAD, JSON_HEAD, STREAM_HEAD, reply_head
from anyrouter.relay.stats import RelayStats
from anyrouter.relay.stream import KEEP_ALIVE
from anyrouter.wire.gemini_array import ARRAY_KEEP_ALIVE
from anyrouter.wire.reply import ReplyFacts

_OK = 200
_VARY = b"Vary: Authorization, X-Api-Key, X-Goog-Api-Key, X-AnyRouter-Cache, X-AnyRouter-Provider\r\n"
_MISS = b"X-AnyRouter-Cache: miss\r\n" + _VARY
_HIT = b"X-AnyRouter-Cache: hit\r\nAge: %d\r\n" + _VARY
_SWEEP_S = 60.0
_CHOOSING_HEADERS = (b"x-session-id",)


class Replay:
    """Answers from kept replies and keeps new ones.

    `environments` are the seconds that replies are kept by the slug of the environment whose requests are all answered so; `ttl_s`
    is for requests elsewhere that wish for it.
    """

    def __init__(self, *, ledger: Ledger, stats: RelayStats, store: ReplyStore, environments: Mapping[str, float], ttl_s: float) -> None:
        self._ledger, self._stats, self._store, self._ttl_s = ledger, stats, store, ttl_s
        self._environments = {slug: seconds for slug, seconds in environments.items() if seconds > 0}
        self._sweep_s = 0.0

    def answer(self, generation: Generation) -> bool:
        """Answer with a kept reply. False: an upstream is to be asked, and what it says is kept if it is whole and good.

        StorageUnavailable when it cannot be put on record.
        """
        facts = generation.head.facts
        if facts is not None and facts.cache is None:  # nearly every request
            wishing = self._environments
            if not wishing or generation.principal.environment.slug not in wishing:
                return False
        ttl_s = self._ttl_of(generation)
        if not ttl_s or not self._store.largest_bytes:
            return False
        name, now_s = _name(generation), time.monotonic()
        kept = self._store.find(name, now_s)
        candidate = None if kept is None else _find_maker(generation, kept)
        if kept is not None and candidate is not None and self._ledger.has_room():
            self._stats.cache_hits += 1
            self._give(generation, kept, candidate, now_s)
            return True
        self._stats.cache_misses += 1
        generation.downstream = Recording(generation, self._store, name, ttl_s)
        return False

    def tick(self) -> None:
        """Called once a second: forget what has ended, every now and then."""
        now_s = time.monotonic()
        if now_s >= self._sweep_s:
            self._sweep_s = now_s + _SWEEP_S
            self._store.sweep(now_s)

    def _ttl_of(self, generation: Generation) -> float:
        wish, environment = generation.head.read_facts().cache, generation.principal.environment
        if wish is CacheWish.BYPASS:
            return 0.0
        # The configuration names environments of the one organisation that it knows.
        is_known = environment.organisation_id == DEFAULT_ORGANISATION_ID
        ttl_s = self._environments.get(environment.slug, 0.0) if is_known else 0.0
        return ttl_s or (self._ttl_s if wish is CacheWish.USE else 0.0)

    def _give(self, generation: Generation, kept: KeptReply, candidate: Candidate, now_s: float) -> None:
        generation.stand_at(candidate)
        generation.facts = ReplyFacts(finish_reason=kept.finish_reason, native_finish_reason=kept.native_finish_reason)
        # Should the process die between the two records, what nobody was asked for is not billed.
        generation.intent = intent = replace(generation.intend(), estimated_input_tokens=0)
        body = kept.rename(generation.id, generation.show_cost(0).render())
        self._ledger.intend(intent)
        outcome = generation.outcome(EntryState.SETTLED, _OK, kept.usage, 0)
        generation.is_settled = generation.is_begun = True
        self._ledger.settle(intent, outcome)
        if generation.hold is not None:
            generation.hold.end()
        generation.stop.tally.count(outcome)
        age, downstream = _HIT % int(now_s - kept.stored_s), generation.downstream
        if not generation.request.is_streamed:
            downstream.reply(_OK, reply_head(generation, JSON_HEAD) + age, body)
            return
        downstream.start(_OK, reply_head(generation, ARRAY_HEAD if generation.head.is_array else STREAM_HEAD) + age)
        downstream.write(body)
        downstream.finish()


class Recording:
    """A `Downstream` that passes everything on and keeps a reply that is whole, settled and as the request wished."""

    def __init__(self, generation: Generation, store: ReplyStore, name: bytes, ttl_s: float) -> None:
        self._generation, self._inner = generation, generation.downstream
        self._store, self._name, self._ttl_s = store, name, ttl_s
        self._parts: list[bytes] | None = []
        self._size = 0

    @property
    def is_closed(self) -> bool:
        """As the client's side says."""
        return self._inner.is_closed

    @property
    def is_half_closed(self) -> bool:
        """As the client's side says."""
        return self._inner.is_half_closed

    def reply(self, status: int, head: bytes, body: bytes | Sequence[bytes | memoryview]) -> None:
        """Send a whole reply, and keep it if it is good."""
        self._inner.reply(status, head + _MISS if status == _OK else head, body)
        if status == _OK:
            self._add(body if isinstance(body, bytes) else b"".join(body))
            self._keep()

    def start(self, status: int, head: bytes) -> None:
        """Send a head."""
        self._inner.start(status, head + _MISS)

    def write(self, data: bytes) -> None:
        """Send a part of the body. What only keeps a connection alive is no part of the reply."""
        self._inner.write(data)
        if data not in (KEEP_ALIVE, ARRAY_KEEP_ALIVE):
            self._add(data)

    def finish(self) -> None:
        """End the body, and keep it if it is good."""
        self._inner.finish()
        self._keep()

    def abort(self) -> None:
        """End the connection: nothing is kept."""
        self._parts = None
        self._inner.abort()

    def watch(self, watcher: Watcher) -> None:
        """Pass it on."""
        self._inner.watch(watcher)

    def follow(self, work: Coroutine[Any, Any, None]) -> None:
        """Pass it on."""
        self._inner.follow(work)

    def turn_to(self, generation: Generation) -> None:
        """Another attempt at the request is the one that replies."""
        self._generation = generation

    def _add(self, data: bytes) -> None:
        if self._parts is not None:
            self._size += len(data)
            if self._size <= self._store.largest_bytes:
                self._parts.append(data)
            else:
                self._parts = None

    def _keep(self) -> None:
        generation, outcome, parts = self._generation, self._generation.settled, self._parts
        self._parts = None
        if parts is None or outcome is None or not _is_good(generation, outcome):
            return
        target, now_s = generation.target, time.monotonic()
        reply = KeptReply(
            body=b"".join(parts),
            generation_id=generation.id,
            cost=generation.show_cost(generation.price(outcome.usage)).render(),
            usage=outcome.usage,
            model=target.model,
            upstream=target.upstream.id,
            upstream_model=target.upstream_model,
            finish_reason=outcome.finish_reason,
            native_finish_reason=outcome.native_finish_reason,
            stored_s=now_s,
            ends_s=now_s + self._ttl_s,
        )
        self._store.keep(self._name, reply)


def _is_good(generation: Generation, outcome: Outcome) -> bool:
    """Whether others may have the reply too. Another model's, which stood in for one that failed, is for the moment only."""
    rewriter = generation.rewriter
    return (
        outcome.state is EntryState.SETTLED
        and outcome.finish_reason != "error"
        and (rewriter is None or (rewriter.is_done and rewriter.failure is None))
        and generation.target.model == generation.order[0].target.model
    )


def _find_maker(generation: Generation, kept: KeptReply) -> Candidate | None:
    """The target that made a reply, if the request may go there now."""
    for candidate in generation.order:
        target = candidate.target
        if (target.upstream.id, target.upstream_model, target.model) == (kept.upstream, kept.upstream_model, kept.model):
            return candidate
    return None


def _name(generation: Generation) -> bytes:
    head, request = generation.head, generation.request
    passed = {name.encode("latin-1") for candidate in generation.order for name in candidate.target.upstream.provider.passed_headers}
    headers = [(name, head.headers[name]) for name in sorted(passed.union(_CHOOSING_HEADERS)) if name in head.headers]
    question = CacheQuestion(
        endpoint=head.endpoint,
        is_streamed=request.is_streamed,
        is_array=head.is_array,
        pin=head.read_facts().pin,
        path_model=head.model,
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers),
    )
    return name_reply(generation.principal.key, question, request.members.values)
