import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from anyrouter.cli import app
from anyrouter.providers.registry import PROVIDERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A command line that has run."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        return json.loads(self.err)["error"]


Command = Callable[..., Ended]


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data directory, named by its variable; no provider's variable is set."""
    for provider in PROVIDERS.values():
        parts = [*provider.credential_parts.values(), *(name for variable in provider.variables for name in variable.environment)]
        for name in (provider.credential_variable, provider.base_url_variable, provider.credential_file_variable, *parts):
            if name is not None:
                monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.startswith("ANYROUTER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ANYROUTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command line within this process."""

    def run(*arguments: str) -> Ended:
        capsys.readouterr()
        code = app.run(arguments)
        out, err = capsys.readouterr()
        return Ended(code=code, out=out, err=err)

    return run


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the program as a process of its own; what is left of it at the end is killed."""
    directory = tmp_path_factory.mktemp("programs")
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **changes: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "anyrouter", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=directory,
            env=os.environ | changes,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
