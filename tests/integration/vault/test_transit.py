"""Key-encryption keys in HashiCorp Vault, over HTTP, with the client that talks to providers."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from anyrouter.core.byok import SealPlace
from anyrouter.core.errors import ClientError
from anyrouter.core.secret import Secret
from anyrouter.core.vault import KekUnavailable, SealBroken, Wrapped
from anyrouter.storage.transit import TransitKeys
from anyrouter.storage.vault import KEPT_S, SealingVault
from anyrouter.upstream.client import HttpUpstreamClient
from support.upstream import Answer, json_answer
from support.vault_transit import TOKEN, TransitKey, VaultTransit

DATA_KEY = bytes(range(32))
PLACE = SealPlace(
    organisation_id="org_1", environment_id="env_1", provider="openai", row_id="byok_1", field="key", row_version=1, host="api.openai.com"
)
SECRET = "sk-MARKER-sealed-credential"


@pytest.fixture
def vault() -> Iterator[VaultTransit]:
    with VaultTransit() as server:
        yield server


@pytest.fixture
async def client() -> AsyncIterator[HttpUpstreamClient]:
    client = HttpUpstreamClient()
    yield client
    await client.aclose()


def connect(client: HttpUpstreamClient, address: str, key: str = "anyrouter", token: str = TOKEN, **options: str) -> TransitKeys:
    return TransitKeys(client, address=address, key=key, read_token=lambda: Secret(token), **options)


@pytest.fixture
def keys(vault: VaultTransit, client: HttpUpstreamClient) -> TransitKeys:
    return connect(client, vault.url)


async def test_a_data_key_comes_back_and_vault_s_version_is_in_the_id(vault: VaultTransit, keys: TransitKeys) -> None:
    first = await keys.wrap(DATA_KEY, b"")
    assert first.kek_id == await keys.read_current_id() == "transit:anyrouter:v1"
    assert first.key.startswith(b"vault:v1:")
    vault.rotate()
    second = await keys.wrap(DATA_KEY, b"")
    assert second.kek_id == await keys.read_current_id() == "transit:anyrouter:v2"
    assert await keys.unwrap(first, b"") == await keys.unwrap(second, b"") == DATA_KEY
    assert keys.owns(first.kek_id)
    assert not keys.owns("kek_0123456789abcdef")


async def test_a_data_key_is_rewrapped_without_leaving_vault(vault: VaultTransit, keys: TransitKeys) -> None:
    first = await keys.wrap(DATA_KEY, b"")
    vault.rotate()
    vault.allowed = {"rewrap"}
    vault.asked.clear()
    second = await keys.rewrap(first, b"")
    assert (second.kek_id, vault.asked) == ("transit:anyrouter:v2", ["rewrap/anyrouter"])
    vault.allowed = {"decrypt"}
    vault.keys["anyrouter"].min_decryption_version = 2
    assert await keys.unwrap(second, b"") == DATA_KEY
    with pytest.raises(KekUnavailable, match="retired the key-encryption key transit:anyrouter:v1") as caught:
        await keys.unwrap(first, b"")
    assert caught.value.kek_id == "transit:anyrouter:v1"


async def test_a_data_key_goes_from_one_key_to_another(vault: VaultTransit, keys: TransitKeys, client: HttpUpstreamClient) -> None:
    first = await keys.wrap(DATA_KEY, b"")
    vault.keys["next"] = TransitKey()
    other = connect(client, vault.url, key="next")
    second = await other.rewrap(first, b"")
    assert second.kek_id == "transit:next:v1"
    assert await other.unwrap(second, b"") == DATA_KEY


async def test_mount_path_and_namespace_are_said(client: HttpUpstreamClient) -> None:
    with VaultTransit(mount="prod/transit", namespace="team/a") as server:
        keys = connect(client, server.url, mount="prod/transit", namespace="team/a")
        assert await keys.unwrap(await keys.wrap(DATA_KEY, b""), b"") == DATA_KEY
        assert server.received[0].headers["x-vault-request"] == "true"
        with pytest.raises(KekUnavailable, match="no handler for route"):
            await connect(client, server.url).wrap(DATA_KEY, b"")


@pytest.mark.parametrize("flaw", ["flipped", "cut", "longer", "no prefix", "no base64", "other version", "empty", "not ascii"])
async def test_what_was_changed_is_broken(vault: VaultTransit, keys: TransitKeys, flaw: str) -> None:
    vault.rotate()
    wrapped = await keys.wrap(DATA_KEY, b"")
    text = wrapped.key
    changed = {
        "flipped": text[:20] + (b"A" if text[20:21] != b"A" else b"B") + text[21:],
        "cut": text[:-8],
        "longer": text[:9] + b"AAAA" + text[9:],
        "no prefix": text.removeprefix(b"vault:"),
        "no base64": text[:9] + b"!" + text[9:],
        "other version": text.replace(b":v2:", b":v1:"),
        "empty": b"",
        "not ascii": text + b"\xff",
    }[flaw]
    with pytest.raises(SealBroken):
        await keys.unwrap(Wrapped(wrapped.kek_id, changed), b"")
    with pytest.raises(SealBroken):
        await keys.rewrap(Wrapped(wrapped.kek_id, changed), b"")


@pytest.mark.parametrize("kek_id", ["transit:anyrouter:v1", "transit:../keys:v2", "transit:a/b:v2", "transit:anyrouter:v02", "kek_x", ""])
async def test_an_id_that_is_not_that_of_the_ciphertext_reaches_nobody(vault: VaultTransit, keys: TransitKeys, kek_id: str) -> None:
    vault.rotate()
    wrapped = await keys.wrap(DATA_KEY, b"")
    vault.asked.clear()
    with pytest.raises(SealBroken):
        await keys.unwrap(wrapped._replace(kek_id=kek_id), b"")
    assert vault.asked == []


async def test_what_it_wrapped_must_be_a_data_key(keys: TransitKeys) -> None:
    with pytest.raises(SealBroken, match="no data key"):
        await keys.unwrap(await keys.wrap(b"short", b""), b"")


async def refusal(awaited: Awaitable[Any]) -> str:
    with pytest.raises(KekUnavailable) as caught:
        await awaited
    assert "MARKER" not in f"{caught.value!r}{caught.value.public}{caught.value.internal}"
    assert "Vault" not in caught.value.public
    return caught.value.internal


async def test_what_vault_refuses_is_told_without_the_token(vault: VaultTransit, keys: TransitKeys, client: HttpUpstreamClient) -> None:
    wrapped = await keys.wrap(DATA_KEY, b"")
    assert "encryption key not found" in await refusal(connect(client, vault.url, key="none").wrap(DATA_KEY, b""))
    assert "refuses the token" in await refusal(connect(client, vault.url, token="hvs.MARKER-x").wrap(DATA_KEY, b""))
    vault.allowed.remove("encrypt")
    assert "needs update on encrypt/anyrouter" in await refusal(keys.wrap(DATA_KEY, b""))
    vault.is_sealed = True
    assert "is sealed or in maintenance: Vault is sealed" in await refusal(keys.unwrap(wrapped, b""))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (json_answer({"errors": [f"{TOKEN} is\nodd"]}, status=500), "answered 500 to encrypt/anyrouter: [redacted] is odd"),
        (Answer(status=307, headers={"location": "http://127.0.0.1:1/"}), "answered 307"),
        (Answer(body=b"<html>"), "answered 200"),
        (json_answer({"data": {}}), "no ciphertext"),
        (json_answer({"data": {"ciphertext": "vault:v1"}}), "no ciphertext"),
        (Answer(is_cut=True), "cannot be reached"),
    ],
)
async def test_a_reply_that_is_none_of_vault_s_is_told(vault: VaultTransit, keys: TransitKeys, answer: Answer, reason: str) -> None:
    vault.instead = answer
    assert reason in await refusal(keys.wrap(DATA_KEY, b""))


async def test_an_address_where_nobody_listens_is_unavailable(client: HttpUpstreamClient) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(KekUnavailable, match="cannot be reached"):
            await connect(client, f"http://127.0.0.1:{free.getsockname()[1]}").wrap(DATA_KEY, b"")


async def test_versions_are_made_and_retired_in_vault(keys: TransitKeys) -> None:
    assert await keys.make_current() is None
    with pytest.raises(ClientError, match="min_decryption_version"):
        await keys.remove("transit:anyrouter:v1")


async def test_a_sealed_vault_goes_unnoticed_for_a_minute_and_then_nothing_opens(vault: VaultTransit, keys: TransitKeys) -> None:
    now_s = 100.0
    sealing = SealingVault([keys], monotonic=lambda: now_s)
    sealed = await sealing.seal(PLACE, SECRET)
    assert (await sealing.open(PLACE, sealed)).reveal() == SECRET
    vault.is_sealed = True
    now_s += KEPT_S - 1
    assert (await sealing.open(PLACE, sealed)).reveal() == SECRET
    now_s += 1
    with pytest.raises(KekUnavailable, match="Vault is sealed"):
        await sealing.open(PLACE, sealed)
    with pytest.raises(KekUnavailable):
        await sealing.seal(PLACE, SECRET)
    vault.is_sealed = False
    assert (await sealing.open(PLACE, sealed)).reveal() == SECRET


async def test_a_seal_in_another_place_asks_vault_and_is_broken_all_the_same(vault: VaultTransit, keys: TransitKeys) -> None:
    sealing = SealingVault([keys])
    sealed = await sealing.seal(PLACE, SECRET)
    with pytest.raises(SealBroken):
        await sealing.open(replace(PLACE, row_id="byok_2"), sealed)
    opened = await asyncio.gather(*(sealing.open(PLACE, sealed) for _ in range(20)))
    assert {secret.reveal() for secret in opened} == {SECRET}
    assert vault.asked == ["encrypt/anyrouter", "decrypt/anyrouter", "decrypt/anyrouter"]
