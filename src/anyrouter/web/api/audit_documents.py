"""What the OpenAPI document says of the audit log."""

from typing import Any

from anyrouter.web.api.audit_replies import AuditReply
from anyrouter.web.api.routes import Documented

_EVENT: dict[str, Any] = {
    "id": "aud_0192f0c4a7e87a1b8c3d4e5f60718293",
    "number": 42,
    "at": "2026-11-24T12:00:00.000Z",
    "action": "key.disable",
    "denied": False,
    "code": None,
    "actor": {
        "kind": "key",
        "id": "key_0192f0c4a7e87a1b8c3d4e5f60718293",
        "label": "ar-live-Ab3dE6",
        "address": "203.0.113.7",
        "user_agent": "curl/8.11.0",
        "request_id": "req-0192f0c4a7e8a1b2c3d4e5f60718",
        "trace_id": None,
    },
    "target_id": "key_0192f0c4a7e97a1b8c3d4e5f60718294",
    "target_label": "ar-live-Zz9yX8",
    "environment": "live",
    "organisation_id": "org_default",
    "before": {"disabled": False},
    "after": {"disabled": True},
    "previous": "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    "hash": "4e07408562bedb8b60ce05c1decfe3ad16b72230967de01f640b7e4729b49fce",
}

AUDIT = Documented(
    summary="Read the audit log",
    text="What was changed, and what was refused to those who manage, the newest first. Every event has the hash of the one before it: "
    "`anyrouter audit verify` tells whether one was changed. `format=csv` and `format=jsonl` are all events that match, in one file.",
    tag="Audit",
    reply=AuditReply,
    example={"data": [_EVENT], "next_cursor": "42"},
    content={
        "text/csv": {"schema": {"type": "string", "description": "A line of names, then one for each event"}},
        "application/jsonl": {"schema": {"type": "string", "description": "One such object on each line"}},
    },
)
