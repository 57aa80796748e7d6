"""Reasoning of earlier messages, left out where it would be refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrouter.wire.history import NAMES, leave_out
from anyrouter.wire.members import Members

REFUSED = frozenset({"reasoning_content", "reasoning_details"})
LONG = "x" * 5000


def kept(text: bytes, names: frozenset[str] = REFUSED) -> bytes | None:
    return leave_out(Members(text), names)


@pytest.mark.parametrize("padding", ["", LONG, f"ü{LONG}"])
def test_the_members_are_gone_and_every_other_byte_is_as_it_came(padding: str) -> None:
    first = '{ "role":"user" ,"content":"\\u00e9 1.50" }'
    last = f'{{"tool_call_id": "a", "role": "tool", "content": "{padding}"}}'
    middle = '{"role":"assistant","reasoning_content":"a [1]","content":"Hi","reasoning":"b","reasoning_details":[{"x":1.0}]}'
    text = f'{{"model":"m", "messages":[ {first}, {middle} ,{last} ],"seed":1}}'.encode()
    left = '{"role":"assistant","content":"Hi","reasoning":"b"}'
    assert kept(text) == f"[{first},{left},{last}]".encode()
    assert kept(text, NAMES) == f'[{first},{{"role":"assistant","content":"Hi"}},{last}]'.encode()


@pytest.mark.parametrize(
    "text",
    [
        b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"\\"reasoning_content\\": 1"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"%s"}]}' % LONG.encode(),
        b'{"model":"m","messages":[{"role":"assistant","reasoning":"kept"}]}',
        b'{"model":"m","messages":[{"role":"user","content":[{"reasoning_content":"not the message\'s"}]}]}',
        b'{"model":"m","reasoning_content":"not a message\'s","messages":[]}',
        b'{"model":"m","input":"\\"reasoning_content"}',
        b'{"model":"m","messages":"reasoning_content","reasoning_content":1}',
        b'{"model":"m","messages":["\\"reasoning_content\\"",5,null]}',
    ],
)
def test_a_request_that_needs_nothing_is_left_alone(text: bytes) -> None:
    assert kept(text) is None


JSON = st.recursive(st.none() | st.text(max_size=9), lambda inner: st.lists(inner, max_size=3), max_leaves=4)
MESSAGES = st.lists(st.dictionaries(st.sampled_from(["role", "content", *sorted(NAMES)]), JSON, max_size=4), max_size=4)


@given(messages=MESSAGES, padding=st.sampled_from(["", LONG]), refused=st.sets(st.sampled_from(sorted(NAMES))))
def test_of_whatever_messages_only_the_refused_members_are_missing(
    messages: list[dict[str, object]], padding: str, refused: set[str]
) -> None:
    found = kept(json.dumps({"messages": messages, "x": padding}).encode(), frozenset(refused))
    expected = [{name: value for name, value in message.items() if name not in refused} for message in messages]
    assert (messages if found is None else json.loads(found)) == expected
