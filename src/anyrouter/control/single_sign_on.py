"""Signing in at an OpenID provider: begun here, proved there, ended here by the same browser. Knows no HTTP and no database.

Authorization code flow with PKCE, state, nonce and `iss` (OpenID Connect Core 1.0, RFC 7636, RFC 9207, RFC 9700). A person is found by
issuer and subject; by e-mail address only the first time, and only when the provider has verified it.
"""

import base64
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import quote

from anyrouter.control.audit import make_event
from anyrouter.control.challenges import Challenges
from anyrouter.control.id_token import LEEWAY_S, Claims, Expected, TokenRefusedError, UnknownKeyError, read_claims, read_id_token
from anyrouter.control.identity_provider import IdentityProvider
from anyrouter.control.members import MemberService
from anyrouter.control.sign_in_stores import SignInStore
from anyrouter.core.audit import Actor, ActorKind
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.sign_in import Identity
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Member
from anyrouter.policy.sign_on import SignOnAnswer, SignOnRules

LIFETIME_S = 600.0
MAX_TEXT = 4096
_AGAIN = "Begin again at the sign-in page."
_STALE = Denied(
    code="invalid_parameter",
    param="state",
    message=f"This sign-in was not begun in this browser, was ended already, or took longer than ten minutes. {_AGAIN}",
)
_NO_TIME = Denied(
    code="sign_in_failed",
    message="The sign-on provider does not say when you proved who you are (auth_time), so that this confirms nothing; you are signed in "
    "as before. Ask an owner or an admin for a link to set a password, and confirm with that.",
)
NEVER = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What is remembered of a sign-in while the person is at the provider."""

    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    redirect_uri: str
    next_path: str
    is_confirmation: bool
    is_anew: bool
    began_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOn:
    """Who it is, in each organisation where that person is a member, and where the person wanted to go.

    `proved_at` is when that was proved to the provider, which may know a browser for weeks; `NEVER` where it does not tell.
    """

    members: tuple[Member, ...]
    proved_at: datetime
    next_path: str


class SingleSignOn:
    """One provider for all members. Refusals are ClientError; all methods may raise StorageUnavailable."""

    def __init__(
        self,
        *,
        provider: IdentityProvider,
        rules: SignOnRules,
        store: SignInStore,
        members: MemberService,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._provider, self.rules, self._store, self._members, self._clock = provider, rules, store, members, clock
        self._begun: Challenges[Begun] = Challenges(monotonic=monotonic, lifetime_s=LIFETIME_S)

    async def begin(
        self, browser: str, *, redirect_uri: str, next_path: str, address: str, is_anew: bool = False, is_confirmation: bool = False
    ) -> str:
        """Where the browser, which holds the secret `browser`, is to go. ClientError `upstream_error`.

        `is_anew`: the provider is to ask who it is, also where it knows the browser already (OpenID Connect Core 1.0, 3.1.2.1).
        `is_confirmation`: and it has to say that it did, for it is all that is wanted of it.
        """
        configuration = await self._provider.find_configuration()
        begun = Begun(
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            redirect_uri=redirect_uri,
            next_path=next_path,
            is_confirmation=is_confirmation,
            is_anew=is_anew or is_confirmation,
            began_s=int(self._clock().timestamp()),
        )
        challenge = base64.urlsafe_b64encode(hashlib.sha256(begun.verifier.encode()).digest()).rstrip(b"=").decode()
        fields = {
            "response_type": "code",
            "client_id": self.rules.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self.rules.scopes),
            "state": self._begun.put(browser, begun, owner=address),
            "nonce": begun.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **({"prompt": "login", "max_age": "0"} if begun.is_anew else {}),
        }
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())
        address_there = configuration.authorization_endpoint
        return f"{address_there}{'&' if '?' in address_there else '?'}{query}"

    async def finish(self, browser: str, answer: SignOnAnswer, *, actor: Actor) -> SignedOn:
        """Who has signed in there. The sign-in is over with this, whatever comes of it."""
        begun = self._begun.take(answer.state, browser) if browser and answer.state else None
        if begun is None:
            raise ClientError(_STALE)
        await self._check_sender(answer)
        claims = await self._read_claims(answer.code, begun)
        proved_at = NEVER if claims.proved_s is None else datetime.fromtimestamp(claims.proved_s, UTC)
        return SignedOn(members=await self._find_members(claims, actor), proved_at=proved_at, next_path=begun.next_path)

    async def _check_sender(self, answer: SignOnAnswer) -> None:
        """An answer of another provider is none, nor is one that must name its provider and does not (RFC 9207)."""
        configuration = await self._provider.find_configuration()
        if answer.issuer != self.rules.issuer and (answer.issuer or configuration.is_naming_itself):
            raise _refused("the answer is another provider's (iss)")
        if answer.error:
            said = "you or the provider said no" if answer.error == "access_denied" else "it reports an error"
            raise ClientError(
                Denied(code="invalid_parameter", param="error", message=f"The sign-on provider did not sign you in: {said}. {_AGAIN}")
            )
        if not 0 < len(answer.code) <= MAX_TEXT:
            raise ClientError(Denied(code="invalid_parameter", param="code", message=f"The provider's answer has no code. {_AGAIN}"))

    async def _read_claims(self, code: str, begun: Begun) -> Claims:
        token, access_token = await self._provider.redeem(code, begun.verifier, begun.redirect_uri)
        expected = Expected(
            issuer=self.rules.issuer,
            client_id=self.rules.client_id,
            nonce=begun.nonce,
            now_s=int(self._clock().timestamp()),
            algorithms=(await self._provider.find_configuration()).algorithms,
        )
        try:
            try:
                found = read_id_token(token, await self._provider.find_keys(), expected)
            except UnknownKeyError:
                found = read_id_token(token, await self._provider.find_keys(is_fresh=True), expected)
        except TokenRefusedError as error:
            raise _refused(str(error)) from None
        if "email" not in found:  # with the code flow it may stand elsewhere (OpenID Connect Core 1.0, section 5.4)
            beside = await self._provider.read_user(access_token, found["sub"])
            found = {**beside, **found, "auth_time": found.get("auth_time")}
        claims = read_claims(found, self.rules.issuer)
        return replace(claims, proved_s=self._check_proof(claims.proved_s, begun))

    def _check_proof(self, proved_s: float | None, begun: Begun) -> float | None:
        """When the person proved it there, None where that is not told; refused where it had to be now and was not.

        Many providers tell it only where they are asked to prove it anew, and some never do.
        """
        if proved_s is not None and proved_s > self._clock().timestamp() + LEEWAY_S:
            proved_s = None
        if begun.is_anew and proved_s is not None and proved_s < begun.began_s - LEEWAY_S:
            raise _refused("it did not ask who you are, which was needed here (auth_time)")
        if begun.is_confirmation and proved_s is None:
            raise ClientError(_NO_TIME)
        return proved_s

    async def _find_members(self, claims: Claims, actor: Actor) -> tuple[Member, ...]:
        """Whose account at the provider that is: by what was bound before, else by its verified address, which is bound now."""
        bound = [
            await self._store.find_member(identity.organisation_id, identity.member_id)
            for identity in await self._store.find_identity(claims.issuer, claims.subject)
        ]
        members = [member for member in bound if member is not None and member.is_active]
        known = {member.organisation_id for member in members}
        if self.rules.allows(claims.email):
            for member in await self._store.find_members(claims.email):
                if member.organisation_id not in known and not await self._is_taken(member):
                    await self._bind(member, claims, actor)
                    members.append(member)
        return tuple(members or [await self._join(claims, actor)])

    async def _is_taken(self, member: Member) -> bool:
        """Whether another account at this provider is that member's: an address may pass to somebody else there."""
        known = await self._store.list_identities(member.organisation_id, member.id)
        return any(identity.issuer == self.rules.issuer for identity in known)

    async def _join(self, claims: Claims, actor: Actor) -> Member:
        """The member that somebody becomes who was none: by an invitation, or because the operator wants everybody."""
        if not claims.email:
            raise _stranger("the provider has not verified an e-mail address of yours, and nobody here is bound to your account there")
        if not self.rules.allows(claims.email):
            raise _stranger("addresses of your domain may not come in this way")
        if await self._store.find_members(claims.email):
            raise _stranger("the member with your address is bound to another account there. Ask an owner to look into it")
        try:
            member = await self._members.join(
                DEFAULT_ORGANISATION_ID, email=claims.email, name=claims.name, role=self.rules.default_role, actor=actor
            )
        except ClientError as error:
            if error.denied.param != "email":
                raise
            raise _stranger("your e-mail address there is none that is taken here") from None
        if member is None:
            raise _stranger(f"nobody here has the address {claims.email}. Ask an owner or an admin to invite you")
        await self._bind(member, claims, actor)
        return member

    async def _bind(self, member: Member, claims: Claims, actor: Actor) -> None:
        now = self._clock().astimezone(UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)  # as it is stored
        identity = Identity(
            organisation_id=member.organisation_id, issuer=claims.issuer, subject=claims.subject, member_id=member.id, created_at=now
        )
        who = Actor(
            kind=ActorKind.MEMBER,
            id=member.id,
            label=member.email,
            address=actor.address,
            user_agent=actor.user_agent,
            request_id=actor.request_id,
        )
        event = make_event(
            who,
            member.organisation_id,
            "identity.add",
            now,
            target_id=member.id,
            target_label=member.email,
            after={"issuer": claims.issuer, "subject": claims.subject},
        )
        await self._store.add_identity(identity, event)


def _refused(reason: str) -> ClientError:
    return ClientError(
        Denied(code="sign_in_failed", message=f"What the sign-on provider sent proves nothing: {reason}. Nobody was signed in. {_AGAIN}")
    )


def _stranger(reason: str) -> ClientError:
    return ClientError(Denied(code="sign_in_failed", message=f"You are known to the sign-on provider, but {reason}."))
