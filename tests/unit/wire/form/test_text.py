"""Literals: JSON strings that are carried."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrouter.wire.form.text import EMPTY, is_empty, is_text, join, quote, quote_ascii, size_of, spell_out, starts_with, unquote

TEXTS = ["", "plain", 'quotes " and \\ and \n', "Größe 👋", "\u2028\x00\x1f"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_survives_being_quoted(text: str) -> None:
    assert unquote(quote(text)) == text


@pytest.mark.parametrize("text", TEXTS)
def test_the_size_is_that_of_the_text_and_not_of_its_escapes(text: str) -> None:
    assert size_of(quote(text)) == len(text.encode())
    assert size_of(msgspec.Raw(b'"\\u00fc\\n"')) == 3


def test_joined_literals_are_the_joined_text() -> None:
    assert unquote(join([quote(text) for text in TEXTS], rb"\n\n")) == "\n\n".join(TEXTS)
    assert unquote(join([quote("a"), quote("b")])) == "ab"


def test_the_two_halves_of_a_character_come_together() -> None:
    halves = [msgspec.Raw(b'"\\ud83d"'), msgspec.Raw(b'"\\udc4b"')]
    assert unquote(join(halves)) == "👋"


def test_what_is_empty_is_told() -> None:
    assert is_empty(EMPTY)
    assert not is_empty(quote("x"))


def test_only_a_string_is_text() -> None:
    assert is_text(quote("x"))
    assert not is_text(msgspec.Raw(b"null"))
    assert not is_text(msgspec.Raw(b"[]"))


def test_a_start_is_found_behind_escapes() -> None:
    assert starts_with(quote("data:image/png"), b"data:image/")
    assert starts_with(msgspec.Raw(b'"data:image\\/png"'), b"data:image/")
    assert starts_with(msgspec.Raw(b'"\\u0064ata:x"'), b"data:")
    assert not starts_with(quote("https://x"), b"data:")


def test_base64_is_quoted_as_it_is() -> None:
    assert unquote(quote_ascii(b"AAAA+/==")) == "AAAA+/=="


def test_half_of_a_character_is_no_text() -> None:
    with pytest.raises(UnicodeEncodeError):
        quote("\ud800")


@given(st.recursive(st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_a_value_that_is_spelt_out_is_the_same_value(value: object) -> None:
    written = json.dumps(value)
    spelt = spell_out(written.encode()).decode()
    assert json.loads(spelt) == value
    assert spelt.count("\\u") <= written.count("\\u")


@pytest.mark.parametrize(
    ("written", "spelt"),
    [
        (rb'"M\u00fcnchen \uD83D\ude00"', '"München 😀"'),
        (rb'"\\u00fc"', r'"\\u00fc"'),
        (rb'"\\\u00fc"', r'"\\ü"'),
        (rb'"\u0022\u005C\u000a\u200b\u0020"', r'"\u0022\u005C\u000a\u200b "'),
        (rb'"\ud83d \ude00"', r'"\ud83d \ude00"'),
    ],
)
def test_what_can_be_read_is_spelt_out_and_nothing_else(written: bytes, spelt: str) -> None:
    assert spell_out(written).decode() == spelt
