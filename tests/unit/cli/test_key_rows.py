from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from anyrouter.cli.key_rows import COLUMNS, describe_state, key_object, key_pairs, key_row
from anyrouter.core.apikey import ApiKey

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
KEY = ApiKey(
    id="key_1",
    organisation_id="org_default",
    environment_id="env_1",
    environment="live",
    name="my app",
    label="ar-live-Ab3dE6",
    digest=b"MARKER-digest-of-thirty-two-byte",
    pepper_version=1,
    rotation_group="key_1",
    scopes=frozenset({"models:read", "completions:write"}),
    created_at=NOW,
    updated_at=NOW,
)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "active"),
        ({"is_disabled": True}, "disabled"),
        ({"expires_at": NOW}, "expired"),
        ({"expires_at": NOW + timedelta(milliseconds=1)}, "active"),
        ({"not_before": NOW + timedelta(hours=1)}, "not yet valid"),
        ({"rate_limit_rpm": 0}, "blocked"),
        ({"is_disabled": True, "expires_at": NOW}, "disabled"),
    ],
)
def test_a_keys_state_is_told_in_a_word(changes: dict[str, object], state: str) -> None:
    assert describe_state(replace(KEY, **changes), NOW) == state  # type: ignore[arg-type]


def test_no_form_of_a_key_shows_its_digest() -> None:
    shown = f"{key_object(KEY, NOW)} {key_row(KEY, NOW)} {key_pairs(KEY, NOW)}"
    assert "MARKER" not in shown
    assert KEY.digest.hex() not in shown


def test_the_object_has_what_the_api_has() -> None:
    shown = key_object(replace(KEY, expires_at=NOW, models=("openai/*",)), NOW)
    assert shown["id"] == shown["hash"] == "key_1"
    assert shown["expires_at"] == "2026-11-24T12:30:00.000Z"
    assert shown["models"] == ["openai/*"]
    assert shown["scopes"] == ["completions:write", "models:read"]
    assert shown["can_reveal"] is False


def test_a_row_has_a_cell_for_each_column() -> None:
    row = dict(zip(COLUMNS, key_row(KEY, NOW), strict=True))
    assert row["KEY"] == "ar-live-Ab3dE6…"
    assert row["EXPIRES"] == row["LAST USED"] == "never"


def test_facts_tell_when_and_from_where_a_key_was_used() -> None:
    assert dict(key_pairs(KEY, NOW))["last used"] == "never"
    used = replace(KEY, last_used_at=NOW, last_used_ip="10.0.0.1", rate_limit_rpm=6000)
    facts = dict(key_pairs(used, NOW))
    assert facts["last used"] == "2026-11-24 12:30 UTC from 10.0.0.1"
    assert facts["limit"] == "6,000 requests per minute"
