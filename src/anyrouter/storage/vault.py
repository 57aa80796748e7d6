"""The vault: AES-256-GCM, a data key for every write, and key-encryption keys (KEKs) that are kept elsewhere.

Compatibility law, format 1. A list of texts is rendered as the number of bytes (big-endian, four bytes) and the UTF-8 bytes of each.
The secret, UTF-8, is encrypted with the data key, a random nonce of 12 bytes, and as associated data the list of

    "1", organisation id, environment id, provider, row id, field, row version in decimal, upstream host

The ciphertext ends in its tag of 16 bytes. The data key, 32 random bytes, is wrapped with the associated data ("anyrouter data key",
"1", row id), as its KEK's owner does that.
"""

import asyncio
import os
import struct
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from anyrouter.control.stores import SealedRow, SealStore
from anyrouter.core.byok import SEAL_FORMAT, Sealed, SealPlace
from anyrouter.core.secret import Secret
from anyrouter.core.vault import KekUnavailable, KeyEncryption, SealBroken, Vault, Wrapped

KEY_BYTES = 32
NONCE_BYTES = 12
KEPT_S = 60.0
_MAX_KEPT = 4096
_LENGTH = struct.Struct(">I")
_log = structlog.get_logger(__name__)


def render_texts(*texts: str) -> bytes:
    """The texts as one, in a way that no two lists have in common."""
    encoded = [text.encode("utf-8") for text in texts]
    return b"".join(_LENGTH.pack(len(part)) + part for part in encoded)


def encrypt(key: bytes, nonce: bytes, text: bytes, aad: bytes) -> bytes:
    """The ciphertext with its tag. One nonce is used once with a key."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 -- 8 MB; most have no such secrets

    return AESGCM(key).encrypt(nonce, text, aad)


def decrypt(key: bytes, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
    """The text. SealBroken for whatever was not encrypted just so."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 -- as above
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 -- as above

    if len(key) != KEY_BYTES or len(nonce) != NONCE_BYTES:
        raise SealBroken("a key or a nonce has another length than it was made with")
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, aad)
    except InvalidTag:
        raise SealBroken("a ciphertext does not belong to its key, nonce and place") from None


class SealingVault(Vault):
    """`keys` are the owners of KEKs; new data keys go under the first one's. Belongs to one event loop.

    An unwrapped data key is kept for a minute: so long an owner that does not answer goes unnoticed. `seals` are looked at when a KEK is
    not there, and after a seal was stored: another process may be replacing the KEK.
    """

    def __init__(
        self, keys: Sequence[KeyEncryption], *, seals: SealStore | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.keys, self._seals, self._monotonic = tuple(keys), seals, monotonic
        self._kept: OrderedDict[tuple[Wrapped, str], tuple[float, bytes]] = OrderedDict()
        self._unwrapping: dict[tuple[Wrapped, str], asyncio.Task[bytes]] = {}

    async def seal(self, place: SealPlace, secret: str) -> Sealed:
        """See the port."""
        if not secret:
            raise ValueError("a secret is not empty")
        data_key, nonce = os.urandom(KEY_BYTES), os.urandom(NONCE_BYTES)
        ciphertext = encrypt(data_key, nonce, secret.encode("utf-8"), _place_aad(place))
        wrapped = await self.keys[0].wrap(data_key, _key_aad(place.row_id))
        return Sealed(kek_id=wrapped.kek_id, wrapped_key=wrapped.key, nonce=nonce, ciphertext=ciphertext)

    async def open(self, place: SealPlace, sealed: Sealed) -> Secret:
        """See the port."""
        try:
            try:
                return await self._open(place, sealed)
            except KekUnavailable:
                moved = await self._find_moved(place.row_id, sealed)
                if moved is None:
                    raise
                return await self._open(place, moved)
        except SealBroken as broken:
            _log.error("seal_broken", row_id=place.row_id, kek_id=sealed.kek_id, reason=broken.internal)
            raise
        except KekUnavailable as missing:
            _log.error("kek_unavailable", row_id=place.row_id, kek_id=sealed.kek_id, reason=missing.internal)
            raise

    async def settle(self, place: SealPlace, sealed: Sealed, secret: str) -> None:
        """See the port."""
        while self._seals is not None and await self.read_current_id() != sealed.kek_id:
            new, row = await self.seal(place, secret), SealedRow(id=place.row_id, organisation_id=place.organisation_id, sealed=sealed)
            if not await self._seals.replace_seal(row, new):  # who made the KEK has moved it, or somebody has entered another secret
                return
            sealed = new

    async def rewrap(self, row_id: str, sealed: Sealed) -> Sealed:
        """See the port."""
        _check_format(sealed)
        wrapped, aad = Wrapped(sealed.kek_id, bytes(sealed.wrapped_key)), _key_aad(row_id)
        owner, current = self._find_owner(sealed.kek_id), self.keys[0]
        new = await owner.rewrap(wrapped, aad) if owner is current else await current.wrap(await owner.unwrap(wrapped, aad), aad)
        return replace(sealed, kek_id=new.kek_id, wrapped_key=new.key)

    async def read_current_id(self) -> str:
        """See the port."""
        return await self.keys[0].read_current_id()

    async def _open(self, place: SealPlace, sealed: Sealed) -> Secret:
        _check_format(sealed)
        data_key = await self._unwrap(place.row_id, sealed)
        return _read_text(decrypt(data_key, sealed.nonce, sealed.ciphertext, _place_aad(place)))

    async def _find_moved(self, row_id: str, sealed: Sealed) -> Sealed | None:
        """The same secret under another KEK, where the row has that now; None for another secret, which may be for another place."""
        row = None if self._seals is None else await self._seals.find_seal(row_id)
        is_same = row is not None and (row.sealed.nonce, row.sealed.ciphertext) == (sealed.nonce, sealed.ciphertext)
        return row.sealed if row is not None and is_same and row.sealed.kek_id != sealed.kek_id else None

    async def _unwrap(self, row_id: str, sealed: Sealed) -> bytes:
        place = (Wrapped(sealed.kek_id, bytes(sealed.wrapped_key)), row_id)
        kept_until_s, data_key = self._kept.get(place, (0.0, b""))
        if data_key and self._monotonic() < kept_until_s:
            return data_key
        task = self._unwrapping.get(place)
        if task is None:  # one question, however many wait for the answer
            task = self._unwrapping[place] = asyncio.get_running_loop().create_task(self._ask(place))
            task.add_done_callback(lambda done: self._forget(place, done))
        return await asyncio.shield(task)

    async def _ask(self, place: tuple[Wrapped, str]) -> bytes:
        asked_at_s = self._monotonic()
        data_key = await self._find_owner(place[0].kek_id).unwrap(place[0], _key_aad(place[1]))
        self._keep(place, asked_at_s + KEPT_S, data_key)
        return data_key

    def _keep(self, place: tuple[Wrapped, str], until_s: float, data_key: bytes) -> None:
        self._kept.pop(place, None)
        self._kept[place] = (until_s, data_key)
        now_s = self._monotonic()
        while self._kept:
            oldest = next(iter(self._kept))
            if len(self._kept) <= _MAX_KEPT and now_s < self._kept[oldest][0]:
                return
            del self._kept[oldest]

    def _forget(self, place: tuple[Wrapped, str], done: "asyncio.Task[bytes]") -> None:
        del self._unwrapping[place]
        if not done.cancelled():
            done.exception()  # whoever waited has it; nobody waiting is no mistake

    def _find_owner(self, kek_id: str) -> KeyEncryption:
        owner = next((keys for keys in self.keys if keys.owns(kek_id)), None)
        if owner is None:
            raise KekUnavailable(f"the key-encryption key {kek_id} is of a kind that is not configured here", kek_id=kek_id)
        return owner


def _read_text(text: bytes) -> Secret:
    try:
        return Secret(text.decode("utf-8"))
    except ValueError:  # whose object is the text
        raise SealBroken("what was sealed is no text") from None


def _check_format(sealed: Sealed) -> None:
    if sealed.format != SEAL_FORMAT:
        raise SealBroken(f"its format is {sealed.format}, which this version does not know")


def _place_aad(place: SealPlace) -> bytes:
    return render_texts(
        str(SEAL_FORMAT),
        place.organisation_id,
        place.environment_id,
        place.provider,
        place.row_id,
        place.field,
        str(place.row_version),
        place.host,
    )


def _key_aad(row_id: str) -> bytes:
    return render_texts("anyrouter data key", str(SEAL_FORMAT), row_id)
