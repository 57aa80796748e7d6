"""Section H of the attack cases: a key that ends while its request runs ends that too, within a second, and pays for what it got."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
from tests.security.conftest import CHAT, MESSAGES, Exposed

from anyrouter.core.scopes import ADMIN_ALL
from support.raw_client import RawClient, raw_request
from support.upstream import Answer, Received, chat_events, stream_answer

STREAM = CHAT.replace(b"{", b'{"stream":true,', 1)
SECOND = 1.0


def endless(_received: Received) -> Answer:
    return stream_answer(*chat_events("MARKER " * 3000), delay_s=0.05)


def silent(_received: Received) -> Answer:
    async def give() -> AsyncIterator[bytes]:
        await asyncio.sleep(60)
        yield b"{}"

    return Answer(body=give)


def start(exposed: Exposed, key: str, body: bytes = STREAM, path: bytes = b"/v1/chat/completions") -> RawClient:
    client = exposed.connect().send(raw_request(b"POST", path, key=key, body=body))
    assert client.socket.recv(1) == b"H"
    return client


def entry_of(exposed: Exposed, key_id: str) -> dict:
    deadline = time.monotonic() + 5
    with contextlib.closing(sqlite3.connect(exposed.gateway.data_dir / "anyrouter.db", timeout=20)) as database:
        database.row_factory = sqlite3.Row
        while time.monotonic() < deadline:
            row = database.execute("SELECT * FROM ledger WHERE api_key_id = ?", (key_id,)).fetchone()
            if row is not None:
                return dict(row)
            time.sleep(0.05)
    raise AssertionError("no entry")


WAYS: dict[str, Callable[[Exposed, str, str], None]] = {
    "disabled": lambda exposed, key_id, _: exposed.edit_key(key_id, is_disabled=True),
    "deleted": lambda exposed, key_id, _: exposed.edit_key(key_id, deleted_at=datetime.now(UTC)),
    "without its scope": lambda exposed, key_id, _: exposed.edit_key(key_id, scopes=frozenset({"models:read"})),
    "without its model": lambda exposed, key_id, _: exposed.edit_key(key_id, models=("openai/gpt-4o-mini",)),
    "revoked by whoever has it": lambda exposed, _, key: exposed.ask(
        raw_request(b"POST", b"/api/v1/keys/revoke", body=b'{"keys":["%s"]}' % key.encode()), source="127.0.0.23"
    ),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_running_stream_is_cut_within_a_second_and_the_part_delivered_is_billed(exposed: Exposed, way) -> None:
    exposed.upstream.handle = endless
    exposed.upstream.gone.clear()
    key = exposed.new_key()
    key_id = exposed.id_of(key)
    with start(exposed, key) as client:
        time.sleep(0.3)
        way(exposed, key_id, key)
        began = time.monotonic()
        rest = _read_to_end(client)
        took_s = time.monotonic() - began
    assert took_s <= SECOND
    assert b'"finish_reason":"error"' in rest
    assert b"[DONE]" not in rest
    assert rest.endswith(b"0\r\n\r\n")
    assert exposed.upstream.gone.wait(5)
    entry = entry_of(exposed, key_id)
    assert (entry["state"], entry["status"]) == ("cancelled", 200)
    assert entry["error_code"] in {"disabled_api_key", "invalid_api_key", "insufficient_scope", "model_not_allowed"}
    assert entry["output_tokens"] > 0
    assert entry["cost_nanousd"] > 0


def _read_to_end(client: RawClient) -> bytes:
    data = b""
    while not data.endswith(b"0\r\n\r\n"):
        data += client.socket.recv(65_536)
    return data


def test_a_request_whose_reply_has_not_begun_is_answered_with_the_refusal(exposed: Exposed) -> None:
    exposed.upstream.handle = silent
    key = exposed.new_key()
    key_id = exposed.id_of(key)
    with exposed.connect() as client:
        client.send(raw_request(b"POST", b"/v1/messages", b"x-api-key: " + key.encode(), body=MESSAGES))
        time.sleep(0.3)
        exposed.edit_key(key_id, is_disabled=True)
        reply = client.read()
    assert (reply.status, reply.json["error"]["type"]) == (401, "authentication_error")
    assert entry_of(exposed, key_id)["error_code"] == "disabled_api_key"


def test_a_stream_does_not_outlive_its_keys_expiry_by_more_than_five_seconds(exposed: Exposed) -> None:
    exposed.upstream.handle = endless
    key = exposed.new_key()
    key_id = exposed.id_of(key)
    exposed.edit_key(key_id, expires_at=datetime.now(UTC) + timedelta(seconds=4))
    time.sleep(0.5)
    with start(exposed, key) as client:
        began = time.monotonic()
        assert b"expired_api_key" in _read_to_end(client)
        assert time.monotonic() - began <= 4 + 5


def test_streams_of_other_keys_go_on(exposed: Exposed) -> None:
    exposed.upstream.handle = endless
    key, other = exposed.new_key(), exposed.new_key()
    with start(exposed, other) as client, start(exposed, key) as cut:
        exposed.edit_key(exposed.id_of(key), is_disabled=True)
        _read_to_end(cut)
        client.socket.settimeout(2)
        data = b"".join(client.socket.recv(4096) for _ in range(5))
        assert b"error" not in data
        assert data


def test_a_cached_admin_key_that_is_revoked_is_refused(exposed: Exposed) -> None:
    key = exposed.new_key("--scope", ADMIN_ALL)
    listing = raw_request(b"GET", b"/api/v1/keys", key=key)
    assert exposed.ask(listing).status == 200
    exposed.edit_key(exposed.id_of(key), is_disabled=True)
    deadline = time.monotonic() + SECOND
    while exposed.ask(listing).status == 200:
        assert time.monotonic() < deadline
        time.sleep(0.02)
