import json

import pytest
from bench.bodies import COMPLETION_BYTES, SIZES, chat_body, completion


@pytest.mark.parametrize("size", SIZES.values())
@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_body_has_exactly_its_size_and_is_a_chat_request(size, is_streamed):
    body = chat_body(size, "openai/gpt-4o", is_streamed=is_streamed)
    read = json.loads(body)
    assert len(body) == size
    assert read["model"] == "openai/gpt-4o"
    assert read.get("stream", False) is is_streamed
    assert {turn["role"] for turn in read["messages"]} <= {"system", "user", "assistant"}


def test_long_bodies_have_many_escapes():
    assert chat_body(181_000, "openai/gpt-4o").count(b"\\") > 181_000 * 0.05


def test_the_same_bytes_are_sent_in_every_run():
    assert chat_body(27_000, "openai/gpt-4o") == chat_body(27_000, "openai/gpt-4o")


def test_a_size_without_room_for_the_members_is_refused():
    with pytest.raises(ValueError, match="no room"):
        chat_body(100, "openai/gpt-4o")


def test_the_fixed_reply_has_its_size_and_needs_no_other_quoting_than_backslashes():
    reply = completion()
    assert len(reply) == COMPLETION_BYTES
    assert json.loads(reply)["usage"]["total_tokens"] == 113
    assert b"'" not in reply
    assert b"$" not in reply
