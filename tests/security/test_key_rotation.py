"""Section G of the attack cases, through the whole gateway: one key takes another's place while clients go on."""

import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.security.conftest import CHAT, Exposed
from tests.security.test_key_state import is_soon

from support.raw_client import Reply, raw_request

DAY_S = 24 * 3600
LOAD_S = 4.0
CLIENTS = 8


@pytest.fixture(scope="module")
def kept() -> dict[str, str]:
    return {}


@pytest.fixture
def admin(exposed: Exposed, kept: dict[str, str]) -> str:
    if "admin" not in kept:
        kept["admin"] = exposed.new_key("--scope", "admin:keys")
    return kept["admin"]


def ask(exposed: Exposed, method: str, path: str, key: str, body: Any = None) -> Reply:
    data = None if body is None else json.dumps(body).encode()
    return exposed.ask(raw_request(method.encode(), f"/api/v1{path}".encode(), key=key, body=data), method.encode())


def rotate(exposed: Exposed, admin: str, key_id: str, **how: Any) -> Reply:
    return ask(exposed, "POST", f"/keys/{key_id}/rotate", admin, how)


def test_without_grace_the_old_key_ends_now(exposed: Exposed, admin: str) -> None:
    old = exposed.new_key()
    new = rotate(exposed, admin, exposed.id_of(old), grace_seconds=0).json["key"]
    assert is_soon(exposed, old, (401, "expired_api_key"))
    assert is_soon(exposed, new, (200, None))


def test_a_grace_never_goes_past_the_old_keys_own_end(exposed: Exposed, admin: str) -> None:
    old = exposed.new_key("--expires", "1h")
    key_id = exposed.id_of(old)
    own_end = exposed.find_key(key_id).expires_at
    assert (
        rotate(exposed, admin, key_id, grace_seconds=DAY_S).json["data"]["expires_at"]
        == f"{own_end:%Y-%m-%dT%H:%M:%S}.{own_end.microsecond // 1000:03}Z"
    )
    assert exposed.find_key(key_id).expires_at == own_end


@pytest.mark.parametrize("grace", [-1, 10 * 365 * DAY_S, 30 * DAY_S + 1, 0.5])
def test_a_grace_that_cannot_be_is_422(exposed: Exposed, admin: str, grace: float) -> None:
    key_id = exposed.id_of(exposed.new_key())
    reply = rotate(exposed, admin, key_id, grace_seconds=grace)
    assert (reply.status, reply.code, reply.error["param"]) == (422, "unprocessable", "grace_seconds")
    assert exposed.find_key(key_id).superseded_by is None


def test_rotating_in_a_loop_multiplies_no_limit(exposed: Exposed, admin: str) -> None:
    """Five requests a minute are five, over however many keys of the group."""
    text = exposed.new_key("--rpm", "5")
    key_id, texts = exposed.id_of(text), [text]
    for _ in range(4):
        made = rotate(exposed, admin, key_id, grace_seconds=DAY_S).json
        key_id = made["data"]["id"]
        texts.append(made["key"])
    assert is_soon_known(exposed, texts)
    statuses = [exposed.chat(key=texts[number % len(texts)]).status for number in range(15)]
    assert statuses.count(200) == 5
    assert set(statuses) == {200, 429}


def is_soon_known(exposed: Exposed, texts: list[str]) -> bool:
    return all(ask(exposed, "GET", "/key", text).status == 200 for text in texts)


def test_what_is_over_or_foreign_is_not_rotated(exposed: Exposed, admin: str) -> None:
    expired, revoked, foreign = exposed.new_key(), exposed.new_key(), exposed.new_key("--env", "test")
    ids = {text: exposed.id_of(text) for text in (expired, revoked, foreign)}
    exposed.edit_key(ids[expired], expires_at=exposed.find_key(ids[expired]).created_at)
    exposed.ask(raw_request(b"POST", b"/api/v1/keys/revoke", body=json.dumps({"keys": [revoked]}).encode()), source="127.0.0.22")
    seen = {text: (reply.status, reply.code) for text, key_id in ids.items() if (reply := rotate(exposed, admin, key_id))}
    assert seen == {expired: (422, "unprocessable"), revoked: (404, "not_found"), foreign: (404, "not_found")}


def test_who_could_not_make_a_key_does_not_rotate_it(exposed: Exposed) -> None:
    narrow = exposed.new_key("--scope", "admin:keys", "--model", "openai/gpt-4o")
    key_id = exposed.id_of(exposed.new_key("--model", "openai/*"))
    reply = rotate(exposed, narrow, key_id)
    assert (reply.status, reply.code) == (403, "model_not_allowed")
    assert exposed.find_key(key_id).superseded_by is None


def test_a_key_in_its_grace_neither_rotates_nor_makes_keys(exposed: Exposed, admin: str) -> None:
    old = exposed.new_key("--scope", "admin:keys")
    key_id = exposed.id_of(old)
    rotate(exposed, admin, key_id, grace_seconds=DAY_S)
    assert (rotate(exposed, admin, key_id).status, rotate(exposed, old, key_id).code) == (409, "rotation_in_progress")
    reply = ask(exposed, "POST", "/keys", old, {"name": "minted in grace"})
    assert (reply.status, reply.code) == (403, "exceeds_rights")
    assert ask(exposed, "GET", "/keys", old).status == 200


def test_deleting_the_old_key_in_its_grace_leaves_the_new_one(exposed: Exposed, admin: str) -> None:
    old = exposed.new_key()
    key_id = exposed.id_of(old)
    new = rotate(exposed, admin, key_id, grace_seconds=DAY_S).json["key"]
    assert ask(exposed, "DELETE", f"/keys/{key_id}", admin).status == 200
    assert is_soon(exposed, old, (401, "invalid_api_key"))
    assert is_soon(exposed, new, (200, None))


def test_the_end_of_a_grace_is_told_with_every_reply(exposed: Exposed, admin: str) -> None:
    old = exposed.new_key()
    rotate(exposed, admin, exposed.id_of(old), grace_seconds=30 * DAY_S)
    assert is_soon(exposed, old, (200, None))
    for reply in (exposed.chat(key=old), ask(exposed, "GET", "/key", old)):
        assert reply.headers["anyrouter-key-expires"].endswith("Z")


def test_a_grace_begins_with_the_first_use_within_a_second_or_so(exposed: Exposed, admin: str) -> None:
    old = exposed.new_key()
    key_id = exposed.id_of(old)
    new = rotate(exposed, admin, key_id, grace_seconds=DAY_S, start="first_use").json["key"]
    assert exposed.chat(key=old).status == 200
    assert (exposed.find_key(key_id).expires_at, exposed.find_key(key_id).grace_s) == (None, DAY_S)
    assert exposed.chat(key=new).status == 200
    deadline_s = time.monotonic() + 3
    while exposed.find_key(key_id).expires_at is None:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    assert exposed.find_key(key_id).grace_s is None


def test_two_rotations_at_once_give_one_key(exposed: Exposed, admin: str) -> None:
    key_id = exposed.id_of(exposed.new_key())
    with ThreadPoolExecutor(6) as threads:
        replies = list(threads.map(lambda _: rotate(exposed, admin, key_id), range(6)))
    assert sorted(reply.status for reply in replies) == [201, *[409] * 5]


def test_no_request_fails_while_clients_switch_at_random_moments(exposed: Exposed, admin: str) -> None:
    """Clients under load take the newest key when it suits them, at most a second late; every key has a grace of two."""
    current = [exposed.new_key()]
    stopped, failures, answered = threading.Event(), [], []

    def work(seed: int) -> None:
        chance, key, changes_s = random.Random(seed), current[-1], 0.0
        with exposed.connect() as client:
            while not stopped.is_set():
                if time.monotonic() >= changes_s:
                    key, changes_s = current[-1], time.monotonic() + chance.random()
                reply = client.send(raw_request(b"POST", b"/api/v1/chat/completions", key=key, body=CHAT)).read()
                answered.append(reply.status)
                if reply.status != 200:
                    failures.append(reply)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(CLIENTS)]
    for thread in threads:
        thread.start()
    end_s, key_id, rotations = time.monotonic() + LOAD_S, exposed.id_of(current[0]), 0
    while time.monotonic() < end_s:
        made = rotate(exposed, admin, key_id, grace_seconds=2, start="now" if rotations % 2 else "first_use").json
        current.append(made["key"])
        key_id, rotations = made["data"]["id"], rotations + 1
        time.sleep(0.4)
    stopped.set()
    for thread in threads:
        thread.join(20)
    assert not failures, failures[:3]
    assert rotations >= 5
    assert len(answered) > 20 * CLIENTS
