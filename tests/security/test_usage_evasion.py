"""Section I of the attack cases, usage: nobody gets tokens that are on no record, and refusals write nothing at all."""

import hashlib
import json
import sqlite3
import time
from contextlib import closing
from typing import Any

import pytest
from tests.security.conftest import BODIES, CHAT, Exposed

from anyrouter.core.keys import generate
from support.raw_client import Reply, raw_request
from support.served import wait_for
from support.upstream import COMPLETION, Answer, chat_events, json_answer, stream_answer

STREAM = b'{"stream":true,' + CHAT[1:]


def entry_of(exposed: Exposed, reply: Reply) -> dict[str, Any]:
    """What the ledger says of it at once."""
    read = exposed.ask(raw_request(b"GET", f"/v1/generation/{reply.headers['x-generation-id']}".encode(), key=exposed.live_key))
    assert read.status == 200, read.body
    return dict(read.json["data"])


def with_options(text: str) -> bytes:
    return STREAM[:-1] + f",{text}}}".encode()


WISHES = [
    '"stream_options":null',
    '"stream_options":{}',
    '"stream_options":{"include_usage":false}',
    '"stream_options":{"include_usage":null,"x":1}',
    '"stream_options":{"include_usage":"true"}',
    '"stream_options":{"include_usage":true,"include_usage":false}',
    '"stream_options":{"x":1,"x":2}',
    '"stream_options":{"include_usage":true},"stream_options":null',
    '"stream_options":{"include_usage":true},"stream_options":{"include_usage":false}',
    '"stream_options":{"include_usage":true},"stream\\u005foptions":{"include_usage":false}',
    '"stream\\u005foptions":{"include\\u005fusage":false}',
    '"usage":{"include":false}',
    '"usage":false',
    '"Stream_Options":{"include_usage":false}',
]


@pytest.mark.parametrize("wish", WISHES)
def test_a_stream_s_usage_is_always_asked_for_and_billed(exposed: Exposed, wish: str) -> None:
    exposed.upstream.handle = lambda _: stream_answer(*chat_events("one two three"))
    reply = exposed.chat(body=with_options(wish))
    assert reply.status == 200
    (received,) = exposed.upstream.received
    pairs = json.loads(received.body, object_pairs_hook=list)
    options = [value for name, value in pairs if name == "stream_options"]
    assert len(options) == 1
    assert [value for name, value in options[0] if name == "include_usage"] == [True]
    assert b'"usage":{' not in reply.body, "who did not ask for it is not told"
    entry = entry_of(exposed, reply)
    assert (entry["tokens_prompt"], entry["tokens_completion"], entry["usage_source"]) == (100, 3, "exact")
    assert entry["total_cost"] > 0


def test_a_wish_for_usage_that_is_said_twice_is_said_once_to_the_provider(exposed: Exposed) -> None:
    exposed.upstream.handle = lambda _: stream_answer(*chat_events("one two three"))
    for wish in ('{"include_usage":false,"include_usage":true}', '{"include_usage":false,"include\\u005fusage":true,"x":1}'):
        exposed.upstream.received.clear()
        reply = exposed.chat(body=with_options(f'"stream_options":{wish}'))
        assert reply.body.count(b'"usage":{') == 1
        (received,) = exposed.upstream.received
        ((_, options),) = [pair for pair in json.loads(received.body, object_pairs_hook=list) if pair[0] == "stream_options"]
        assert [value for name, value in options if name == "include_usage"] == [True]


@pytest.mark.parametrize("value", ['"x"', "1", "[]", "true", '["include_usage"]'])
def test_options_that_are_none_are_refused(exposed: Exposed, value: str) -> None:
    assert exposed.chat(body=with_options(f'"stream_options":{value}')).status == 400
    assert exposed.upstream.received == []


@pytest.mark.parametrize("value", ['"true"', "1", "0", "[]", "{}", '"false"', "1.0"])
def test_a_stream_that_is_neither_asked_for_nor_not_is_refused(exposed: Exposed, value: str) -> None:
    for endpoint in ("chat/completions", "completions", "messages"):
        body = b'{"stream":%b,' % value.encode() + BODIES[endpoint][1:]
        assert exposed.ask(raw_request(b"POST", b"/v1/" + endpoint.encode(), key=exposed.live_key, body=body)).status == 400
    assert exposed.upstream.received == []


def test_who_leaves_in_the_middle_of_a_stream_has_it_on_record(exposed: Exposed) -> None:
    exposed.upstream.handle = lambda _: stream_answer(*chat_events("word " * 500), delay_s=0.01)
    exposed.upstream.gone.clear()
    with exposed.connect() as client:
        client.send(raw_request(b"POST", b"/v1/chat/completions", key=exposed.live_key, body=STREAM))
        head = b""
        while b"word" not in head:
            head += client.socket.recv(4096)
    generation = head.partition(b"X-Generation-Id: ")[2][:36].decode()

    def find() -> dict[str, Any] | None:
        reply = exposed.ask(raw_request(b"GET", f"/v1/generation/{generation}".encode(), key=exposed.live_key))
        return dict(reply.json["data"]) if reply.status == 200 else None

    entry = wait_for(find)
    assert (entry["state"], entry["cancelled"], entry["usage_source"]) == ("cancelled", True, "estimated")
    assert entry["tokens_prompt"] > 0
    assert entry["tokens_completion"] > 0
    assert entry["total_cost"] > 0
    assert exposed.upstream.gone.wait(5), "the provider is not paid for what nobody reads"


def test_who_leaves_before_the_first_byte_has_it_on_record(exposed: Exposed) -> None:
    exposed.upstream.handle = lambda _: stream_answer(b": x\n\n" * 3, *chat_events("a"), delay_s=0.3)
    key = exposed.key("--rpm", "77")
    with exposed.connect() as client:
        client.send(raw_request(b"POST", b"/v1/chat/completions", key=key, body=STREAM))
        wait_for(lambda: exposed.upstream.received)

    def cancelled() -> bool:
        rows = exposed.ask(raw_request(b"GET", b"/v1/activity?group_by=key", key=key)).json["data"]
        return any(row["prompt_tokens"] > 0 and row["requests"] == 1 for row in rows)

    wait_for(cancelled)


def test_a_provider_that_tells_no_usage_is_estimated_and_marked(exposed: Exposed) -> None:
    exposed.upstream.handle = lambda _: json_answer({name: value for name, value in COMPLETION.items() if name != "usage"})
    entry = entry_of(exposed, exposed.chat())
    assert entry["usage_source"] == "estimated"
    assert entry["total_cost"] > 0
    exposed.upstream.handle = lambda _: stream_answer(*chat_events("one two three", usage=False))
    entry = entry_of(exposed, exposed.chat(body=STREAM))
    assert entry["usage_source"] == "estimated"
    assert entry["tokens_completion"] > 0


COUNTS = [-1, -(10**9), 2**31, 2**63, 10**30, 1.5, "7", None, [], {}, True, "NaN"]


@pytest.mark.parametrize("count", COUNTS, ids=repr)
@pytest.mark.parametrize("name", ["prompt_tokens", "completion_tokens", "total_tokens"])
def test_no_count_of_a_provider_s_makes_a_negative_cost_or_a_failure(exposed: Exposed, name: str, count: object) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20, name: count}
    before = exposed.ask(raw_request(b"GET", b"/v1/credits", key=exposed.live_key)).json["total_usage"]
    exposed.upstream.handle = lambda _: json_answer({**COMPLETION, "usage": usage})
    replies = [exposed.chat()]
    events = [*chat_events("a", usage=False)[:-1], b"data: %b\n\n" % json.dumps({"id": "c", "choices": [], "usage": usage}).encode()]
    exposed.upstream.handle = lambda _: stream_answer(*events, b"data: [DONE]\n\n")
    replies.append(exposed.chat(body=STREAM))
    for reply in replies:
        assert reply.status in {200, 502}
        entry = entry_of(exposed, reply)
        assert entry["total_cost"] >= 0
        assert min(entry["tokens_prompt"], entry["tokens_completion"]) >= 0
    assert exposed.ask(raw_request(b"GET", b"/v1/credits", key=exposed.live_key)).json["total_usage"] >= before
    assert exposed.ask(raw_request(b"GET", b"/readyz")).status == 200


def test_an_error_after_the_first_bytes_is_on_record_with_what_was_delivered(exposed: Exposed) -> None:
    exposed.upstream.handle = lambda _: stream_answer(*chat_events("one two three four")[:4], delay_s=0.02, is_cut=True)
    entry = entry_of(exposed, exposed.chat(body=STREAM))
    assert (entry["state"], entry["usage_source"]) == ("failed", "estimated")
    assert entry["tokens_completion"] > 0


def test_a_flood_of_refusals_writes_nothing(exposed: Exposed) -> None:
    """Neither into the ledger, nor into the journal, nor into the log: refused requests are counted, not kept."""
    narrow = exposed.key("--scope", "models:read")
    blocked = exposed.key("--rpm", "0")
    kept = settled_records(exposed)
    written = len(exposed.gateway.output)
    for key, body in ((None, CHAT), ("nothing", CHAT), (generate("live"), CHAT), (narrow, CHAT), (blocked, CHAT), (exposed.live_key, b"{")):
        with exposed.connect() as client:
            client.send(raw_request(b"POST", b"/v1/chat/completions", key=key, body=body) * 100)
            assert 200 not in {client.read().status for _ in range(100)}
    assert records(exposed) == kept
    assert len(exposed.gateway.output) == written


def settled_records(exposed: Exposed) -> tuple[int, int, list[str]]:
    """The records, once all that was asked before is written."""
    for _ in range(50):
        before = records(exposed)
        time.sleep(0.2)
        if records(exposed) == before:
            return before
    raise AssertionError("the ledger does not come to rest")


def records(exposed: Exposed) -> tuple[int, int, list[str]]:
    """Rows of the ledger, rows of its sums, and what the journal is: as digests, a comparison of megabytes is not read."""
    with closing(sqlite3.connect(exposed.gateway.data_dir / "anyrouter.db")) as database:
        counts = [database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("ledger", "usage_daily")]  # noqa: S608 -- constants
    return (
        counts[0],
        counts[1],
        [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((exposed.gateway.data_dir / "journal").iterdir())],
    )


def test_a_provider_that_answers_with_nothing_is_no_free_answer(exposed: Exposed) -> None:
    for body in (b"{}", b'{"choices":[]}', b'{"choices":null}', b'{"usage":{"prompt_tokens":5,"completion_tokens":5}}'):
        exposed.upstream.handle = lambda _, body=body: Answer(body=body)
        reply = exposed.chat()
        entry = entry_of(exposed, reply)
        assert (reply.status, entry["state"]) in {(502, "failed"), (200, "settled")}
