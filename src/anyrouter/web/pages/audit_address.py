"""What the address of the audit log's page says, and an event's changes as people read them. No I/O."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec

from anyrouter.control.audit_rows import parse_audit
from anyrouter.control.stores import AuditFilter
from anyrouter.core.audit import AuditEvent
from anyrouter.core.errors import ClientError, Denied
from anyrouter.web.pages.forms import Fields

FIELDS = ("q", "action", "actor", "target", "environment", "denied", "since", "until")
KINDS: Mapping[str, str] = {
    "key.*": "API keys",
    "member.*": "members",
    "invitation.*": "invitations",
    "session.*": "signing in and out",
    "byok.*": "provider credentials",
    "credential.*": "credentials put aside",
    "environment.*": "environments",
    "budget.*": "budgets",
    "credits.*": "credits",
    "webhook.*": "webhooks",
    "preset.*": "presets",
    "org.*": "the organisation",
    "page.*": "refused in the dashboard",
    "api.*": "refused over the API",
}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_ANSWERS: Mapping[str, bool | None] = {"": None, "yes": True, "no": False}


def read_filter(query: Fields, organisation_id: str, now: datetime, *, limit: int = 100) -> AuditFilter:
    """What is looked for. Days are of UTC, and both count. ClientError with the API's name of what is wrong."""
    denied = query.text("denied")
    if denied not in _ANSWERS:
        raise ClientError(Denied(code="invalid_parameter", param="denied", message="denied: yes or no is needed."))
    return parse_audit(
        organisation_id,
        now,
        text=query.optional("q"),
        action=query.optional("action"),
        actor=query.optional("actor"),
        target=query.optional("target"),
        environment=query.optional("environment"),
        denied=_ANSWERS[denied],
        since=_read_time(query.optional("since")),
        until=_read_time(query.optional("until"), is_end=True),
        cursor=query.optional("cursor"),
        limit=limit,
    )


def write_link(path: str, query: Fields, **more: str) -> str:
    """The address with the same filters, and more."""
    said = {name: query.text(name) for name in FIELDS} | more
    pairs = [f"{name}={quote(value, safe='')}" for name, value in said.items() if value]
    return f"{path}?{'&'.join(pairs)}" if pairs else path


def list_changes(event: AuditEvent) -> list[tuple[str, str, str]]:
    """What was changed: its name, what it was, what it is. Empty texts for what was or is not there."""
    names = dict.fromkeys((*event.before, *event.after))
    return [(name, _write(event.before, name), _write(event.after, name)) for name in names]


def _write(members: Mapping[str, Any], name: str) -> str:
    if name not in members:
        return ""
    value = members[name]
    if isinstance(value, str):
        return value or '""'
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return ", ".join(value) or "none"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return msgspec.json.encode(value).decode()


def _read_time(text: str | None, *, is_end: bool = False) -> str | None:
    if text is None or not _DAY.fullmatch(text):
        return text
    if not is_end:
        return f"{text}T00:00:00Z"
    try:
        after = datetime.fromisoformat(text) + timedelta(days=1)
    except (ValueError, OverflowError):
        return text  # no such day: refused as it was typed
    return f"{after:%Y-%m-%d}T00:00:00Z"
