"""`anyrouter keys scan`: finds keys of this gateway in files and in the history of git repositories, and ends them if asked to.

A key's text is never printed: what is shown of it is its label.
"""

import os
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anyrouter.cli.configuration import read_settings
from anyrouter.cli.failure import CommandFailed, ExitCode
from anyrouter.cli.options import DATA_DIR, Config, DataDir, Json
from anyrouter.cli.output import print_json, print_lines, print_table
from anyrouter.cli.store import with_services
from anyrouter.core import keys
from anyrouter.core.apikey import ApiKey
from anyrouter.core.audit import OPERATOR
from anyrouter.core.scan import find_keys

if TYPE_CHECKING:
    from anyrouter.bootstrap.services import Services

_MAX_FILE_BYTES = 256 * 1024 * 1024
_COLUMNS = ("KEY", "NAME", "STATE", "WHERE")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key's text was found."""

    path: str
    line: int
    blob: str | None = None  # in the history of a repository

    def __str__(self) -> str:
        history = "" if self.blob is None else f" (git object {self.blob[:12]})"
        return f"{self.path}:{self.line}{history}"


def scan(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH…", help="Files and directories; of a git repository its history too.", show_default=False)
    ],
    *,
    revoke: Annotated[bool, typer.Option("--revoke", help="Delete every key of this gateway that is found.")] = False,
    history: Annotated[bool, typer.Option(help="Whether the history of git repositories is looked through.")] = True,
    as_json: Json = False,
    config: Config = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Look for keys of this gateway in files and git history. Exit code 1 when one was found that still works.

    What looks like a key and is not one of this gateway's, or not any more, is told as `unknown`.
    """
    missing = next((path for path in paths if not path.exists()), None)
    if missing is not None:
        raise CommandFailed(ExitCode.NOT_FOUND, "not_found", f"{missing} is not there")
    found: dict[str, list[Place]] = {}
    for text, place in _search(paths, is_history_wanted=history):
        places = found.setdefault(text, [])
        if place not in places:
            places.append(place)

    async def work(services: "Services") -> dict[str, ApiKey]:
        known = await services.keys.find_texts(tuple(found))
        if revoke and known:
            await services.keys.revoke(tuple(known), actor=OPERATOR)
        return known

    known = with_services(read_settings(data_dir, config), work) if found else {}
    rows = [_row(text, known.get(text), places, is_revoked=revoke) for text, places in found.items()]
    if as_json:
        print_json({"data": rows})
    elif rows:
        table = [(row["label"] + "…", row["name"], row["state"], "; ".join(row["places"])) for row in rows]
        print_table(_COLUMNS, table, empty="")
    else:
        print_lines(["no keys found"])
    if any(row["state"] == "works" for row in rows):
        raise typer.Exit(ExitCode.FAILED)


def _row(text: str, key: ApiKey | None, places: Iterable[Place], *, is_revoked: bool) -> dict[str, Any]:
    state = "unknown" if key is None else "revoked" if is_revoked else "disabled" if key.is_disabled else "works"
    return {
        "label": keys.label_of(text),
        "id": None if key is None else key.id,
        "name": None if key is None else key.name,
        "state": state,
        "places": [str(place) for place in places],
    }


def _search(paths: Iterable[Path], *, is_history_wanted: bool) -> Iterator[tuple[str, Place]]:
    for path in paths:
        repositories = set[Path]()
        for file in _list_files(path, repositories):
            for found in find_keys(_read(file)):
                yield found.text, Place(str(file), found.line)
        if is_history_wanted:
            for repository in sorted(repositories):
                yield from _search_history(repository)


def _list_files(path: Path, repositories: set[Path]) -> Iterator[Path]:
    """The files below a path, without git's own; `repositories` gets those that are met."""
    if path.is_file():
        yield path
        return
    for directory, names, files in os.walk(path):
        if ".git" in names or ".git" in files:
            repositories.add(Path(directory))
        names[:] = sorted(name for name in names if name != ".git")
        yield from (file for name in sorted(files) if (file := Path(directory) / name).is_file() and name != ".git")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes() if file.stat().st_size <= _MAX_FILE_BYTES else b""
    except OSError:
        return b""  # what may not be read is somebody else's to look through


def _search_history(repository: Path) -> Iterator[tuple[str, Place]]:
    """Every version of every file that the repository's database has, also those that no branch leads to any more."""
    names = _list_names(repository)
    command = ["git", "-C", str(repository), "cat-file", "--batch-all-objects", "--batch", "--unordered"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as git:  # noqa: S603 -- git, where the operator says
        assert git.stdout is not None  # noqa: S101 -- a pipe was asked for
        while header := git.stdout.readline().split():
            identity, kind, size = header[0].decode(), header[1], int(header[2])
            data = git.stdout.read(size + 1)[:size]
            if kind in {b"blob", b"commit", b"tag"}:
                for found in find_keys(data):
                    yield found.text, Place(names.get(identity, f"{repository}/({kind.decode()})"), found.line, identity)


def _list_names(repository: Path) -> dict[str, str]:
    """A path for each object that some reference leads to."""
    command = ["git", "-C", str(repository), "rev-list", "--objects", "--all"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True).stdout  # noqa: S603 -- as above
    except (OSError, subprocess.CalledProcessError):
        raise CommandFailed(
            ExitCode.FAILED, "git", f"git cannot read the history of {repository}", cure="--no-history leaves it out"
        ) from None
    pairs = (line.partition(b" ") for line in listed.splitlines())
    return {identity.decode(): f"{repository}/{os.fsdecode(name)}" for identity, _, name in pairs if name}
