"""The life of keys as a state machine: whatever is done to them in whatever order, over each store, a key works exactly when a model
of a few lines says so, limits and names included.
"""

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from anyrouter.control.first_use import FirstUses
from anyrouter.control.keys import KeyService
from anyrouter.control.rotation import GraceStart
from anyrouter.control.stores import AuditFilter
from anyrouter.core import keys
from anyrouter.core.audit import OPERATOR
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.relay.authenticate import Authenticator
from anyrouter.relay.call import RequestHead
from anyrouter.storage.memory import MemoryStorage
from anyrouter.storage.opening import ServingStorage, open_serving_storage
from support.databases import lay_tables
from support.operator_keys import OperatorKeys
from support.tenants import tenants_of

T = TypeVar("T")
START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@dataclass
class Expected:
    """The model of a key."""

    key_id: str
    group: int
    ends: datetime | None = None
    off: bool = False
    deleted: bool = False
    rotated: bool = False
    waits_s: int | None = None

    def works(self, now: datetime) -> bool:
        return not self.off and not self.deleted and (self.ends is None or now < self.ends)

    def end_in(self, now: datetime, grace_s: int) -> None:
        end = now + grace_s * SECOND
        self.ends = end if self.ends is None else min(self.ends, end)


class KeyLife(RuleBasedStateMachine):
    """Over the store in memory; below, over SQLite."""

    texts: Bundle[str] = Bundle("texts")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.now, self.number = START, 0
        self.known: dict[str, Expected] = {}
        self.storage: MemoryStorage | ServingStorage = self.run(self.open())
        environments = self.run(self.storage.environments.list_environments(DEFAULT_ORGANISATION_ID))
        service = KeyService(
            store=self.storage.keys,
            environments=self.storage.environments,
            organisations=self.storage.organisations,
            pepper=b"MARKER-pepper",
            pepper_version=1,
            clock=lambda: self.now,
        )
        self.keys = OperatorKeys(service)
        self.uses = FirstUses(store=self.storage.keys, notices=self.storage.key_use, clock=lambda: self.now)
        self.authenticator = Authenticator(
            lookup=self.storage.keys,
            peppers=(b"MARKER-pepper",),
            tenants=lambda: tenants_of(*environments),
            confirmed_at_s=time.monotonic,
            failures_per_minute=1_000_000,
        )
        self.storage.watch.subscribe(lambda _: self.authenticator.forget())

    async def open(self) -> MemoryStorage | ServingStorage:
        return MemoryStorage()

    def run(self, work: Awaitable[T]) -> T:
        async def wait() -> T:
            return await work

        return self.runner.run(wait())

    def attempt(self, work: Awaitable[Any]) -> tuple[str | None, Any]:
        """The code of a refusal, or what came of it."""
        try:
            return None, self.run(work)
        except ClientError as error:
            return error.code, None

    def use(self, text: str) -> str | None:
        """Present a key as a request does; the code of the refusal."""

        async def ask() -> Any:
            head = RequestHead(
                endpoint="chat/completions",
                headers={b"authorization": f"Bearer {text}".encode()},
                client_host="203.0.113.7",
                started_s=time.monotonic(),
                now_ms=int(self.now.timestamp() * 1000),
                request_id="req-1",
            )
            outcome = self.authenticator.authorize(head)
            outcome = await self.authenticator.find(head) if outcome is None else outcome
            if not isinstance(outcome, Denied):
                self.storage.key_use.note(outcome.key.id, head.now_ms, head.client_host, None)
                await self.uses.look()
                await self.uses.begin_due()
            return outcome

        outcome = self.run(ask())
        return outcome.code if isinstance(outcome, Denied) else None

    @rule(target=texts, life_s=st.none() | st.integers(1, 100))
    def create(self, life_s: int | None) -> str:
        self.number += 1
        ends = None if life_s is None else self.now + life_s * SECOND
        key, text = self.run(self.keys.create(name=f"n{self.number}", expires_at=ends))
        self.known[text] = Expected(key.id, self.number, ends)
        return text

    @rule(target=texts, text=texts, grace_s=st.integers(0, 60), start=st.sampled_from(GraceStart))
    def rotate(self, text: str, grace_s: int, start: GraceStart) -> str:
        old = self.known[text]
        code, made = self.attempt(self.keys.rotate(old.key_id, grace_s=grace_s, start=start))
        if old.deleted:
            assert code == "not_found"
        elif old.rotated:
            assert code == "rotation_in_progress"
        else:
            assert code == (None if old.works(self.now) else "unprocessable")
        if code is not None:
            return text
        key, new_text = made
        self.known[new_text] = Expected(key.id, old.group, old.ends)
        old.rotated = True
        if start is GraceStart.FIRST_USE:
            old.waits_s = grace_s
        else:
            old.end_in(self.now, grace_s)
        return new_text

    @rule(text=texts, is_off=st.booleans())
    def switch(self, text: str, is_off: bool) -> None:
        expected = self.known[text]
        act = self.keys.disable if is_off else self.keys.enable
        code, _ = self.attempt(act(expected.key_id))
        assert code == ("not_found" if expected.deleted else None)
        expected.off = expected.off if expected.deleted else is_off

    @rule(text=texts, life_s=st.integers(1, 100))
    def end_at(self, text: str, life_s: int) -> None:
        expected, ends = self.known[text], self.now + life_s * SECOND
        code, _ = self.attempt(self.keys.change(expected.key_id, {"expires_at": ends}))
        if code is None:
            expected.ends = ends
        elif expected.rotated and not expected.deleted:
            assert (code, expected.ends is not None and ends > expected.ends) == ("invalid_parameter", True)
        else:
            assert (code, expected.deleted) == ("not_found", True)

    @rule(text=texts)
    def delete(self, text: str) -> None:
        expected = self.known[text]
        code, _ = self.attempt(self.keys.delete(expected.key_id))
        assert code == ("not_found" if expected.deleted else None)
        expected.deleted = True

    @rule(text=texts)
    def revoke(self, text: str) -> None:
        found = self.run(self.keys.service.revoke([text], actor=OPERATOR))
        assert found == (0 if self.known[text].deleted else 1)
        self.known[text].deleted = True

    @rule(seconds=st.integers(1, 40))
    def wait(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule(text=texts)
    def ask(self, text: str) -> None:
        expected = self.known[text]
        assert (self.use(text) is None) == expected.works(self.now)
        if not expected.works(self.now):
            return
        older = list(self.known.values())
        for other in older[: older.index(expected)]:
            if other.group == expected.group and other.waits_s is not None and not other.deleted:
                other.end_in(self.now, other.waits_s)
                other.waits_s = None

    @precondition(lambda self: self.known)
    @invariant()
    def the_store_says_what_the_model_says(self) -> None:
        rows = {key.id: key for key in self.run(self.keys.list(limit=1000))}
        assert rows.keys() == {expected.key_id for expected in self.known.values() if not expected.deleted}
        for text, expected in self.known.items():
            if (row := rows.get(expected.key_id)) is not None:
                assert (row.is_disabled, row.expires_at, row.grace_s) == (expected.off, expected.ends, expected.waits_s), text[:14]
                assert row.label == keys.label_of(text)
        groups = {row.rotation_group for row in rows.values()}
        assert len(groups) == len({expected.group for expected in self.known.values() if not expected.deleted})

    def teardown(self) -> None:
        query = AuditFilter(organisation_id=DEFAULT_ORGANISATION_ID, limit=1000)
        told = repr(self.run(self.storage.audit.list_events(query)))
        assert not any(text in told for text in self.known)
        self.run(self.storage.aclose())
        self.runner.close()


class KeyLifeOnSqlite(KeyLife):
    """The same over a database."""

    async def open(self) -> MemoryStorage | ServingStorage:
        self.directory = TemporaryDirectory()
        return await open_serving_storage(
            lay_tables(Path(self.directory.name) / "data"), None, environment={}, price_interrupted=lambda _: 0
        )

    def teardown(self) -> None:
        super().teardown()
        self.directory.cleanup()


TestKeyLife = KeyLife.TestCase
TestKeyLife.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestKeyLifeOnSqlite = KeyLifeOnSqlite.TestCase
TestKeyLifeOnSqlite.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
