"""Codes of an authenticator app (TOTP, RFC 6238) as a second factor, and recovery codes for who has lost it. Knows no HTTP and no database.

The app's secret is kept sealed; it is opened to check a code, and to show it again while it is being set up. Each code is taken once.
"""

import base64
import contextlib
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pyotp

from anyrouter.control.audit import make_event
from anyrouter.control.sessions import SessionService, Visitor
from anyrouter.control.sign_in_stores import SignInStore
from anyrouter.core.audit import Actor, AuditEvent
from anyrouter.core.byok import NOTHING_SEALED
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.sign_in import SecondFactor
from anyrouter.core.tenancy import Member
from anyrouter.core.vault import Vault
from anyrouter.policy.code_throttle import CodeThrottle

ISSUER = "AnyRouter"
STEP_S = 30
DIGITS = 6
RECOVERY_CODES = 10
_SECRET_BYTES = 20  # what RFC 4226 recommends
_RECOVERY_BYTES = 10  # 80 bits: their digests need no slow hash
_CODE = re.compile(rf"[0-9]{{{DIGITS}}}", re.ASCII)
_RECOVERY = re.compile(r"[a-z2-7]{16}", re.ASCII)
_WRONG = Denied(
    code="sign_in_failed", param="code", message="This code is not right, or was used before. Wait for the next one, and look at the clock."
)
_NONE = Denied(code="not_found", message="There is no authenticator app to confirm. Set one up from your profile.")
_THERE = Denied(code="unprocessable", message="There is an authenticator app already. Turn it off before you set up another.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What an app needs to know: the secret as a text (base32) and as the address that a QR code holds."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


class SecondFactorService:
    """Refusals are ClientError; all methods may raise StorageUnavailable. `clock` gives aware UTC times, `monotonic` seconds."""

    def __init__(
        self,
        *,
        store: SignInStore,
        sessions: SessionService,
        vault: Vault,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._store, self._sessions, self._vault, self._clock, self._monotonic = store, sessions, vault, clock, monotonic
        self._throttle = CodeThrottle()

    async def find(self, member: Member) -> SecondFactor | None:
        """The one that is asked for."""
        factor = await self._store.find_second_factor(member.id)
        return factor if factor is not None and factor.confirmed_at is not None else None

    async def begin(self, visitor: Visitor) -> Enrolment:
        """A new secret, which counts once it is confirmed. The session must be fresh."""
        self._sessions.check_fresh(visitor)
        member = visitor.member
        if await self.find(member) is not None:
            raise ClientError(_THERE)
        secret = base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()
        factor = SecondFactor(member_id=member.id, organisation_id=member.organisation_id, sealed=NOTHING_SEALED, created_at=self._now())
        factor = replace(factor, sealed=await self._vault.seal(factor.place, secret))
        await self._store.put_second_factor(factor)
        await self._vault.settle(factor.place, factor.sealed, secret)
        return _enrol(member, secret)

    async def show(self, visitor: Visitor) -> Enrolment:
        """The secret that is being set up, once more. ClientError `not_found` when there is none. The session must be fresh."""
        self._sessions.check_fresh(visitor)
        factor = await self._find_unconfirmed(visitor.member)
        return _enrol(visitor.member, await self._open(factor))

    async def confirm(self, visitor: Visitor, code: str, *, actor: Actor) -> tuple[str, ...]:
        """Have it count from now on, by a first code; the recovery codes, which are shown once."""
        member = visitor.member
        self._sessions.check_fresh(visitor)
        factor = await self._find_unconfirmed(member)
        with self._attempt(member):
            secret = await self._open(factor)
        step = find_step(secret, code, int(self._clock().timestamp()))
        if step is None:
            raise ClientError(_WRONG)
        self._throttle.succeed(member.id)
        codes = make_recovery_codes()
        confirmed = replace(factor, confirmed_at=self._now(), last_step=step, recovery=tuple(map(digest_of, codes)))
        await self._store.put_second_factor(confirmed, self._event(actor, member, "second_factor.enable"))
        return codes

    async def renew_recovery(self, visitor: Visitor, *, actor: Actor) -> tuple[str, ...]:
        """New recovery codes; the ones before are worth nothing. The session must be fresh."""
        self._sessions.check_fresh(visitor)
        factor = await self.find(visitor.member)
        if factor is None:
            raise ClientError(_NONE)
        codes = make_recovery_codes()
        renewed = replace(factor, recovery=tuple(map(digest_of, codes)))
        await self._store.put_second_factor(renewed, self._event(actor, visitor.member, "second_factor.renew_recovery"))
        return codes

    async def disable(self, visitor: Visitor, *, actor: Actor) -> None:
        """Ask for no code any more. The session must be fresh."""
        self._sessions.check_fresh(visitor)
        factor = await self.find(visitor.member)
        if factor is not None:
            await self._store.delete_second_factor(factor, self._event(actor, visitor.member, "second_factor.disable"))

    async def verify(self, member: Member, code: str, *, actor: Actor) -> None:
        """Take a code of the app, or a recovery code: each once. ClientError `sign_in_failed` or `rate_limited`."""
        factor = await self.find(member)
        if factor is None:
            raise ClientError(_WRONG)
        with self._attempt(member):
            is_right = await self._take(factor, code, self._event(actor, member, "second_factor.recover"))
        if not is_right:
            raise ClientError(_WRONG)
        self._throttle.succeed(member.id)

    async def _take(self, factor: SecondFactor, code: str, event: AuditEvent) -> bool:
        text = _plain(code)
        if _RECOVERY.fullmatch(text):
            return await self._store.take_recovery(factor.member_id, digest_of(text), event)
        step = find_step(await self._open(factor), text, int(self._clock().timestamp()))
        return step is not None and await self._store.take_step(factor.member_id, step)

    async def _find_unconfirmed(self, member: Member) -> SecondFactor:
        factor = await self._store.find_second_factor(member.id)
        if factor is None or factor.confirmed_at is not None:
            raise ClientError(_NONE)
        return factor

    async def _open(self, factor: SecondFactor) -> str:
        return (await self._vault.open(factor.place, factor.sealed)).reveal()

    @contextlib.contextmanager
    def _attempt(self, member: Member) -> Iterator[None]:
        """Count an attempt, unless storage or vault fail inside: that is nobody's guess."""
        wait_s = self._throttle.begin(member.id, self._monotonic())
        if wait_s is not None:
            minutes = int(wait_s // 60) + 1
            message = f"Too many codes were wrong. Try again in {minutes} minute{'s' if minutes > 1 else ''}."
            raise ClientError(Denied(code="rate_limited", message=message, retry_after_s=wait_s))
        try:
            yield
        except Exception:
            self._throttle.forgive(member.id)
            raise

    def _event(self, actor: Actor, member: Member, action: str) -> AuditEvent:
        return make_event(actor, member.organisation_id, action, self._now(), target_id=member.id, target_label=member.email)

    def _now(self) -> datetime:
        now = self._clock().astimezone(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)  # as it is stored


def find_step(secret: str, code: str, now_s: int) -> int | None:
    """The time step that a code is of, if that is now, the one before or the one after; None for another code."""
    text = _plain(code)
    if not _CODE.fullmatch(text):
        return None
    hotp, now_step, found = pyotp.HOTP(secret, digits=DIGITS), now_s // STEP_S, None
    for step in (now_step + 1, now_step, now_step - 1):  # always all three: the time says nothing
        if hmac.compare_digest(hotp.at(step), text):
            found = step
    return found


def make_recovery_codes() -> tuple[str, ...]:
    """Codes to write down, each good for one sign-in."""
    texts = (base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower() for _ in range(RECOVERY_CODES))
    return tuple("-".join(text[start : start + 4] for start in range(0, len(text), 4)) for text in texts)


def digest_of(code: str) -> bytes:
    """What is kept of a recovery code, however it is written."""
    return hashlib.sha256(_plain(code).encode()).digest()


def _plain(code: str) -> str:
    return re.sub(r"[\s-]", "", code[:100]).lower()


def _enrol(member: Member, secret: str) -> Enrolment:
    return Enrolment(secret=secret, uri=pyotp.TOTP(secret).provisioning_uri(name=member.email, issuer_name=ISSUER))
