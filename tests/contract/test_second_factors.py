"""The second factors of SignInStore, and their seals, the same over every store."""

import asyncio
import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from anyrouter.control.stores import SealedRow
from anyrouter.core.sign_in import ProofKinds
from support.sign_in_records import (
    BOB,
    BROKEN,
    FACTOR,
    LATER,
    ORG,
    OTHER,
    OWNER,
    PASSKEY,
    PASSWORD,
    SEALED,
    AnyStorage,
    event,
    list_actions,
)

Both = tuple[AnyStorage, AnyStorage]
CODES = tuple(hashlib.sha256(bytes([number])).digest() for number in range(10))
CONFIRMED = replace(FACTOR, confirmed_at=LATER, last_step=57_000_000, recovery=CODES)
REWRAPPED = replace(SEALED, kek_id="kek_2", wrapped_key=b"other")
BOBS = replace(FACTOR, member_id=BOB.id, sealed=replace(SEALED, ciphertext=b"bob's", kek_id="kek_9"))


@pytest.fixture(autouse=True)
async def people(storage: AnyStorage) -> None:
    """Two members, the second with a factor, which stays as it is."""
    await storage.members.add_member(OWNER, event("member.add"))
    await storage.members.add_member(BOB, event("member.add"))
    await storage.sign_in.put_second_factor(BOBS)


async def test_a_second_factor_comes_back_as_it_was_stored(storage: AnyStorage) -> None:
    store = storage.sign_in
    assert await store.find_second_factor(OWNER.id) is None
    for factor in (FACTOR, CONFIRMED):
        await store.put_second_factor(factor, event("totp.add"))
        assert await store.find_second_factor(OWNER.id) == factor
    other = replace(FACTOR, created_at=LATER, sealed=replace(SEALED, ciphertext=b"another"))
    with pytest.raises(TypeError):
        await store.put_second_factor(other, BROKEN)
    assert await store.find_second_factor(OWNER.id) == CONFIRMED
    await store.put_second_factor(other)
    assert await store.find_second_factor(OWNER.id) == other  # of another secret nothing stays, no step and no code
    assert await list_actions(storage, "totp.*") == ["totp.add", "totp.add"]
    assert await store.find_second_factor(BOB.id) == BOBS


async def test_which_proofs_members_have_is_told_of_those_who_are_asked_for(storage: AnyStorage) -> None:
    store = storage.sign_in
    assert await store.list_proof_kinds([]) == {}
    none = ProofKinds(has_password=False, has_app=False, has_passkey=False)
    assert await store.list_proof_kinds([OWNER.id, BOB.id, "mem_unknown"]) == {OWNER.id: none, BOB.id: none, "mem_unknown": none}
    await store.put_second_factor(CONFIRMED)
    await store.put_password(PASSWORD, event("password.change"))
    await store.add_passkey(replace(PASSKEY, member_id=BOB.id), event("passkey.add"))
    app, key = replace(none, has_password=True, has_app=True), replace(none, has_passkey=True)
    assert await store.list_proof_kinds([OWNER.id, BOB.id]) == {OWNER.id: app, BOB.id: key}
    assert await store.list_proof_kinds([BOB.id]) == {BOB.id: key}
    protected = [kinds.has_second_factor for kinds in (none, app, key, replace(key, has_password=True), replace(app, has_app=False))]
    assert protected == [False, True, True, False, False]


async def test_a_second_factor_is_forgotten_with_an_event(storage: AnyStorage) -> None:
    await storage.sign_in.put_second_factor(CONFIRMED)
    await storage.sign_in.delete_second_factor(replace(CONFIRMED, organisation_id=OTHER.id), event("totp.remove"))
    with pytest.raises(TypeError):
        await storage.sign_in.delete_second_factor(CONFIRMED, BROKEN)
    assert await storage.sign_in.find_second_factor(OWNER.id) == CONFIRMED
    for _ in range(2):
        await storage.sign_in.delete_second_factor(CONFIRMED, event("totp.remove"))
    assert await storage.sign_in.find_second_factor(OWNER.id) is None
    assert await storage.sign_in.find_second_factor(BOB.id) == BOBS
    assert await list_actions(storage, "totp.*") == ["totp.remove"]


async def test_no_step_is_taken_twice_and_none_before_one_that_was(storage: AnyStorage) -> None:
    await storage.sign_in.put_second_factor(CONFIRMED)
    taken = [await storage.sign_in.take_step(OWNER.id, CONFIRMED.last_step + step) for step in (0, -1, 2, 1, 2, 3)]
    assert taken == [False, False, True, False, False, True]
    assert await storage.sign_in.find_second_factor(OWNER.id) == replace(CONFIRMED, last_step=CONFIRMED.last_step + 3)
    assert not await storage.sign_in.take_step("mem_unknown", 1)
    assert await storage.sign_in.find_second_factor(BOB.id) == BOBS


async def test_a_step_that_is_taken_several_times_at_once_is_taken_once(both: Both) -> None:
    await both[0].sign_in.put_second_factor(CONFIRMED)
    taken = await asyncio.gather(*(storage.sign_in.take_step(OWNER.id, CONFIRMED.last_step + 1) for storage in both * 4))
    assert sorted(taken) == [False] * 7 + [True]


async def test_a_recovery_code_is_used_up(storage: AnyStorage) -> None:
    await storage.sign_in.put_second_factor(CONFIRMED)
    with pytest.raises(TypeError):
        await storage.sign_in.take_recovery(OWNER.id, CODES[3], BROKEN)
    taken = [await storage.sign_in.take_recovery(OWNER.id, code, event("recovery.use")) for code in (CODES[3], CODES[3], b"unknown")]
    assert taken == [True, False, False]
    assert await storage.sign_in.find_second_factor(OWNER.id) == replace(CONFIRMED, recovery=CODES[:3] + CODES[4:])
    assert not await storage.sign_in.take_recovery("mem_unknown", CODES[0], event("recovery.use"))
    assert not await storage.sign_in.take_recovery(BOB.id, CODES[0], event("recovery.use"))
    assert await list_actions(storage, "recovery.*") == ["recovery.use"]


async def test_recovery_codes_that_are_used_at_once_are_used_once_each(both: Both) -> None:
    await both[0].sign_in.put_second_factor(CONFIRMED)
    codes = [code for code in CODES[:4] for _ in both]
    taken = await asyncio.gather(
        *(storage.sign_in.take_recovery(OWNER.id, code, event("recovery.use")) for code, storage in zip(codes, both * 4, strict=True))
    )
    assert sorted(taken) == [False] * 4 + [True] * 4
    assert await both[0].sign_in.find_second_factor(OWNER.id) == replace(CONFIRMED, recovery=CODES[4:])
    assert await list_actions(both[0], "recovery.*") == ["recovery.use"] * 4


async def test_the_seals_of_second_factors_are_put_under_another_key_encryption_key(storage: AnyStorage) -> None:
    await storage.sign_in.put_second_factor(CONFIRMED)
    assert await storage.seals.count_seals() == {"kek_1": 1, "kek_9": 1}
    first = await storage.seals.list_seals(not_under="kek_2", limit=1)
    second = await storage.seals.list_seals(not_under="kek_2", after_id=first[-1].id)
    assert [(row.id, row.organisation_id, row.sealed) for row in first + second] == [(OWNER.id, ORG, SEALED), (BOB.id, ORG, BOBS.sealed)]
    row = SealedRow(id=OWNER.id, organisation_id=ORG, sealed=SEALED)
    assert not await storage.seals.replace_seal(replace(row, id="mem_unknown"), REWRAPPED)
    assert await storage.seals.replace_seal(row, REWRAPPED)
    assert not await storage.seals.replace_seal(row, REWRAPPED)
    assert await storage.sign_in.find_second_factor(OWNER.id) == replace(CONFIRMED, sealed=REWRAPPED)
    assert await storage.sign_in.find_second_factor(BOB.id) == BOBS
    assert await storage.seals.count_seals() == {"kek_2": 1, "kek_9": 1}


async def test_a_change_of_other_things_leaves_seal_and_step_as_they_are_by_now(storage: AnyStorage) -> None:
    """The key-encryption key may have changed, and a code may have been used, since it was read."""
    await storage.sign_in.put_second_factor(FACTOR)
    assert await storage.seals.replace_seal(SealedRow(id=OWNER.id, organisation_id=ORG, sealed=SEALED), REWRAPPED)
    assert await storage.sign_in.take_step(OWNER.id, 7)
    stale = replace(FACTOR, confirmed_at=LATER + timedelta(seconds=1), recovery=CODES[:2])
    await storage.sign_in.put_second_factor(stale, event("totp.confirm"))
    assert await storage.sign_in.find_second_factor(OWNER.id) == replace(stale, sealed=REWRAPPED, last_step=7)
    newer = replace(stale, last_step=9)
    await storage.sign_in.put_second_factor(newer)
    assert await storage.sign_in.find_second_factor(OWNER.id) == replace(newer, sealed=REWRAPPED)
