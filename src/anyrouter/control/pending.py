"""Sign-ins that are half done: the first proof was given, something else is asked for. In memory, for five minutes.

Whoever asks for the second proof (a code, a passkey) looks the sign-in up by the token of the browser's cookie, counts every attempt, and
takes the sign-in when the proof was right: of two at once one gets it. What a restart forgets is begun anew.
"""

import base64
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from anyrouter.core.sign_in import SignInMethod
from anyrouter.core.tenancy import Member

T = TypeVar("T")
LIFETIME_S = 300.0
MAX_ATTEMPTS = 5
MAX_PENDING = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingSignIn:
    """Who has given the first proof, what it was and when, and where the person wants to go then (as the link said it, unchecked)."""

    member: Member
    method: SignInMethod
    proved_at: datetime
    next_path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingChoice:
    """A proof that is right in several organisations: which of these members it shall be."""

    members: tuple[Member, ...]
    proved_at: datetime
    next_path: str = ""
    method: SignInMethod = SignInMethod.PASSWORD


@dataclass(slots=True)
class _Entry(Generic[T]):
    pending: T
    ends_s: float
    attempts: int = 0


class _Pending(Generic[T]):
    """By token, of which only the digest is kept. `monotonic` gives seconds."""

    def __init__(self, *, monotonic: Callable[[], float], make_token: Callable[[], bytes] = lambda: secrets.token_bytes(32)) -> None:
        self._monotonic, self._make_token = monotonic, make_token
        self._entries: OrderedDict[bytes, _Entry[T]] = OrderedDict()

    def open(self, pending: T) -> str:
        """The token of a new one. Beyond `MAX_PENDING` the oldest is forgotten."""
        now_s = self._monotonic()
        while self._entries and (next(iter(self._entries.values())).ends_s <= now_s or len(self._entries) >= MAX_PENDING):
            self._entries.popitem(last=False)
        token = base64.urlsafe_b64encode(self._make_token()).rstrip(b"=").decode()
        self._entries[_digest(token)] = _Entry(pending, now_s + LIFETIME_S)
        return token

    def find(self, token: str | None) -> T | None:
        """The one of that token, to show who it is; None when there is none any more."""
        entry = self._find(token)
        return None if entry is None else entry.pending

    def attempt(self, token: str | None) -> T | None:
        """As `find`, for one attempt at the second proof: after `MAX_ATTEMPTS` the sign-in is forgotten."""
        entry = self._find(token)
        if entry is None:
            return None
        if entry.attempts >= MAX_ATTEMPTS:
            self.take(token)
            return None
        entry.attempts += 1
        return entry.pending

    def take(self, token: str | None) -> T | None:
        """Use it up."""
        entry = self._find(token)
        if entry is None or token is None:
            return None
        del self._entries[_digest(token)]
        return entry.pending

    def _find(self, token: str | None) -> _Entry[T] | None:
        entry = None if token is None else self._entries.get(_digest(token))
        return entry if entry is not None and self._monotonic() < entry.ends_s else None


class PendingSignIns(_Pending[PendingSignIn]):
    """Those that wait for a second proof."""


class PendingChoices(_Pending[PendingChoice]):
    """Those that wait for a choice of the organisation."""


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
