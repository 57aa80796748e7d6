"""Peppers: the secrets under which key texts are digested, kept outside the database.

Compatibility law: a pepper is written as `version:hex` (a lone hex text is version 1), the current one first, the previous one
second, separated by line ends or commas. Versions rise. A lost pepper makes every key that was issued under it useless.
"""

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from anyrouter.core import keys
from anyrouter.core.errors import InternalError

PEPPER_VARIABLE = "ANYROUTER_PEPPER"

_LENGTH = 32
_ENTRY = re.compile(r"(?:([1-9][0-9]{0,8}):)?([0-9a-fA-F]{64,512})", re.ASCII)
_FINGERPRINT_TEXT = "anyrouter pepper fingerprint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pepper:
    """One secret of at least 32 bytes and its version."""

    version: int
    secret: bytes

    def __repr__(self) -> str:
        return f"Pepper(version={self.version})"

    def fingerprint(self) -> bytes:
        """Eight bytes that tell peppers apart and say nothing of them: stored to notice a database used with another pepper."""
        return keys.digest(self.secret, _FINGERPRINT_TEXT)[:8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peppers:
    """The pepper that new keys get, and the one before it, whose keys still work and are re-hashed on use."""

    current: Pepper
    previous: Pepper | None = None

    def digests(self, key: str) -> tuple[bytes, ...]:
        """The digests under which a key's text may be stored, the current pepper's first."""
        if self.previous is None:
            return (keys.digest(self.current.secret, key),)
        return (keys.digest(self.current.secret, key), keys.digest(self.previous.secret, key))


def load_or_create_pepper(path: Path, environment: Mapping[str, str]) -> Peppers:
    """The peppers of the variable ANYROUTER_PEPPER, else of the file `path`, which is made with a random one when it is missing.

    InternalError when they do not parse, or when others than the owner can read the file.
    """
    text = environment.get(PEPPER_VARIABLE, "")
    if text:
        return _parse(text, f"the variable {PEPPER_VARIABLE}")
    try:
        if not path.exists():
            _create(path)
        if path.stat().st_mode & 0o077:
            raise InternalError(f"The pepper file {path} can be read by others than its owner: run chmod 600 {path}.")
        return _parse(path.read_text("ascii", "replace"), f"the pepper file {path}")
    except OSError as error:
        raise InternalError(f"The pepper file {path} cannot be used: {error.strerror}.") from error


def _create(path: Path) -> None:
    """Write a new pepper under another name and link it into place: of two processes one wins, and nobody reads half a file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        text = f"1:{secrets.token_bytes(_LENGTH).hex()}\n".encode()
        while text:  # a disk that becomes full takes a part before it refuses
            text = text[os.write(descriptor, text) :]
        os.fsync(descriptor)
        os.link(temporary, path)
    except FileExistsError:
        pass  # the other process's pepper is as good, and it is the one that counts
    finally:
        os.close(descriptor)
        temporary.unlink()
    directory = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _parse(text: str, source: str) -> Peppers:
    peppers = []
    for entry in text.replace(",", "\n").split():
        match = _ENTRY.fullmatch(entry)
        if match is None or len(match[2]) % 2:
            raise InternalError(f"A pepper in {source} is not of the form version:hex with at least 64 hex digits.")
        peppers.append(Pepper(version=int(match[1] or 1), secret=bytes.fromhex(match[2])))
    if len(peppers) not in {1, 2}:
        raise InternalError(f"There must be one or two peppers in {source}, the current one first; there are {len(peppers)}.")
    if len(peppers) > 1 and peppers[1].version >= peppers[0].version:
        raise InternalError(f"The first pepper in {source} must have a higher version than the second.")
    return Peppers(current=peppers[0], previous=peppers[1] if len(peppers) > 1 else None)
