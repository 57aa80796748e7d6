"""Passwords as argon2id makes hashes of them. The text of a password is kept nowhere, and is in no error and no repr.

The parameters are OWASP's (Password Storage Cheat Sheet, 2025): 19 MiB, two passes, one lane. Hashes of other parameters are verified,
and made anew at the next sign-in.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from anyrouter.core.errors import ClientError, Denied
from anyrouter.policy.password_rules import MAX_LENGTH, normalise

T = TypeVar("T")
AT_ONCE = 2
MAX_WAITING = 64
_BUSY = Denied(
    code="overloaded", message="Too many people sign in at this moment. Nothing was changed; try again in a few seconds.", retry_after_s=3
)


class Passwords:
    """Hashes and verifies on threads, at most `AT_ONCE` at a time: a flood of sign-ins takes neither the memory nor the loop.

    ClientError `overloaded` when more than `MAX_WAITING` wait already.
    """

    def __init__(self, *, memory_kib: int = 19_456, passes: int = 2) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1, hash_len=32, salt_len=16)
        self._dummy = self._hasher.hash("nobody's")
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="anyrouter-passwords")
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The PHC string of a password."""
        return await self._work(lambda: self._hasher.hash(_to_bytes(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether it is the one. None takes the same time as a hash and is never right."""
        is_right = await self._work(lambda: self._verify(self._dummy if stored is None else stored, password))
        return is_right and stored is not None and len(password) <= MAX_LENGTH

    def needs_rehash(self, stored: str) -> bool:
        """Whether it was made with other parameters than would be taken today."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, _to_bytes(password))
        except (VerificationError, InvalidHashError):
            return False

    async def _work(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise ClientError(_BUSY)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1


def _to_bytes(password: str) -> bytes:
    return normalise(password).encode("utf-8", "surrogatepass")
