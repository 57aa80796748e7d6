"""How far the traffic of a rotated key has moved to the key that took its place. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from anyrouter.control.key_health import SILENT
from anyrouter.core.apikey import ApiKey

QUIET = timedelta(minutes=15)


class MoveStage(StrEnum):
    """How far the traffic is.

    `waiting`: nobody has used the new key. `moving`: the new one is used, and the old one still is. `quiet`: the old one has not been
    used for a quarter of an hour. `silent`: not for a day. `ended`: nobody can use the old one any more.
    """

    WAITING = "waiting"
    MOVING = "moving"
    QUIET = "quiet"
    SILENT = "silent"
    ENDED = "ended"


def find_stage(old: ApiKey, new: ApiKey, now: datetime) -> MoveStage:
    """How far it is."""
    if old.deleted_at is not None or old.is_disabled or (old.expires_at is not None and now >= old.expires_at):
        return MoveStage.ENDED
    if new.last_used_at is None:
        return MoveStage.WAITING
    if old.last_used_at is None or now - old.last_used_at >= SILENT:
        return MoveStage.SILENT
    return MoveStage.MOVING if now - old.last_used_at < QUIET else MoveStage.QUIET


def find_successor(old: ApiKey, group: Sequence[ApiKey]) -> ApiKey:
    """The key that is to be used instead, over however many rotations; the key itself when it was not rotated."""
    by_id = {key.id: key for key in group}
    key, seen = old, {old.id}
    while key.superseded_by in by_id and key.superseded_by not in seen:
        key = by_id[key.superseded_by]
        seen.add(key.id)
    return key


def is_in_use(key: ApiKey, now: datetime) -> bool:
    """Whether somebody would notice its end: it was used within a day, and can be."""
    is_over = key.is_disabled or (key.expires_at is not None and now >= key.expires_at)
    return not is_over and key.last_used_at is not None and now - key.last_used_at < SILENT
