"""Passkeys (WebAuthn level 3): made from a member's profile, and a way in that is both factors at once. Knows no HTTP and no database.

The authenticator has to verify who uses it (a finger, a PIN), so that a passkey is something one has and something one is or knows.
Nothing is asked of the authenticator's maker (no attestation). Challenges are for one use, for five minutes, and for one browser.
"""

import builtins
import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from anyrouter.control.audit import make_event
from anyrouter.control.challenges import Challenges
from anyrouter.control.key_checks import check_name
from anyrouter.control.profile import find_ways_in
from anyrouter.control.sessions import SessionService, Visitor
from anyrouter.control.sign_in_stores import SignInStore
from anyrouter.core.audit import Actor, AuditEvent
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.ids import new_id
from anyrouter.core.sign_in import Passkey
from anyrouter.core.tenancy import Member
from anyrouter.policy.relying_party import RelyingParty, find_relying_party

LIFETIME_S = 300.0
MAX_PASSKEYS = 20
MAX_RESPONSE = 65_536
_NAME = "AnyRouter"
_AGAIN = "Try again; if it goes on, sign in another way."
_NOT_TAKEN = Denied(code="sign_in_failed", message=f"This passkey was not accepted: it is not known here, or took too long. {_AGAIN}")
_COPIED = Denied(
    code="sign_in_failed",
    message="This passkey was not accepted: it counts fewer uses than were seen here, as a copy of it would. Delete it from your profile.",
)
_NOT_MADE = Denied(code="unprocessable", message=f"The browser's answer makes no passkey, or came too late. {_AGAIN}")
_NONE = Denied(code="not_found", message="There is no such passkey; it may be deleted already.")
_NO_PLACE = Denied(
    code="unprocessable", message="Browsers make passkeys for a domain with TLS only. The operator can set server.public_url to one."
)
_TOO_MANY = Denied(code="unprocessable", message=f"A member has at most {MAX_PASSKEYS} passkeys. Delete one first.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a browser is to ask its authenticator, as JSON values (`publicKey`), and the id to come back with."""

    id: str
    options: Mapping[str, Any]


class PasskeyService:
    """Refusals are ClientError; all methods may raise StorageUnavailable. `base_url` gives the gateway's address as browsers know it."""

    def __init__(
        self,
        *,
        store: SignInStore,
        sessions: SessionService,
        base_url: Callable[[], str],
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._store, self._sessions, self._base_url, self._clock = store, sessions, base_url, clock
        self._begun: Challenges[Mapping[str, Any]] = Challenges(monotonic=monotonic, lifetime_s=LIFETIME_S)

    @property
    def relying_party(self) -> RelyingParty | None:
        """Where passkeys are of use; None where browsers make none."""
        return find_relying_party(self._base_url())

    async def list(self, member: Member) -> builtins.list[Passkey]:
        """A member's, oldest first."""
        return await self._store.list_passkeys(member.organisation_id, member.id)

    async def begin_registration(self, visitor: Visitor) -> Asked:
        """What makes a new passkey. The session must be fresh."""
        self._sessions.check_fresh(visitor)
        member = visitor.member
        known = await self.list(member)
        if len(known) >= MAX_PASSKEYS:
            raise ClientError(_TOO_MANY)
        options, state = self._server().register_begin(
            PublicKeyCredentialUserEntity(id=member.id.encode(), name=member.email, display_name=member.name),
            credentials=[AttestedCredentialData(passkey.public_key) for passkey in known],
            resident_key_requirement=ResidentKeyRequirement.PREFERRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return Asked(id=self._begun.put(_session_browser(visitor), state, owner=member.id), options=dict(options))

    async def finish_registration(self, visitor: Visitor, asked_id: str, response: str, *, name: str, actor: Actor) -> Passkey:
        """Keep the passkey that the authenticator has made. `response` is the browser's, as JSON."""
        self._sessions.check_fresh(visitor)
        name = check_name(name)
        state = self._begun.take(asked_id, _session_browser(visitor))
        member, now = visitor.member, self._now()
        if state is None:
            raise ClientError(_NOT_MADE)
        server = self._server()
        with _refusing(_NOT_MADE):
            made = server.register_complete(state, RegistrationResponse.from_dict(_read(response)))
            data = AttestedCredentialData(bytes(made.credential_data or b""))
        if len(await self.list(member)) >= MAX_PASSKEYS:
            raise ClientError(_TOO_MANY)
        passkey = Passkey(
            id=new_id("psk", int(now.timestamp() * 1000)),
            organisation_id=member.organisation_id,
            member_id=member.id,
            credential_id=data.credential_id,
            public_key=bytes(data),
            name=name,
            created_at=now,
            sign_count=made.counter,
        )
        await self._store.add_passkey(passkey, self._event(actor, passkey, "passkey.add"))
        return passkey

    def begin_sign_in(self, browser: str, *, address: str) -> Asked:
        """What proves who somebody is whom nobody knows yet. `browser` is a secret that only that browser has."""
        options, state = self._server().authenticate_begin(user_verification=UserVerificationRequirement.REQUIRED)
        return Asked(id=self._begun.put(browser, state, owner=address), options=dict(options))

    async def finish_sign_in(self, browser: str, asked_id: str, response: str) -> Member:
        """Whose passkey it is. ClientError `sign_in_failed`."""
        passkey = await self._verify(browser, asked_id, response)
        member = await self._store.find_member(passkey.organisation_id, passkey.member_id)
        if member is None or not member.is_active:
            raise ClientError(_NOT_TAKEN)
        return member

    async def begin_confirmation(self, visitor: Visitor) -> Asked:
        """What proves that a member is there who is signed in."""
        known = [AttestedCredentialData(passkey.public_key) for passkey in await self.list(visitor.member)]
        options, state = self._server().authenticate_begin(known, user_verification=UserVerificationRequirement.REQUIRED)
        return Asked(id=self._begun.put(_session_browser(visitor), state, owner=visitor.member.id), options=dict(options))

    async def confirm(self, visitor: Visitor, asked_id: str, response: str) -> None:
        """Have the session count as fresh. ClientError `sign_in_failed`, also for somebody else's passkey."""
        passkey = await self._verify(_session_browser(visitor), asked_id, response, member=visitor.member)
        if passkey.member_id != visitor.member.id:
            raise ClientError(_NOT_TAKEN)
        await self._sessions.confirm(visitor)

    async def rename(self, visitor: Visitor, passkey_id: str, name: str, *, actor: Actor) -> None:
        """Replace the name; ClientError `not_found`."""
        name, before = check_name(name), await self._find(visitor.member, passkey_id)
        if name != before.name:
            await self._store.rename_passkey(replace(before, name=name), self._event(actor, replace(before, name=name), "passkey.rename"))

    async def delete(self, visitor: Visitor, passkey_id: str, *, actor: Actor) -> None:
        """Forget it; ClientError `not_found`, `unprocessable` for the last way in. The session must be fresh."""
        self._sessions.check_fresh(visitor)
        passkey = await self._find(visitor.member, passkey_id)
        denied = (await find_ways_in(self._store, visitor.member)).judge_removal()
        if denied is not None:
            raise ClientError(denied)
        await self._store.delete_passkey(passkey, self._event(actor, passkey, "passkey.delete"))

    async def _verify(self, browser: str, asked_id: str, response: str, *, member: Member | None = None) -> Passkey:
        state = self._begun.take(asked_id, browser)
        if state is None:
            raise ClientError(_NOT_TAKEN)
        server = self._server()
        with _refusing(_NOT_TAKEN):
            answer = AuthenticationResponse.from_dict(_read(response))
            credential_id, handle = answer.raw_id, answer.response.user_handle
            counter = answer.response.authenticator_data.counter
        passkey = await self._store.find_passkey(credential_id)
        if passkey is None or (handle is not None and handle != passkey.member_id.encode()):
            raise ClientError(_NOT_TAKEN)
        if member is not None and passkey.member_id != member.id:
            raise ClientError(_NOT_TAKEN)
        with _refusing(_NOT_TAKEN):
            server.authenticate_complete(state, [AttestedCredentialData(passkey.public_key)], answer)
        if not await self._store.use_passkey(replace(passkey, sign_count=counter, last_used_at=self._now())):
            raise ClientError(_COPIED)
        return passkey

    async def _find(self, member: Member, passkey_id: str) -> Passkey:
        for passkey in await self.list(member):
            if passkey.id == passkey_id:
                return passkey
        raise ClientError(_NONE)

    def _server(self) -> Fido2Server:
        party = self.relying_party
        if party is None:
            raise ClientError(_NO_PLACE)
        return Fido2Server(PublicKeyCredentialRpEntity(id=party.id, name=_NAME), verify_origin=lambda origin: origin == party.origin)

    def _event(self, actor: Actor, passkey: Passkey, action: str) -> AuditEvent:
        return make_event(
            actor,
            passkey.organisation_id,
            action,
            self._now(),
            target_id=passkey.id,
            target_label=passkey.name,
            after={"name": passkey.name} if action != "passkey.delete" else None,
        )

    def _now(self) -> datetime:
        now = self._clock().astimezone(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)  # as it is stored


def _session_browser(visitor: Visitor) -> str:
    """What only the browser has that is signed in: its session."""
    return f"session {visitor.session.id}"


def _read(response: str) -> Mapping[str, Any]:
    if len(response) > MAX_RESPONSE:
        raise ValueError("too long")
    found = json.loads(response)
    if not isinstance(found, dict):
        raise TypeError("not an object")
    return found


@contextlib.contextmanager
def _refusing(denied: Denied) -> Iterator[None]:
    """Whatever is wrong with what a browser sent is refused in the same words: it may be anything, and the library says so in many ways."""
    try:
        yield
    except Exception:  # noqa: BLE001 -- see above; nothing of ours is called inside
        raise ClientError(denied) from None
