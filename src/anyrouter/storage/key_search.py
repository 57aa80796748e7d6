"""The statements that look for keys. What they find is what `control.key_search` says; a contract test compares the two."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, false, func, not_, or_, select, true

from anyrouter.control.key_health import SILENT, SOON, UNUSED, KeyHint, KeyState
from anyrouter.control.key_search import KeySearch, KeySort
from anyrouter.core import scopes
from anyrouter.core.apikey import KeyKind
from anyrouter.storage.records import to_ms
from anyrouter.storage.schema import api_keys

_FOREVER_MS = 2**62
_key = api_keys.c
_ends_ms = func.coalesce(_key.expires_at_ms, _FOREVER_MS)
_is_rotated = _key.superseded_by.is_not(None)


def make_page(search: KeySearch) -> Select[Any]:
    """The rows of the page that is wanted."""
    columns = (_ORDERS[search.sort], _key.id)
    order = [column.desc() if search.is_descending else column.asc() for column in columns]
    return select(api_keys).where(_list_conditions(search)).order_by(*order).limit(search.limit).offset(search.offset)


def make_count(search: KeySearch) -> Select[Any]:
    """How many there are on all pages."""
    return select(func.count()).select_from(api_keys).where(_list_conditions(search))


_ORDERS: Mapping[KeySort, ColumnElement[Any]] = {
    KeySort.NAME: func.lower(_key.name),
    KeySort.ENVIRONMENT: _key.environment,
    KeySort.CREATED: _key.created_at_ms,
    KeySort.LAST_USED: func.coalesce(_key.last_used_at_ms, 0),
    KeySort.EXPIRES: _ends_ms,
}


def _list_conditions(search: KeySearch) -> ColumnElement[bool]:
    now_ms = to_ms(search.now)
    conditions = [_key.organisation_id == search.organisation_id, _key.deleted_at_ms.is_(None)]
    if search.environment_ids is not None:
        conditions.append(or_(_key.environment_id.in_(search.environment_ids), _is_own(search.member_id)))
    if search.environment is not None:
        conditions.append(_key.environment == search.environment)
    if search.kind is not None:
        conditions.append(_key.kind == search.kind.value)
    if search.scope is not None:
        conditions.append(_grants(search.scope))
    if search.state is not None:
        conditions.append(_name_state(now_ms) == search.state.value)
    if search.hint is not None:
        conditions.append(_earns(search.hint, now_ms))
    if search.text:
        conditions.append(_has_text(search.text))
    return and_(*conditions)


def _is_own(member_id: str | None) -> ColumnElement[bool]:
    return false() if member_id is None else and_(_key.kind == KeyKind.PERSONAL.value, _key.member_id == member_id)


def _has_text(text: str) -> ColumnElement[bool]:
    """Tags are kept as JSON: the text is looked for as it stands there."""
    parts = [_contains(column, text) for column in (_key.name, _key.label)]
    return or_(*parts, _contains(_key.tags, json.dumps(text)[1:-1]), _key.id == text)


def _contains(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    escaped = text.replace("/", "//").replace("%", "/%").replace("_", "/_")
    return func.lower(column).like(func.lower(f"%{escaped}%"), escape="/")


def _has_any(*names: str) -> ColumnElement[bool]:
    return or_(*(_key.scopes.contains(f'"{name}"', autoescape=True) for name in names))


def _grants(scope: str) -> ColumnElement[bool]:
    return _has_any(scope, scopes.ADMIN_ALL) if scope.startswith("admin:") else _has_any(scope)


def _name_state(now_ms: int) -> ColumnElement[str]:
    limits = (_key.rate_limit_rpm, _key.rate_limit_tpm, _key.rate_limit_rpd, _key.concurrency, _key.limit_nanousd)
    return case(
        (_key.is_disabled == true(), KeyState.DISABLED.value),
        (_ends_ms <= now_ms, KeyState.EXPIRED.value),
        (func.coalesce(_key.not_before_ms, 0) > now_ms, KeyState.NOT_YET_VALID.value),
        (or_(*(limit == 0 for limit in limits)), KeyState.BLOCKED.value),
        else_=KeyState.ACTIVE.value,
    )


def _earns(hint: KeyHint, now_ms: int) -> ColumnElement[bool]:
    """The conditions of `find_hints`."""
    is_expired, is_spending = _ends_ms <= now_ms, _has_any(scopes.COMPLETIONS_WRITE, scopes.EMBEDDINGS_WRITE)
    idle_ms = now_ms - func.coalesce(_key.last_used_at_ms, _key.created_at_ms)
    is_in_grace = and_(_is_rotated, not_(is_expired))
    is_silent = and_(idle_ms >= _ms(SILENT), now_ms - _key.updated_at_ms >= _ms(SILENT))
    conditions: Mapping[KeyHint, ColumnElement[bool]] = {
        KeyHint.NO_EXPIRY: and_(_key.expires_at_ms.is_(None), not_(_is_rotated)),
        KeyHint.NO_LIMIT: and_(_key.limit_nanousd.is_(None), is_spending),
        KeyHint.UNUSED_90_DAYS: and_(idle_ms >= _ms(UNUSED), not_(is_expired)),
        KeyHint.SAFE_TO_DELETE: or_(is_expired, and_(_is_rotated, is_silent)),
        KeyHint.MIXED_ADMIN_AND_INFERENCE: and_(_has_any(*scopes.ADMIN_SCOPES), is_spending),
        KeyHint.IN_GRACE: is_in_grace,
        KeyHint.EXPIRES_SOON: and_(not_(is_expired), not_(_is_rotated), _ends_ms <= now_ms + _ms(SOON)),
        KeyHint.ROTATED_IN_USE: and_(is_in_grace, _key.last_used_at_ms.is_not(None), idle_ms < _ms(SILENT)),
    }
    return conditions[hint]


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
