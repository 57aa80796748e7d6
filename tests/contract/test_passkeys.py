"""The passkeys of SignInStore, the same over every store."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta

import pytest

from anyrouter.core.errors import ClientError
from support.sign_in_records import BOB, BROKEN, LATER, NOW, ORG, OTHER, OWNER, PASSKEY, AnyStorage, event, list_actions

Both = tuple[AnyStorage, AnyStorage]
OLDER = replace(PASSKEY, id="pky_9", credential_id=b"older", created_at=NOW - timedelta(days=1), sign_count=7, last_used_at=LATER)


@pytest.fixture(autouse=True)
async def people(storage: AnyStorage) -> None:
    """Two members."""
    await storage.members.add_member(OWNER, event("member.add"))
    await storage.members.add_member(BOB, event("member.add"))


async def refusal(work: Awaitable[object]) -> str:
    with pytest.raises(ClientError) as refused:
        await work
    return refused.value.code


async def test_passkeys_come_back_as_they_were_stored_oldest_first(storage: AnyStorage) -> None:
    bobs = replace(PASSKEY, id="pky_bob", member_id=BOB.id, credential_id=b"bob")
    for passkey in (PASSKEY, OLDER, bobs):
        await storage.sign_in.add_passkey(passkey, event("passkey.add"))
    assert await storage.sign_in.list_passkeys(ORG, OWNER.id) == [OLDER, PASSKEY]
    assert await storage.sign_in.list_passkeys(OTHER.id, OWNER.id) == []
    assert await storage.sign_in.find_passkey(b"bob") == bobs
    assert await storage.sign_in.find_passkey(b"unknown") is None
    assert await list_actions(storage, "passkey.*") == ["passkey.add"] * 3


async def test_a_credential_is_registered_once_whoever_registers_it_at_once(both: Both) -> None:
    passkeys = [replace(PASSKEY, id=f"pky_{number}", member_id=(OWNER, BOB)[number % 2].id) for number in range(8)]
    outcomes = await asyncio.gather(
        *(storage.sign_in.add_passkey(passkey, event("passkey.add")) for passkey, storage in zip(passkeys, both * 4, strict=True)),
        return_exceptions=True,
    )
    assert [outcome.code for outcome in outcomes if isinstance(outcome, ClientError)] == ["duplicate_name"] * 7
    assert [outcome for outcome in outcomes if not isinstance(outcome, ClientError)] == [None]
    assert await list_actions(both[0], "passkey.*") == ["passkey.add"]


async def test_a_count_goes_up_only_unless_the_authenticator_does_not_count(storage: AnyStorage) -> None:
    await storage.sign_in.add_passkey(PASSKEY, event("passkey.add"))
    for count, is_accepted in ((0, True), (0, True), (5, True), (5, False), (4, False), (0, False), (6, True)):
        used = replace(PASSKEY, sign_count=count, last_used_at=NOW + timedelta(seconds=count))
        assert await storage.sign_in.use_passkey(used) is is_accepted
        if is_accepted:
            assert await storage.sign_in.find_passkey(PASSKEY.credential_id) == used
    last = replace(PASSKEY, sign_count=6, last_used_at=NOW + timedelta(seconds=6))
    assert await storage.sign_in.find_passkey(PASSKEY.credential_id) == last
    assert not await storage.sign_in.use_passkey(replace(last, id="pky_gone", sign_count=9))
    assert await list_actions(storage, "passkey.*") == ["passkey.add"]


async def test_a_count_that_is_shown_twice_at_once_is_accepted_once(both: Both) -> None:
    await both[0].sign_in.add_passkey(PASSKEY, event("passkey.add"))
    used = replace(PASSKEY, sign_count=1, last_used_at=LATER)
    assert sorted(await asyncio.gather(*(storage.sign_in.use_passkey(used) for storage in both * 4))) == [False] * 7 + [True]


async def test_a_passkey_is_renamed_and_removed_by_its_member_alone(storage: AnyStorage) -> None:
    await storage.sign_in.add_passkey(PASSKEY, event("passkey.add"))
    await storage.sign_in.use_passkey(replace(PASSKEY, sign_count=3, last_used_at=LATER))
    renamed = replace(PASSKEY, name="At home")
    for foreign in (replace(renamed, member_id=BOB.id), replace(renamed, organisation_id=OTHER.id), replace(renamed, id="pky_x")):
        assert await refusal(storage.sign_in.rename_passkey(foreign, event("passkey.rename"))) == "not_found"
        assert await refusal(storage.sign_in.delete_passkey(foreign, event("passkey.delete"))) == "not_found"
    for change in (storage.sign_in.rename_passkey(renamed, BROKEN), storage.sign_in.delete_passkey(renamed, BROKEN)):
        with pytest.raises(TypeError):
            await change
    await storage.sign_in.rename_passkey(renamed, event("passkey.rename"))
    kept = replace(renamed, sign_count=3, last_used_at=LATER)  # a name is all that is replaced
    assert await storage.sign_in.list_passkeys(ORG, OWNER.id) == [kept]
    await storage.sign_in.delete_passkey(PASSKEY, event("passkey.delete"))
    assert await storage.sign_in.list_passkeys(ORG, OWNER.id) == []
    assert await refusal(storage.sign_in.delete_passkey(PASSKEY, event("passkey.delete"))) == "not_found"
    assert await list_actions(storage, "passkey.*") == ["passkey.add", "passkey.rename", "passkey.delete"]
    with pytest.raises(TypeError):
        await storage.sign_in.add_passkey(PASSKEY, BROKEN)
    assert await storage.sign_in.find_passkey(PASSKEY.credential_id) is None
