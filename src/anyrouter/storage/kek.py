"""Key-encryption keys in a file of the data directory, or in a variable: outside the database, like the pepper.

Compatibility law: a key is written as `id:hex` (a lone hex text will do), 32 bytes, the current one first, separated by line ends or
commas. Its id is `kek_` and the first eight bytes of SHA-256("anyrouter kek id" + key) in hex, so that no id can stand for two keys.
A data key is wrapped as a random nonce of 12 bytes and AES-256-GCM's ciphertext, with the list (KEK's id) before the associated data.
A lost KEK makes whatever was sealed under it useless.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anyrouter.core.errors import ClientError, Denied, InternalError
from anyrouter.core.vault import KekUnavailable, KeyEncryption, SealBroken, Wrapped
from anyrouter.storage.vault import KEY_BYTES, NONCE_BYTES, decrypt, encrypt, render_texts

KEK_VARIABLE = "ANYROUTER_KEK"
ID_PREFIX = "kek_"
_ENTRY = re.compile(r"(?:(kek_[0-9a-f]{16}):)?([0-9a-fA-F]{64})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kek:
    """One key and the id that it has for good."""

    id: str
    secret: bytes = field(repr=False)


def name_kek(secret: bytes) -> Kek:
    """The key with its id."""
    return Kek(id=f"{ID_PREFIX}{hashlib.sha256(b'anyrouter kek id' + secret).hexdigest()[:16]}", secret=secret)


def read_keks(text: str, source: str) -> tuple[Kek, ...]:
    """The keys of a text, the current one first. InternalError, which repeats nothing of it."""
    keks = []
    for entry in text.replace(",", "\n").split():
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise InternalError(f"A key-encryption key in {source} is not of the form id:hex with 64 hex digits.")
        kek = name_kek(bytes.fromhex(match[2]))
        if match[1] not in {None, kek.id}:
            raise InternalError(f"The key-encryption key {match[1]} in {source} has another key's id: one of the two was changed.")
        keks.append(kek)
    if not keks:
        raise InternalError(f"There is no key-encryption key in {source}.")
    return tuple(dict.fromkeys(keks))


class LocalKeys(KeyEncryption):
    """The keys of the variable ANYROUTER_KEK, else those of the file `path`, which is made with the first wrapped key.

    The file is looked at again whenever it may have changed: another process may have made a new key current. InternalError when the
    variable cannot be read.
    """

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self._path = path
        text = environment.get(KEK_VARIABLE, "")
        self._given = read_keks(text, f"the variable {KEK_VARIABLE}") if text else None
        self._known: tuple[Kek, ...] = ()
        self._stamp: tuple[int, int, int] | None = None

    def owns(self, kek_id: str) -> bool:
        """See the port."""
        return kek_id.startswith(ID_PREFIX)

    async def read_current_id(self) -> str:
        """See the port."""
        return (await self._current()).id

    async def make_current(self) -> str | None:
        """See the port."""
        if self._given is not None:
            return None
        return (await asyncio.to_thread(self._add)).id

    async def wrap(self, data_key: bytes, aad: bytes) -> Wrapped:
        """See the port."""
        kek, nonce = await self._current(), os.urandom(NONCE_BYTES)
        return Wrapped(kek.id, nonce + encrypt(kek.secret, nonce, data_key, render_texts(kek.id) + aad))

    async def unwrap(self, wrapped: Wrapped, aad: bytes) -> bytes:
        """See the port."""
        kek = next((kek for kek in self._read() if kek.id == wrapped.kek_id), None)
        if kek is None:
            raise KekUnavailable(
                f"the key-encryption key {wrapped.kek_id} is not in {self._source}: put it back there, from a backup", kek_id=wrapped.kek_id
            )
        data_key = decrypt(kek.secret, wrapped.key[:NONCE_BYTES], wrapped.key[NONCE_BYTES:], render_texts(kek.id) + aad)
        if len(data_key) != KEY_BYTES:
            raise SealBroken("what was wrapped is no data key")
        return data_key

    async def rewrap(self, wrapped: Wrapped, aad: bytes) -> Wrapped:
        """See the port."""
        return await self.wrap(await self.unwrap(wrapped, aad), aad)

    async def remove(self, kek_id: str) -> None:
        """See the port."""
        if self._given is not None:
            raise ClientError(Denied(code="unprocessable", message=f"The keys are those of the variable {KEK_VARIABLE}: remove it there."))
        await asyncio.to_thread(self._drop, kek_id)

    @property
    def _source(self) -> str:
        return f"the file {self._path}" if self._given is None else f"the variable {KEK_VARIABLE}"

    async def _current(self) -> Kek:
        keks = self._read()
        return keks[0] if keks else await asyncio.to_thread(self._add, only_if_none=True)

    def _read(self) -> tuple[Kek, ...]:
        """What there is now; none when there is no file yet."""
        if self._given is not None:
            return self._given
        try:
            facts = self._path.stat()
            stamp = (facts.st_mtime_ns, facts.st_ino, facts.st_size)
            if stamp != self._stamp:
                self._known, self._stamp = self._read_file(facts.st_mode), stamp
        except FileNotFoundError:
            self._known, self._stamp = (), None
        except OSError as error:
            raise KekUnavailable(f"{self._source} cannot be used: {error.strerror}") from error
        return self._known

    def _read_file(self, mode: int) -> tuple[Kek, ...]:
        if mode & 0o077:
            raise KekUnavailable(f"{self._source} can be read by others than its owner: run chmod 600 {self._path}")
        text = self._path.read_text("ascii", "replace")
        try:
            return read_keks(text, self._source)
        except InternalError as error:
            raise KekUnavailable(str(error)) from None

    def _add(self, *, only_if_none: bool = False) -> Kek:
        with self._locked():
            keks = self._read()
            if keks and only_if_none:  # another process was faster
                return keks[0]
            kek = name_kek(secrets.token_bytes(KEY_BYTES))
            self._write((kek, *keks))
            return kek

    def _drop(self, kek_id: str) -> None:
        with self._locked():
            keks = self._read()
            if kek_id not in {kek.id for kek in keks}:
                raise ClientError(Denied(code="not_found", message=f"There is no key-encryption key {kek_id} in {self._source}."))
            if keks[0].id == kek_id:
                message = f"{kek_id} is the current key-encryption key: make a new one first (anyrouter byok rekey)."
                raise ClientError(Denied(code="unprocessable", message=message))
            self._write([kek for kek in keks if kek.id != kek_id])

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Of all processes on this directory one changes the file at a time: a key that is overwritten is lost."""
        try:
            directory = os.open(self._path.parent, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise KekUnavailable(f"the directory of {self._source} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            yield
            os.fsync(directory)
        except OSError as error:
            raise KekUnavailable(f"{self._source} cannot be written: {error.strerror}") from error
        finally:
            os.close(directory)

    def _write(self, keks: Sequence[Kek]) -> None:
        """Replace the file as a whole: nobody reads half of it, and after a crash it is the old one or the new one."""
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            text = "".join(f"{kek.id}:{kek.secret.hex()}\n" for kek in keks).encode()
            while text:  # a disk that becomes full takes a part before it refuses
                text = text[os.write(descriptor, text) :]
            os.fsync(descriptor)
            temporary.replace(self._path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
