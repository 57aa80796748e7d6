"""What is said, counted, cut and split."""

from hypothesis import given
from hypothesis import strategies as st

from anyrouter.sandbox.text import (
    LONG_ANSWER_TOKENS,
    argument_pieces,
    count_tokens,
    cut_at_stop,
    cut_to_tokens,
    long_answer,
    pieces,
    simulated_answer,
)


def test_tokens_are_utf8_bytes_by_four_rounded_down_and_at_least_one() -> None:
    assert [count_tokens(text) for text in ("", "a", "abcdefg", "abcdefgh", "ééé", "😀😀")] == [1, 1, 1, 2, 1, 2]


@given(st.text(max_size=200), st.integers(1, 60))
def test_a_cut_text_counts_as_exactly_the_limit_and_is_a_beginning(text: str, limit: int) -> None:
    cut = cut_to_tokens(text, limit)
    assert text.startswith(cut)
    assert count_tokens(cut) == min(limit, count_tokens(text))


def test_the_earliest_stop_sequence_cuts_and_the_first_named_wins_a_tie() -> None:
    assert cut_at_stop("one two three", ("three", "two")) == ("one ", "two")
    assert cut_at_stop("one two", ("two", "two th", "t")) == ("one ", "two")
    assert cut_at_stop("one two", ("nine", "")) == ("one two", None)


@given(st.text(alphabet=st.sampled_from(["a", "é", " ", "\n", "😀", "\u3000"]), max_size=400))
def test_the_pieces_of_a_text_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text
    assert "".join(argument_pieces(text)) == text
    assert all(pieces(text))


def test_a_very_long_text_is_streamed_in_a_bounded_number_of_pieces() -> None:
    assert len(list(pieces("word " * 400_000))) < 10_000
    assert len(list(argument_pieces("x" * 1_000_000))) < 10_000


def test_arguments_come_in_more_than_one_piece() -> None:
    assert list(argument_pieces('{"a":1}')) == ['{"a', '":1', "}"]


def test_the_long_answer_has_its_documented_length() -> None:
    assert count_tokens(long_answer()) == LONG_ANSWER_TOKENS
    assert len(long_answer()) == 4 * LONG_ANSWER_TOKENS


def test_the_ordinary_answer_says_that_it_is_simulated_and_names_the_model() -> None:
    answer = simulated_answer("openai/gpt-4o", "héllo")
    assert "simulated" in answer
    assert "openai/gpt-4o" in answer
    assert "6 bytes" in answer
