"""How a person proves who it is: sessions, passwords, second factors, passkeys, links, and identities at a provider of sign-on."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from anyrouter.core.byok import Sealed, SealPlace

TOTP_FIELD = "totp"


class SignInMethod(StrEnum):
    """What a session began with."""

    PASSWORD = "password"  # noqa: S105 -- a word, not one
    PASSKEY = "passkey"
    SSO = "sso"
    SETUP = "setup"
    INVITATION = "invitation"
    LINK = "link"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A member signed in with one browser. `digest` is SHA-256 of the cookie's token, whose text is kept nowhere.

    It is over at `expires_at`, when it was not seen for the idle time, and when it was ended. `confirmed_at` is when the person last
    proved to be there.
    """

    id: str
    organisation_id: str
    member_id: str
    digest: bytes = field(repr=False)
    method: SignInMethod
    created_at: datetime
    last_seen_at: datetime
    confirmed_at: datetime
    expires_at: datetime
    address: str = ""
    user_agent: str = ""
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Password:
    """A member's password as argon2id made of it: parameters, salt and hash in the PHC string format."""

    member_id: str
    organisation_id: str
    hash: str = field(repr=False)
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofKinds:
    """Which proofs a member has. `has_app`: codes of an authenticator app are asked for."""

    has_password: bool
    has_app: bool
    has_passkey: bool

    @property
    def has_second_factor(self) -> bool:
        """Whether a password alone lets nobody in as this member, or none is needed."""
        return self.has_app or (self.has_passkey and not self.has_password)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactor:
    """A member's authenticator app (TOTP, RFC 6238: SHA-1, six digits, 30 s). It counts once `confirmed_at` is set.

    `last_step` is the newest time step of which a code was accepted: none is accepted again. `recovery` has the SHA-256 digests of the
    recovery codes that are left.
    """

    member_id: str
    organisation_id: str
    sealed: Sealed
    created_at: datetime
    confirmed_at: datetime | None = None
    last_step: int = 0
    recovery: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def place(self) -> SealPlace:
        """Where its secret is sealed: the row's version is its making in milliseconds, so that an older seal does not open."""
        return SealPlace(
            organisation_id=self.organisation_id,
            environment_id="",
            provider="",
            row_id=self.member_id,
            field=TOTP_FIELD,
            row_version=int(self.created_at.timestamp() * 1000),
            host="",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A WebAuthn credential of a member. `public_key` is the attested credential data as the authenticator gave it."""

    id: str
    organisation_id: str
    member_id: str
    credential_id: bytes
    public_key: bytes = field(repr=False)
    name: str
    created_at: datetime
    sign_count: int = 0
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInLink:
    """A way in for one use, for who forgot the password. `digest` is SHA-256 of the token's text, which is shown once."""

    id: str
    organisation_id: str
    member_id: str
    digest: bytes = field(repr=False)
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a member is at an OpenID provider: never its e-mail address, which may pass to somebody else there."""

    organisation_id: str
    issuer: str
    subject: str
    member_id: str
    created_at: datetime
