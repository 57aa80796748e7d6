"""Signing in with a password, and everything by which a member gets one: set-up, an invitation, a link, a change. Knows no HTTP.

A failure says nothing of why: whether an address is known, has a password, or in which organisations. An address that nobody has costs
the time of one hash, as one that somebody has; and every failure takes `FAILURE_S`, in which an address of several organisations has its
several hashes, too. Sessions are begun by whoever asks (`SessionService.begin`), with the outcome in hand.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from anyrouter.control.audit import make_event
from anyrouter.control.denials import DenialLog
from anyrouter.control.key_checks import check_name
from anyrouter.control.members import MAX_EMAIL_LENGTH, MemberService, check_email, member_facts
from anyrouter.control.passwords import Passwords
from anyrouter.control.pending import PendingChoice, PendingChoices, PendingSignIn, PendingSignIns
from anyrouter.control.sessions import SessionService, Visitor
from anyrouter.control.set_up import SetUp
from anyrouter.control.sign_in_links import SignInLinkService
from anyrouter.control.sign_in_stores import SignInStore
from anyrouter.control.stores import MemberStore
from anyrouter.core.audit import Actor, ActorKind, AuditEvent
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.ids import new_id
from anyrouter.core.sign_in import Password, SignInMethod
from anyrouter.core.tenancy import Member, Role
from anyrouter.policy.password_rules import judge_password
from anyrouter.policy.sign_in_throttle import Attempt, SignInThrottle

FAILURE_S = 0.2
_FAILED = Denied(
    code="sign_in_failed", message="The address or the password is not right. Try again, or ask an owner of your organisation for a link."
)
_WRONG = Denied(code="sign_in_failed", param="old_password", message="This is not your password.")
_NOT_FRESH = Denied(
    code="sign_in_failed", param="old_password", message="Enter your present password: it is some time since you have signed in."
)
_NO_SETUP = Denied(
    code="not_found", message="There is nothing to set up here, or the link is not this run's: the gateway prints it when it starts."
)
_NOBODY = Member(id="", organisation_id="", email="", name="", role=Role.VIEWER, created_at=datetime.min.replace(tzinfo=UTC))
_GUARDED = frozenset({SignInMethod.PASSWORD, SignInMethod.LINK})  # proofs that are one factor alone


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """Somebody has proved who it is: a session may begin. `proved_at` is when, None for just now."""

    member: Member
    method: SignInMethod
    proved_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondStep:
    """A second proof is needed. `token` finds the sign-in in `SignInService.pending`; the browser keeps it in a cookie."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The proof is right in several organisations. `token` finds them in `SignInService.choices`; the browser keeps it in a cookie."""

    token: str = field(repr=False)


Outcome = SignedIn | SecondStep | Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """Where somebody sits who is nobody yet."""

    address: str
    user_agent: str = ""
    request_id: str | None = None

    def as_actor(self, label: str = "anonymous", actor_id: str | None = None) -> Actor:
        """As the audit log names who acts."""
        return Actor(
            kind=ActorKind.ANONYMOUS,
            id=actor_id,
            label=label,
            address=self.address,
            user_agent=self.user_agent or None,
            request_id=self.request_id,
        )


class SignInService:
    """Refusals are ClientError; all methods may raise StorageUnavailable. `clock` gives aware UTC times, `monotonic` seconds."""

    def __init__(
        self,
        *,
        store: SignInStore,
        members: MemberStore,
        member_service: MemberService,
        sessions: SessionService,
        links: SignInLinkService,
        set_up: SetUp,
        denials: DenialLog,
        passwords: Passwords,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._store, self._members, self._member_service = store, members, member_service
        self._sessions, self._links, self._set_up, self._denials = sessions, links, set_up, denials
        self._passwords, self._clock, self._monotonic = passwords, clock, monotonic
        self._throttle = SignInThrottle()
        self._writing: set[asyncio.Task[None]] = set()
        self.pending = PendingSignIns(monotonic=monotonic)
        self.choices = PendingChoices(monotonic=monotonic)

    async def sign_in(self, email: str, password: str, browser: Browser, *, next_path: str = "") -> Outcome:
        """Who has that address and password. ClientError `sign_in_failed`, in the same words whatever is wrong, or `rate_limited`."""
        email = email.strip().lower()[: MAX_EMAIL_LENGTH + 1]  # what is counted below is kept for a while
        attempt, begun_s, proved_at = self._begin(email, browser.address), self._monotonic(), self._now()
        try:
            members = await self._store.find_members(email) if _is_email(email) else []
            right = [member for member in members if await self._verify(member, password)]
            if not members:
                await self._verify(_NOBODY, password)
        except Exception:
            self._throttle.forgive(attempt)
            raise
        if not right:
            self._note_failure(members, browser)
            await asyncio.sleep(begun_s + FAILURE_S - self._monotonic())
            raise ClientError(_FAILED)
        await self._note_success(attempt, members, right)
        return await self._admit_one_of(right, SignInMethod.PASSWORD, proved_at, next_path)

    async def choose(self, token: str | None, member_id: str) -> tuple[Outcome, str] | None:
        """Go on as one of a choice's members, and where to; None when the choice is over, has no such member, or proves nothing now."""
        choice = self.choices.find(token)
        member = next((row for row in choice.members if row.id == member_id), None) if choice is not None else None
        if choice is None or member is None:
            return None
        self.choices.take(token)
        if not await self._is_still_proven(member, choice.method, choice.proved_at):
            return None
        return await self._admit(member, choice.method, choice.proved_at, choice.next_path), choice.next_path

    async def admit_one_of(
        self, members: Sequence[Member], method: SignInMethod, *, proved_at: datetime | None = None, next_path: str = ""
    ) -> Outcome:
        """As `admit`, for who is one person in several organisations, and may have proved that long ago."""
        return await self._admit_one_of(members, method, proved_at or self._now(), next_path)

    async def admit(self, member: Member, method: SignInMethod, *, next_path: str = "") -> SignedIn | SecondStep:
        """What follows a first proof: a second one, where the member has set that up and the first is of one factor alone."""
        return await self._admit(member, method, self._now(), next_path)

    async def take_pending(self, token: str | None) -> PendingSignIn | None:
        """Use up a sign-in of which the second proof was right; None when it is over, or the first one proves nothing any more."""
        pending = self.pending.take(token)
        if pending is None or not await self._is_still_proven(pending.member, pending.method, pending.proved_at):
            return None
        return pending

    async def is_new(self) -> bool:
        """Whether nobody can sign in yet: the link that makes the first owner waits to be opened."""
        return await self._set_up.is_awaited()

    async def check_set_up(self, token: str) -> None:
        """ClientError `not_found` unless the token sets up the first owner now."""
        if not await self._set_up.is_open(token):
            raise ClientError(_NO_SETUP)

    async def set_up(self, token: str, *, email: str, name: str, password: str, browser: Browser) -> SignedIn:
        """Make the first owner; ClientError `not_found` for another token, and for ever once there is an owner."""
        await self.check_set_up(token)
        email, name = check_email(email), check_name(name or email.strip()[:100])
        check_password(password, email, name)
        hashed, now, organisation_id = await self._passwords.hash(password), self._now(), self._set_up.organisation_id
        fresh = Member(
            id=new_id("mem", int(now.timestamp() * 1000)),
            organisation_id=organisation_id,
            email=email,
            name=name,
            role=Role.OWNER,
            created_at=now,
        )
        former = next((row for row in await self._members.list_members(organisation_id) if row.email == email), None)
        owner = fresh if former is None else replace(former, name=name, role=Role.OWNER, is_active=True, version=former.version + 1)
        event = make_event(
            browser.as_actor("set-up link"),
            organisation_id,
            "setup.finish",
            now,
            target_id=owner.id,
            target_label=email,
            after=member_facts(owner),
        )
        await self._store.add_first_owner(owner, _record(owner, hashed, now), event)
        return SignedIn(member=owner, method=SignInMethod.SETUP)

    async def accept(self, token: str, *, email: str, name: str | None, password: str, browser: Browser) -> SignedIn:
        """Become a member by an invitation, with a password. What is wrong with the password leaves the invitation open."""
        invitation = await self._member_service.find_open_invitation(token)
        check_password(password, invitation.email, name or "")
        hashed = await self._passwords.hash(password)
        member = await self._member_service.accept(token, email=email, name=name, address=browser.address)
        actor = browser.as_actor(member.email, member.id)
        await self._store.put_password(_record(member, hashed, self._now()), self._event(actor, "password.set", member))
        return SignedIn(member=member, method=SignInMethod.INVITATION)

    async def reset(self, token: str, password: str, browser: Browser) -> SignedIn | SecondStep:
        """Use up a link: the new password holds, all sessions end. A second factor stays, and is asked for."""
        link, member = await self._links.find(token)
        check_password(password, member.email, member.name)
        hashed = await self._passwords.hash(password)
        event = self._event(browser.as_actor(member.email, member.id), "password.reset", member)
        renewed = _record(member, hashed, self._now())
        await self._store.use_link(link, renewed, event)
        return await self._admit(member, SignInMethod.LINK, renewed.changed_at)

    async def has_password(self, member: Member) -> bool:
        """Whether the member can sign in with one."""
        return await self._store.find_password(member.id) is not None

    async def confirm(self, visitor: Visitor, password: str, browser: Browser) -> None:
        """Have the session count as fresh, by the password; ClientError `sign_in_failed` or `rate_limited`."""
        await self._prove(visitor.member, password, browser)
        await self._sessions.confirm(visitor)

    async def change_password(self, visitor: Visitor, *, old: str | None, new: str, browser: Browser) -> None:
        """Set one's own password; all other sessions end. Without the old one the session must be fresh."""
        member = visitor.member
        check_password(new, member.email, member.name, param="new_password")
        if old is not None:
            await self._prove(member, old, browser)
        elif not self._sessions.is_fresh(visitor):
            raise ClientError(_NOT_FRESH)
        hashed = await self._passwords.hash(new)
        actor = replace(browser.as_actor(member.email, member.id), kind=ActorKind.MEMBER)
        event = self._event(actor, "password.change", member)
        await self._store.put_password(_record(member, hashed, self._now()), event, ends_sessions_but=visitor.session.id)

    async def _admit_one_of(self, members: Sequence[Member], method: SignInMethod, proved_at: datetime, next_path: str) -> Outcome:
        if len(members) == 1:
            return await self._admit(members[0], method, proved_at, next_path)
        choice = PendingChoice(members=tuple(members), proved_at=proved_at, next_path=next_path, method=method)
        return Choice(token=self.choices.open(choice))

    async def _admit(self, member: Member, method: SignInMethod, proved_at: datetime, next_path: str = "") -> SignedIn | SecondStep:
        if method in _GUARDED:
            factor = await self._store.find_second_factor(member.id)
            if factor is not None and factor.confirmed_at is not None:
                pending = PendingSignIn(member=member, method=method, proved_at=proved_at, next_path=next_path)
                return SecondStep(token=self.pending.open(pending))
        return SignedIn(member=member, method=method, proved_at=proved_at)

    async def _is_still_proven(self, member: Member, method: SignInMethod, proved_at: datetime) -> bool:
        """Whether the password that was the proof is the one of now: a change ends what is half done, as it ends sessions."""
        if method not in _GUARDED:
            return True
        stored = await self._store.find_password(member.id)
        return stored is not None and stored.changed_at <= proved_at

    async def _note_success(self, attempt: Attempt, members: Sequence[Member], right: Sequence[Member]) -> None:
        """Count it as no failure. What was counted before stays where the address has another password, in another organisation.

        Else who knows the one could guess at the other for ever.
        """
        known = {member.id for member in right}
        if any([await self.has_password(member) for member in members if member.id not in known]):
            self._throttle.forgive(attempt)
        else:
            self._throttle.succeed(attempt)

    async def _prove(self, member: Member, password: str, browser: Browser) -> None:
        attempt = self._begin(member.email, browser.address)
        try:
            is_right = await self._verify(member, password)
        except Exception:
            self._throttle.forgive(attempt)
            raise
        if not is_right:
            self._note_failure([member], browser)
            raise ClientError(_WRONG)
        await self._note_success(attempt, await self._store.find_members(member.email), [member])

    def _begin(self, email: str, address: str) -> Attempt:
        begun = self._throttle.begin(email, address, self._monotonic())
        if isinstance(begun, Attempt):
            return begun
        minutes = int(begun // 60) + 1
        message = f"Too many attempts to sign in have failed. Try again in {minutes} minute{'s' if minutes > 1 else ''}."
        raise ClientError(Denied(code="rate_limited", message=message, retry_after_s=begun))

    async def _verify(self, member: Member, password: str) -> bool:
        stored = await self._store.find_password(member.id)
        if not await self._passwords.verify(None if stored is None else stored.hash, password) or stored is None:
            return False
        if self._passwords.needs_rehash(stored.hash):
            await self._store.rehash_password(stored, replace(stored, hash=await self._passwords.hash(password)))
        return True

    def _note_failure(self, members: Sequence[Member], browser: Browser) -> None:
        """Put it on record, behind the reply: the time of a write would say that the address is known."""
        for member in members:
            event = replace(self._event(browser.as_actor(), "session.denied", member), is_denied=True, code=_FAILED.code)
            task = asyncio.get_running_loop().create_task(self._denials.note(event))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    def _event(self, actor: Actor, action: str, member: Member) -> AuditEvent:
        return make_event(actor, member.organisation_id, action, self._now(), target_id=member.id, target_label=member.email)

    def _now(self) -> datetime:
        now = self._clock().astimezone(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)  # as it is stored


def check_password(password: str, *known: str, param: str = "password") -> None:
    """ClientError when it is no password that may be chosen by who is `known` by these texts."""
    denied = judge_password(password, known=known)
    if denied is not None:
        raise ClientError(replace(denied, param=param))


def _is_email(text: str) -> bool:
    try:
        check_email(text)
    except ClientError:
        return False
    return True


def _record(member: Member, hashed: str, now: datetime) -> Password:
    return Password(member_id=member.id, organisation_id=member.organisation_id, hash=hashed, changed_at=now)
