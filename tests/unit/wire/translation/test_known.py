"""Typed decoding that tells of unknown members."""

import msgspec
import pytest

from anyrouter.core.errors import ClientError
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.translation.known import MAX_UNKNOWN_NAMES, decode_known, is_null


class Leaf(msgspec.Struct, forbid_unknown_fields=True):
    a: int


class Tree(msgspec.Struct, forbid_unknown_fields=True):
    leaves: list[Leaf]
    named: dict[str, Leaf] = {}
    carried: msgspec.Raw = msgspec.Raw(b"")


TREE = msgspec.json.Decoder(Tree)


def read(text: bytes) -> tuple[Tree, list[str | None]]:
    warnings = Warnings()
    tree = decode_known(TREE, text, "tree", warnings)
    return tree, [warning.param for warning in warnings.found.values()]


def refusal(text: bytes) -> tuple[str, str | None]:
    with pytest.raises(ClientError) as caught:
        read(text)
    return caught.value.code, caught.value.denied.param


def test_what_is_known_is_decoded_without_a_word() -> None:
    assert read(b'{"leaves":[{"a":1}]}') == (Tree([Leaf(1)]), [])


def test_an_unknown_member_is_named_with_its_place_and_left_out() -> None:
    tree, params = read(b'{"leaves":[{"a":1},{"a":2,"b":3}],"c":4}')
    assert tree == Tree([Leaf(1), Leaf(2)])
    assert sorted(map(str, params)) == ["tree.c", "tree.leaves[1].b"]


def test_a_name_that_every_item_has_is_told_once() -> None:
    leaves = b",".join(b'{"a":1,"b":%d}' % number for number in range(500))
    tree, params = read(b'{"leaves":[%s]}' % leaves)
    assert len(tree.leaves) == 500
    assert params == ["tree.leaves[0].b"]


def test_unknown_members_of_named_objects_are_found() -> None:
    assert read(b'{"leaves":[],"named":{"x":{"a":1},"y":{"a":1,"z":2}}}')[1] == ["tree.named[...].z"]


@pytest.mark.parametrize("name", ["a.b", "[0]", "", "$", "ü\n", "`"])
def test_an_unknown_name_may_be_anything(name: str) -> None:
    assert read(msgspec.json.encode({"leaves": [{"a": 1}], name: 1}))[0] == Tree([Leaf(1)])


def test_a_name_that_looks_like_a_place_is_refused_at_worst() -> None:
    assert refusal(msgspec.json.encode({"leaves": [{"a": 1}], "x` - at `$.leaves[0]": 1})) == ("invalid_parameter", "tree")


def test_what_is_carried_is_not_looked_into() -> None:
    tree, params = read(b'{"leaves":[],"carried":{"b": [1, 2]},"c":1}')
    assert msgspec.json.decode(tree.carried) == {"b": [1, 2]}
    assert params == ["tree.c"]


def test_a_wrong_type_is_refused_with_its_place() -> None:
    assert refusal(b'{"leaves":[{"a":1},{"a":"x"}]}') == ("invalid_parameter", "tree.leaves[1].a")
    assert refusal(b'{"leaves":7}') == ("invalid_parameter", "tree.leaves")
    assert refusal(b"{}") == ("invalid_parameter", "tree")


def test_a_wrong_type_beside_an_unknown_member_is_refused_too() -> None:
    assert refusal(b'{"leaves":[{"a":1,"b":2},{"a":"x"}]}') == ("invalid_parameter", "tree.leaves[1].a")


def test_no_more_different_unknown_names_are_borne_than_the_bound() -> None:
    def text(count: int) -> bytes:
        return msgspec.json.encode({"leaves": [], **{f"n{number}": 0 for number in range(count)}})

    assert len(read(text(MAX_UNKNOWN_NAMES))[1]) == MAX_UNKNOWN_NAMES
    assert refusal(text(MAX_UNKNOWN_NAMES + 1)) == ("invalid_parameter", "tree")


def test_null_is_told_from_what_looks_like_it() -> None:
    assert is_null(msgspec.Raw(b"null"))
    assert not is_null(msgspec.Raw(b"true"))
    assert not is_null(msgspec.Raw(b'"null"'))
