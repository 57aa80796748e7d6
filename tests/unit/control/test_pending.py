"""Sign-ins that are half done: found by their token alone, for five minutes and five attempts, and taken once."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

import pytest

from anyrouter.control import pending
from anyrouter.control.pending import LIFETIME_S, MAX_ATTEMPTS, PendingSignIn, PendingSignIns
from anyrouter.core.sign_in import SignInMethod
from anyrouter.core.tenancy import Member, Role

ADA = Member(id="mem_1", organisation_id="org_1", email="a@x", name="A", role=Role.OWNER, created_at=datetime(2026, 1, 1, tzinfo=UTC))
HALF = PendingSignIn(member=ADA, method=SignInMethod.PASSWORD, proved_at=ADA.created_at, next_path="/dashboard/keys")


@dataclass
class Clock:
    now_s: float = 0.0
    numbers: Iterator[int] = field(default_factory=count)

    def make(self) -> PendingSignIns:
        return PendingSignIns(monotonic=lambda: self.now_s, make_token=lambda: next(self.numbers).to_bytes(32))


def test_it_is_found_by_its_token_until_it_is_taken() -> None:
    store = Clock().make()
    token = store.open(HALF)
    assert store.find(token) == HALF
    assert store.take(token) == HALF
    assert (store.take(token), store.find(token), store.attempt(token)) == (None, None, None)


@pytest.mark.parametrize("token", [None, "", "A" * 43, "\xff", "x" * 100_000])
def test_no_other_text_finds_one(token: str | None) -> None:
    store = PendingSignIns(monotonic=lambda: 0.0)
    store.open(HALF)
    assert (store.find(token), store.attempt(token), store.take(token)) == (None, None, None)


def test_it_is_over_after_five_minutes() -> None:
    clock = Clock()
    store = clock.make()
    token = store.open(HALF)
    clock.now_s = LIFETIME_S - 0.001
    assert store.find(token) == HALF
    clock.now_s = LIFETIME_S
    assert (store.find(token), store.attempt(token), store.take(token)) == (None, None, None)


def test_after_its_attempts_it_is_forgotten() -> None:
    store = Clock().make()
    token = store.open(HALF)
    assert [store.attempt(token) for _ in range(MAX_ATTEMPTS)] == [HALF] * MAX_ATTEMPTS
    assert store.attempt(token) is None
    assert store.find(token) is None


def test_the_oldest_makes_room_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "MAX_PENDING", 2)
    store = Clock().make()
    first, second, third = (store.open(HALF) for _ in range(3))
    assert [store.find(token) is not None for token in (first, second, third)] == [False, True, True]


def test_its_token_is_kept_nowhere() -> None:
    store = PendingSignIns(monotonic=lambda: 0.0)
    token = store.open(HALF)
    assert token not in str(vars(store))
    assert store.open(HALF) != token
