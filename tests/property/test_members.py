"""The law of spliced objects, against Python's own JSON decoder: what is sent is what was judged."""

import json
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from anyrouter.wire.members import Members
from support.json_texts import Nested, names, rendered, spaces, values


@st.composite
def objects(draw: st.DrawFn) -> tuple[bytes, list[tuple[str, object]]]:
    """An object's text, and its members in their order."""
    members = Nested(draw(st.lists(st.tuples(names, values), max_size=7)))
    text = f"{draw(spaces)}{draw(rendered(members))}{draw(spaces)}"
    return text.encode(), json.loads(text, object_pairs_hook=list)


@st.composite
def plain_objects(draw: st.DrawFn) -> tuple[bytes, list[str]]:
    """An object's text, in which no name is repeated or escaped, and its names."""
    present = draw(
        st.lists(names.filter(lambda name: name.isprintable() and not set(name) & set('"\\')), unique=True, min_size=1, max_size=7)
    )
    gap = spaces if draw(st.booleans()) else st.just("")
    members = [f'{draw(gap)}"{name}"{draw(gap)}:{draw(gap)}{draw(rendered(draw(values)))}{draw(gap)}' for name in present]
    return f"{draw(gap)}{{{','.join(members)}}}{draw(gap)}".encode(), present


@st.composite
def edits(draw: st.DrawFn, present: list[str]) -> tuple[dict[str, bytes], set[str], dict[str, bytes]]:
    """What a caller may ask for: no name in two of the three, and only new names at the end."""
    chosen = st.sampled_from(present) if present else st.nothing()
    replace = draw(st.sets(chosen | names, max_size=3))
    remove = draw(st.sets(chosen | names, max_size=3)) - replace
    append = {name for name in draw(st.sets(st.sampled_from(["provider", "zz", "stream_options"]), max_size=2)) if name not in present}
    return dict.fromkeys(replace, b'"NEW"'), remove, dict.fromkeys(append - remove - replace, b'{"added":1}')


@settings(deadline=None, max_examples=200)
@given(objects(), st.data())
def test_an_edited_object_decodes_to_what_was_judged(drawn: tuple[bytes, list[tuple[str, object]]], data: st.DataObject) -> None:
    text, members = drawn
    judged = dict(members)
    replace, remove, append = data.draw(edits(list(judged)))
    out = b"".join(Members(text).edit(replace, remove, append))
    pairs = json.loads(out, object_pairs_hook=list)
    expected = {name: "NEW" if name in replace else value for name, value in judged.items() if name not in remove}
    expected |= {name: [("added", 1)] for name in append}
    assert Counter(name for name, _ in pairs) == Counter(expected.keys())
    assert dict(pairs) == expected


@settings(deadline=None, max_examples=150)
@given(objects(), st.data())
def test_values_that_are_not_edited_keep_their_bytes(drawn: tuple[bytes, list[tuple[str, object]]], data: st.DataObject) -> None:
    text, members = drawn
    before = Members(text)
    replace, remove, append = data.draw(edits([name for name, _ in members]))
    after = Members(b"".join(before.edit(replace, remove, append)))
    for name in before.values:
        if name not in replace and name not in remove:
            assert after.raw(name) == before.raw(name)


@settings(deadline=None, max_examples=150)
@given(plain_objects(), st.data())
def test_where_nothing_is_repeated_or_escaped_every_byte_outside_of_the_edits_stays(
    drawn: tuple[bytes, list[str]], data: st.DataObject
) -> None:
    text, present = drawn
    assert b"".join(Members(text).edit({})) == text
    replace, _, append = data.draw(edits(present))
    out = b"".join(Members(text).edit(replace, (), append))
    tail = b"".join(b',"%s":%s' % (name.encode(), value) for name, value in append.items())
    assert tail in out
    old, new = Members(text), Members(out.replace(tail, b"") if tail else out)
    assert b"".join(new.edit({name: bytes(old.values[name]) for name in replace if name in old.values})) == text


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(["model", "a", "b"]), min_size=2, max_size=6), st.data())
def test_repetitions_of_the_same_length_are_never_taken_for_one_another(order: list[str], data: st.DataObject) -> None:
    values_of_one_length = ['"aaaa"', '"bbbb"', '"aaab"', '"baaa"', "[1,23]", '{"":2}', "123456", " 12345", "12345 "]
    chosen = [data.draw(st.sampled_from(values_of_one_length)) for _ in order]
    text = "{" + ",".join(f'"{name}":{value}' for name, value in zip(order, chosen, strict=True)) + "}"
    judged = dict(json.loads(text, object_pairs_hook=list))
    out = b"".join(Members(text.encode()).edit({"model": b'"NEW"'}))
    pairs = json.loads(out, object_pairs_hook=list)
    assert Counter(name for name, _ in pairs) == Counter(judged.keys())
    assert dict(pairs) == {name: "NEW" if name == "model" else value for name, value in judged.items()}


@st.composite
def compact_objects(draw: st.DrawFn) -> bytes:
    """An object's text without a space, long or short, at times with a name twice."""
    chosen = draw(st.sampled_from([st.sampled_from(["model", "stream", "usage", "a"]), names]))
    present = draw(st.lists(chosen, min_size=1, max_size=4, unique=draw(st.integers(0, 7)) > 0))
    members = [(name, draw(values)) for name in present]
    members.insert(draw(st.integers(0, len(members))), ("messages", "x" * draw(st.sampled_from([0, 4000, 4096, 5000, 33_000]))))
    is_ascii = draw(st.booleans())
    encode = lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=is_ascii)  # noqa: E731 -- one style for all
    return f"{{{','.join(f'{encode(name)}:{encode(value)}' for name, value in members)}}}".encode()


@settings(deadline=None, max_examples=250)
@given(compact_objects() | objects().map(lambda drawn: drawn[0]), st.integers(0, 4), st.data())
def test_to_replace_one_value_is_to_edit_it(text: bytes, at: int, data: st.DataObject) -> None:
    present = [name for name, _ in json.loads(text, object_pairs_hook=list)]
    name = present[at] if at < len(present) else data.draw(names)
    value = data.draw(st.sampled_from([b'"NEW"', b'""', b"[" + b"1," * 3000 + b"1]"]))
    replaced = b"".join(Members(text).replace(name, value))
    assert replaced == b"".join(Members(text).edit({name: value}))
    assert dict(json.loads(replaced, object_pairs_hook=list)).get(name) == (json.loads(value) if name in present else None)
