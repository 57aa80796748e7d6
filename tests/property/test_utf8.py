import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrouter.wire.utf8 import check_utf8

PIECES = st.sampled_from(
    [b"a" * 2000, b"b" * 47, b"c", "é".encode(), "\u4e2d".encode() * 700, "\U0001f600".encode(), b"\xff", b"\xc3", b"\x80", b"\xed\xa0\x80"]
)


def is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


@given(st.lists(PIECES, max_size=20).map(b"".join))
def test_it_says_what_decoding_all_would_say(text: bytes) -> None:
    if is_utf8(text):
        check_utf8(text)
    else:
        with pytest.raises(UnicodeDecodeError):
            check_utf8(text)


@pytest.mark.parametrize("at", [0, 2046, 2047, 2048, 4095, 6000, 9998])
@pytest.mark.parametrize("character", ["é", "\u4e2d", "\U0001f600"])
def test_a_character_across_a_border_is_whole(at: int, character: str) -> None:
    check_utf8(b"x" * at + character.encode() + b"x" * (10_000 - at))


@pytest.mark.parametrize("at", [0, 2047, 2048, 5000, 9_999])
def test_a_bad_byte_is_found_where_it_is(at: int) -> None:
    text = bytearray(b"x" * 10_000)
    text[at] = 0xFF
    with pytest.raises(UnicodeDecodeError) as caught:
        check_utf8(bytes(text))
    assert caught.value.start == at
