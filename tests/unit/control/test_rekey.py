"""A new key-encryption key over the store in memory, the real vault and a real file of keys."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from anyrouter.control.audit import make_event
from anyrouter.control.rekey import RekeyService
from anyrouter.control.stores import AuditFilter
from anyrouter.core.audit import OPERATOR
from anyrouter.core.byok import NOTHING_SEALED, ProviderCredential
from anyrouter.core.errors import ClientError
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID as ORG
from anyrouter.storage.kek import KEK_VARIABLE, LocalKeys
from anyrouter.storage.memory import MemoryStorage
from anyrouter.storage.vault import SealingVault

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@dataclass
class World:
    path: Path
    storage: MemoryStorage
    vault: SealingVault
    rekey: RekeyService

    async def add(self, number: int, organisation_id: str = ORG) -> ProviderCredential:
        credential = ProviderCredential(
            id=f"byok_{number:04}",
            organisation_id=organisation_id,
            environment_id="env_live",
            environment="live",
            provider="openai",
            name=f"{number}",
            secret_label="…",
            sealed=NOTHING_SEALED,
            seal_version=1,
            host="a.b",
            created_at=NOW,
            updated_at=NOW,
        )
        credential = replace(credential, sealed=await self.vault.seal(credential.place, f"sk-MARKER-{number}"))
        await self.storage.credentials.add_credential(credential, make_event(OPERATOR, organisation_id, "byok.create", NOW))
        return credential

    async def read_all(self) -> list[str]:
        """What the secrets are for a process that has just started."""
        vault = SealingVault([LocalKeys(self.path, {})])
        rows = [row for owner in (ORG, "org_2") for row in await self.storage.credentials.list_credentials(owner)]
        return [(await vault.open(row.place, row.sealed)).reveal() for row in rows]


def make_world(path: Path, environment: dict[str, str] | None = None, storage: MemoryStorage | None = None) -> World:
    storage = storage or MemoryStorage()
    keys = LocalKeys(path, environment or {})
    vault = SealingVault([keys])
    return World(path, storage, vault, RekeyService(seals=storage.seals, audit=storage.audit, vault=vault, keys=[keys], clock=lambda: NOW))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path / "kek")


async def test_every_data_key_is_put_under_a_new_key_and_the_old_one_can_go(world: World) -> None:
    first = await world.add(0)
    for number in range(1, 250):
        await world.add(number, ORG if number % 2 else "org_2")
    secrets = await world.read_all()
    done = await world.rekey.rekey(OPERATOR)
    assert (done.is_new, done.rewrapped, done.failed) == (True, 250, {})
    assert await world.rekey.count() == {done.kek_id: 250}
    with pytest.raises(ClientError, match="current"):
        await world.vault.keys[0].remove(done.kek_id)
    await world.rekey.remove(first.sealed.kek_id)
    assert await world.read_all() == secrets
    for owner, count in ((ORG, 126), ("org_2", 124)):
        event = (await world.storage.audit.list_events(AuditFilter(organisation_id=owner, action="byok.rekey")))[0].event
        assert event.after == {"kek_id": done.kek_id, "rewrapped": count}


async def test_what_was_stopped_in_the_middle_is_finished_under_the_same_key(world: World) -> None:
    for number in range(150):
        await world.add(number)
    replace_seal, calls = world.storage.seals.replace_seal, 0

    async def die(*arguments: Any) -> bool:
        nonlocal calls
        calls += 1
        if calls > 70:
            raise KeyboardInterrupt
        return await replace_seal(*arguments)

    world.storage.seals.replace_seal = die  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        await world.rekey.rekey(OPERATOR)
    world.storage.seals.replace_seal = replace_seal  # type: ignore[method-assign]
    assert len(await world.read_all()) == 150
    current = await world.vault.read_current_id()
    assert (await world.rekey.count())[current] == 70
    done = await world.rekey.rekey(OPERATOR)
    assert (done.kek_id, done.is_new, done.rewrapped) == (current, False, 80)
    again = await world.rekey.rekey(OPERATOR)
    assert (again.is_new, again.rewrapped) == (True, 150)


async def test_a_key_that_is_still_needed_is_not_removed(world: World) -> None:
    credential = await world.add(1)
    await world.vault.keys[0].make_current()
    with pytest.raises(ClientError, match=f"{credential.sealed.kek_id} is still needed for 1 secrets"):
        await world.rekey.remove(credential.sealed.kek_id)
    with pytest.raises(ClientError, match="no key-encryption key kek_0000000000000000"):
        await world.rekey.remove("kek_0000000000000000")
    with pytest.raises(ClientError, match="no key-encryption key nonsense"):
        await world.rekey.remove("nonsense")
    assert await world.read_all() == ["sk-MARKER-1"]


async def test_a_key_that_was_removed_too_early_is_named_and_the_rest_goes_on(world: World) -> None:
    lost = await world.add(1)
    world.path.unlink()
    await world.add(2)
    done = await world.rekey.rekey(OPERATOR)
    assert (done.is_new, done.rewrapped, list(done.failed)) == (False, 0, [lost.id])
    assert lost.sealed.kek_id in done.failed[lost.id]
    assert str(world.path) in done.failed[lost.id]


async def test_keys_of_the_variable_are_made_by_the_operator_and_taken_up(tmp_path: Path) -> None:
    old, new = "0" * 64, "1" * 64
    first = make_world(tmp_path / "kek", {KEK_VARIABLE: old})
    await first.add(1)
    then = make_world(tmp_path / "kek", {KEK_VARIABLE: f"{new},{old}"}, first.storage)
    done = await then.rekey.rekey(OPERATOR)
    assert (done.is_new, done.rewrapped) == (False, 1)
    again = await then.rekey.rekey(OPERATOR)
    assert (again.is_new, again.rewrapped) == (False, 0)


async def test_what_was_entered_anew_meanwhile_is_left_alone(world: World) -> None:
    credential = await world.add(1)
    rewrap = world.vault.rewrap

    async def be_late(row_id: str, sealed: Any) -> Any:
        new = replace(credential, version=2, seal_version=2)
        new = replace(new, sealed=await world.vault.seal(new.place, "sk-MARKER-new"))
        await world.storage.credentials.update_credential(new, make_event(OPERATOR, ORG, "byok.update", NOW))
        return await rewrap(row_id, sealed)

    world.vault.rewrap = be_late  # type: ignore[method-assign]
    done = await world.rekey.rekey(OPERATOR)
    assert (done.rewrapped, done.failed) == (0, {})
    assert await world.read_all() == ["sk-MARKER-new"]
    assert await world.rekey.count() == {done.kek_id: 1}
