"""GitHub's public keys, read from where they are and kept for an hour."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

import msgspec

from anyrouter.control.leaks import PublicKeys
from anyrouter.core.errors import StorageUnavailable, UpstreamError
from anyrouter.relay.ports import Origin, Timeouts, UpstreamClient
from anyrouter.relay.upstream_head import DEFAULT_PORTS

KEPT_S = 3600.0
MOST_A_MINUTE = 4  # readings: whoever invents ids has no more of them made
_MINUTE_S = 60.0
_TIMEOUTS = Timeouts(connect_s=3.0, first_byte_s=5.0, idle_s=5.0, total_s=10.0)
_MAX_BYTES = 262_144
_PUBLIC = "GitHub's public keys cannot be read now. Nothing was disabled. Send the report again later."


class _Key(msgspec.Struct):
    key_identifier: str
    key: str


class _Keys(msgspec.Struct):
    public_keys: list[_Key]


class HttpPublicKeys(PublicKeys):
    """`PublicKeys`. Redirects are not followed: the keys are where the operator says."""

    def __init__(self, client: UpstreamClient, url: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        parts = urlsplit(url)
        self._origin = Origin(scheme=parts.scheme, host=parts.hostname or "", port=parts.port or DEFAULT_PORTS[parts.scheme])
        lines = (
            f"GET {parts.path or '/'} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Accept: application/json",
            "Accept-Encoding: identity",
            "User-Agent: AnyRouter",
        )
        self._head = "".join(f"{line}\r\n" for line in lines).encode("ascii")
        self._client, self._monotonic = client, monotonic
        self._lock = asyncio.Lock()
        self._keys: Mapping[str, str] = {}
        self._read_s = float("-inf")
        self._readings: deque[float] = deque(maxlen=MOST_A_MINUTE)

    async def find(self, key_id: str) -> str | None:
        """See the port. An id that is not known is asked for again at once, a few times a minute."""
        async with self._lock:  # who comes meanwhile finds what was read
            is_old = self._monotonic() - self._read_s >= KEPT_S
            if is_old and not self._may_read():
                raise StorageUnavailable(_PUBLIC, internal="GitHub's public keys were asked for too often")
            if is_old or (key_id not in self._keys and self._may_read()):
                started_s = self._monotonic()
                self._readings.append(started_s)
                self._keys = await self._fetch()
                self._read_s = started_s
            return self._keys.get(key_id)

    def _may_read(self) -> bool:
        readings = self._readings
        return len(readings) < MOST_A_MINUTE or self._monotonic() - readings[0] >= _MINUTE_S

    async def _fetch(self) -> Mapping[str, str]:
        try:
            exchange = await self._client.send(self._origin, self._head, (), _TIMEOUTS)
            body = await exchange.read(_MAX_BYTES)
        except UpstreamError as error:
            raise StorageUnavailable(_PUBLIC, internal=f"GitHub's public keys: {error.public}") from None
        if exchange.status != HTTPStatus.OK:
            raise StorageUnavailable(_PUBLIC, internal=f"GitHub's public keys: status {exchange.status}")
        try:
            keys = msgspec.json.decode(body, type=_Keys).public_keys
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise StorageUnavailable(_PUBLIC, internal="GitHub's public keys: the reply is none of theirs") from None
        if not keys:
            raise StorageUnavailable(_PUBLIC, internal="GitHub's public keys: there are none")
        return {key.key_identifier: key.key for key in keys}
