"""Section E of the attack cases, as far as it speaks of caches: what one key got, no key with other rights ever gets."""

import json
import os
from typing import Any

import pytest
from tests.security.conftest import Exposed

from support.raw_client import Reply, raw_request
from support.served import run_command, wait_for

USE = b"X-AnyRouter-Cache: use"


def prompt() -> bytes:
    """A body that nobody has sent."""
    return json.dumps({"model": "openai/gpt-4o", "messages": [{"role": "user", "content": os.urandom(8).hex()}]}).encode()


def tells(reply: Reply) -> str | None:
    return reply.headers.get("x-anyrouter-cache")


def ask(exposed: Exposed, body: bytes, key: str | None = None, *lines: bytes) -> Reply:
    return exposed.chat(USE, *lines, key=key, body=body)


@pytest.mark.parametrize(
    "rights",
    [
        ("--model", "openai/*"),
        ("--model", "openai/gpt-4o"),
        ("--scope", "completions:write"),
        ("--scope", "admin:*", "--scope", "completions:write"),
    ],
)
def test_a_key_with_other_rights_misses(exposed: Exposed, rights: tuple[str, ...]) -> None:
    body = prompt()
    assert [tells(ask(exposed, body)) for _ in range(2)] == ["miss", "hit"]
    other = exposed.new_key(*rights)
    assert [tells(ask(exposed, body, other)) for _ in range(2)] == ["miss", "hit"]
    assert len(exposed.upstream.received) == 2


def test_a_key_that_may_not_use_the_model_is_refused_and_told_nothing_of_the_cache(exposed: Exposed) -> None:
    body, other = prompt(), exposed.new_key("--model", "anthropic/*")
    refused = ask(exposed, body, other)
    assert tells(ask(exposed, body)) == "miss"
    again = ask(exposed, body, other)
    assert (again.status, tells(again), again.json["error"]["code"]) == (403, None, refused.json["error"]["code"])
    assert again.json["error"]["message"] == refused.json["error"]["message"]


def test_live_and_test_keys_never_meet(exposed: Exposed) -> None:
    body = prompt()
    assert tells(ask(exposed, body, exposed.test_key)) == "miss"
    assert exposed.upstream.received == []
    live = ask(exposed, body)
    assert (tells(live), live.json["provider"]) == ("miss", "OpenAI")
    test = ask(exposed, body, exposed.test_key)
    assert (tells(test), test.json["provider"]) == ("hit", "Sandbox")


def test_after_its_deletion_a_key_gets_nothing(exposed: Exposed) -> None:
    body, key = prompt(), exposed.new_key()
    assert [tells(ask(exposed, body, key)) for _ in range(2)] == ["miss", "hit"]
    run_command(exposed.gateway.data_dir, "keys", "delete", exposed.id_of(key), "--yes")
    assert wait_for(lambda: ask(exposed, body, key).status == 401)
    assert tells(ask(exposed, body, key)) is None


def test_without_a_key_there_is_nothing(exposed: Exposed) -> None:
    body = prompt()
    ask(exposed, body)
    reply = exposed.ask(raw_request(b"POST", b"/api/v1/chat/completions", USE, body=body))
    assert (reply.status, tells(reply)) == (401, None)


def test_hits_are_counted_by_the_limit_of_the_key(exposed: Exposed) -> None:
    body, key = prompt(), exposed.new_key("--rpm", "2")
    assert [ask(exposed, body, key).status for _ in range(3)] == [200, 200, 429]
    assert len(exposed.upstream.received) == 1


def test_no_cache_on_the_way_may_keep_what_is_given_again(exposed: Exposed) -> None:
    body = prompt()
    for expected in ("miss", "hit"):
        reply = ask(exposed, body)
        assert (tells(reply), reply.headers["cache-control"]) == (expected, "no-store")
        assert {"authorization", "x-api-key"} <= {name.strip().lower() for name in reply.headers["vary"].split(",")}


@pytest.mark.parametrize(
    "twin",
    [
        {"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]},
        {"messages": [{"role": "system", "content": "a"}]},
        {"metadata": {"user_id": "another"}},
        {"organisation_id": "org_other"},
        {"environment_id": "env_other"},
        {"cache_key": "0"},
    ],
)
def test_nothing_in_a_body_chooses_whose_reply_is_found(exposed: Exposed, twin: dict[str, Any]) -> None:
    body = prompt()
    ask(exposed, body)
    assert tells(ask(exposed, json.dumps({**json.loads(body), **twin}).encode())) == "miss"


def test_a_body_of_repeated_members_cannot_put_its_reply_under_another_name(exposed: Exposed) -> None:
    """The last one is judged and sent: whoever asks for the first is not answered with the reply to the last."""
    good, bad = prompt(), b'[{"role":"user","content":"forged"}]'
    twice = good[:-1] + b',"messages":' + bad + b"}"
    assert tells(ask(exposed, twice)) == "miss"
    assert b"forged" in exposed.upstream.received[-1].body
    assert tells(ask(exposed, good)) == "miss"


def test_a_header_sent_twice_is_no_wish(exposed: Exposed) -> None:
    reply = ask(exposed, prompt(), None, b"X-AnyRouter-Cache: bypass")
    assert (reply.status, tells(reply)) == (400, None)
    assert exposed.upstream.received == []


def test_a_kept_reply_is_in_no_file(exposed: Exposed) -> None:
    marker = "MARKER-cached-" + os.urandom(6).hex()
    body = json.dumps({"model": "sandbox/echo", "messages": [{"role": "user", "content": marker}]}).encode()
    assert [tells(ask(exposed, body, exposed.test_key)) for _ in range(2)] == ["miss", "hit"]
    for path in exposed.gateway.data_dir.rglob("*"):
        if path.is_file():
            assert marker.encode() not in path.read_bytes(), path.name
