"""Presets of requests whose path names the model: Gemini's."""

import json
from datetime import UTC, datetime

from msgspec.structs import replace

from anyrouter.core.preset import Preset, PresetTable

HELLO = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
ANSWER = {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hello"}]}, "finishReason": "STOP"}]}
GEMINI = {"google/gemini-2.5-flash": "gemini-2.5-flash", "google/gemini-2.5-pro": "gemini-2.5-pro"}
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def preset(**members: object) -> Preset:
    encoded = {name: json.dumps(value).encode() for name, value in members.items()}
    values = {"slug": "tone", "name": "Tone", "members": encoded, "created_at": NOW, "updated_at": NOW}
    return Preset(id="pre_1", organisation_id="org_default", environment_id="env_live", system_prompt="Be terse.", **values)


async def ask(world, body: object, model: str | None, endpoint: str = "generateContent"):
    head = replace(world.head(endpoint), model=model)
    verdict = world.relay.authorize(head) or await world.relay.find(head)
    downstream = world.new_downstream()
    await world.run(head, verdict, json.dumps(body).encode(), downstream)
    return downstream


async def test_a_preset_in_the_path_or_the_body_is_put_under_the_request(make_world, make_upstream, json_reply):
    world = make_world([make_upstream("google", "google", models=GEMINI)])
    world.presets.append(PresetTable([preset(model="google/gemini-2.5-flash", temperature=0.25)]))
    world.client.replies = [json_reply(ANSWER), json_reply(ANSWER)]
    assert (await ask(world, HELLO, "@preset/tone")).status == 200
    assert (await ask(world, {**HELLO, "preset": "tone", "generationConfig": {"temperature": 1}}, "google/gemini-2.5-pro")).status == 200
    prompt = {"systemInstruction": {"parts": [{"text": "Be terse."}]}}
    assert world.client.bodies() == [
        {**HELLO, **prompt, "generationConfig": {"temperature": 0.25}},
        {**HELLO, **prompt, "generationConfig": {"temperature": 1}},
    ]
    paths = [head.split(b" ")[1] for head, _ in world.client.sent]
    assert [path.rpartition(b"/")[2] for path in paths] == [b"gemini-2.5-flash:generateContent", b"gemini-2.5-pro:generateContent"]


async def test_a_preset_may_name_a_model_of_another_format(make_world, json_reply):
    world = make_world()
    world.presets.append(PresetTable([preset(model="openai/gpt-4o", max_tokens=5)]))
    message = {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
    world.client.replies = [json_reply({"id": "c", "model": "gpt-4o", "choices": [message]})]
    assert (await ask(world, HELLO, "@preset/tone")).status == 200
    [sent] = world.client.bodies()
    assert (sent["model"], sent["messages"][0]["content"]) == ("gpt-4o", "Be terse.")
    assert 5 in {sent.get("max_tokens"), sent.get("max_completion_tokens")}


async def test_one_that_is_not_there_is_not_found(make_world):
    world = make_world()
    for model, body in (("@preset/other", HELLO), ("openai/gpt-4o", {**HELLO, "preset": "other"})):
        reply = await ask(world, body, model)
        assert (reply.status, json.loads(reply.body)["error"]["status"]) == (404, "NOT_FOUND")
    assert world.client.sent == []


async def test_a_dry_run_knows_them(make_world, make_upstream):
    world = make_world([make_upstream("google", "google", models=GEMINI)])
    world.presets.append(PresetTable([preset(model="google/gemini-2.5-flash")]))
    reply = await world.ask({**HELLO, "model": "@preset/tone"}, "route")
    assert [target["model"] for target in json.loads(reply.body)["data"]["targets"]] == ["google/gemini-2.5-flash"]
