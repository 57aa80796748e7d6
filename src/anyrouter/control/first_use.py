"""Graces that begin with a first use: when a rotated key's successor is used, the old key's days are counted.

Every process does this for the uses that it sees; versions of rows make it happen once. A use that nobody saw (the process died) is found
by the time of last use.
"""

import asyncio
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Protocol

import structlog

from anyrouter.control.audit import find_differences, make_event
from anyrouter.control.key_facts import key_facts
from anyrouter.control.ports import KeyStore
from anyrouter.control.rotation import begin_grace, find_awaited
from anyrouter.core.audit import SYSTEM
from anyrouter.core.errors import ClientError, StorageUnavailable

LOOK_AGAIN_S = 2.0
_log = structlog.get_logger(__name__)


class UseNotices(Protocol):
    """Tells of the use of keys as it happens."""

    def await_use(self, ids: Collection[str], tell: Callable[[str], None]) -> None:
        """Tell from now on when one of these keys is used, in place of those of the last call."""


class FirstUses:
    """Begins graces while `run` does. `wake` is to be called whenever keys have changed."""

    def __init__(self, *, store: KeyStore, notices: UseNotices, clock: Callable[[], datetime]) -> None:
        self._store, self._notices, self._clock = store, notices, clock
        self._awaited: dict[str, list[str]] = {}
        self._used: set[str] = set()
        self._wake = asyncio.Event()

    def wake(self, _organisations: frozenset[str] = frozenset()) -> None:
        """Look at the store again."""
        self._wake.set()

    async def run(self) -> None:
        """Look, begin what is to be begun, and wait for the next use or change."""
        while True:
            self._wake.clear()
            try:
                await self.look()
                await self.begin_due()
            except StorageUnavailable as error:
                _log.warning("graces_not_begun", reason=error.internal)
            try:
                # Without anything that is awaited nothing is asked until keys change.
                async with asyncio.timeout(LOOK_AGAIN_S if self._awaited or self._used else None):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Learn which keys' use is awaited, and which of them were used already. StorageUnavailable."""
        waiting = await self._store.list_waiting()
        groups = dict.fromkeys((key.organisation_id, key.rotation_group) for key in waiting)
        keys = [key for group in groups for key in await self._store.list_group(*group)]
        self._awaited = find_awaited(waiting, keys)
        self._used |= {key.id for key in keys if key.id in self._awaited and key.last_used_at is not None}
        self._notices.await_use(self._awaited.keys(), self._note)

    async def begin_due(self) -> None:
        """Begin the graces that wait for keys which were used. StorageUnavailable."""
        for key_id in sorted(self._used):
            for old in await self._store.find_by_ids(self._awaited.get(key_id, ())):
                now = self._clock().astimezone(UTC)
                now = now.replace(microsecond=now.microsecond // 1000 * 1000)
                begun = begin_grace(old, now)
                if begun is old or old.deleted_at is not None:
                    continue
                before, after = find_differences(key_facts(old), key_facts(begun))
                event = make_event(
                    SYSTEM,
                    old.organisation_id,
                    "key.begin_grace",
                    now,
                    target_id=old.id,
                    target_label=old.label,
                    environment=old.environment,
                    before=before,
                    after=after,
                )
                try:
                    await self._store.update_key(begun, event)
                except ClientError as error:  # somebody else was quicker: it is looked at again, as what it is then
                    _log.info("grace_begun_elsewhere", key_id=old.id, code=error.code)
            self._used.discard(key_id)

    def _note(self, key_id: str) -> None:
        if key_id not in self._used:
            self._used.add(key_id)
            self._wake.set()
