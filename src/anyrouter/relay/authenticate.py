"""Phase one: whose request is this. A key that is in memory needs no I/O; a text that cannot be a key never causes any."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from anyrouter.core import keys
from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import Denied, StorageUnavailable
from anyrouter.core.keys import Digester, Malformed
from anyrouter.core.tenants import Tenants
from anyrouter.policy.authorize import UNKNOWN_KEY, judge_key, read_credential
from anyrouter.policy.budget import own_budgets
from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.policy.limit import SlidingLog
from anyrouter.policy.network import source_of
from anyrouter.relay.call import Principal, RequestHead
from anyrouter.relay.ports import KeyLookup

MAX_CONFIRMATION_AGE_S = 5.0
_MAX_KNOWN, _MAX_UNKNOWN, _MAX_ADDRESSES = 100_000, 10_000, 10_000
_MAX_LOOKUPS = 64
_LONGEST_WAIT_S = 1.0  # for what is known of a new key's owner: changes are noticed within that
_GEMINI = frozenset(name for name, row in ENDPOINTS.items() if row.dialect == "gemini")
K = TypeVar("K")
V = TypeVar("V")


class Authenticator:
    """Finds and judges keys. `confirmed_at_s` tells when (monotonic seconds) the store last said that nothing had changed.

    A key once found is used for at most five seconds without that confirmation. `forget` is called on every change; a lookup
    that was under way then does not fill the cache.
    """

    def __init__(
        self,
        *,
        lookup: KeyLookup,
        peppers: Sequence[bytes],
        tenants: Callable[[], Tenants],
        confirmed_at_s: Callable[[], float],
        failures_per_minute: int = 100,
    ) -> None:
        self.lookup, self.tenants = lookup, tenants
        self._digesters = tuple(map(Digester, peppers))
        self._confirmed_at_s, self._failures_per_minute = confirmed_at_s, failures_per_minute
        self._known: OrderedDict[bytes, ApiKey] = OrderedDict()
        # Verdicts that hold until something changes: of keys whose use depends on neither the time nor the address.
        self._lasting: dict[tuple[bytes, str], Principal] = {}
        self._unknown: OrderedDict[bytes, None] = OrderedDict()
        self._failures: OrderedDict[str, SlidingLog] = OrderedDict()
        self._version, self._changed, self._lookups = 0, asyncio.Event(), 0

    def forget(self) -> None:
        """Drop everything that was found: keys or environments have changed."""
        self._version += 1
        self._changed.set()
        self._changed = asyncio.Event()
        self._known.clear()
        self._lasting.clear()
        self._unknown.clear()

    def authorize(self, head: RequestHead) -> Principal | Denied | None:  # noqa: PLR0911 -- what is known already, from the best on
        """Judge without I/O. None: the key has to be looked up (`find`)."""
        facts, is_confirmed = head.facts, head.started_s - self._confirmed_at_s() <= MAX_CONFIRMATION_AGE_S
        if facts is not None and facts.version == self._version and is_confirmed and facts.principal is not None:
            return facts.principal
        text = read_credential(head.headers, head.repeated, is_gemini=head.endpoint in _GEMINI)
        if isinstance(text, Denied):
            return text
        digest = self._digesters[0].digest(text)
        if is_confirmed:
            lasting = self._lasting.get((digest, head.endpoint))
            if lasting is not None:
                if facts is not None:
                    facts.principal, facts.version = lasting, self._version
                return lasting
            key = self._known.get(digest)
            if key is not None:
                return self._judge(key, head, digest)
            if digest in self._unknown:
                return self._count_failure(head)
        found = keys.inspect(text)
        if isinstance(found, Malformed):
            return Denied(code=found.code, message=f"This is not a valid API key: {found.hint}.")
        return None

    async def find(self, head: RequestHead) -> Principal | Denied:
        """Judge a well-formed key by one indexed read. A store that cannot answer is 503, never 401."""
        text = read_credential(head.headers, head.repeated, is_gemini=head.endpoint in _GEMINI)
        if isinstance(text, Denied):
            return text
        if self._lookups >= _MAX_LOOKUPS and self._is_flooding(head):
            return _flooded(self._failures[source_of(head.client_host)], head.started_s)
        digests = [digester.digest(text) for digester in self._digesters]
        until_s = asyncio.get_running_loop().time() + _LONGEST_WAIT_S
        try:
            version, changed, key = await self._look_up(digests)
            while key is not None and self._is_ahead(key) and await _is_set(changed, until_s):
                version, changed, key = await self._look_up(digests)
        except StorageUnavailable:
            return Denied(
                code="storage_unavailable",
                message="The key cannot be checked now because the gateway's database does not answer. Try again shortly.",
                retry_after_s=1.0,
            )
        is_current = version == self._version
        if is_current:
            self._remember(digests[0], key)
        if key is None:
            return self._count_failure(head)
        return self._judge(key, head, digests[0] if is_current else None)

    async def _look_up(self, digests: Sequence[bytes]) -> tuple[int, asyncio.Event, ApiKey | None]:
        """The key, of which version of what is known it is, and what is set when that changes."""
        version, changed = self._version, self._changed
        self._lookups += 1
        try:
            return version, changed, await self.lookup.find_by_digest(digests)
        finally:
            self._lookups -= 1

    def _is_ahead(self, key: ApiKey) -> bool:
        """Whether the key is newer than what is known of whose it is: that is on its way, and no reason for a refusal."""
        owner = self.tenants().find_owner(key)
        return owner.organisation is None or owner.environment is None or (key.member_id is not None and owner.member is None)

    def recognize(self, head: RequestHead) -> ApiKey | None:
        """Whose request was refused: the key that it presented, if that is one and in memory. No I/O, and no judgement."""
        text = read_credential(head.headers, head.repeated, is_gemini=head.endpoint in _GEMINI)
        key = None if isinstance(text, Denied) else self._known.get(self._digesters[0].digest(text))
        return key if key is not None and key.deleted_at is None else None

    def _remember(self, digest: bytes, key: ApiKey | None) -> None:
        """Keep what was found in the place of what was found before, also where that had not been confirmed for long."""
        for endpoint in ENDPOINTS:
            self._lasting.pop((digest, endpoint), None)
        if key is None:
            self._known.pop(digest, None)
            _keep(self._unknown, digest, None, _MAX_UNKNOWN)
        else:
            self._unknown.pop(digest, None)
            _keep(self._known, digest, key, _MAX_KNOWN)

    def _judge(self, key: ApiKey, head: RequestHead, digest: bytes | None) -> Principal | Denied:
        tenants = self.tenants()
        owner = tenants.find_owner(key)
        now = datetime.fromtimestamp(head.now_ms / 1000, UTC)
        denied = judge_key(key, owner, ENDPOINTS[head.endpoint], head.client_host, now)
        if denied is not None or owner.organisation is None or owner.environment is None:
            return denied or UNKNOWN_KEY
        principal = Principal(
            key=key,
            environment=owner.environment,
            organisation=owner.organisation,
            member=owner.member,
            budgets=(*own_budgets(key), *tenants.list_budgets((key.rotation_group, key.environment_id, key.organisation_id))),
        )
        if digest is not None and key.expires_at is None and key.not_before is None and key.allowed_ips is None:
            if len(self._lasting) >= _MAX_KNOWN:
                self._lasting.clear()
            self._lasting[digest, head.endpoint] = principal
        return principal

    def _is_flooding(self, head: RequestHead) -> bool:
        failures = self._failures.get(source_of(head.client_host))
        return failures is not None and failures.peek(head.started_s).retry_after_s is not None

    def _count_failure(self, head: RequestHead) -> Denied:
        """401, or 429 once an address has presented too many well-formed keys that nobody issued. Known keys are not affected."""
        source = source_of(head.client_host)
        failures = self._failures.get(source)
        if failures is None:
            failures = SlidingLog(self._failures_per_minute)
            _keep(self._failures, source, failures, _MAX_ADDRESSES)
        self._failures.move_to_end(source)  # so that many addresses do not push out one that goes on
        if failures.peek(head.started_s).retry_after_s is not None:
            return _flooded(failures, head.started_s)
        failures.take(head.started_s)
        return UNKNOWN_KEY


async def _is_set(event: asyncio.Event, until_s: float) -> bool:
    """Wait for the event, by the loop's clock; whether it came in time."""
    try:
        async with asyncio.timeout_at(until_s):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _flooded(failures: SlidingLog, now_s: float) -> Denied:
    return Denied(
        code="rate_limited",
        message="Too many unknown API keys were presented from this address. Check the key, then try again later.",
        retry_after_s=failures.peek(now_s).retry_after_s,
        metadata={"limited_by": "address"},
    )


def _keep(cache: OrderedDict[K, V], key: K, value: V, bound: int) -> None:
    cache[key] = value
    if len(cache) > bound:
        cache.popitem(last=False)
