"""With what somebody can sign in: nobody takes the last way away from oneself. Pure."""

from dataclasses import dataclass

from anyrouter.core.errors import Denied

LAST_WAY = Denied(code="unprocessable", message="This is the only way in that you have. Set a password first, then remove it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class WaysIn:
    """What a member has of each. A second factor is none: it comes after a password."""

    has_password: bool = False
    passkeys: int = 0
    identities: int = 0

    def judge_removal(self) -> Denied | None:
        """None when one of them may go."""
        return LAST_WAY if self.has_password + self.passkeys + self.identities <= 1 else None
