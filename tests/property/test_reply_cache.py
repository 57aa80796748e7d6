"""The store of replies as a state machine beside a plain dict: bounded, and never another name's or an ended reply."""

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from anyrouter.core.usage import NO_USAGE
from anyrouter.policy.reply_cache import KeptReply, ReplyStore

MAX_BYTES, MAX_ENTRIES = 40_000, 6
names = st.sampled_from([bytes([number]) * 32 for number in range(10)])
sizes = st.one_of(st.integers(0, 200), st.integers(3_000, 6_000))
PATTERN = KeptReply(
    body=b"",
    generation_id="gen-0",
    cost=b"",
    usage=NO_USAGE,
    model="m",
    upstream="u",
    upstream_model="m",
    finish_reason=None,
    native_finish_reason=None,
    stored_s=0.0,
    ends_s=0.0,
)


class Store(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.store = ReplyStore(max_bytes=MAX_BYTES, max_entries=MAX_ENTRIES)
        self.latest: dict[bytes, KeptReply] = {}
        self.now_s, self.number = 1000.0, 0

    @rule(name=names, size=sizes, ttl_s=st.sampled_from([0.001, 1.0, 60.0]))
    def keep(self, name: bytes, size: int, ttl_s: float) -> None:
        self.number += 1
        reply = msgspec.structs.replace(
            PATTERN, body=b"x" * size, generation_id=f"gen-{self.number}", stored_s=self.now_s, ends_s=self.now_s + ttl_s
        )
        self.latest[name] = reply
        self.store.keep(name, reply)
        is_small = size <= self.store.largest_bytes
        assert (self.store.find(name, self.now_s) is reply) is is_small

    @rule(name=names)
    def find(self, name: bytes) -> None:
        found = self.store.find(name, self.now_s)
        if found is not None:
            assert found is self.latest[name]
            assert found.stored_s <= self.now_s < found.ends_s

    @rule(seconds=st.sampled_from([0.0005, 0.001, 0.5, 1.0, 59.0]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule()
    def sweep(self) -> None:
        self.store.sweep(self.now_s)
        assert len(self.store) <= sum(reply.ends_s > self.now_s for reply in self.latest.values())

    @invariant()
    def is_bounded(self) -> None:
        assert 0 <= self.store.size_bytes <= MAX_BYTES
        assert len(self.store) <= MAX_ENTRIES
        assert (len(self.store) == 0) == (self.store.size_bytes == 0)


Store.TestCase.settings = settings(deadline=None, max_examples=100, stateful_step_count=50)
TestStore = Store.TestCase
