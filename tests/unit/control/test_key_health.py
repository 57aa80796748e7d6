"""Each hint by a key that earns it and one that does not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anyrouter.control.key_health import find_hints, find_state
from anyrouter.core import scopes
from anyrouter.core.apikey import ApiKey

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HEALTHY = ApiKey(
    id="key_1",
    organisation_id="org_1",
    environment_id="env_live",
    environment="live",
    name="name",
    label="ar-live-MARKER",
    digest=b"MARKER-digest",
    pepper_version=1,
    rotation_group="key_1",
    scopes=frozenset(scopes.DEFAULT_SCOPES),
    created_at=NOW - 200 * DAY,
    updated_at=NOW - 200 * DAY,
    last_used_at=NOW - HOUR,
    expires_at=NOW + 15 * DAY,
    limit_nanousd=1,
)
ROTATED = {"superseded_by": "key_2", "updated_at": NOW - 2 * DAY}


def test_a_key_with_an_end_a_limit_and_a_use_needs_no_look() -> None:
    assert find_hints(HEALTHY, NOW) == ()


@pytest.mark.parametrize(
    ("changes", "hints"),
    [
        ({"expires_at": None}, ["no_expiry"]),
        ({"limit_nanousd": None}, ["no_limit"]),
        ({"limit_nanousd": None, "scopes": frozenset({"admin:*"})}, []),
        ({"last_used_at": NOW - 90 * DAY}, ["unused_90_days"]),
        ({"last_used_at": NOW - 90 * DAY + HOUR}, []),
        ({"last_used_at": None}, ["unused_90_days"]),
        ({"last_used_at": None, "created_at": NOW}, []),
        ({"expires_at": NOW}, ["safe_to_delete"]),
        ({"scopes": frozenset({"admin:keys", "completions:write"})}, ["mixed_admin_and_inference"]),
        ({"scopes": frozenset({"admin:keys", "usage:read"})}, []),
        ({"expires_at": NOW + 14 * DAY}, ["expires_soon"]),
        (ROTATED, ["in_grace", "rotated_in_use"]),
        ({**ROTATED, "expires_at": None}, ["in_grace", "rotated_in_use"]),
        ({**ROTATED, "expires_at": NOW + DAY}, ["in_grace", "rotated_in_use"]),
        ({**ROTATED, "last_used_at": None, "created_at": NOW - HOUR}, ["in_grace"]),
        ({**ROTATED, "last_used_at": NOW - DAY}, ["safe_to_delete", "in_grace"]),
        ({**ROTATED, "last_used_at": NOW - DAY, "updated_at": NOW - HOUR}, ["in_grace"]),
        ({**ROTATED, "expires_at": NOW}, ["safe_to_delete"]),
    ],
)
def test_a_hint_says_what_wants_a_look(changes: dict[str, Any], hints: list[str]) -> None:
    assert list(find_hints(replace(HEALTHY, **changes), NOW)) == hints


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "active"),
        ({"is_disabled": True, "expires_at": NOW}, "disabled"),
        ({"expires_at": NOW, "rate_limit_rpm": 0}, "expired"),
        ({"not_before": NOW + HOUR, "rate_limit_rpm": 0}, "not_yet_valid"),
        ({"not_before": NOW}, "active"),
        ({"concurrency": 0}, "blocked"),
        ({"limit_nanousd": 0}, "blocked"),
    ],
)
def test_a_state_says_what_a_key_is_good_for(changes: dict[str, Any], state: str) -> None:
    assert find_state(replace(HEALTHY, **changes), NOW) == state
