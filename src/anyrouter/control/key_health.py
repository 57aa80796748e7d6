"""What about a key wants a look: hints, not refusals. Pure."""

from datetime import datetime, timedelta
from enum import StrEnum

from anyrouter.core.apikey import ApiKey
from anyrouter.core.scopes import DEFAULT_SCOPES, is_admin

SOON = timedelta(days=14)
UNUSED = timedelta(days=90)
SILENT = timedelta(hours=24)


class KeyHint(StrEnum):
    """Compatibility law: programs read these words; they are never given another meaning.

    `safe_to_delete`: nobody can use it any more, or it was rotated and has been silent for a day. `expires_soon`: within 14 days, and
    nothing took its place. `rotated_in_use`: it was rotated, and has been used within a day.
    """

    NO_EXPIRY = "no_expiry"
    NO_LIMIT = "no_limit"
    UNUSED_90_DAYS = "unused_90_days"
    SAFE_TO_DELETE = "safe_to_delete"
    MIXED_ADMIN_AND_INFERENCE = "mixed_admin_and_inference"
    IN_GRACE = "in_grace"
    EXPIRES_SOON = "expires_soon"
    ROTATED_IN_USE = "rotated_in_use"


class KeyState(StrEnum):
    """What a key is good for now. Compatibility law as above. `blocked`: one of its limits is 0."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    DISABLED = "disabled"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"


def find_state(key: ApiKey, now: datetime) -> KeyState:
    """The state of a key that is not deleted."""
    if key.is_disabled:
        return KeyState.DISABLED
    if key.expires_at is not None and now >= key.expires_at:
        return KeyState.EXPIRED
    if key.not_before is not None and now < key.not_before:
        return KeyState.NOT_YET_VALID
    limits = (key.rate_limit_rpm, key.rate_limit_tpm, key.rate_limit_rpd, key.concurrency, key.limit_nanousd)
    return KeyState.BLOCKED if 0 in limits else KeyState.ACTIVE


def find_hints(key: ApiKey, now: datetime) -> tuple[KeyHint, ...]:
    """The hints about a key, in the order of the list above."""
    is_expired = key.expires_at is not None and now >= key.expires_at
    is_rotated = key.superseded_by is not None
    idle = now - (key.last_used_at or key.created_at)
    since_rotation = now - key.updated_at
    found = {
        KeyHint.NO_EXPIRY: key.expires_at is None and not is_rotated,
        KeyHint.NO_LIMIT: key.limit_nanousd is None and bool(key.scopes & _SPENDING),
        KeyHint.UNUSED_90_DAYS: idle >= UNUSED and not is_expired,
        KeyHint.SAFE_TO_DELETE: is_expired or (is_rotated and idle >= SILENT and since_rotation >= SILENT),
        KeyHint.MIXED_ADMIN_AND_INFERENCE: is_admin(key.scopes) and bool(key.scopes & _SPENDING),
        KeyHint.IN_GRACE: is_rotated and not is_expired,
        KeyHint.EXPIRES_SOON: key.expires_at is not None and not is_expired and not is_rotated and key.expires_at - now <= SOON,
        KeyHint.ROTATED_IN_USE: is_rotated and not is_expired and key.last_used_at is not None and idle < SILENT,
    }
    return tuple(hint for hint, holds in found.items() if holds)


_SPENDING = frozenset(scope for scope in DEFAULT_SCOPES if scope.endswith(":write"))
