"""The choice of a Python when an environment is made: what is chosen, why, and when nobody is asked."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "choose_python.py"
_spec = importlib.util.spec_from_file_location("choose_python", SCRIPT)
assert _spec is not None
assert _spec.loader is not None
choose_python = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(choose_python)


class Shelf:
    """Programs that say of themselves what a Python would."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def add(self, name: str, text: str) -> str:
        program = self.directory / name
        program.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        program.chmod(0o755)
        return str(program)

    def add_python(self, name: str, *seconds: float, version: str = "3.12.1", fault: str = "", path: str | None = None) -> str:
        """The first of `seconds` is what it says when it is asked first, and so on."""
        said = [json.dumps({"version": version, "path": path or name, "fault": fault, "seconds": one}) for one in seconds]
        count = self.directory / f"{name}.count"
        lines = [f"echo >> {count}", f"case $(grep -c '' {count}) in"]
        lines += [f"{number}) echo '{one}' ;;" for number, one in enumerate(said, 1)]
        return self.add(name, "\n".join([*lines, f"*) echo '{said[-1]}' ;;", "esac"]))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def run(*commands: str) -> tuple[int, str, str]:
    """Exit code, what is chosen by its file's name, and the reason."""
    ended = subprocess.run([sys.executable, SCRIPT, *commands], capture_output=True, text=True, check=False, timeout=60)
    assert len(ended.stderr.splitlines()) == 1
    return ended.returncode, Path(ended.stdout.strip()).name, ended.stderr


@pytest.mark.parametrize(
    ("seconds", "chosen", "why"),
    [
        ([0.0200, 0.0200], "a", "no other one here is clearly faster"),
        ([0.0200, 0.0180], "a", "no other one here is clearly faster"),
        ([0.0200, 0.0175], "a", "no other one here is clearly faster"),
        ([0.0200, 0.0173], "b", "16 % faster here than"),
        ([0.0200, 0.0100], "b", "100 % faster here than"),
        ([0.0100, 0.0200], "a", "no other one here is clearly faster"),
        ([0.0200, 0.0150, 0.0160], "b", "33 % faster here than"),
        ([0.0200, 0.0180, 0.0100], "c", "100 % faster here than"),
        ([0.0200], "a", "there is no other one here to choose from"),
    ],
)
def test_the_first_is_taken_unless_another_is_clearly_faster(shelf: Shelf, seconds: list[float], chosen: str, why: str) -> None:
    commands = [shelf.add_python(name, one) for name, one in zip("abc", seconds, strict=False)]
    code, name, reason = run(*commands)
    assert (code, name) == (0, chosen)
    assert why in reason
    assert f"/{chosen} (Python 3.12.1)" in reason
    assert "PYTHON=... overrules it" in reason


def test_one_slow_moment_of_the_first_is_not_enough(shelf: Shelf) -> None:
    assert run(shelf.add_python("a", 0.04, 0.02), shelf.add_python("b", 0.02))[1] == "a"


def test_of_the_unfit_none_is_taken_however_fast(shelf: Shelf) -> None:
    old = shelf.add_python("old", 0.0, version="3.8.18", fault="is too old")
    bare = shelf.add_python("bare", 0.0, fault="has no ensurepip")
    code, name, reason = run(old, bare, shelf.add_python("fit", 0.02))
    assert (code, name) == (0, "fit")
    assert "old (3.8.18) is too old" in reason
    code, name, reason = run(old, bare)
    assert (code, name) == (1, "")
    assert "old (3.8.18) is too old." in reason
    assert "bare (3.12.1) has no ensurepip." in reason
    assert "Set PYTHON=..." in reason


def test_what_is_absent_or_broken_or_no_python_is_passed_over(shelf: Shelf) -> None:
    nothings = [
        str(shelf.directory / "absent"),
        shelf.add("failing", "exit 3"),
        shelf.add("silent", ""),
        shelf.add("talking", "echo hello"),
        shelf.add("guessing", "echo '{\"version\": 3}'"),
        str(shelf.directory),
    ]
    assert run(*nothings, shelf.add_python("fit", 0.02))[:2] == (0, "fit")
    assert run(*nothings)[:2] == (1, "")


def test_the_same_interpreter_under_two_names_is_one(shelf: Shelf) -> None:
    one, two = shelf.add_python("one", 0.02, path="/p"), shelf.add_python("two", 0.01, path="/p")
    code, name, reason = run(one, two)
    assert (code, name) == (0, "one")
    assert "no other one here to choose from" in reason


def test_an_interpreter_describes_itself() -> None:
    said = json.loads(subprocess.check_output([sys.executable, "-I", SCRIPT, "--describe"], text=True, timeout=60))
    assert said["version"] == ".".join(map(str, sys.version_info[:3]))
    assert said["path"] == os.path.realpath(sys.executable)
    assert said["fault"] == ""
    assert said["seconds"] > 0


def test_one_that_cannot_make_environments_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert choose_python.describe()["fault"] == "has no ensurepip"


def test_of_those_on_this_machine_one_is_taken_that_can_make_environments() -> None:
    ended = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=False, timeout=60)
    if ended.returncode == 0:
        program = "import sys, venv, ensurepip, ssl, sqlite3; sys.exit(sys.version_info < (3, 11))"
        subprocess.run([ended.stdout.strip(), "-c", program], check=True, timeout=60)
    else:
        assert (ended.returncode, ended.stdout) == (1, "")


def make(venv: Path, *arguments: str, **environment: str) -> None:
    """Make an environment as a user would, whatever the make says that runs the tests."""
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHON", "MAKEFLAGS", "MFLAGS", "MAKELEVEL"}}
    command = ["make", f"VENV={venv}", f"{venv}/bin/python", *arguments]
    subprocess.run(command, env={**kept, **environment}, cwd=ROOT, check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("is_variable", [True, False])
def test_make_asks_nobody_where_it_is_told_or_has_an_environment(shelf: Shelf, is_variable: bool) -> None:
    venv, calls = shelf.directory / "venv", shelf.directory / "calls"
    python = shelf.add("python", f'echo "$*" >> {calls}; [ "$1" != -m ] || {{ mkdir -p {venv}/bin && touch {venv}/bin/python; }}')
    for _ in range(2):
        make(venv, PYTHON=python) if is_variable else make(venv, f"PYTHON={python}")
    first, second = calls.read_text(encoding="utf-8").splitlines()
    assert first.startswith("-c import sys")
    assert second == f"-m venv {venv}"
    shelf.add("python3", "exit 1")
    make(venv, PATH=f"{shelf.directory}{os.pathsep}{os.environ['PATH']}")


def test_make_takes_what_is_chosen(shelf: Shelf) -> None:
    venv = shelf.directory / "venv"
    shelf.add("chosen", f'[ "$1" != -m ] || {{ mkdir -p {venv}/bin && touch {venv}/bin/python; }}')
    shelf.add("python3", f'[ "$1" = scripts/choose_python.py ] && echo {shelf.directory}/chosen')
    make(venv, PATH=f"{shelf.directory}{os.pathsep}{os.environ['PATH']}")
    assert (venv / "bin" / "python").exists()
