"""What conversation a request belongs to."""

import json
from collections.abc import Callable

import pytest

from anyrouter.policy.conversation import MAX_BYTES, MAX_TOKENS, find_opening, name_conversation
from anyrouter.wire.members import Members

SYSTEM = {"role": "system", "content": 'You say "hi" and "\\".'}
USER = {"role": "user", "content": 'Hello {["there"]} \\ \n ü'}
ANSWER = {"role": "assistant", "content": "Hi"}
MORE = {"role": "user", "content": "And now?"}


def name(header: bytes | None = None, **members: object) -> bytes | None:
    return name_conversation(Members(json.dumps(members).encode()), header)


def test_a_conversation_keeps_its_name_when_it_goes_on() -> None:
    first = name(model="m", messages=[SYSTEM, USER])
    assert first is not None
    assert len(first) == 16
    assert name(model="m", messages=[SYSTEM, USER, ANSWER, MORE]) == first
    assert name(model="other", temperature=1, messages=[SYSTEM, USER, ANSWER]) == first


def test_another_beginning_is_another_conversation() -> None:
    names = {
        name(messages=messages)
        for messages in (
            [SYSTEM, USER],
            [USER],
            [SYSTEM, MORE],
            [SYSTEM, SYSTEM, USER],
            [{**SYSTEM, "role": "developer"}, USER],
            [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
        )
    }
    assert len(names) == 6


@pytest.mark.parametrize(
    "dump", [json.dumps, lambda value: json.dumps(value, indent=2), lambda value: json.dumps(value, separators=(",", ":"))]
)
@pytest.mark.parametrize("role_first", [True, False])
def test_the_spelling_of_the_text_does_not_matter_to_where_the_opening_ends(dump: Callable[[object], str], role_first: bool) -> None:
    def order(message: dict) -> dict:
        return message if role_first else dict(reversed(message.items()))

    opening = [order(SYSTEM), order({"role": "developer", "content": "x"}), order(USER)]
    short, long = dump(opening).encode(), dump([*opening, order(ANSWER), order(MORE)]).encode()
    end = find_opening(long)
    assert short[: find_opening(short)] == long[:end]
    assert json.loads(long[:end] + b"]") == opening


def test_a_role_in_the_content_is_not_the_messages_role() -> None:
    message = {"content": [{"role": "system", "x": {"role": "system"}}], "note": "role", "role": "user"}
    history = json.dumps([message, ANSWER]).encode()
    assert json.loads(history[: find_opening(history)] + b"]") == [message]


def test_only_system_messages_are_all_of_the_opening() -> None:
    history = json.dumps([SYSTEM, SYSTEM]).encode()
    assert json.loads(history[: find_opening(history)] + b"]") == [SYSTEM, SYSTEM]
    assert find_opening(b"[]") == 1
    assert find_opening(b"[ ]") == 2


def test_inputs_and_contents_are_histories_too() -> None:
    items = [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": []}]
    assert name(contents=items) == name(contents=items[:1]) != name(contents=items[:1], systemInstruction={"parts": []})
    assert name(input=[USER, ANSWER], instructions="x") == name(input=[USER], instructions="x") != name(input=[USER])
    assert name(input="Hello") == name(input="Hello") != name(input="Hello!")
    assert name(system="a", messages=[USER, ANSWER]) == name(system="a", messages=[USER]) != name(system="b", messages=[USER])


def test_what_names_a_session_goes_before_the_messages() -> None:
    by_session = name(session_id="s", prompt_cache_key="k", messages=[USER])
    assert by_session == name(b"other", session_id="s", messages=[MORE]) == name(b"s", messages=[MORE])
    by_key = name(prompt_cache_key="s", messages=[USER])
    assert by_key == name(prompt_cache_key="s", messages=[MORE])
    assert len({by_session, by_key, name(messages=[USER])}) == 3


@pytest.mark.parametrize("session", [None, "", 7, ["s"], {"s": 1}])
def test_a_session_that_is_no_text_is_ignored(session: object) -> None:
    assert name(session_id=session, prompt_cache_key=session, messages=[USER]) == name(messages=[USER])


def test_any_text_may_name_a_session() -> None:
    assert name(session_id="\x00 ü 🙂") is not None
    assert len(name(session_id="x" * 100_000) or b"") == 16


@pytest.mark.parametrize("members", [{"prompt": "Hello"}, {"input": ["a", "b"]}, {"messages": "x"}, {"messages": None}, {}])
def test_where_there_is_no_conversation_there_is_no_name_or_a_stable_one(members: dict) -> None:
    assert name(model="m", **members) == name(model="m", **members)
    assert (name(model="m", **members) is None) == ("input" not in members)


def test_openings_without_end_are_looked_at_to_a_bound() -> None:
    many = [{"role": "user", "content": [[]] * 100_000}]
    assert name(messages=many) == name(messages=[*many, ANSWER])
    text = json.dumps(many).encode()
    assert find_opening(text) < 4 * MAX_TOKENS
    long = [{"role": "user", "content": 'x"\\' * MAX_BYTES}]
    assert name(messages=long) == name(messages=[*long, ANSWER]) != name(messages=[{"role": "user", "content": "y" + "x" * MAX_BYTES}])
