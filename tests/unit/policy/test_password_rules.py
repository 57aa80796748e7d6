"""Which passwords are taken, each rule by examples on both sides of it."""

import pytest

from anyrouter.policy.password_rules import MAX_LENGTH, MIN_LENGTH, judge_password, normalise

ADA = ("ada.lovelace@example.org", "Ada Lovelace")


@pytest.mark.parametrize(
    "password",
    [
        "horses eat apples",
        "a" * 3 + "bcdefghi!",
        "Tr0ub4dor&3!",
        "      padded with spaces      ",
        "пароль из слов",
        "\N{GRINNING FACE}" * 3 + "and nine more",
        "x1" * 5 + "yz7 and so on",
        "a long one" * 102,
        "anyrouter is what I use at work",
        "my lovelace password is long",
    ],
)
def test_long_ones_are_taken_whatever_they_are_made_of(password: str) -> None:
    assert judge_password(password, known=ADA) is None


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("", "at least 12 characters"),
        ("eleven char", "at least 12 characters"),
        ("\N{LATIN SMALL LIGATURE FFI}" * 3 + "ab", "at least 12"),
        ("a b" * 342, "at most 1024"),
        ("\N{LATIN SMALL LIGATURE FFI}" * 400, "at most 1024"),
        ("twelve\0characters", "cannot be typed"),
        ("two\nlines of it", "cannot be typed"),
        ("PassWord1234", "first that anybody tries"),
        ("correct horse battery staple", "first that anybody tries"),
        ("aaaaaaaaaaaaaaaa", "first that anybody tries"),
        ("abababababababab", "first that anybody tries"),
        ("abcabcabcabcabca", "first that anybody tries"),
        ("12341234123412341", "first that anybody tries"),
        ("ada.lovelace@example.org", "tried first"),
        ("Ada.Lovelace2026!", "tried first"),
        ("ada lovelace 1815", "tried first"),
        ("AnyRouter12345", "tried first"),
        ("anyrouteranyrouter", "tried first"),
    ],
)
def test_short_common_and_known_ones_are_not(password: str, reason: str) -> None:
    denied = judge_password(password, known=ADA)
    assert denied is not None
    assert reason in denied.message
    assert (denied.code, denied.param) == ("invalid_parameter", "password")
    assert not password or password not in denied.message


def test_the_bounds_count_characters_as_they_are_hashed() -> None:
    assert judge_password("z9" * (MIN_LENGTH // 2 - 1) + "ü!") is None
    assert judge_password("z9y" * (MAX_LENGTH // 3) + "!") is None
    assert judge_password("z9y" * (MAX_LENGTH // 3) + "!!") is not None


def test_a_short_name_is_in_every_text_and_forbids_none() -> None:
    assert judge_password("b1a2n3a4n5a6!", known=("a@b.example", "Al")) is None


def test_the_same_password_from_another_keyboard_is_the_same() -> None:
    assert normalise("Cafe\N{COMBINING ACUTE ACCENT} \N{FULLWIDTH DIGIT ONE}") == "Caf\N{LATIN SMALL LETTER E WITH ACUTE} 1"
    assert normalise(normalise("\N{LATIN SMALL LIGATURE FFI}")) == "ffi"
    assert len(normalise("x" * 100_000)) == MAX_LENGTH + 1
