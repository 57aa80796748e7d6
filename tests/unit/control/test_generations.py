from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from anyrouter.control.generations import GenerationService
from anyrouter.core.apikey import ApiKey
from anyrouter.core.ledger import EntryState, LedgerEntry

NOW = datetime(2026, 11, 1, tzinfo=UTC)
KEY = ApiKey(
    id="key_1",
    organisation_id="org_a",
    environment_id="env_live",
    environment="live",
    name="n",
    label="ar-live-MARKER",
    digest=b"",
    pepper_version=1,
    rotation_group="group_1",
    scopes=frozenset({"usage:read"}),
    created_at=NOW,
    updated_at=NOW,
)


def make_entry(**fields: Any) -> LedgerEntry:
    values: dict[str, Any] = {
        "generation_id": "gen-1",
        "attempt": 1,
        "request_id": "req-1",
        "organisation_id": "org_a",
        "environment_id": "env_live",
        "environment": "live",
        "api_key_id": "key_1",
        "rotation_group": "group_1",
        "endpoint": "chat/completions",
        "model": "openai/gpt-4o",
        "upstream_model": "gpt-4o",
        "provider": "openai",
        "upstream": "openai",
        "created_at_ms": 1,
        "state": EntryState.SETTLED,
        "status": 200,
    }
    return LedgerEntry(**(values | fields))


class Entries:
    """A ledger's reader over a list, that notes what it was asked."""

    def __init__(self, *entries: LedgerEntry) -> None:
        self.entries, self.asked = entries, []

    async def find_entry(self, organisation_id: str, environment_id: str, generation_id: str) -> LedgerEntry | None:
        self.asked.append(generation_id)
        for entry in self.entries:
            is_mine = (entry.organisation_id, entry.environment_id) == (organisation_id, environment_id)
            if is_mine and generation_id in (entry.generation_id, entry.upstream_id):
                return entry
        return None


def make_service(*stored: LedgerEntry, pending: LedgerEntry | None = None) -> tuple[GenerationService, Entries]:
    entries = Entries(*stored)

    async def find_pending(_: str) -> LedgerEntry | None:
        return pending

    return GenerationService(ledger=entries, find_pending=find_pending), entries  # type: ignore[arg-type] -- one method is used


async def test_what_is_not_yet_in_the_database_is_found_first() -> None:
    pending = make_entry()
    service, entries = make_service(pending=pending)
    assert await service.find(KEY, "gen-1") is pending
    assert entries.asked == []


async def test_what_is_in_the_database_is_found_by_either_id() -> None:
    stored = make_entry(upstream_id="chatcmpl-1")
    service, _ = make_service(stored)
    assert await service.find(KEY, "gen-1") is stored
    assert await service.find(KEY, "chatcmpl-1") is stored


@pytest.mark.parametrize(
    "foreign", [{"organisation_id": "org_b"}, {"environment_id": "env_test"}, {"rotation_group": "group_2", "api_key_id": "key_2"}]
)
async def test_another_organisations_environments_or_keys_generation_is_not_there(foreign: dict[str, str]) -> None:
    service, _ = make_service(make_entry(**foreign))
    assert await service.find(KEY, "gen-1") is None
    service, _ = make_service(pending=make_entry(**foreign))
    assert await service.find(KEY, "gen-1") is None


async def test_a_foreign_pending_entry_with_the_same_upstream_id_does_not_hide_ones_own() -> None:
    own = make_entry(upstream_id="chatcmpl-1")
    service, _ = make_service(own, pending=make_entry(generation_id="gen-2", organisation_id="org_b", upstream_id="chatcmpl-1"))
    assert await service.find(KEY, "chatcmpl-1") is own


async def test_a_rotated_keys_generations_stay_visible_to_its_successor() -> None:
    service, _ = make_service(make_entry(api_key_id="key_0"))
    assert await service.find(KEY, "gen-1") is not None


async def test_an_admin_key_sees_other_keys_of_its_environment_only() -> None:
    admin = replace(KEY, scopes=frozenset({"usage:read", "admin:*"}))
    other = make_entry(rotation_group="group_2")
    assert await make_service(other)[0].find(admin, "gen-1") is other
    assert await make_service(make_entry(environment_id="env_test"))[0].find(admin, "gen-1") is None


@pytest.mark.parametrize("text", ["", "a b", "a\x00b", "é", "x" * 257, "\u202e"])
async def test_a_text_that_cannot_be_an_id_causes_no_reading(text: str) -> None:
    service, entries = make_service(make_entry(generation_id=text))
    assert await service.find(KEY, text) is None
    assert entries.asked == []
