"""Keys as somebody looks for them: which ones, in which order, of which page. Pure; `storage.key_search` asks a database the same."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from anyrouter.control.key_health import KeyHint, KeyState, find_hints, find_state
from anyrouter.core.apikey import ApiKey, KeyKind
from anyrouter.core.scopes import grants

MAX_TEXT = 200
_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_FOREVER = datetime.max.replace(tzinfo=UTC)


class KeySort(StrEnum):
    """By what keys are sorted. Keys that were never used are the ones used longest ago, and those without an end the last to end."""

    NAME = "name"
    ENVIRONMENT = "environment"
    CREATED = "created"
    LAST_USED = "last_used"
    EXPIRES = "expires"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySearch:
    """Which keys that are not deleted are wanted; what is None or empty does not restrict.

    `environment_ids` is where who asks works; the personal keys of `member_id` are found elsewhere too. `text` is a part of the name, the
    label or a tag, whatever the case of its ASCII letters, or the whole id. `scope` is one that the key grants.
    """

    organisation_id: str
    now: datetime
    environment_ids: Collection[str] | None = None
    member_id: str | None = None
    environment: str | None = None
    text: str = ""
    state: KeyState | None = None
    hint: KeyHint | None = None
    scope: str | None = None
    kind: KeyKind | None = None
    sort: KeySort = KeySort.CREATED
    is_descending: bool = True
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPage:
    """A page of what was found, and how many keys were found in all."""

    keys: Sequence[ApiKey]
    total: int


def select_keys(keys: Collection[ApiKey], search: KeySearch) -> KeyPage:
    """The page that is wanted of these keys."""
    found = sorted((key for key in keys if _is_wanted(key, search)), key=lambda key: key.id, reverse=search.is_descending)
    found.sort(key=_ORDERS[search.sort], reverse=search.is_descending)
    return KeyPage(keys=found[search.offset : search.offset + search.limit], total=len(found))


def _is_wanted(key: ApiKey, search: KeySearch) -> bool:
    is_own = key.kind is KeyKind.PERSONAL and search.member_id is not None and key.member_id == search.member_id
    return (
        key.organisation_id == search.organisation_id
        and key.deleted_at is None
        and (search.environment_ids is None or key.environment_id in search.environment_ids or is_own)
        and search.environment in {None, key.environment}
        and search.kind in {None, key.kind}
        and (search.scope is None or grants(key.scopes, search.scope))
        and (search.state is None or find_state(key, search.now) is search.state)
        and (search.hint is None or search.hint in find_hints(key, search.now))
        and _has_text(key, search.text)
    )


def _has_text(key: ApiKey, text: str) -> bool:
    wanted = text.lower()
    return key.id == text or any(wanted in part.lower() for part in (key.name, key.label, *key.tags))


_ORDERS: Mapping[KeySort, Callable[[ApiKey], Any]] = {
    KeySort.NAME: lambda key: key.name.lower(),
    KeySort.ENVIRONMENT: lambda key: key.environment,
    KeySort.CREATED: lambda key: key.created_at,
    KeySort.LAST_USED: lambda key: key.last_used_at or _EVER,
    KeySort.EXPIRES: lambda key: key.expires_at or _FOREVER,
}
