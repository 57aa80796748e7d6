import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anyrouter.core.errors import ClientError, InternalError
from anyrouter.core.vault import KekUnavailable, SealBroken, Wrapped
from anyrouter.storage.kek import KEK_VARIABLE, LocalKeys, name_kek, read_keks

OLD, NEW = "4d41524b4552" + "0" * 52, "4d41524b4552" + "f" * 52  # "MARKER" in hex
OLD_ID, NEW_ID = (name_kek(bytes.fromhex(text)).id for text in (OLD, NEW))
DATA_KEY, AAD = bytes(range(32)), b"associated"


def hold(path: Path, text: str) -> LocalKeys:
    path.touch(0o600)
    path.write_text(text)
    return LocalKeys(path, {})


def names(path: Path) -> list[str]:
    return [entry.name for entry in path.iterdir()]


def count_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


async def test_a_key_is_made_when_the_first_is_needed_and_read_afterwards(tmp_path: Path) -> None:
    keys = LocalKeys(tmp_path / "kek", {})
    assert names(tmp_path) == []
    wrapped = await keys.wrap(DATA_KEY, AAD)
    assert (tmp_path / "kek").stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["kek"]
    again = LocalKeys(tmp_path / "kek", {})
    assert await again.unwrap(wrapped, AAD) == DATA_KEY
    assert await again.read_current_id() == wrapped.kek_id
    assert len(wrapped.key) == 60


def test_an_id_is_that_of_one_key_for_good() -> None:
    assert (OLD_ID, NEW_ID) == ("kek_37b23858973f7108", "kek_81fd0c1b1728b454")


async def test_the_variable_comes_before_the_file_and_is_not_changed(tmp_path: Path) -> None:
    keys = LocalKeys(tmp_path / "kek", {"ANYROUTER_KEK": f"{NEW},{OLD_ID}:{OLD}"})
    assert await keys.read_current_id() == NEW_ID
    assert await keys.make_current() is None
    with pytest.raises(ClientError, match=KEK_VARIABLE) as refused:
        await keys.remove(OLD_ID)
    assert refused.value.denied.http_status == 422
    wrapped = await LocalKeys(tmp_path / "other", {KEK_VARIABLE: OLD}).wrap(DATA_KEY, AAD)
    with pytest.raises(KekUnavailable, match="the variable ANYROUTER_KEK"):
        await LocalKeys(tmp_path / "kek", {KEK_VARIABLE: NEW}).unwrap(wrapped, AAD)
    assert await keys.unwrap(wrapped, AAD) == DATA_KEY
    assert (await keys.rewrap(wrapped, AAD)).kek_id == NEW_ID
    assert names(tmp_path) == []


@pytest.mark.parametrize("text", ["00", "zz", f"{NEW}1", f"{NEW_ID}:", f"{OLD_ID}:{NEW}", f"kek_x:{NEW}", f"1:{NEW}", ",", f"{NEW};{OLD}"])
async def test_a_key_that_is_none_is_refused_without_being_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(InternalError, match=KEK_VARIABLE) as caught:
        LocalKeys(tmp_path / "kek", {KEK_VARIABLE: text})
    with pytest.raises(KekUnavailable) as told:
        await hold(tmp_path / "kek", text).wrap(DATA_KEY, AAD)
    assert str(tmp_path / "kek") in told.value.internal
    assert "4d41524b4552" not in f"{caught.value}{told.value}{told.value.public}"
    assert "kek" not in told.value.public


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601])
async def test_a_file_that_others_can_use_is_not_used(tmp_path: Path, mode: int) -> None:
    keys = hold(tmp_path / "kek", NEW)
    (tmp_path / "kek").chmod(mode)
    with pytest.raises(KekUnavailable, match=f"chmod 600 {tmp_path / 'kek'}"):
        await keys.wrap(DATA_KEY, AAD)


async def test_a_file_that_is_no_text_is_told_and_not_shown(tmp_path: Path) -> None:
    keys = hold(tmp_path / "kek", "")
    (tmp_path / "kek").write_bytes(b"\xffMARKER")
    with pytest.raises(KekUnavailable, match="64 hex digits") as caught:
        await keys.wrap(DATA_KEY, AAD)
    assert "MARKER" not in caught.value.internal


async def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(KekUnavailable, match="No such file"):
        await LocalKeys(tmp_path / "none" / "kek", {}).wrap(DATA_KEY, AAD)


async def test_a_disk_that_is_full_makes_no_half_of_a_file_and_keeps_the_one_before(
    tmp_path: Path, full_disk: Callable[[int], Any]
) -> None:
    keys = LocalKeys(tmp_path / "kek", {})
    for size in (0, 1, 85):
        with full_disk(size), pytest.raises(KekUnavailable, match="cannot be written"):
            await keys.wrap(DATA_KEY, AAD)
        assert names(tmp_path) == []
    wrapped = await keys.wrap(DATA_KEY, AAD)
    with full_disk(100), pytest.raises(KekUnavailable, match="cannot be written"):
        await keys.make_current()
    assert names(tmp_path) == ["kek"]
    assert await keys.unwrap(wrapped, AAD) == DATA_KEY


async def test_no_descriptor_is_left_open(tmp_path: Path, full_disk: Callable[[int], Any]) -> None:
    keys, before = LocalKeys(tmp_path / "kek", {}), count_descriptors()
    await keys.wrap(DATA_KEY, AAD)
    with full_disk(0), pytest.raises(KekUnavailable):
        await keys.make_current()
    assert count_descriptors() == before


@pytest.mark.parametrize("differs", ["time", "inode", "size"])
async def test_a_file_that_was_changed_is_read_again_whatever_shows_it(tmp_path: Path, differs: str) -> None:
    path = tmp_path / "kek"
    keys = hold(path, NEW)
    assert await keys.read_current_id() == NEW_ID
    facts, text = path.stat(), OLD + "\n" * (differs == "size")
    if differs == "inode":
        hold(tmp_path / "new", text)
        (tmp_path / "new").replace(path)
    else:
        path.write_text(text)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + (differs == "time")))
    assert await keys.read_current_id() == OLD_ID


def test_a_key_that_is_written_twice_is_one() -> None:
    assert [kek.id for kek in read_keks(f"{NEW},{OLD}\n{NEW_ID}:{NEW}", "x")] == [NEW_ID, OLD_ID]


async def test_a_new_key_is_current_at_once_for_everybody_and_the_old_ones_stay(tmp_path: Path) -> None:
    first, second = LocalKeys(tmp_path / "kek", {}), LocalKeys(tmp_path / "kek", {})
    wrapped = await first.wrap(DATA_KEY, AAD)
    made = await second.make_current()
    assert made != wrapped.kek_id
    assert await first.read_current_id() == made == (await first.wrap(DATA_KEY, AAD)).kek_id
    assert await first.unwrap(wrapped, AAD) == await second.unwrap(wrapped, AAD) == DATA_KEY
    assert names(tmp_path) == ["kek"]
    assert (tmp_path / "kek").stat().st_mode & 0o777 == 0o600


async def test_of_many_that_need_or_make_a_key_at_once_none_is_lost(tmp_path: Path) -> None:
    holders = [LocalKeys(tmp_path / "kek", {}) for _ in range(8)]
    wrapped = await asyncio.gather(*(keys.wrap(DATA_KEY, AAD) for keys in holders))
    assert len({item.kek_id for item in wrapped}) == 1
    made = await asyncio.gather(*(keys.make_current() for keys in holders))
    assert len(read_keks((tmp_path / "kek").read_text(), "the file")) == 9
    assert len(set(made)) == 8


def test_who_comes_second_with_the_first_key_has_the_current_one(tmp_path: Path) -> None:
    first, second = LocalKeys(tmp_path / "kek", {}), LocalKeys(tmp_path / "kek", {})
    made = first._add(only_if_none=True)
    assert second._add(only_if_none=True) == made
    newer = second._add()
    assert first._add(only_if_none=True) == newer != made


async def test_a_key_is_removed_unless_it_is_the_current_one(tmp_path: Path) -> None:
    keys = hold(tmp_path / "kek", f"{NEW_ID}:{NEW}\n{OLD_ID}:{OLD}\n")
    wrapped = await LocalKeys(tmp_path / "x", {KEK_VARIABLE: OLD}).wrap(DATA_KEY, AAD)
    for kek_id, reason, status in ((NEW_ID, "current", 422), ("kek_0000000000000000", "no key-encryption key", 404)):
        with pytest.raises(ClientError, match=reason) as refused:
            await keys.remove(kek_id)
        assert refused.value.denied.http_status == status
    await keys.remove(OLD_ID)
    with pytest.raises(KekUnavailable, match=f"{OLD_ID} is not in") as caught:
        await keys.unwrap(wrapped, AAD)
    assert caught.value.kek_id == OLD_ID
    assert await keys.read_current_id() == NEW_ID


async def test_a_data_key_is_bound_to_its_associated_data_and_its_key_s_id(tmp_path: Path) -> None:
    keys = hold(tmp_path / "kek", f"{NEW}\n{OLD}\n")
    wrapped = await keys.wrap(DATA_KEY, AAD)
    for changed, aad in ((wrapped, b"other"), (Wrapped(OLD_ID, wrapped.key), AAD), (Wrapped(NEW_ID, b""), AAD)):
        with pytest.raises(SealBroken):
            await keys.unwrap(changed, aad)
    with pytest.raises(SealBroken, match="no data key"):
        await keys.unwrap(await keys.wrap(DATA_KEY[:16], AAD), AAD)


async def test_a_file_that_vanishes_is_not_replaced_by_another_key_for_what_it_sealed(tmp_path: Path) -> None:
    keys = LocalKeys(tmp_path / "kek", {})
    wrapped = await keys.wrap(DATA_KEY, AAD)
    assert await keys.unwrap(wrapped, AAD) == DATA_KEY
    (tmp_path / "kek").unlink()
    with pytest.raises(KekUnavailable, match=wrapped.kek_id):
        await keys.unwrap(wrapped, AAD)
    assert await keys.read_current_id() != wrapped.kek_id
    with pytest.raises(KekUnavailable, match=wrapped.kek_id):
        await keys.unwrap(wrapped, AAD)


def test_a_key_is_not_shown() -> None:
    assert "MARKER" not in repr(name_kek(b"MARKER" + bytes(26)))
    assert "4d41524b4552" not in repr(read_keks(NEW, "x"))


async def test_a_loose_umask_makes_no_loose_file(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        await LocalKeys(tmp_path / "kek", {}).wrap(DATA_KEY, AAD)
    finally:
        os.umask(old)
    assert (tmp_path / "kek").stat().st_mode & 0o777 == 0o600
