"""IdempotencyStore and what is made of it, the same over every store."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from anyrouter.control.idempotency import KEPT, IdempotencyService
from anyrouter.control.stores import StoredReply
from anyrouter.core.errors import ClientError, StorageUnavailable
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.storage.memory import MemoryStorage
from anyrouter.storage.memory_idempotency import MemoryIdempotencyStore
from anyrouter.storage.opening import ServingStorage

AnyStorage = ServingStorage | MemoryStorage
NOW = datetime(2026, 3, 4, 5, 6, 7, 89_123, tzinfo=UTC)
DIGEST = bytes(range(32))


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def service_of(storage: AnyStorage) -> tuple[IdempotencyService, Clock]:
    clock = Clock()
    return IdempotencyService(store=storage.idempotency, clock=clock), clock


async def begin(service: IdempotencyService, principal: str = "key_1", key: str = "K", digest: bytes = DIGEST) -> StoredReply:
    return await service.begin(principal, key, DEFAULT_ORGANISATION_ID, digest)


async def refusal(service: IdempotencyService, **fields) -> str:
    with pytest.raises(ClientError) as caught:
        await begin(service, **fields)
    return caught.value.code


async def test_a_kept_reply_is_given_again_as_it_was(storage: AnyStorage):
    service, _ = service_of(storage)
    begun = await begin(service)
    assert begun.status is None
    headers = (("content-type", "application/json"), ("etag", '"1"'))
    await service.keep("key_1", "K", begun, 201, headers, b'{"\xc3\xa9":null}')
    again = await begin(service)
    assert (again.status, again.headers, again.body) == (201, headers, b'{"\xc3\xa9":null}')


async def test_of_many_at_once_one_goes_on(storage: AnyStorage):
    service, _ = service_of(storage)
    outcomes = await asyncio.gather(*(begin(service) for _ in range(20)), return_exceptions=True)
    begun = [one for one in outcomes if isinstance(one, StoredReply)]
    assert [one.status for one in begun] == [None]
    assert {one.code for one in outcomes if isinstance(one, ClientError)} == {"idempotency_in_progress"}


async def test_another_request_with_the_key_is_refused_whether_the_first_has_its_reply_or_not(storage: AnyStorage):
    service, _ = service_of(storage)
    begun = await begin(service)
    assert await refusal(service, digest=bytes(32)) == "idempotency_key_reused"
    await service.keep("key_1", "K", begun, 200, (), b"")
    assert await refusal(service, digest=bytes(32)) == "idempotency_key_reused"


async def test_principals_and_keys_are_independent(storage: AnyStorage):
    service, _ = service_of(storage)
    for principal, key in (("key_1", "K"), ("key_2", "K"), ("key_1", "k"), ("key_1", "K ")):
        assert (await begin(service, principal=principal, key=key)).status is None


async def test_a_freed_key_may_be_used_anew_and_a_kept_reply_is_not_freed(storage: AnyStorage):
    service, _ = service_of(storage)
    await begin(service)
    await service.free("key_1", "K")
    begun = await begin(service, digest=bytes(32))
    await service.keep("key_1", "K", begun, 200, (), b"kept")
    await service.free("key_1", "K")
    assert (await begin(service, digest=bytes(32))).body == b"kept"


async def test_a_key_is_good_for_a_day_and_then_new(storage: AnyStorage):
    service, clock = service_of(storage)
    begun = await begin(service)
    await service.keep("key_1", "K", begun, 200, (), b"first")
    clock.now = NOW + KEPT
    assert (await begin(service)).body == b"first"
    clock.now += timedelta(milliseconds=1)
    begun = await begin(service, digest=bytes(32))
    assert begun.status is None
    await service.keep("key_1", "K", begun, 200, (), b"second")
    assert (await begin(service, digest=bytes(32))).body == b"second"


async def test_of_many_who_find_an_old_reply_one_takes_its_key(storage: AnyStorage):
    service, clock = service_of(storage)
    await service.keep("key_1", "K", await begin(service), 200, (), b"")
    clock.now += KEPT + timedelta(seconds=1)
    outcomes = await asyncio.gather(*(begin(service) for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(one, StoredReply) for one in outcomes) == 1


async def test_old_replies_are_forgotten(storage: AnyStorage):
    service, clock = service_of(storage)
    await begin(service, key="old")
    clock.now += KEPT
    await begin(service, key="young")
    clock.now += timedelta(minutes=1)
    assert await service.forget_old() == 1
    assert await refusal(service, key="young") == "idempotency_in_progress"
    assert await storage.idempotency.delete_replies_before(NOW + timedelta(days=9)) == 1


class FailingStore(MemoryIdempotencyStore):
    """A store whose database is down now and then."""

    is_down = False

    def _check(self) -> None:
        if self.is_down:
            raise StorageUnavailable("down")

    async def begin_reply(self, *arguments, **options) -> StoredReply | None:
        self._check()
        return await super().begin_reply(*arguments, **options)

    async def finish_reply(self, *arguments) -> None:
        self._check()
        await super().finish_reply(*arguments)

    async def abandon_reply(self, *arguments) -> None:
        self._check()
        await super().abandon_reply(*arguments)


async def test_what_could_not_be_settled_is_settled_before_the_key_is_looked_at_again():
    store = FailingStore()
    service = IdempotencyService(store=store, clock=Clock())
    kept, freed = await begin(service, key="kept"), await begin(service, key="freed")
    store.is_down = True
    await service.keep("key_1", "kept", kept, 201, (), b"made")
    await service.free("key_1", "freed")
    assert freed.status is None
    for key in ("kept", "freed"):
        with pytest.raises(StorageUnavailable):
            await begin(service, key=key)
    store.is_down = False
    assert (await begin(service, key="kept")).body == b"made"
    assert (await begin(service, key="freed")).status is None
