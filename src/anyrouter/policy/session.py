"""Whether a session still holds. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from anyrouter.core.errors import Denied
from anyrouter.core.sign_in import Session
from anyrouter.core.tenancy import Member

NOT_FRESH = Denied(code="sign_in_failed", message="Confirm that it is you first: it is some time since you have signed in.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRules:
    """For how long a session lasts: without being used, in all, and since the person was last seen to be there for what is sensitive."""

    idle: timedelta = timedelta(hours=12)
    lifetime: timedelta = timedelta(days=14)
    confirmation: timedelta = timedelta(minutes=15)


def is_alive(session: Session, member: Member, rules: SessionRules, now: datetime) -> bool:
    """Whether it may be used now by that member, which it must be of."""
    return (
        member.is_active
        and session.member_id == member.id
        and session.ended_at is None
        and now < session.expires_at
        and now < session.created_at + rules.lifetime
        and now < session.last_seen_at + rules.idle
    )


def is_fresh(session: Session, rules: SessionRules, now: datetime) -> bool:
    """Whether the person proved to be there a moment ago, as changing how one signs in and giving power want it."""
    return now < session.confirmed_at + rules.confirmation
