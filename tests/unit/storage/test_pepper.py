from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anyrouter.core import keys
from anyrouter.core.errors import InternalError
from anyrouter.storage.pepper import PEPPER_VARIABLE, Pepper, load_or_create_pepper

OLD, NEW = "4d41524b4552" + "0" * 52, "4d41524b4552" + "f" * 52  # "MARKER" in hex


def test_a_pepper_is_made_once_and_read_afterwards(tmp_path: Path):
    made = load_or_create_pepper(tmp_path / "pepper", {})
    assert (made.current.version, len(made.current.secret), made.previous) == (1, 32, None)
    assert load_or_create_pepper(tmp_path / "pepper", {}) == made
    assert (tmp_path / "pepper").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["pepper"]
    assert load_or_create_pepper(tmp_path / "other", {}) != made


def test_the_variable_comes_before_the_file(tmp_path: Path):
    peppers = load_or_create_pepper(tmp_path / "pepper", {PEPPER_VARIABLE: NEW})
    assert peppers.current == Pepper(version=1, secret=bytes.fromhex(NEW))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", [f"7:{NEW},6:{OLD}", f"7:{NEW}\n6:{OLD}\n", f" 7:{NEW.upper()} \r\n 6:{OLD}"])
def test_the_current_pepper_comes_first_then_the_previous_one(tmp_path: Path, text: str):
    path = tmp_path / "pepper"
    path.touch(0o600)
    path.write_text(text)
    peppers = load_or_create_pepper(path, {})
    assert peppers.previous is not None
    assert [(peppers.current.version, peppers.current.secret.hex()), (peppers.previous.version, peppers.previous.secret.hex())] == [
        (7, NEW),
        (6, OLD),
    ]
    key = keys.generate("test")
    assert peppers.digests(key) == (keys.digest(bytes.fromhex(NEW), key), keys.digest(bytes.fromhex(OLD), key))


@pytest.mark.parametrize(
    "text", ["1:00", "zz", f"0:{NEW}", f"1:{NEW}1", f"1:{NEW},2:{OLD}", f"1:{NEW},1:{OLD}", f"3:{NEW},2:{OLD},1:{OLD}", ","]
)
def test_a_pepper_that_is_none_is_refused_without_being_shown(tmp_path: Path, text: str):
    with pytest.raises(InternalError, match=PEPPER_VARIABLE) as caught:
        load_or_create_pepper(tmp_path / "pepper", {PEPPER_VARIABLE: text})
    assert "4d41524b4552" not in caught.value.public


def test_a_file_that_others_can_read_is_refused(tmp_path: Path):
    path = tmp_path / "pepper"
    load_or_create_pepper(path, {})
    path.chmod(0o640)
    with pytest.raises(InternalError, match=f"chmod 600 {path}"):
        load_or_create_pepper(path, {})


def test_a_pepper_is_not_shown(tmp_path: Path):
    peppers = load_or_create_pepper(tmp_path / "pepper", {PEPPER_VARIABLE: f"2:{NEW},1:{OLD}"})
    assert repr(peppers) == "Peppers(current=Pepper(version=2), previous=Pepper(version=1))"
    assert peppers.current.fingerprint().hex() not in (NEW, OLD)
    assert len(peppers.current.fingerprint()) == 8


@pytest.mark.parametrize("size", [0, 10, 66])
def test_a_disk_that_is_full_makes_no_half_of_a_pepper(tmp_path: Path, full_disk: Callable[[int], Any], size: int):
    with full_disk(size), pytest.raises(InternalError, match="cannot be used"):
        load_or_create_pepper(tmp_path / "pepper", {})
    assert list(tmp_path.iterdir()) == []
    assert len(load_or_create_pepper(tmp_path / "pepper", {}).current.secret) == 32
