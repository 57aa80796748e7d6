"""Rotation: how one key takes the place of another. Pure.

The old key and the new one are one rotation group: they share one bucket of each limit, one budget and one usage. The old key's grace
ends at its `expires_at`, which a rotation only ever brings nearer. With `first_use` it begins when a later key of the group is first used.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from anyrouter.core import keys
from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import Denied

MAX_GRACE_S = 30 * 24 * 3600
DEFAULT_GRACE_S = 24 * 3600
_KEPT_NAME = 80
_SUFFIX_LENGTH = 8


class GraceStart(StrEnum):
    """When the grace begins: with the rotation, or with the first use of the new key."""

    NOW = "now"
    FIRST_USE = "first_use"


def judge_rotation(key: ApiKey, grace_s: int, now: datetime) -> Denied | None:
    """None when the key can be rotated."""
    if type(grace_s) is not int or not 0 <= grace_s <= MAX_GRACE_S:
        message = f"grace_seconds: a whole number from 0 to {MAX_GRACE_S} (30 days) is needed"
        return Denied(code="unprocessable", param="grace_seconds", message=message)
    if key.superseded_by is not None:
        message = f"The key {key.label}… was rotated already. Rotate the key that took its place: {key.superseded_by}."
        return Denied(code="rotation_in_progress", message=message, metadata={"superseded_by": key.superseded_by})
    if key.is_disabled:
        return Denied(code="unprocessable", message=f"The key {key.label}… is disabled. Enable it first, or make a new one.")
    if key.expires_at is not None and now >= key.expires_at:
        return Denied(code="unprocessable", message=f"The key {key.label}… has expired. Make a new one.")
    return None


def retire(old: ApiKey, successor_id: str, grace_s: int, start: GraceStart, now: datetime) -> ApiKey:
    """The old key in its grace. Its name is the new key's from now on, so it gets another one."""
    name = f"{old.name[:_KEPT_NAME].rstrip()} (rotated {old.id[-_SUFFIX_LENGTH:]})"
    retired = replace(old, name=name, superseded_by=successor_id, updated_at=now, version=old.version + 1)
    if start is GraceStart.FIRST_USE:
        return replace(retired, grace_s=grace_s)
    return replace(retired, expires_at=_earlier(old.expires_at, now, grace_s))


def succeed(old: ApiKey, new_id: str, text: str, digest: bytes, pepper_version: int, creator_id: str | None, now: datetime) -> ApiKey:  # noqa: PLR0917 -- what is new
    """The new key: the old one's restrictions, exactly, and a text of its own."""
    return replace(
        old,
        id=new_id,
        label=keys.label_of(text),
        digest=digest,
        pepper_version=pepper_version,
        created_at=now,
        updated_at=now,
        creator_id=creator_id,
        last_used_at=None,
        last_used_ip=None,
        last_used_user_agent=None,
        rotated_from=old.id,
        superseded_by=None,
        grace_s=None,
        version=1,
    )


def begin_grace(old: ApiKey, now: datetime) -> ApiKey:
    """A key whose successor was used: its grace runs. As it is when it does already."""
    if old.grace_s is None:
        return old
    expires_at = _earlier(old.expires_at, now, old.grace_s)
    return replace(old, expires_at=expires_at, grace_s=None, updated_at=now, version=old.version + 1)


def find_awaited(waiting: Sequence[ApiKey], groups: Sequence[ApiKey]) -> dict[str, list[str]]:
    """By the id of each key whose use begins a grace: the ids of the keys whose grace that is.

    `waiting` are the keys with a grace that has not begun, `groups` all keys of their groups. A key begins the graces of all whose place
    it took, over however many rotations: one that was rotated before it was ever used is never used first.
    """
    by_id = {key.id: key for key in groups}
    awaited: dict[str, list[str]] = {}
    for old in waiting:
        key = by_id.get(old.superseded_by or "")
        while key is not None:
            if key.deleted_at is None:
                awaited.setdefault(key.id, []).append(old.id)
            key = by_id.get(key.superseded_by or "")
    return awaited


def _earlier(expires_at: datetime | None, now: datetime, grace_s: int) -> datetime:
    end = now + timedelta(seconds=grace_s)
    return end if expires_at is None else min(expires_at, end)
