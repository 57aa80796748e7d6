"""How much room a user's environment takes: made anew from the locked requirements."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from bench.processes import BenchError

ROOT = Path(__file__).resolve().parent.parent
NOT_OURS = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence.pth")


def installed_size_mb(directory: Path) -> float:
    """10^6 bytes on disk, bytecode and this package included, pip and setuptools not; BenchError when pip cannot install."""
    environment = directory / "venv"
    run((sys.executable, "-m", "venv", str(environment)))
    install = (
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "-r",
        str(ROOT / "requirements/run.txt"),
    )
    run((str(environment / "bin/python"), *install))
    return (size_bytes(environment) + size_bytes(ROOT / "src/anyrouter")) / 1e6


def run(command: tuple[str, ...]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-1000:]}")


def size_bytes(directory: Path) -> int:
    """What the files below a directory occupy, as `du` counts, links not followed."""
    return sum(path.lstat().st_blocks * 512 for path in counted(directory))


def counted(directory: Path) -> Iterable[Path]:
    """All files, except those of pip and setuptools in a site-packages directory."""
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            if not (directory.name == "site-packages" and is_not_ours(path.name)):
                yield from counted(path)
        elif not (directory.name == "site-packages" and is_not_ours(path.name)):
            yield path


def is_not_ours(name: str) -> bool:
    return name in NOT_OURS or name.startswith(("pip-", "setuptools-"))
