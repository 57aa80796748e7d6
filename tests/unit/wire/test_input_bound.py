"""The upper estimate of a prompt's length."""

import json

from anyrouter.wire.input_bound import TOKENS_OF_A_REFERENCE, bound_input_tokens
from anyrouter.wire.members import Members


def bound(context_length: int | None = None, **members: object) -> int:
    return bound_input_tokens(Members(json.dumps(members, separators=(",", ":")).encode()), context_length)


def test_two_bytes_of_the_prompt_are_a_token_at_most_and_other_members_are_none() -> None:
    messages = [{"role": "user", "content": "x" * 1000}]
    size = len(json.dumps(messages, separators=(",", ":")))
    assert bound(messages=messages, max_tokens=5, user="y" * 5000) == -(-size // 2)
    assert bound() == 1


def test_the_model_takes_no_more_than_its_context() -> None:
    assert bound(1000, messages="x" * 100_000) == 1000


def test_token_numbers_are_counted_exactly() -> None:
    assert bound(input=[1, 22, 333]) == 3
    assert bound(input=[[1, 22], [333], []]) == 3
    assert bound(prompt=[100_000] * 50) == 50


def test_what_is_only_referred_to_counts_as_much_as_a_large_picture() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/giant.png"}}
    file = {"type": "input_file", "file_url": "https://example.com/a.pdf"}
    claude = {"type": "image", "source": {"type": "url", "url": "https://example.com/giant.png"}}
    assert bound(messages=[{"role": "user", "content": [image] * 3}]) > 3 * TOKENS_OF_A_REFERENCE
    assert bound(input=[{"role": "user", "content": [file]}]) > TOKENS_OF_A_REFERENCE
    assert bound(messages=[{"role": "user", "content": [claude]}]) > TOKENS_OF_A_REFERENCE
