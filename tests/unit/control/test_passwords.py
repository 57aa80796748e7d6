"""Passwords and their hashes: real ones, of the parameters that are meant."""

import asyncio
import time

import pytest

from anyrouter.control import passwords as module
from anyrouter.control.passwords import AT_ONCE, Passwords
from anyrouter.core.errors import ClientError

WORDS = "nine green bottles"


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return Passwords()


async def test_a_hash_has_the_parameters_that_are_advised_and_a_salt_of_its_own(passwords: Passwords) -> None:
    first, second = await passwords.hash(WORDS), await passwords.hash(WORDS)
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first != second
    assert WORDS not in first
    assert await passwords.verify(first, WORDS)
    assert not await passwords.verify(first, WORDS + " ")
    assert not passwords.needs_rehash(first)


async def test_the_same_text_from_another_keyboard_is_the_same_password(passwords: Passwords) -> None:
    stored = await passwords.hash("Caf\N{LATIN SMALL LETTER E WITH ACUTE} au lait, please")
    assert await passwords.verify(stored, "Cafe\N{COMBINING ACUTE ACCENT} au lait, please")


@pytest.mark.parametrize("stored", [None, "", "$argon2id$", "plain", "$2b$12$abcdefghijklmnopqrstuv"])
async def test_where_there_is_no_hash_nothing_is_right(stored: str | None, passwords: Passwords) -> None:
    for guess in ("", "nobody's", WORDS, "\ud800", "x" * 100_000):
        assert not await passwords.verify(stored, guess)


async def test_no_hash_takes_as_long_as_a_wrong_one(passwords: Passwords) -> None:
    stored = await passwords.hash(WORDS)
    took_s: dict[str | None, list[float]] = {stored: [], None: []}
    for _ in range(12):  # in turns: the machine has other work, too
        for known, times in took_s.items():
            begun = time.thread_time()
            passwords._verify(passwords._dummy if known is None else known, "a guess")
            times.append(time.thread_time() - begun)
    known_s, unknown_s = map(min, took_s.values())
    assert 0.5 < known_s / unknown_s < 2


async def test_of_a_password_that_is_too_long_the_beginning_is_not_taken_for_it(passwords: Passwords) -> None:
    longest = "z9y" * 341 + "!"
    stored = await passwords.hash(longest)
    assert await passwords.verify(stored, longest)
    assert not await passwords.verify(stored, longest + "!")


async def test_a_hash_of_other_parameters_is_verified_and_known_as_old(passwords: Passwords) -> None:
    older = await Passwords(memory_kib=64, passes=1).hash(WORDS)
    assert await passwords.verify(older, WORDS)
    assert passwords.needs_rehash(older)


async def test_a_flood_takes_two_threads_and_who_comes_too_late_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 5)
    passwords = Passwords(memory_kib=64, passes=1)
    ended = await asyncio.gather(*(passwords.hash(WORDS) for _ in range(8)), return_exceptions=True)
    refused = [outcome for outcome in ended if isinstance(outcome, ClientError)]
    assert [error.code for error in refused] == ["overloaded"] * 3
    assert refused[0].denied.retry_after_s is not None
    assert len(passwords._pool._threads) <= AT_ONCE
    assert await passwords.verify(await passwords.hash(WORDS), WORDS)
