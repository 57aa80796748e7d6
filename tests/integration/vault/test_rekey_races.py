"""An old key-encryption key is removed just between two steps of somebody else: nothing fails, and no secret is lost."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from anyrouter.bootstrap.byok import VaultOpening
from anyrouter.bootstrap.services import Services, make_services
from anyrouter.control.credentials import CredentialService, Probed
from anyrouter.core.audit import OPERATOR
from anyrouter.core.byok import ProviderCredential
from anyrouter.core.provider import Provider
from anyrouter.core.secret import Secret
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID as ORG
from anyrouter.core.vault import KekUnavailable
from anyrouter.policy.rights import OPERATOR_RIGHTS
from anyrouter.settings import load_settings
from anyrouter.storage.opening import Storage, open_storage

WHO: Any = (OPERATOR, OPERATOR_RIGHTS, ORG)
KEY, OTHER_KEY = "sk-MARKER-of-a-tenant-AbCd", "sk-MARKER-entered-anew-EfGh"


class Interrupted:
    """The real store, in which something happens once, after a record was read or before one is written."""

    def __init__(self, store: Any, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self._store, self._meanwhile = store, meanwhile
        self.after, self.before = "", ""

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **options: Any) -> Any:
            if name == self.before:
                self.before = ""
                await self._meanwhile()
            result = await getattr(self._store, name)(*arguments, **options)
            if name == self.after:
                self.after = ""
                await self._meanwhile()
            return result

        return call


class Taker:
    """Takes every credential."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def probe(self, provider: Provider, credential: ProviderCredential, secret: Secret) -> Probed:  # noqa: ARG002 -- the port's
        self.seen.append(secret.reveal())
        return Probed(is_ok=True, status=200, latency_ms=1, message="")


class World:
    """`store` is where `credentials` are, `remove_kek` is what an operator does meanwhile, from a process of its own."""

    def __init__(self, directory: Path, storage: Storage, services: Services) -> None:
        self.directory, self.storage, self.services, self.taker = directory, storage, services, Taker()
        self.store: Any = Interrupted(storage.credentials, self.remove_kek)
        self.credentials = CredentialService(
            store=self.store,
            audit=storage.audit,
            environments=storage.environments,
            keys=storage.keys,
            vault=services.vault,
            probe=self.taker,
            clock=lambda: datetime.now(UTC),
        )

    async def remove_kek(self) -> None:
        """Every data key under a new one, and the old one is gone."""
        storage = await open_storage(self.directory, environment=os.environ)
        services = make_services(storage, load_settings(data_dir=self.directory, environ={}))
        try:
            old = await services.vault.read_current_id()
            moved = await services.rekey.rekey(OPERATOR)
            assert (moved.is_new, moved.failed) == (True, {})
            await services.rekey.remove(old)
        finally:
            await services.aclose()
            await storage.aclose()

    async def create(self, key: str = KEY) -> ProviderCredential:
        return await self.credentials.create(*WHO, environment="live", provider="openai", key=key, fields={})

    async def read(self, credential: ProviderCredential) -> str:
        """The secret, as whoever has just started finds it."""
        services = make_services(self.storage, load_settings(data_dir=self.directory, environ={}))
        try:
            found = await self.storage.credentials.find_credential(ORG, credential.id)
            assert found is not None
            return (await services.vault.open(found.place, found.sealed)).reveal()
        finally:
            await services.aclose()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    storage = await open_storage(tmp_path, environment=os.environ)
    services = make_services(storage, load_settings(data_dir=tmp_path, environ={}))
    yield World(tmp_path, storage, services)
    await services.aclose()
    await storage.aclose()


async def test_a_credential_that_was_read_before_is_tested_after(world: World) -> None:
    credential = await world.create()
    world.store.after = "find_credential"
    assert (await world.credentials.test(*WHO, credential.id)).is_ok
    assert world.taker.seen == [KEY]


async def test_a_request_that_has_the_record_of_before_is_served_after(world: World) -> None:
    opening = VaultOpening(world.services.vault, await world.create())
    await world.remove_kek()
    await opening.prepare(5)
    assert opening.read() == Secret(KEY)


async def test_a_request_that_has_the_record_of_before_does_not_get_a_secret_that_was_entered_since(world: World) -> None:
    credential = await world.create()
    opening = VaultOpening(world.services.vault, credential)
    await world.remove_kek()
    await world.credentials.change(*WHO, credential.id, {}, key=OTHER_KEY)
    with pytest.raises(KekUnavailable):  # its place may be another; the new record is there within a second
        await opening.prepare(5)
    await world.remove_kek()
    with pytest.raises(KekUnavailable):
        await opening.prepare(5)


@pytest.mark.parametrize("at", ["before", "after"])
async def test_a_new_secret_that_is_stored_while_its_key_goes_is_kept(at: str, world: World) -> None:
    await world.create("sk-MARKER-another-IjKl")
    setattr(world.store, at, "add_credential")
    assert await world.read(await world.create()) == KEY
    await world.remove_kek()


@pytest.mark.parametrize("at", ["before", "after"])
async def test_a_secret_that_is_entered_anew_while_its_key_goes_is_kept(at: str, world: World) -> None:
    credential = await world.create()
    setattr(world.store, at, "update_credential")
    changed = await world.credentials.change(*WHO, credential.id, {"name": "anew"}, key=OTHER_KEY)
    assert await world.read(changed) == OTHER_KEY
    assert (await world.credentials.test(*WHO, credential.id)).is_ok
    await world.remove_kek()


async def test_a_key_that_is_really_gone_is_told(world: World) -> None:
    credential = await world.create()
    (world.directory / "kek").write_text("")
    (world.directory / "kek").chmod(0o600)
    with pytest.raises(KekUnavailable):
        await VaultOpening(make_services(world.storage, load_settings(data_dir=world.directory, environ={})).vault, credential).prepare(5)
