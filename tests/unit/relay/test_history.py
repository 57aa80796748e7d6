"""A conversation that another provider had a part in goes on at one that refuses what that one said of its thoughts."""

import pytest

COMPLETION = {
    "id": "c",
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
}
SAID = {"role": "assistant", "content": "Hi", "reasoning": "r", "reasoning_content": "c", "reasoning_details": [{"type": "reasoning.text"}]}
ASKED = {"model": "v/m", "messages": [{"role": "user", "content": "a"}, SAID, {"role": "user", "content": "b"}]}


async def said_to(make_world, make_upstream, json_reply, provider: str, name: str) -> set[str]:
    """The members of the earlier answer that the provider was sent."""
    world = make_world([make_upstream("a", provider, models={"v/m": name})])
    world.client.replies = [json_reply(COMPLETION)]
    assert (await world.ask(ASKED)).status == 200
    [sent] = world.client.bodies()
    assert [message["content"] for message in sent["messages"]] == ["a", "Hi", "b"]
    return set(sent["messages"][1])


@pytest.mark.parametrize(
    ("provider", "name", "left"),
    [
        ("groq", "openai/gpt-oss-120b", {"reasoning"}),
        ("groq", "qwen/qwen3-32b", {"reasoning"}),
        ("groq", "moonshotai/kimi-k2-instruct", set()),
        ("mistral", "mistral-large-2512", set()),
        ("cerebras", "zai-glm-4.7", {"reasoning"}),
        ("openai", "gpt-4o", {"reasoning", "reasoning_content", "reasoning_details"}),
        ("deepseek", "deepseek-chat", {"reasoning", "reasoning_content", "reasoning_details"}),
    ],
)
async def test_what_a_provider_refuses_is_left_out_for_it_alone(make_world, make_upstream, json_reply, *, provider, name, left):
    assert await said_to(make_world, make_upstream, json_reply, provider, name) == {"role", "content", *left}


async def test_the_next_provider_is_sent_what_the_client_wrote(make_world, make_upstream, json_reply):
    first, second = make_upstream("a", "groq", models={"v/m": "x"}), make_upstream("b", "deepseek", 1, models={"v/m": "y"})
    world = make_world([first, second])
    world.client.replies = [json_reply({"error": {}}, 500), json_reply(COMPLETION)]
    assert (await world.ask(ASKED)).status == 200
    assert [set(body["messages"][1]) for body in world.client.bodies()] == [{"role", "content"}, set(SAID)]
