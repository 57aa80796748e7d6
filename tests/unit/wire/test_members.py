"""Splicing by examples, and duplicates that are built to be mistaken for the text that was judged."""

import json

import pytest

from anyrouter.wire.members import Members, NotJson, append_to_object


def edited(text: bytes, replace=None, remove=(), append=None) -> bytes:
    return b"".join(Members(text).edit(replace or {}, remove, append))


def pairs(text: bytes) -> list[tuple[str, object]]:
    """The members of an object in their order, repeated ones too, by a decoder that is not ours."""
    return json.loads(text, object_pairs_hook=list)


def numbers(count: int) -> bytes:
    return b"[%s0]" % (b"0," * (count - 1))


def overlay(first: bytes, second: bytes, padding: int = 150) -> bytes:
    """A text with two members repeated that can be walked along as if it had neither twice.

    Where the first `messages` stands, the judged (last) one would end inside of a nested object, and that goes on like the
    judged text; the spaces there make up for the length of what is repeated. Long values are alike at both of their ends.
    """
    begin = numbers(padding)
    between = b',"model":%s,"model":%s,"pad":' % (first, second)
    nested = b'"model":%s,"pad":' % second
    behind = b',"messages":'
    spaces = b" " * (len(behind) + len(begin) + len(between) - 1 - len(nested))
    head = numbers(200)[:-1] + b',{"k":' + numbers(300)
    pad = head + b"," + spaces + nested + numbers(200) + b"}," + numbers(200)[1:]
    length = len(begin) + len(between) + len(head)
    assert length % 2 == 1, "choose names whose lengths differ by an even number"
    return b'{"messages":' + begin + between + pad + behind + numbers((length - 1) // 2) + b"}"


def spaced_overlay(first: bytes, second: bytes) -> bytes:
    """As `overlay`, for the lengths of a text with a space behind each comma and colon.

    The space that the judged text's members do not have makes up for what is repeated; its keys stand, spaced, where the lengths
    lead: inside of a nested object.
    """
    for count in range(200):
        names = [b"k%03d" % number for number in range(count)]
        front = b'{"a": 0,"model":%s,"model":%s,%s"pad":' % (first, second, b"".join(b'"%s":1,' % name for name in names))
        nested = b'"model": %s, %s"pad": ' % (second, b"".join(b'"%s": 1, ' % name for name in names))
        if len(nested) == len(front) - 3:
            start = b'{"z":0,'
            return front + start + nested + b'0},"a":"' + b"y" * (len(front) + len(start) - 10) + b'"}'
    raise AssertionError("choose a first name of another parity")


def test_values_are_replaced_and_nothing_else_changes() -> None:
    text = b'{"a":1.50,"model":"x","b":{"model":"y"},"c":"\xc3\xbc"}'
    assert edited(text, {"model": b'"new"'}) == b'{"a":1.50,"model":"new","b":{"model":"y"},"c":"\xc3\xbc"}'


def test_whitespace_stays_where_it_was() -> None:
    text = b' \n{ "a" : 1 ,\r\n\t"model" :  "x" , "b":[ ] } \n'
    assert edited(text, {"model": b"2"}) == b' \n{ "a" : 1 ,\r\n\t"model" :  2 , "b":[ ] } \n'
    assert edited(text, {}, (), {"c": b"3"}) == b' \n{ "a" : 1 ,\r\n\t"model" :  "x" , "b":[ ] ,"c":3} \n'


@pytest.mark.parametrize(
    ("text", "remove", "left"),
    [
        (b'{"a":1,"b":2,"c":3}', ("b",), b'{"a":1,"c":3}'),
        (b'{"a":1,"b":2,"c":3}', ("c",), b'{"a":1,"b":2}'),
        (b'{"a":1,"b":2,"c":3}', ("a",), b'{"b":2,"c":3}'),
        (b'{"a":1,"b":2,"c":3}', ("a", "b"), b'{"c":3}'),
        (b'{"a":1,"b":2,"c":3}', ("a", "b", "c"), b"{}"),
        (b'{"a":1}', ("a",), b"{}"),
        (b'{ "a": 1, "b": 2 }', ("b",), b'{ "a": 1 }'),
        (b"{}", ("a",), b"{}"),
        (b'{"a":1}', ("z",), b'{"a":1}'),
    ],
)
def test_removing_leaves_neither_the_member_nor_its_comma(text: bytes, remove: tuple[str, ...], left: bytes) -> None:
    assert edited(text, {}, remove) == left


@pytest.mark.parametrize("text", [b"{}", b"{ }", b" {\n} "])
def test_an_empty_object_takes_members_without_a_comma(text: bytes) -> None:
    assert pairs(edited(text, {}, (), {"a": b"1", "b": b"2"})) == [("a", 1), ("b", 2)]
    assert pairs(edited(text, {"a": b"1"}, ("a",))) == []


def test_everything_removed_and_one_added_is_an_object_of_one() -> None:
    assert pairs(edited(b'{"a":1,"b":2}', {}, ("a", "b"), {"c": b"3"})) == [("c", 3)]


def test_an_edit_may_be_repeated() -> None:
    members = Members(b'{"a":1, "model":"x"}')
    first = b"".join(members.edit({"model": b'"one"'}, (), {"n": b"1"}))
    assert b"".join(members.edit({"model": b'"two"'})) == b'{"a":1, "model":"two"}'
    assert b"".join(members.edit({"model": b'"one"'}, (), {"n": b"1"})) == first


@pytest.mark.parametrize(
    "text",
    [
        b'{"model":"first","a":1,"model":"last"}',
        b'{"model":"first","mod\\u0065l":"last","a":1}',
        b'{"mod\\u0065l":"first","a":1,"model":"last"}',
        b'{ "model" : "first" , "model":"last","a":1}',
        b'{"model":"first","model":"first","model":"last","a":1}',
        b'{"model":"last ","a":1,"model":"last"}',
        b'{"a":0,"model":"first","a":1,"model":"last"}',
        b'{"model":{"model":"x"},"a":1,"model":"last"}',
        b'{"model":"last","a":1,"model":"last"}',
    ],
)
def test_of_a_repeated_member_the_last_counts_and_it_is_sent_once(text: bytes) -> None:
    assert Members(text).decode("model") == "last"
    for out in (edited(text), edited(text, {"model": b'"judged"'}), edited(text, {}, ("a",)), edited(text, {}, (), {"n": b"1"})):
        names = [name for name, _ in pairs(out)]
        assert names.count("model") == 1
        assert names.count("a") <= 1
    assert dict(pairs(edited(text)))["model"] == "last"
    assert dict(pairs(edited(text, {"model": b'"judged"'})))["model"] == "judged"
    assert "model" not in dict(pairs(edited(text, {}, ("model",))))


@pytest.mark.parametrize(
    "text", [b'{"a":1,"b":2,"c":3}', b'{"a": 1, "b": 2, "c": 3}', b'{"a" : 1,"b" :2 ,"c":3}', b'{"a":1,"b":2,"b":2,"c":3}']
)
def test_what_is_removed_is_not_replaced(text: bytes) -> None:
    for name in ("a", "b", "c"):
        left = {other: value for other, value in (("a", 1), ("b", 2), ("c", 3)) if other != name}
        assert dict(pairs(edited(text, {name: b'"new"'}, (name,)))) == left


def test_nested_repetitions_are_the_upstreams_to_judge_and_stay_as_they_are() -> None:
    text = b'{"a":{"x":1,"x":2},"model":"m"}'
    assert edited(text, {"model": b'"n"'}) == b'{"a":{"x":1,"x":2},"model":"n"}'


OVERLAYS = {
    "walked": overlay(b'"openai/dear1"', b'"openai/cheap"'),
    "walked, longer": overlay(b'"openai/dear1"', b'"openai/cheap"', 1000),
    "spaced": spaced_overlay(b'"openai/dear"', b'"openai/cheap"'),
}


@pytest.mark.parametrize("text", OVERLAYS.values(), ids=OVERLAYS)
def test_an_overlay_is_json_in_which_the_last_of_each_name_was_judged(text: bytes) -> None:
    names = [name for name, _ in pairs(text)]
    assert (names.count("model"), len(names) - len(set(names))) == (2, 2)
    assert Members(text).decode("model") == "openai/cheap"


@pytest.mark.parametrize("text", OVERLAYS.values(), ids=OVERLAYS)
def test_a_text_whose_lengths_agree_with_an_object_without_repetitions_is_rebuilt_all_the_same(text: bytes) -> None:
    for out in (edited(text, {"model": b'"cheap"'}), edited(text, {}, ("nothing",)), edited(text, {}, (), {"n": b"1"})):
        names = [name for name, _ in pairs(out)]
        assert len(names) == len(set(names))
    assert dict(pairs(edited(text, {"model": b'"cheap"'})))["model"] == "cheap"


@pytest.mark.parametrize("first", [b'"openai/dear1"', b'"openai/cheap"'])
def test_an_overlay_of_short_values_is_not_mistaken(first: bytes) -> None:
    text = (
        b'{"a":[0],"model":%s,"model":"openai/cheap","p":[{"k":[0],                              "model":"openai/cheap"}],"a":[0,0]}'
        % first
    )
    out = edited(text, {"model": b'"cheap"'})
    assert sorted(name for name, _ in pairs(out)) == ["a", "model", "p"]
    assert dict(pairs(out))["model"] == "cheap"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"[]",
        b"null",
        b"1",
        b'"a"',
        b"{",
        b'{"a"}',
        b'{"a":}',
        b'{"a":1,}',
        b'{,"a":1}',
        b"{a:1}",
        b"{'a':1}",
        b'{"a":1}{"b":2}',
        b'{"a":1} x',
        b'{"a":1}\x00',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":01}',
        b'{"a":1.}',
        b'{"a":.5}',
        b'{"a":+1}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":True}',
        b'{"a":"\\q"}',
        b'{"a":"\\u12"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00\\ud800"}',
        b'{"a":"x\ny"}',
        b'{"a":"\xff"}',
        b'{"\xff":1}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xc0\xaf"}',
        b'{"a":1 /* no */}',
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-32"),
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"a":' + b"[" * 100_000,
    ],
)
def test_what_is_not_one_json_object_is_refused_in_a_sentence_that_quotes_nothing_long(text: bytes) -> None:
    with pytest.raises(NotJson) as caught:
        Members(text)
    assert len(str(caught.value)) < 200


def test_values_are_read_as_they_stand() -> None:
    members = Members(b'{"a": 1e400, "n":null , "s":"x","l":[1],"e":""}')
    assert (members.raw("a"), members.raw("n"), members.raw("missing")) == (b"1e400", b"null", None)
    assert [members.raw_is_missing(name) for name in ("a", "n", "missing", "e")] == [False, True, True, False]
    assert (members.size("l"), members.size("missing")) == (3, 0)
    assert members.starts_with("l", b"[")
    assert not members.starts_with("s", b"[")
    assert not members.starts_with("missing", b"[")
    assert (members.decode("s"), members.decode("n"), members.decode("missing"), members.decode("l")) == ("x", None, None, [1])


def test_members_are_put_behind_the_last_one_of_any_object() -> None:
    assert append_to_object(b"{}", b'"a":1') == b'{"a":1}'
    assert append_to_object(b"{ }", b'"a":1') == b'{ "a":1}'
    assert append_to_object(b'{"x":{}}', b'"a":1') == b'{"x":{},"a":1}'
    assert append_to_object(b'{"x":"}"} ', b'"a":1') == b'{"x":"}","a":1}'
