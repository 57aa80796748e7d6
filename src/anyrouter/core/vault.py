"""The vault: keeps secrets sealed, and opens them where they belong and nowhere else. What it takes, gives, and how it fails.

Sealed: the secret under a data key that is made for this one write, the data key under a key-encryption key ("KEK") that is kept
elsewhere. The place is the associated data of the first, the row's id that of the second.
"""

from typing import NamedTuple, Protocol

from anyrouter.core.byok import Sealed, SealPlace
from anyrouter.core.errors import StorageUnavailable
from anyrouter.core.secret import Secret

_PUBLIC = "A stored secret cannot be used now. The operator's log says why."


class SealBroken(StorageUnavailable):
    """What is stored was changed, or belongs elsewhere: nothing was opened, no other key was tried, and the log has an alarm."""

    def __init__(self, internal: str) -> None:
        super().__init__(_PUBLIC, internal=internal)


class KekUnavailable(StorageUnavailable):
    """The key-encryption key is not there, or whoever keeps it does not answer. `kek_id` is its id, where that is known."""

    def __init__(self, internal: str, *, kek_id: str | None = None) -> None:
        super().__init__(_PUBLIC, internal=internal)
        self.kek_id = kek_id


class Vault(Protocol):
    """Seals and opens."""

    async def seal(self, place: SealPlace, secret: str) -> Sealed:
        """The secret, sealed for that place under the current KEK. KekUnavailable."""

    async def open(self, place: SealPlace, sealed: Sealed) -> Secret:
        """The secret. SealBroken when it was not sealed for this place as it is now, KekUnavailable.

        A seal that has just been replaced by one of the same secret, under another KEK, is as good as that one.
        """

    async def settle(self, place: SealPlace, sealed: Sealed, secret: str) -> None:
        """Put a seal that has just been stored under the KEK that is current by now: nobody saw it who removes the one of before.

        KekUnavailable, StorageUnavailable.
        """

    async def rewrap(self, row_id: str, sealed: Sealed) -> Sealed:
        """The same secret, its data key under the current KEK; the secret itself stays sealed. SealBroken, KekUnavailable."""

    async def read_current_id(self) -> str:
        """The id of the KEK under which data keys are put now. KekUnavailable."""


class Wrapped(NamedTuple):
    """A data key under the KEK of that id."""

    kek_id: str
    key: bytes


class KeyEncryption(Protocol):
    """Whoever has KEKs: a file, or a service that never gives them away. `aad` is needed again, the same, to unwrap."""

    def owns(self, kek_id: str) -> bool:
        """Whether it is the one to be asked about a KEK of such an id."""

    async def read_current_id(self) -> str:
        """The id of the current KEK. KekUnavailable."""

    async def make_current(self) -> str | None:
        """Make a new KEK the current one, and keep the others: its id. None when that is done elsewhere. KekUnavailable."""

    async def wrap(self, data_key: bytes, aad: bytes) -> Wrapped:
        """The data key under the current KEK. KekUnavailable."""

    async def unwrap(self, wrapped: Wrapped, aad: bytes) -> bytes:
        """The data key. SealBroken when it was wrapped otherwise, KekUnavailable."""

    async def rewrap(self, wrapped: Wrapped, aad: bytes) -> Wrapped:
        """The same data key under the current KEK. SealBroken, KekUnavailable."""

    async def remove(self, kek_id: str) -> None:
        """Forget a KEK that is not the current one. ClientError when there is none, or when that is done elsewhere."""
