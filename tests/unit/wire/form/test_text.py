"""Literals: JSON strings that are carried."""

import msgspec
import pytest

from anyrouter.wire.form.text import EMPTY, is_empty, is_text, join, quote, quote_ascii, size_of, starts_with, unquote

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
