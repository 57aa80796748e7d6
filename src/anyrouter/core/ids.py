"""Identifiers: time-ordered, so that indexes stay local and lists sort by creation.

Compatibility law: the prefixes and the order by time are stored and public; they never change.
Pure: the caller gives the time and the randomness.
"""

import os
from uuid import UUID


def uuid7(now_ms: int, random: bytes) -> UUID:
    """A version 7 UUID (RFC 9562, section 5.7) of `now_ms` (Unix milliseconds) and ten random bytes."""
    if len(random) != 10:  # noqa: PLR2004 -- the 74 free bits of the format, rounded up to bytes
        raise ValueError("uuid7 needs ten random bytes")
    tail = int.from_bytes(random)
    rand_a, rand_b = tail >> 68, tail & ((1 << 62) - 1)
    return UUID(int=(now_ms & ((1 << 48) - 1)) << 80 | 0x7 << 76 | (rand_a & 0xFFF) << 64 | 0b10 << 62 | rand_b)


def new_id(prefix: str, now_ms: int) -> str:
    """A fresh public identifier such as `key_0192…`: the prefix, an underscore, and a version 7 UUID as 32 hex digits."""
    return f"{prefix}_{uuid7(now_ms, os.urandom(10)).hex}"


def new_generation_id(now_ms: int) -> str:
    """A fresh `gen-…` identifier: 12 hex digits of Unix milliseconds, then 80 random bits as 20 hex digits."""
    return f"gen-{now_ms:012x}{os.urandom(10).hex()}"


def generation_id_of(request_id: str) -> str:
    """The `gen-…` identifier of the generation that a request makes: time-ordered as the request's own, whose digits it has."""
    return f"gen-{request_id[4:]}"


def new_request_id(now_ms: int) -> str:
    """A fresh `req-…` identifier: 12 hex digits of Unix milliseconds, then 80 random bits as 20 hex digits."""
    return f"req-{now_ms:012x}{os.urandom(10).hex()}"
