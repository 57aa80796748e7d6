"""What members prove themselves with, as those see it who manage an organisation's people: which kinds there are, and no secret."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from anyrouter.control.sessions import SessionService
from anyrouter.control.sign_in_stores import SignInStore
from anyrouter.core.sign_in import ProofKinds
from anyrouter.core.tenancy import Member


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """A member's. `has_app`: codes of an authenticator app are asked for. `seen_at` is when a session that holds was used last."""

    has_password: bool
    has_app: bool
    passkeys: int
    identities: int
    sessions: int
    seen_at: datetime | None

    @property
    def has_second_factor(self) -> bool:
        """See `ProofKinds`."""
        kinds = ProofKinds(has_password=self.has_password, has_app=self.has_app, has_passkey=self.passkeys > 0)
        return kinds.has_second_factor

    @property
    def is_empty(self) -> bool:
        """Whether the member cannot sign in at all without a link."""
        return not (self.has_password or self.passkeys or self.identities)


class ProofReader:
    """Of members whom the caller may see: whoever asks has seen to that. StorageUnavailable."""

    def __init__(self, *, store: SignInStore, sessions: SessionService) -> None:
        self._store, self._sessions = store, sessions

    async def list_kinds(self, members: Iterable[Member]) -> Mapping[str, ProofKinds]:
        """Which proofs each of them has, by their ids."""
        return await self._store.list_proof_kinds([member.id for member in members])

    async def read(self, member: Member) -> Proofs:
        """A member's."""
        place = (member.organisation_id, member.id)
        factor = await self._store.find_second_factor(member.id)
        sessions = await self._sessions.list(*place)
        return Proofs(
            has_password=await self._store.find_password(member.id) is not None,
            has_app=factor is not None and factor.confirmed_at is not None,
            passkeys=len(await self._store.list_passkeys(*place)),
            identities=len(await self._store.list_identities(*place)),
            sessions=len(sessions),
            seen_at=max((session.last_seen_at for session in sessions), default=None),
        )
