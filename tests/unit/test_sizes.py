"""The gate on sizes and names: that it lets nothing through, and that the tree passes it."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "check_sizes.py"


def check(directory: Path) -> tuple[int, list[str]]:
    ended = subprocess.run([sys.executable, SCRIPT, directory], capture_output=True, text=True, check=False, timeout=60)
    return ended.returncode, ended.stdout.splitlines()


def test_the_tree_passes() -> None:
    assert check(SCRIPT.parents[1] / "src") == (0, [])


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("long.py", "x = 1\n" * 401, "long.py: 401 lines"),
        ("f.py", "def wide():\n" + "    pass\n" * 60, "f.py::wide: 61 lines"),
        ("f.py", "class A:\n    async def wide(self):\n" + "        pass\n" * 60, "f.py::wide: 61 lines"),
        ("utils.py", "", "utils.py (utils): "),
        ("key_helpers.py", "", "key_helpers.py (helpers): "),
        ("common/keys.py", "", "common/keys.py (common): "),
        ("keys_v2.py", "", "keys_v2.py (v2): "),
        ("keys.py", "class KeyManager: pass", "keys.py::KeyManager: "),
        ("keys.py", "class KeyStoreImpl: pass", "keys.py::KeyStoreImpl: "),
    ],
)
def test_what_is_too_long_or_named_for_nothing_is_found(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text, encoding="utf-8")
    code, lines = check(tmp_path)
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith(complaint)


def test_what_is_within_the_limits_passes(tmp_path: Path) -> None:
    (tmp_path / "key_store.py").write_text("x = 1\n" * 340 + "def wide():\n" + "    pass\n" * 59, encoding="utf-8")
    assert check(tmp_path) == (0, [])
