"""The requests under way, and whether their keys may still make them: judged again whenever something changes, and every few seconds.

A key that was deleted, disabled, revoked or narrowed, that has expired, or whose organisation, environment or membership has ended,
does not finish what it has begun: the upstream is cancelled, what was delivered is billed, and the client is told. While the store
does not answer only what needs no store is judged, so that nobody is cut for what nobody knows. A session's principal has no stored key:
whose it is is judged alike, and the page that serves the session looks at whether that holds.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import Denied, StorageUnavailable
from anyrouter.core.playground import find_player
from anyrouter.core.tenants import Tenants
from anyrouter.policy.authorize import UNKNOWN_KEY, judge_key, judge_model
from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.policy.route import select_allowed
from anyrouter.relay.generation import Generation
from anyrouter.relay.ports import KeyLookup

INTERVAL_S = 4.0  # with what a look takes, below the five seconds that are promised
PAUSE_S = 0.2  # between looks, however much is changed


class RunningCalls:
    """The index: `calls` by the generation's id. `cut` ends one, `tenants` gives what holds at the moment."""

    def __init__(self, *, lookup: KeyLookup, tenants: Callable[[], Tenants], cut: Callable[[Generation, Denied], None]) -> None:
        self.calls: dict[str, Generation] = {}
        self._lookup, self._tenants, self._cut = lookup, tenants, cut
        self._changed = asyncio.Event()
        self.cut_count = 0

    def wake(self) -> None:
        """Something has changed: all are judged again soon."""
        self._changed.set()

    async def keep_judging(self, on_mistake: Callable[[BaseException], None]) -> None:
        """Judge until cancelled. What should not happen is told, and the next look is made as ever."""
        while True:
            try:
                async with asyncio.timeout(INTERVAL_S):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            try:
                await self.judge_again()
            except Exception as mistake:  # noqa: BLE001 -- whatever it is: revocations must be noticed
                on_mistake(mistake)
            await asyncio.sleep(PAUSE_S)

    async def judge_again(self) -> None:
        """Judge all that run, and cut those whose key may not go on."""
        if not self.calls:
            return
        ids = sorted({call.principal.key.id for call in self.calls.values() if find_player(call.principal.key.id) is None})
        try:
            found = {key.id: key for key in await self._lookup.find_by_ids(ids)} if ids else {}
            is_known = True
        except StorageUnavailable:
            found, is_known = {}, False
        for call in list(self.calls.values()):
            key = found.get(call.principal.key.id)
            if key is None and (is_known and call.principal.key.id in ids):
                denied: Denied | None = UNKNOWN_KEY
            else:
                denied = self._judge(call, key or call.principal.key)
            if denied is not None:
                self.cut_count += 1
                self._cut(call, denied)

    def _judge(self, call: Generation, key: ApiKey) -> Denied | None:
        head, now = call.head, datetime.fromtimestamp(time.time(), UTC)
        denied = judge_key(key, self._tenants().find_owner(key), ENDPOINTS[head.endpoint], head.client_host, now)
        if denied is not None:
            return denied
        target = call.find_serving().target
        denied = judge_model(key, target.model)
        if denied is not None:
            return denied
        allowed = select_allowed(key, (target,))
        return allowed if isinstance(allowed, Denied) else None
