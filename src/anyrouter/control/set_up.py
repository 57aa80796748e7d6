"""The way in of the very first owner: a link that a start of the gateway prints, good until there is an owner. Knows no HTTP.

Its token is made anew at each start and kept in memory alone, as a digest; there is no default password that somebody could forget.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable

from anyrouter.control.sign_in_stores import SignInStore
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID

_TOKEN = re.compile(r"set_[A-Za-z0-9_-]{43}", re.ASCII)


class SetUp:
    """One for each run of the gateway. All methods may raise StorageUnavailable."""

    def __init__(
        self,
        store: SignInStore,
        organisation_id: str = DEFAULT_ORGANISATION_ID,
        *,
        make_token: Callable[[], bytes] = lambda: secrets.token_bytes(32),
    ) -> None:
        self.organisation_id = organisation_id
        self._store, self._make_token = store, make_token
        self._digest: bytes | None = None

    async def begin(self) -> str | None:
        """The text of the run's token, given this once; None when there is an owner."""
        if await self._store.has_owner(self.organisation_id):
            return None
        token = "set_" + base64.urlsafe_b64encode(self._make_token()).rstrip(b"=").decode()
        self._digest = _digest(token)
        return token

    @property
    def digest(self) -> bytes | None:
        """The run's token, as far as another process of the gateway needs it to know it again; None: there is none."""
        return self._digest

    def take_over(self, digest: bytes | None) -> None:
        """Know the token that another process of the gateway has made."""
        self._digest = digest

    async def is_awaited(self) -> bool:
        """Whether there is no owner, and a link that makes one. It costs a look at the store until there was one."""
        if self._digest is not None and await self._store.has_owner(self.organisation_id):
            self._digest = None
        return self._digest is not None

    async def is_open(self, token: str) -> bool:
        """Whether the token is the run's, and there is no owner. Once there was one it is never again."""
        if self._digest is None or not _TOKEN.fullmatch(token) or not hmac.compare_digest(_digest(token), self._digest):
            return False
        return await self.is_awaited()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
