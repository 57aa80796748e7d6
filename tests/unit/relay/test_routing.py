"""What a request, a preset, a conversation and the targets' health say about where it goes."""

import json
from datetime import UTC, datetime

import pytest

from anyrouter.core.byok import NOTHING_SEALED, ProviderCredential
from anyrouter.core.errors import ConnectFailed
from anyrouter.core.preset import Preset, PresetTable

CHAT = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
COMPLETION = {
    "id": "chatcmpl-123",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
}


@pytest.fixture
def two(make_world, make_upstream):
    """A world with two upstreams of one provider; `a` comes first."""

    def build(**changes):
        return make_world([make_upstream("a", "openai", 0), make_upstream("b", "openai", 1)], **changes)

    return build


def served(world) -> list[str]:
    """The upstreams that were asked, in order."""
    return ["a" if b"sk-MARKER-a" in head else "b" for head, _ in world.client.sent]


def code_of(reply) -> str:
    return json.loads(reply.body)["error"]["code"]


@pytest.mark.parametrize(
    ("provider", "asked"),
    [
        ({"order": ["b"]}, ["b"]),
        ({"only": ["b"]}, ["b"]),
        ({"ignore": ["a"]}, ["b"]),
        ({"order": ["A"], "allow_fallbacks": False}, ["a"]),
        ({}, ["a"]),
        ({"unknown": 1}, ["a"]),
    ],
)
async def test_a_request_chooses_among_its_upstreams_and_the_choice_is_not_sent_on(two, json_reply, provider, asked):
    world = two()
    world.client.replies = [json_reply(COMPLETION)]
    reply = await world.ask({**CHAT, "provider": provider})
    assert (reply.status, served(world)) == (200, asked)
    assert world.client.bodies() == [{**CHAT, "model": "gpt-4o"}]


async def test_an_order_goes_on_to_the_others_unless_fallbacks_are_forbidden(two, json_reply):
    world = two()
    world.client.replies = [json_reply({}, 500), json_reply(COMPLETION)]
    assert (await world.ask({**CHAT, "provider": {"order": ["b"]}})).status == 200
    assert served(world) == ["b", "a"]
    world = two()
    world.client.replies = [json_reply({}, 500)]
    assert (await world.ask({**CHAT, "provider": {"order": ["b"], "allow_fallbacks": False}})).status == 502
    assert served(world) == ["b"]


async def test_a_wrong_preference_is_named_and_one_that_leaves_nobody_says_who_was_left_out(two):
    world = two()
    reply = await world.ask({**CHAT, "provider": {"order": "b"}})
    assert (reply.status, json.loads(reply.body)["error"]["param"]) == (400, "provider.order")
    reply = await world.ask({**CHAT, "provider": {"only": ["nobody"]}})
    error = json.loads(reply.body)["error"]
    assert (reply.status, error["code"]) == (404, "no_route")
    assert [row["upstream"] for row in error["metadata"]["excluded"]] == ["a", "b"]
    assert world.client.sent == []


async def test_the_next_model_is_asked_when_the_first_fails_or_is_not_known(make_world, json_reply):
    world = make_world()
    world.client.replies = [json_reply({}, 500), json_reply({**COMPLETION, "model": "gpt-4o-mini"})]
    reply = await world.ask({**CHAT, "models": ["openai/gpt-4o-mini"]})
    assert (reply.status, json.loads(reply.body)["model"]) == (200, "openai/gpt-4o-mini")
    assert [body["model"] for body in world.client.bodies()] == ["gpt-4o", "gpt-4o-mini"]
    world = make_world()
    world.client.replies = [json_reply(COMPLETION)]
    assert (await world.ask({**CHAT, "model": "openai/never", "models": ["nobody/nothing", "openai/gpt-4o"]})).status == 200
    assert world.client.bodies()[0]["model"] in ("never", "gpt-4o")


async def test_a_model_that_the_key_may_not_use_is_no_fallback(make_world, json_reply):
    world = make_world(models=("openai/gpt-4o",))
    world.client.replies = [json_reply({}, 500)]
    reply = await world.ask({**CHAT, "models": ["openai/gpt-4o-mini"]})
    assert (reply.status, len(world.client.sent)) == (502, 1)


async def test_an_upstream_is_asked_again_after_a_pause_and_only_as_often_as_is_allowed(make_world, json_reply):
    world = make_world(retries=1)
    world.client.replies = [json_reply({}, 503), json_reply(COMPLETION)]
    reply = await world.ask(CHAT)
    assert (reply.status, reply.header("X-AnyRouter-Served-By")) == (200, "openai; attempt=2")
    assert [attempt.status for attempt in world.ledger.entries[0].attempts] == [503, 200]
    world = make_world(retries=1)
    world.client.replies = [ConnectFailed("refused"), ConnectFailed("refused")]
    assert (await world.ask(CHAT)).status == 502
    assert len(world.ledger.entries[0].attempts) == 2


async def test_an_upstream_that_fails_again_and_again_is_passed_over(two, json_reply):
    world = two()
    failures = 0
    while failures < 50:
        world.client.sent.clear()
        world.client.replies = [json_reply({}, 500), json_reply(COMPLETION)]
        await world.ask({**CHAT, "messages": [{"role": "user", "content": f"conversation {failures}"}]})
        if served(world)[0] == "b":
            break
        failures += 1
    assert 2 <= failures < 50


async def test_an_upstream_that_limits_the_rate_rests_for_as_long_as_it_says(two, json_reply):
    world = two()
    world.client.replies = [json_reply({}, 429, retry_after="30"), json_reply(COMPLETION), json_reply(COMPLETION)]
    for _ in range(2):
        assert (await world.ask(CHAT)).status == 200
    assert served(world) == ["a", "b", "b"]


async def test_a_conversation_stays_where_it_was_served(two, json_reply):
    world = two()
    talk = {**CHAT, "messages": [{"role": "user", "content": "first"}]}
    world.client.replies = [json_reply({}, 500), json_reply(COMPLETION)]
    assert (await world.ask(talk)).status == 200
    world.client.sent.clear()
    world.client.replies = [json_reply(COMPLETION), json_reply(COMPLETION)]
    more = [*talk["messages"], {"role": "assistant", "content": "x"}, {"role": "user", "content": "second"}]
    assert (await world.ask({**talk, "messages": more})).status == 200
    assert (await world.ask(CHAT)).status == 200
    assert served(world) == ["b", "a"]


async def test_a_preset_is_put_under_the_request_and_an_unknown_one_is_not_found(make_world, json_reply):
    world = make_world()
    now = datetime.now(UTC)
    members = {"model": b'"openai/gpt-4o"', "temperature": b"0.25"}
    preset = Preset(
        id="preset_1",
        organisation_id="org_default",
        environment_id="env_live",
        slug="tone",
        name="Tone",
        members=members,
        created_at=now,
        updated_at=now,
    )
    world.presets.append(PresetTable([preset]))
    world.client.replies = [json_reply(COMPLETION), json_reply(COMPLETION)]
    assert (await world.ask({**CHAT, "model": "@preset/tone"})).status == 200
    assert (await world.ask({**CHAT, "preset": "tone", "temperature": 1})).status == 200
    first, second = world.client.bodies()
    assert (first["model"], first["temperature"], second["temperature"]) == ("gpt-4o", 0.25, 1)
    assert "preset" not in second
    reply = await world.ask({**CHAT, "model": "@preset/other"})
    assert (reply.status, code_of(reply)) == (404, "not_found")


KEY_REFUSED = {
    "error": {
        "code": 400,
        "message": "API key not valid. Please pass a valid API key.",
        "status": "INVALID_ARGUMENT",
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}],
    }
}
GEMINI = {**CHAT, "model": "google/gemini-2.0-flash"}


async def test_a_key_that_google_refuses_with_400_is_the_operators_affair_and_another_target_helps(make_world, make_upstream, json_reply):
    world = make_world([make_upstream(name, "google", place, is_open=True) for place, name in enumerate("ab")])
    world.client.replies = [json_reply(KEY_REFUSED, 400), json_reply(KEY_REFUSED, 400)]
    reply = await world.ask(GEMINI)
    assert (reply.status, code_of(reply), served(world)) == (502, "upstream_error", ["a", "b"])
    assert b"not valid" not in reply.body
    world.client.replies = [json_reply({"error": {"code": 400, "message": "contents: API_KEY_INVALID", "status": "INVALID_ARGUMENT"}}, 400)]
    alone = make_world([make_upstream("a", "google", is_open=True)], client=world.client)
    assert (await alone.ask(GEMINI)).status == 400


async def test_a_tenants_own_key_that_google_refuses_with_400_is_not_replaced_in_silence(make_world, make_upstream, json_reply):
    own = ProviderCredential(
        id="a",
        organisation_id="org_default",
        environment_id="env_live",
        environment="live",
        provider="google",
        name="ours",
        secret_label="AI…AbCd",
        sealed=NOTHING_SEALED,
        seal_version=1,
        host="generativelanguage.googleapis.com",
        created_at=datetime(2026, 11, 24, tzinfo=UTC),
        updated_at=datetime(2026, 11, 24, tzinfo=UTC),
    )
    world = make_world([make_upstream("a", "google", 0, is_open=True, byok=own), make_upstream("b", "google", 1, is_open=True)])
    world.client.replies = [json_reply(KEY_REFUSED, 400)]
    reply = await world.ask(GEMINI)
    assert (reply.status, code_of(reply), served(world)) == (502, "byok_credential_rejected", ["a"])
