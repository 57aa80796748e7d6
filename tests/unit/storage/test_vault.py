"""Attack cases, J: what is sealed opens in its own place, as it was stored, and in no other way."""

import asyncio
import gc
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from anyrouter.core.byok import Sealed, SealPlace
from anyrouter.core.errors import StorageUnavailable
from anyrouter.core.vault import KekUnavailable, SealBroken, Wrapped
from anyrouter.storage.kek import LocalKeys
from anyrouter.storage.vault import _MAX_KEPT, KEPT_S, SealingVault, decrypt, encrypt, render_texts

SECRET = "sk-MARKER-sealed-credential"
PLACE = SealPlace(
    organisation_id="org_1", environment_id="env_1", provider="openai", row_id="byok_1", field="key", row_version=3, host="api.openai.com"
)


@pytest.fixture
def keys(tmp_path: Path) -> LocalKeys:
    return LocalKeys(tmp_path / "kek", {})


@pytest.fixture
def vault(keys: LocalKeys) -> SealingVault:
    return SealingVault([keys])


async def is_broken(vault: SealingVault, place: SealPlace, sealed: Sealed) -> bool:
    """Whether it does not open, with an alarm and without a word about what is in it."""
    with structlog.testing.capture_logs() as logs:
        opened = (await asyncio.gather(vault.open(place, sealed), return_exceptions=True))[0]
    if not isinstance(opened, SealBroken):
        return False
    assert isinstance(opened, StorageUnavailable)
    assert "MARKER" not in f"{opened!r}{opened.public}{opened.internal}{logs}"
    assert place.row_id not in opened.public
    return [(entry["event"], entry["log_level"], entry["row_id"]) for entry in logs] == [("seal_broken", "error", place.row_id)]


def change(sealed: Sealed, **values: Any) -> Sealed:
    return replace(sealed, **values)


async def test_a_secret_comes_back_in_its_place(vault: SealingVault) -> None:
    for text in (SECRET, "ключ", "x" * 100_000):
        assert (await vault.open(PLACE, await vault.seal(PLACE, text))).reveal() == text


async def test_every_write_has_a_data_key_and_a_nonce_of_its_own(vault: SealingVault) -> None:
    first, second = await vault.seal(PLACE, SECRET), await vault.seal(PLACE, SECRET)
    assert first.kek_id == second.kek_id
    for name in ("wrapped_key", "nonce", "ciphertext"):
        assert getattr(first, name) != getattr(second, name)
    assert "MARKER" not in repr(first)
    assert SECRET.encode() not in b"".join((first.wrapped_key, first.nonce, first.ciphertext))
    assert len(first.ciphertext) == len(SECRET) + 16


@pytest.mark.parametrize("name", [item.name for item in fields(SealPlace)])
async def test_a_secret_that_was_moved_does_not_open(vault: SealingVault, name: str) -> None:
    sealed = await vault.seal(PLACE, SECRET)
    other: dict[str, Any] = {name: 4 if name == "row_version" else f"{getattr(PLACE, name)}x"}
    moved = replace(PLACE, **other)
    assert await is_broken(vault, moved, sealed)
    assert (await vault.open(PLACE, sealed)).reveal() == SECRET


async def test_letters_that_move_from_one_part_of_the_place_to_the_next_change_it(vault: SealingVault) -> None:
    sealed = await vault.seal(replace(PLACE, organisation_id="org_12", environment_id="3"), SECRET)
    assert await is_broken(vault, replace(PLACE, organisation_id="org_1", environment_id="23"), sealed)


async def test_what_was_changed_by_one_bit_anywhere_does_not_open(vault: SealingVault) -> None:
    sealed = await vault.seal(PLACE, SECRET)
    for name in ("wrapped_key", "nonce", "ciphertext"):
        value = getattr(sealed, name)
        for bit in range(len(value) * 8):
            changed = bytearray(value)
            changed[bit // 8] ^= 1 << bit % 8
            assert await is_broken(vault, PLACE, change(sealed, **{name: bytes(changed)}))


@pytest.mark.parametrize("name", ["wrapped_key", "nonce", "ciphertext"])
async def test_what_was_cut_or_made_longer_does_not_open(vault: SealingVault, name: str) -> None:
    sealed = await vault.seal(PLACE, SECRET)
    value = getattr(sealed, name)
    for changed in (b"", value[:-1], value[1:], value[:8], value + b"\0", b"\0" + value, value * 2, value[::-1]):
        assert await is_broken(vault, PLACE, change(sealed, **{name: changed}))


@pytest.mark.parametrize("names", [("nonce",), ("wrapped_key",), ("ciphertext",), ("wrapped_key", "nonce"), ("nonce", "ciphertext")])
async def test_parts_of_two_seals_of_one_place_make_no_third(vault: SealingVault, names: tuple[str, ...]) -> None:
    first, second = await vault.seal(PLACE, SECRET), await vault.seal(PLACE, "sk-MARKER-other")
    assert await is_broken(vault, PLACE, change(first, **{name: getattr(second, name) for name in names}))


async def test_a_whole_seal_of_another_row_does_not_open_in_this_one(vault: SealingVault) -> None:
    assert await is_broken(vault, PLACE, await vault.seal(replace(PLACE, row_id="byok_2"), SECRET))


async def test_an_unknown_format_does_not_open(vault: SealingVault) -> None:
    sealed = await vault.seal(PLACE, SECRET)
    for number in (0, 2):
        assert await is_broken(vault, PLACE, replace(sealed, format=number))
        with pytest.raises(SealBroken):
            await vault.rewrap(PLACE.row_id, replace(sealed, format=number))


async def test_another_kek_s_id_opens_nothing_and_no_other_key_is_tried(vault: SealingVault, keys: LocalKeys) -> None:
    sealed = await vault.seal(PLACE, SECRET)
    other = await keys.make_current()
    assert other is not None
    assert await is_broken(vault, PLACE, replace(sealed, kek_id=other))
    for unknown in ("kek_0123456789abcdef", "kek_", "", "transit:anyrouter:v1"):
        with pytest.raises(KekUnavailable) as caught:
            await vault.open(PLACE, replace(sealed, kek_id=unknown))
        assert caught.value.kek_id == unknown
        assert unknown in caught.value.internal
        assert unknown == "" or unknown not in caught.value.public
    assert (await vault.open(PLACE, sealed)).reveal() == SECRET


async def test_what_is_sealed_is_no_text_opens_as_broken(keys: LocalKeys) -> None:
    """The holder of the KEK alone could have made it."""
    data_key, nonce = bytes(32), bytes(12)
    aad = render_texts("1", "org_1", "env_1", "openai", "byok_1", "key", "3", "api.openai.com")
    wrapped = await keys.wrap(data_key, render_texts("anyrouter data key", "1", "byok_1"))
    for text, is_text in ((b"good", True), (b"", False), (b"\xff", False)):
        sealed = Sealed(kek_id=wrapped.kek_id, wrapped_key=wrapped.key, nonce=nonce, ciphertext=encrypt(data_key, nonce, text, aad))
        assert await is_broken(SealingVault([keys]), PLACE, sealed) is not is_text


async def test_an_empty_secret_is_not_sealed(vault: SealingVault) -> None:
    with pytest.raises(ValueError, match="empty"):
        await vault.seal(PLACE, "")


def test_the_associated_data_has_the_form_that_it_will_always_have() -> None:
    assert render_texts("1", "", "ключ") == b"\0\0\0\x011\0\0\0\0\0\0\0\x08" + "ключ".encode()


async def test_a_data_key_is_put_under_the_current_kek_and_its_secret_stays_sealed(vault: SealingVault, keys: LocalKeys) -> None:
    sealed = await vault.seal(PLACE, SECRET)
    current = await keys.make_current()
    moved = await vault.rewrap(PLACE.row_id, sealed)
    assert (moved.kek_id, moved.nonce, moved.ciphertext) == (current, sealed.nonce, sealed.ciphertext)
    assert moved.wrapped_key != sealed.wrapped_key
    assert (await vault.open(PLACE, moved)).reveal() == (await vault.open(PLACE, sealed)).reveal() == SECRET
    with pytest.raises(SealBroken):
        await vault.rewrap("byok_2", sealed)
    await keys.remove(sealed.kek_id)
    assert (await SealingVault([keys]).open(PLACE, moved)).reveal() == SECRET
    with pytest.raises(KekUnavailable, match=sealed.kek_id):
        await SealingVault([keys]).open(PLACE, sealed)


@dataclass
class Service:
    """An owner of one KEK that can be down, and can be slow: `gate` holds its answers back."""

    is_down: bool = False
    asked: int = 0
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def owns(self, kek_id: str) -> bool:
        return kek_id == "service"

    async def read_current_id(self) -> str:
        return "service"

    async def make_current(self) -> str | None:
        return None

    async def wrap(self, data_key: bytes, aad: bytes) -> Wrapped:
        return Wrapped("service", data_key + aad)

    async def unwrap(self, wrapped: Wrapped, aad: bytes) -> bytes:
        self.asked += 1
        self.was_asked.set()
        await self.gate.wait()
        if self.is_down:
            raise KekUnavailable("it is down")
        return wrapped.key.removesuffix(aad)

    async def rewrap(self, wrapped: Wrapped, aad: bytes) -> Wrapped:
        return await self.wrap(await self.unwrap(wrapped, aad), aad)

    async def remove(self, kek_id: str) -> None: ...


async def test_a_service_that_is_down_goes_unnoticed_for_a_minute_and_not_longer() -> None:
    service, now_s = Service(), 1000.0
    vault = SealingVault([service], monotonic=lambda: now_s)
    sealed = await vault.seal(PLACE, SECRET)
    await vault.open(PLACE, sealed)
    service.is_down = True
    now_s += KEPT_S - 0.001
    assert (await vault.open(PLACE, sealed)).reveal() == SECRET
    assert service.asked == 1
    now_s += 0.001
    with pytest.raises(KekUnavailable):
        await vault.open(PLACE, sealed)
    service.is_down = False
    assert (await vault.open(PLACE, sealed)).reveal() == SECRET
    assert service.asked == 3


async def test_a_minute_begins_when_the_service_is_asked_and_use_does_not_prolong_it() -> None:
    service, now_s = Service(), 0.0
    vault = SealingVault([service], monotonic=lambda: now_s)
    sealed = await vault.seal(PLACE, SECRET)
    service.gate.clear()
    opening = asyncio.create_task(vault.open(PLACE, sealed))
    await service.was_asked.wait()
    now_s = 10.0
    service.gate.set()
    await opening
    for now_s in (30.0, 59.0, 60.0):  # noqa: B007 -- what the vault's clock says
        await vault.open(PLACE, sealed)
    assert service.asked == 2


async def test_many_who_wait_for_one_data_key_ask_once_and_one_that_leaves_takes_it_from_nobody() -> None:
    service = Service()
    vault = SealingVault([service])
    sealed = await vault.seal(PLACE, SECRET)
    service.gate.clear()
    opening = [asyncio.create_task(vault.open(PLACE, sealed)) for _ in range(50)]
    await service.was_asked.wait()
    opening[0].cancel()
    service.gate.set()
    opened = await asyncio.gather(*opening, return_exceptions=True)
    assert isinstance(opened[0], asyncio.CancelledError)
    assert len(set(opened[1:])) == 1
    assert service.asked == 1


async def test_a_failure_is_everybody_s_who_waited_and_nobody_s_later() -> None:
    service = Service(is_down=True)
    vault = SealingVault([service])
    sealed = await vault.seal(PLACE, SECRET)
    opened = await asyncio.gather(*(vault.open(PLACE, sealed) for _ in range(3)), return_exceptions=True)
    assert [type(item) for item in opened] == [KekUnavailable] * 3
    service.is_down = False
    await vault.open(PLACE, sealed)
    assert service.asked == 2


async def test_a_new_owner_takes_data_keys_over_from_the_one_before(keys: LocalKeys) -> None:
    sealed, service = await SealingVault([keys]).seal(PLACE, SECRET), Service()
    vault = SealingVault([service, keys])
    assert (await vault.seal(PLACE, SECRET)).kek_id == await vault.read_current_id() == "service"
    assert (await vault.open(PLACE, sealed)).reveal() == SECRET
    moved = await vault.rewrap(PLACE.row_id, sealed)
    assert moved.kek_id == "service"
    assert (await SealingVault([service]).open(PLACE, moved)).reveal() == SECRET


async def test_data_keys_are_kept_in_bounds_and_the_oldest_goes_first() -> None:
    service = Service()
    vault = SealingVault([service], monotonic=lambda: 0.0)
    places = [replace(PLACE, row_id=f"byok_{number}") for number in range(_MAX_KEPT + 1)]
    sealed = [await vault.seal(place, SECRET) for place in places]
    for place, one in zip(places, sealed, strict=True):
        await vault.open(place, one)
    assert (service.asked, len(vault._kept)) == (_MAX_KEPT + 1, _MAX_KEPT)
    await vault.open(places[1], sealed[1])
    assert service.asked == _MAX_KEPT + 1
    await vault.open(places[0], sealed[0])
    assert service.asked == _MAX_KEPT + 2


async def test_a_data_key_whose_minute_is_over_is_forgotten_with_the_next_that_is_kept() -> None:
    service, now_s = Service(), 0.0
    vault = SealingVault([service], monotonic=lambda: now_s)
    places = [replace(PLACE, row_id=f"byok_{number}") for number in range(3)]
    sealed = [await vault.seal(place, SECRET) for place in places]
    for now_s, number in ((0.0, 0), (10.0, 1), (60.0, 0), (70.0, 2)):  # noqa: B007 -- what the vault's clock says
        await vault.open(places[number], sealed[number])
    assert [row_id for _, row_id in vault._kept] == ["byok_0", "byok_2"]
    assert [until_s for until_s, _ in vault._kept.values()] == [60.0 + KEPT_S, 70.0 + KEPT_S]


async def test_what_fails_when_nobody_waits_any_more_is_nobody_s_mistake() -> None:
    service, told = Service(is_down=True), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    vault = SealingVault([service])
    sealed = await vault.seal(PLACE, SECRET)
    for is_cancelled in (False, True):
        service.was_asked.clear()
        service.gate.clear()
        opening = asyncio.create_task(vault.open(PLACE, sealed))
        await service.was_asked.wait()
        (asking,) = vault._unwrapping.values()
        opening.cancel()
        if is_cancelled:  # as when the loop ends
            asking.cancel()
        service.gate.set()
        await asyncio.wait([opening, asking])
        del opening, asking
        await asyncio.sleep(0)
        gc.collect()
    assert told == []
    assert vault._unwrapping == {}


def test_a_key_or_a_nonce_of_another_length_opens_nothing() -> None:
    for key, nonce in ((bytes(16), bytes(12)), (bytes(32), bytes(13))):
        with pytest.raises(SealBroken, match="length"):
            decrypt(key, nonce, encrypt(key, nonce, b"MARKER", b""), b"")


async def test_the_associated_data_is_that_of_format_1(keys: LocalKeys) -> None:
    """What is stored opens for good: the ciphertext and the wrapped key by what the compatibility law says, without the vault."""
    sealed = await SealingVault([keys]).seal(PLACE, SECRET)
    data_key = await keys.unwrap(Wrapped(sealed.kek_id, sealed.wrapped_key), render_texts("anyrouter data key", "1", "byok_1"))
    aad = render_texts("1", "org_1", "env_1", "openai", "byok_1", "key", "3", "api.openai.com")
    assert decrypt(data_key, sealed.nonce, sealed.ciphertext, aad) == SECRET.encode()
    assert (len(data_key), len(sealed.nonce)) == (32, 12)


async def test_a_missing_kek_is_told_to_the_operator_with_the_row_and_the_reason(vault: SealingVault) -> None:
    sealed = await vault.seal(PLACE, SECRET)
    with structlog.testing.capture_logs() as logs, pytest.raises(KekUnavailable):
        await vault.open(PLACE, replace(sealed, kek_id="transit:gone"))
    (alarm,) = logs
    assert (alarm["event"], alarm["log_level"], alarm["row_id"]) == ("kek_unavailable", "error", PLACE.row_id)
    assert "transit:gone" in alarm["reason"]
    with structlog.testing.capture_logs() as logs, pytest.raises(SealBroken):
        await vault.open(PLACE, replace(sealed, format=2))
    assert "format is 2" in logs[0]["reason"]


class Rewrapping(Service):
    """Gives no data key away for a new version of its own KEK."""

    async def rewrap(self, wrapped: Wrapped, aad: bytes) -> Wrapped:
        return Wrapped("service", wrapped.key.removesuffix(aad) + b" again" + aad)


async def test_an_owner_that_stays_rewraps_a_data_key_itself_and_gives_it_to_nobody() -> None:
    service = Rewrapping()
    vault = SealingVault([service])
    moved = await vault.rewrap(PLACE.row_id, await vault.seal(PLACE, SECRET))
    assert b" again" in moved.wrapped_key
    assert service.asked == 0
