"""What is told of a value that nobody decodes."""

import pytest
from msgspec import UNSET, Raw, UnsetType

from anyrouter.wire.translation.carried import is_list, is_object, is_string, is_told


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        (UNSET, ""),
        (Raw(b"null"), ""),
        (Raw(b'"null"'), "told string"),
        (Raw(b"[null]"), "told list"),
        (Raw(b"{}"), "told object"),
        (Raw(b"0"), "told"),
        (Raw(b"false"), "told"),
    ],
)
def test_what_a_value_is_can_be_told_by_its_first_bytes(value: Raw | UnsetType, kinds: str) -> None:
    judges = {"told": is_told, "string": is_string, "list": is_list, "object": is_object}
    assert " ".join(kind for kind, judge in judges.items() if judge(value)) == kinds
