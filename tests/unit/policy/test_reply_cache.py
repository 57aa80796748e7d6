"""What kept replies are found by, and how long they stay."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from anyrouter.core.apikey import ApiKey
from anyrouter.core.usage import Usage
from anyrouter.policy.reply_cache import CacheQuestion, KeptReply, ReplyStore, name_reply

NOW = datetime(2026, 1, 1, tzinfo=UTC)
QUESTION = CacheQuestion(endpoint="chat/completions", is_streamed=False)
MEMBERS = {"model": b'"openai/gpt-4o"', "messages": b"[]"}


def make_key(**changes: Any) -> ApiKey:
    values = {
        "id": "key_1",
        "organisation_id": "org_1",
        "environment_id": "env_1",
        "environment": "live",
        "name": "one",
        "label": "ar-live-abcdef",
        "digest": b"1" * 32,
        "pepper_version": 1,
        "rotation_group": "key_1",
        "scopes": frozenset({"completions:write", "usage:read"}),
        "created_at": NOW,
        "updated_at": NOW,
        **changes,
    }
    return ApiKey(**values)


def make_reply(body: bytes = b"{}", *, ends_s: float = 100.0) -> KeptReply:
    return KeptReply(
        body=body,
        generation_id="gen-0123456789abcdef0123456789abcdef",
        cost=b'"cost":1',
        usage=Usage(),
        model="openai/gpt-4o",
        upstream="openai",
        upstream_model="gpt-4o",
        finish_reason="stop",
        native_finish_reason="stop",
        stored_s=0.0,
        ends_s=ends_s,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"organisation_id": "org_2"},
        {"environment_id": "env_2"},
        {"scopes": frozenset({"completions:write"})},
        {"models": ()},
        {"models": ("openai/gpt-4o",)},
        {"providers": ("openai",)},
        {"regions": ("eu",)},
        {"endpoints": ("chat/completions",)},
    ],
)
def test_another_tenant_environment_or_right_is_another_name(changes: dict[str, Any]) -> None:
    assert name_reply(make_key(**changes), QUESTION, MEMBERS) != name_reply(make_key(), QUESTION, MEMBERS)


def test_a_key_s_own_identity_and_limits_do_not_count() -> None:
    other = make_key(id="key_2", name="two", digest=b"2" * 32, rotation_group="key_2", rate_limit_rpm=5, environment="renamed")
    assert name_reply(other, QUESTION, MEMBERS) == name_reply(make_key(), QUESTION, MEMBERS)


def test_the_same_slug_in_another_organisation_shares_nothing() -> None:
    key = make_key(organisation_id="org_2", environment_id="env_9", environment="live")
    assert name_reply(key, QUESTION, MEMBERS) != name_reply(make_key(), QUESTION, MEMBERS)


@pytest.mark.parametrize(
    "changes",
    [
        {"endpoint": "completions"},
        {"is_streamed": True},
        {"is_array": True},
        {"pin": "openai"},
        {"path_model": "gemini-2.5-pro"},
        {"headers": (("anthropic-beta", "x"),)},
    ],
)
def test_another_question_is_another_name(changes: dict[str, Any]) -> None:
    other = msgspec.structs.replace(QUESTION, **changes)
    assert name_reply(make_key(), other, MEMBERS) != name_reply(make_key(), QUESTION, MEMBERS)


@pytest.mark.parametrize(
    "members",
    [
        {**MEMBERS, "messages": b"[ ]"},
        {**MEMBERS, "provider": b"{}"},
        {"model": MEMBERS["model"]},
        {"model": b'"openai/gpt-4o"messages', "": b"[]"},
        {"modelmessages": b'"openai/gpt-4o"[]'},
    ],
)
def test_another_body_is_another_name(members: dict[str, bytes]) -> None:
    assert name_reply(make_key(), QUESTION, members) != name_reply(make_key(), QUESTION, MEMBERS)


def test_the_members_order_and_how_streaming_is_said_do_not_count() -> None:
    same = {"stream": b"false", "messages": b"[]", "model": b'"openai/gpt-4o"'}
    assert name_reply(make_key(), QUESTION, same) == name_reply(make_key(), QUESTION, MEMBERS)


def test_a_reply_ends_when_its_time_has_come() -> None:
    store = ReplyStore(max_bytes=100_000)
    store.keep(b"a", make_reply(ends_s=10.0))
    assert store.find(b"a", 9.999) is not None
    assert store.find(b"a", 10.0) is None
    assert (len(store), store.size_bytes) == (0, 0)


def test_what_has_ended_is_swept_away_and_nothing_else() -> None:
    store = ReplyStore(max_bytes=100_000)
    for name, ends_s in ((b"a", 10.0), (b"b", 20.0)):
        store.keep(name, make_reply(ends_s=ends_s))
    store.sweep(15.0)
    assert (len(store), store.find(b"b", 15.0)) == (1, make_reply(ends_s=20.0))


def test_the_reply_longest_not_asked_for_makes_room() -> None:
    store = ReplyStore(max_bytes=100_000, max_entries=2)
    for name in (b"a", b"b"):
        store.keep(name, make_reply())
    assert store.find(b"a", 0.0) is not None
    store.keep(b"c", make_reply())
    assert [store.find(name, 0.0) is not None for name in (b"a", b"b", b"c")] == [True, False, True]


def test_a_reply_may_take_an_eighth_of_the_store() -> None:
    store = ReplyStore(max_bytes=80_000)
    store.keep(b"a", make_reply(b"x" * store.largest_bytes))
    store.keep(b"b", make_reply(b"x" * (store.largest_bytes + 1)))
    assert (store.find(b"a", 0.0) is not None, store.find(b"b", 0.0)) == (True, None)
    assert store.size_bytes <= 10_000


def test_a_renamed_body_has_the_new_id_and_the_new_cost_and_else_what_it_had() -> None:
    old, new = "0123456789abcdef0123456789abcdef", "f" * 32
    reply = make_reply(b'{"id":"gen-%s","item":"msg_%s","usage":{"tokens":1,"cost":1}}' % (old.encode(), old.encode()))
    renamed = reply.rename(f"gen-{new}", b'"cost":0')
    assert renamed == b'{"id":"gen-%s","item":"msg_%s","usage":{"tokens":1,"cost":0}}' % (new.encode(), new.encode())
