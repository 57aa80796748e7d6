"""Whose request it is: what is answered without I/O, what is remembered and for how long, and what a flood meets."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from anyrouter.core import keys
from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import Denied
from anyrouter.core.scopes import ADMIN_ALL, DEFAULT_SCOPES, MODELS_READ
from anyrouter.core.tenancy import Environment, EnvironmentKind
from anyrouter.relay.authenticate import Authenticator
from anyrouter.relay.call import Principal, RequestHead
from anyrouter.relay.memory import MemoryKeys
from support.tenants import tenants_of

OLD_PEPPER, PEPPER = b"MARKER-old-pepper-of-thirty-two-", b"MARKER-pepper-of-thirty-two-byte"
NOW_MS = 1_800_000_000_000
NOW = datetime.fromtimestamp(NOW_MS / 1000, UTC)
LIVE = Environment(id="env_live", organisation_id="org_default", slug="live", name="live", kind=EnvironmentKind.LIVE)
FLOOD = 100_000


def issue(pepper: bytes = PEPPER, **changes: object) -> tuple[str, ApiKey]:
    text = keys.generate("live")
    key = ApiKey(
        id="key_1",
        organisation_id="org_default",
        environment_id="env_live",
        environment="live",
        name="test",
        label=keys.label_of(text),
        digest=keys.digest(pepper, text),
        pepper_version=1,
        rotation_group="key_1",
        scopes=frozenset(DEFAULT_SCOPES),
        created_at=NOW,
        updated_at=NOW,
    )
    return text, replace(key, **changes)


class GatedKeys(MemoryKeys):
    """A store whose answers are as of the question and come when the gate opens."""

    def __init__(self, stored: Sequence[ApiKey] = ()) -> None:
        super().__init__(stored)
        self.gate = asyncio.Event()

    async def find_by_digest(self, digests: Sequence[bytes]) -> ApiKey | None:
        found = await super().find_by_digest(digests)
        await self.gate.wait()
        return found


@dataclass
class Door:
    """An authenticator with a clock of its own."""

    store: MemoryKeys
    failures_per_minute: int = 100
    peppers: tuple[bytes, ...] = (PEPPER,)
    environments: dict[str, Environment] = field(default_factory=lambda: {LIVE.id: LIVE})
    now_s: float = 1000.0
    now_ms: int = NOW_MS
    confirmed_s: float = float("inf")

    def __post_init__(self) -> None:
        self.authenticator = Authenticator(
            lookup=self.store,
            peppers=self.peppers,
            tenants=lambda: tenants_of(*self.environments.values()),
            confirmed_at_s=lambda: self.confirmed_s,
            failures_per_minute=self.failures_per_minute,
        )

    def head(self, text: str, address: str = "203.0.113.7", endpoint: str = "chat/completions") -> RequestHead:
        headers = {b"authorization": b"Bearer " + text.encode("latin-1", "replace")} if text else {}
        return RequestHead(
            endpoint=endpoint, headers=headers, client_host=address, started_s=self.now_s, now_ms=self.now_ms, request_id="req-1"
        )

    async def enter(self, text: str, address: str = "203.0.113.7", endpoint: str = "chat/completions") -> Principal | Denied:
        head = self.head(text, address, endpoint)
        return self.authenticator.authorize(head) or await self.authenticator.find(head)


def code_of(verdict: Principal | Denied | None) -> str | None:
    return verdict.code if isinstance(verdict, Denied) else None


def unknown_key(number: int) -> str:
    head = f"ar-live-{number:039d}"
    return head + keys.checksum(head)


async def test_a_key_is_found_once_and_then_judged_from_memory() -> None:
    text, key = issue()
    door = Door(MemoryKeys([key]))
    assert door.authenticator.authorize(door.head(text)) is None
    for _ in range(5):
        principal = await door.enter(text)
        assert isinstance(principal, Principal)
        assert (principal.key, principal.environment) == (key, LIVE)
    assert door.store.lookups == 1


async def test_a_key_that_is_newer_than_what_is_known_of_its_environment_waits_for_that() -> None:
    text, key = issue()
    door = Door(MemoryKeys([key]), environments={})
    asking = asyncio.create_task(door.enter(text))
    for _ in range(5):
        await asyncio.sleep(0)
    assert door.store.lookups == 1
    door.authenticator.forget()  # something has changed, and it is not that
    door.environments[LIVE.id] = LIVE
    door.authenticator.forget()
    verdict = await asyncio.wait_for(asking, 0.5)
    assert isinstance(verdict, Principal)
    assert verdict.environment == LIVE


async def test_a_key_that_ended_while_it_waited_is_refused() -> None:
    text, key = issue()
    door = Door(MemoryKeys([key]), environments={})
    asking = asyncio.create_task(door.enter(text))
    for _ in range(5):
        await asyncio.sleep(0)
    assert door.store.lookups == 1
    door.store.keys[key.digest] = replace(key, deleted_at=NOW)
    door.environments[LIVE.id] = LIVE
    door.authenticator.forget()
    assert code_of(await asyncio.wait_for(asking, 0.5)) == "invalid_api_key"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "ar-live-",
        keys.DOCUMENTATION_KEY,
        "sk-MARKERMARKERMARKER",
        "sk-ant-MARKERMARKER",
        "key_0192MARKER",
        "' OR 1=1--",
        "%27",
        "{$ne:null}",
        "../../",
        "${jndi:ldap://x}",
        "{{7*7}}",
        "{0.__class__}",
        "\xa0",
        "a" * 70_000,
    ],
)
async def test_what_cannot_be_a_key_never_reaches_the_store_and_is_not_repeated(text: str) -> None:
    door = Door(MemoryKeys())
    for _ in range(300):
        denied = door.authenticator.authorize(door.head(text))
        assert isinstance(denied, Denied)
        assert denied.http_status == 401
        assert len(text) < 4 or text not in denied.message
        assert "MARKER" not in denied.message
    assert door.store.lookups == 0
    assert not door.authenticator._failures


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "0",
        lambda text: text[:-1],
        lambda text: text + "\n",
        lambda text: text.replace("ar-live", "ar-test"),
        lambda text: text.swapcase(),
        lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"),
        lambda text: text[:20] + text[21] + text[20] + text[22:] if text[20] != text[21] else text + "x",
    ],
)
async def test_a_key_that_was_changed_is_refused_without_io_although_the_real_one_is_remembered(change) -> None:
    text, key = issue()
    door = Door(MemoryKeys([key]))
    await door.enter(text)
    denied = door.authenticator.authorize(door.head(change(text)))
    assert code_of(denied) == "malformed_api_key"
    assert door.store.lookups == 1


async def test_the_last_body_character_alone_makes_another_key() -> None:
    text, key = issue()
    door = Door(MemoryKeys([key]))
    await door.enter(text)
    head = text[:-7] + ("0" if text[-7] != "0" else "1")
    assert code_of(await door.enter(head + keys.checksum(head))) == "invalid_api_key"


async def test_an_unknown_key_costs_one_read_and_then_none() -> None:
    door = Door(MemoryKeys())
    text, _ = issue()
    for _ in range(10):
        assert code_of(await door.enter(text)) == "invalid_api_key"
    assert door.store.lookups == 1


async def test_a_key_that_is_created_later_works_after_forgetting() -> None:
    text, key = issue()
    door = Door(MemoryKeys())
    assert code_of(await door.enter(text)) == "invalid_api_key"
    door.store.keys[key.digest] = key
    assert code_of(await door.enter(text)) == "invalid_api_key"
    door.authenticator.forget()
    assert isinstance(await door.enter(text), Principal)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"deleted_at": NOW}, "invalid_api_key"),
        ({"is_disabled": True}, "disabled_api_key"),
        ({"scopes": frozenset({MODELS_READ})}, "insufficient_scope"),
    ],
)
async def test_a_change_of_a_key_is_seen_after_forgetting_and_back_again(changes: dict[str, object], code: str) -> None:
    text, key = issue()
    door = Door(MemoryKeys([key]))
    assert isinstance(await door.enter(text), Principal)
    for stored, expected in ((replace(key, **changes), code), (key, None)):
        door.store.keys[key.digest] = stored
        door.authenticator.forget()
        assert code_of(await door.enter(text)) == expected
        assert code_of(await door.enter(text)) == expected


async def test_an_environment_that_is_closed_is_seen_after_forgetting() -> None:
    text, key = issue()
    door = Door(MemoryKeys([key]))
    assert isinstance(await door.enter(text), Principal)
    door.environments = {LIVE.id: replace(LIVE, is_active=False)}
    door.authenticator.forget()
    assert code_of(await door.enter(text)) == "disabled_api_key"
    door.environments = {}
    door.authenticator.forget()
    assert code_of(await door.enter(text)) == "disabled_api_key"


async def test_time_address_and_endpoint_are_judged_for_every_request() -> None:
    text, key = issue(
        expires_at=NOW + timedelta(milliseconds=10), not_before=NOW - timedelta(milliseconds=10), allowed_ips=("203.0.113.0/24",)
    )
    door = Door(MemoryKeys([key]))
    assert isinstance(await door.enter(text), Principal)
    assert code_of(await door.enter(text, "198.51.100.1")) == "ip_not_allowed"
    assert isinstance(await door.enter(text), Principal)
    door.now_ms = NOW_MS + 9
    assert isinstance(await door.enter(text), Principal)
    door.now_ms = NOW_MS + 10
    assert code_of(await door.enter(text)) == "expired_api_key"
    door.now_ms = NOW_MS - 11
    assert code_of(await door.enter(text)) == "invalid_api_key"
    assert door.store.lookups == 1


async def test_a_verdict_for_one_endpoint_is_none_for_another() -> None:
    text, key = issue(scopes=frozenset({MODELS_READ, ADMIN_ALL}), endpoints=("models", "chat/completions"))
    door = Door(MemoryKeys([key]))
    for _ in range(3):
        assert isinstance(await door.enter(text, endpoint="models"), Principal)
        assert code_of(await door.enter(text, endpoint="chat/completions")) == "insufficient_scope"
        assert code_of(await door.enter(text, endpoint="models/count")) == "endpoint_not_allowed"
    assert door.store.lookups == 1


async def test_two_keys_in_memory_are_never_taken_for_each_other() -> None:
    issued = [issue(id=f"key_{number}") for number in range(50)]
    door = Door(MemoryKeys([key for _, key in issued]))
    for _ in range(2):
        for text, key in issued:
            principal = await door.enter(text)
            assert isinstance(principal, Principal)
            assert principal.key.id == key.id


async def test_a_key_stored_under_the_previous_pepper_is_found_and_remembered() -> None:
    text, key = issue(OLD_PEPPER)
    door = Door(MemoryKeys([key]), peppers=(PEPPER, OLD_PEPPER))
    assert isinstance(await door.enter(text), Principal)
    assert isinstance(await door.enter(text), Principal)
    assert door.store.lookups == 1
    assert code_of(await Door(MemoryKeys([key])).enter(text)) == "invalid_api_key"


@pytest.mark.parametrize("is_known_before", [True, False])
async def test_a_lookup_under_way_during_a_change_does_not_fill_the_memory(*, is_known_before: bool) -> None:
    text, key = issue()
    store = GatedKeys([key] if is_known_before else [])
    door = Door(store)
    entering = asyncio.create_task(door.enter(text))
    await asyncio.sleep(0)
    store.keys = {key.digest: replace(key, is_disabled=is_known_before)}
    door.authenticator.forget()
    store.gate.set()
    await entering
    assert not door.authenticator._known
    assert not door.authenticator._unknown
    assert code_of(await door.enter(text)) == ("disabled_api_key" if is_known_before else None)
    assert store.lookups == 2


async def test_what_was_found_is_used_for_five_seconds_without_confirmation_and_then_looked_up_again() -> None:
    text, key = issue()
    door = Door(MemoryKeys([key]), confirmed_s=1000.0)
    await door.enter(text)
    for door.now_s in (1000.0, 1004.9, 1005.0):
        assert isinstance(await door.enter(text), Principal)
    assert door.store.lookups == 1
    door.now_s = 1005.001
    door.store.keys[key.digest] = replace(key, is_disabled=True)
    assert code_of(await door.enter(text)) == "disabled_api_key"
    assert door.store.lookups == 2
    assert code_of(await door.enter(text)) == "disabled_api_key"
    assert door.store.lookups == 3
    door.confirmed_s = 1005.0
    assert code_of(await door.enter(text)) == "disabled_api_key"
    assert door.store.lookups == 3


async def test_what_a_later_lookup_found_replaces_what_was_remembered() -> None:
    text, key = issue()
    for later in ({"is_disabled": True}, {"scopes": frozenset({MODELS_READ})}, None):
        door = Door(MemoryKeys([key]), confirmed_s=1000.0)
        assert isinstance(await door.enter(text), Principal)
        door.now_s = 1010.0
        door.store.keys = {} if later is None else {key.digest: replace(key, **later)}
        refused = code_of(await door.enter(text))
        assert refused in ("disabled_api_key", "insufficient_scope", "invalid_api_key")
        door.confirmed_s = 1010.0
        assert code_of(door.authenticator.authorize(door.head(text))) == refused
        door.confirmed_s, door.now_s, door.store.keys = 1010.0, 1020.0, {key.digest: key}
        assert isinstance(await door.enter(text), Principal)
        door.confirmed_s = 1020.0
        assert isinstance(door.authenticator.authorize(door.head(text)), Principal)


async def test_unknown_keys_too_are_looked_up_again_without_confirmation() -> None:
    text, key = issue()
    door = Door(MemoryKeys(), confirmed_s=1000.0)
    assert code_of(await door.enter(text)) == "invalid_api_key"
    door.store.keys[key.digest] = key
    door.now_s = 1006.0
    assert isinstance(await door.enter(text), Principal)


async def test_a_store_that_fails_is_503_with_a_time_to_wait_and_never_401() -> None:
    text, key = issue()
    door = Door(MemoryKeys([key]), confirmed_s=1000.0)
    await door.enter(text)
    door.store.is_broken = True
    other, _ = issue()
    for _ in range(200):
        denied = await door.enter(other)
        assert isinstance(denied, Denied)
        assert (denied.code, denied.http_status) == ("storage_unavailable", 503)
        assert denied.retry_after_s is not None
        assert denied.retry_after_s > 0
    assert isinstance(await door.enter(text), Principal), "a known key works on for five seconds"
    door.now_s = 1005.5
    assert code_of(await door.enter(text)) == "storage_unavailable"
    door.store.is_broken = False
    assert isinstance(await door.enter(text), Principal)
    assert code_of(await door.enter(other)) == "invalid_api_key", "nothing was remembered of the failures, no limit was used up"


async def test_a_failing_store_gives_its_place_back() -> None:
    door = Door(MemoryKeys())
    door.store.is_broken = True
    await asyncio.gather(*(door.enter(unknown_key(number)) for number in range(500)))
    assert door.authenticator._lookups == 0


async def test_a_flood_of_unknown_keys_from_one_address_meets_429_and_bounded_memory() -> None:
    known, known_key = issue()
    later, later_key = issue()
    door = Door(MemoryKeys([known_key, later_key]))
    await door.enter(known)
    codes: dict[str | None, int] = {}
    waits = set()
    for number in range(FLOOD):
        door.now_s = 1000.0 + number / 10_000
        verdict = await door.enter(unknown_key(number))
        codes[code_of(verdict)] = codes.get(code_of(verdict), 0) + 1
        if code_of(verdict) == "rate_limited":
            assert isinstance(verdict, Denied)
            waits.add(verdict.retry_after_s)
            assert verdict.retry_after_s is not None
            assert verdict.http_status == 429
    assert codes == {"invalid_api_key": 100, "rate_limited": FLOOD - 100}
    assert all(49.9 <= wait <= 60.0 for wait in waits)
    memory = door.authenticator
    assert len(memory._unknown) <= 10_000
    assert len(memory._known) == 1
    assert len(memory._failures) == 1
    assert isinstance(await door.enter(known), Principal), "a key in memory"
    assert isinstance(await door.enter(later), Principal), "a key that has to be looked up"
    assert code_of(await door.enter(unknown_key(FLOOD + 1), "198.51.100.1")) == "invalid_api_key", "another address"
    door.now_s += 60.0
    assert code_of(await door.enter(unknown_key(FLOOD + 2))) == "invalid_api_key"


async def test_one_unknown_key_in_a_loop_meets_429_too_without_reads() -> None:
    door = Door(MemoryKeys())
    codes = [code_of(await door.enter(unknown_key(1))) for _ in range(300)]
    assert codes == ["invalid_api_key"] * 100 + ["rate_limited"] * 200
    assert door.store.lookups == 1


async def test_the_limit_of_failures_is_a_setting() -> None:
    door = Door(MemoryKeys(), failures_per_minute=2)
    assert [code_of(await door.enter(unknown_key(n))) for n in range(3)] == ["invalid_api_key", "invalid_api_key", "rate_limited"]


async def test_refusals_of_a_known_key_and_malformed_texts_are_no_failures() -> None:
    text, key = issue(is_disabled=True)
    door = Door(MemoryKeys([key]), failures_per_minute=1)
    for _ in range(5):
        assert code_of(await door.enter(text)) == "disabled_api_key"
        assert code_of(await door.enter("nonsense")) == "malformed_api_key"
    assert code_of(await door.enter(unknown_key(1))) == "invalid_api_key"


async def test_many_addresses_do_not_push_a_flooding_one_out_of_memory() -> None:
    door = Door(MemoryKeys(), failures_per_minute=3)
    for number in range(3):
        await door.enter(unknown_key(number))
    for number in range(30_000):
        await door.enter(unknown_key(7), f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        if number % 1000 == 0:
            assert code_of(await door.enter(unknown_key(8))) == "rate_limited", number
    assert len(door.authenticator._failures) <= 10_000
    assert code_of(await door.enter(unknown_key(9))) == "rate_limited"


async def test_the_addresses_of_one_ipv6_subnet_are_one_address() -> None:
    door = Door(MemoryKeys(), failures_per_minute=5)
    codes = [code_of(await door.enter(unknown_key(number), f"2001:db8:1:2::{number:x}")) for number in range(20)]
    assert codes == ["invalid_api_key"] * 5 + ["rate_limited"] * 15
    assert code_of(await door.enter(unknown_key(1), "2001:db8:1:3::1")) == "invalid_api_key"
    assert code_of(await door.enter(unknown_key(1), "no address")) == "invalid_api_key"
    for number in range(9):
        await door.enter(unknown_key(number), "203.0.113.9")
    assert all(len(source) < 50 for source in door.authenticator._failures)
    assert code_of(await door.enter(unknown_key(1), "::ffff:203.0.113.9")) == "rate_limited"


async def test_while_the_store_is_slow_only_flooding_addresses_are_turned_away() -> None:
    text, key = issue()
    store = GatedKeys([key])
    door = Door(store, failures_per_minute=1)
    store.gate.set()
    await door.enter(unknown_key(0), "198.51.100.1")
    store.gate.clear()
    waiting = [asyncio.create_task(door.enter(unknown_key(number), "198.51.100.1")) for number in range(1, 200)]
    await asyncio.sleep(0)
    assert door.authenticator._lookups == 64
    honest = asyncio.create_task(door.enter(text, "203.0.113.7"))
    await asyncio.sleep(0)
    store.gate.set()
    assert isinstance(await honest, Principal)
    assert {code_of(verdict) for verdict in await asyncio.gather(*waiting)} == {"rate_limited"}
    assert door.authenticator._lookups == 0
