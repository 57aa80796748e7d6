"""What a body may hold before it costs everybody else their time, and values that no number of Python's can take."""

import json
import time

import pytest

from anyrouter.wire.members import MAX_MEMBERS, Members, NotJson

PADDING = "x" * 40_000  # above it members are counted while they are decoded


def numbered(count: int, **others: object) -> bytes:
    return json.dumps({**{f"m{number}": number for number in range(count)}, **others}).encode()


@pytest.mark.parametrize("padding", ["", PADDING], ids=["short", "long"])
def test_an_object_has_at_most_a_thousand_members(padding: str) -> None:
    assert len(Members(numbered(MAX_MEMBERS - 1, padding=padding)).values) == MAX_MEMBERS
    with pytest.raises(NotJson, match="more than 1000 members"):
        Members(numbered(MAX_MEMBERS, padding=padding))


def test_millions_of_members_are_refused_before_they_are_decoded() -> None:
    text = b"{%b}" % b",".join(b'"%x":0' % number for number in range(1_000_000))
    started = time.process_time()
    with pytest.raises(NotJson):
        Members(text)
    assert time.process_time() - started < 0.1


def test_members_that_are_counted_are_as_those_that_are_not() -> None:
    whole = {"model": "a/b", "é": [1], "n": None}
    short, long = (json.dumps(value, ensure_ascii=False) for value in (whole, {**whole, "p": PADDING}))
    for text in (short, long):
        members = Members(text.encode())
        assert {type(name) for name in members.values} == {str}
        assert b"".join(members.edit({"model": b'"c"'})) == text.replace("a/b", "c").encode()
    repeated = Members(b'{"a":1,"a":2,"p":"%b"}' % PADDING.encode())
    assert repeated.raw("a") == b"2"
    assert json.loads(b"".join(repeated.edit({"a": b"3"}))) == {"a": 3, "p": PADDING}


@pytest.mark.parametrize("text", ["[]", '"a"', "1", '{"a":}', '{"a"'])
def test_what_is_no_object_is_told_so_at_any_length(text: str) -> None:
    def complaint(padding: str) -> str:
        with pytest.raises(NotJson) as caught:
            Members((text + padding).encode())
        return str(caught.value)

    assert complaint(" " * len(PADDING)) == complaint("")


@pytest.mark.parametrize("number", ["1" * 5000, "-" + "9" * 5000, "1e999", "[" + "1" * 5000 + "]", '{"a":{"b":1e400}}'])
def test_a_number_out_of_range_is_kept_as_it_was_written(number: str) -> None:
    members = Members(f'{{"model":"a/b","n":{number}}}'.encode())
    assert members.decode("n") == number.encode()
    assert members.text_of("n") is None
    assert b"".join(members.edit({"model": b'"c"'})) == f'{{"model":"c","n":{number}}}'.encode()
