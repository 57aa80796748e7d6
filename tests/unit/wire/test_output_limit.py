"""How long an answer may be by a request's own word, and how that is lowered, in every dialect."""

import json

import pytest

from anyrouter.wire.members import Members
from anyrouter.wire.output_limit import OutputLimit, read_output_limit, set_output_limit

CHAT, COMPLETIONS, MESSAGES, RESPONSES, GEMINI = "chat/completions", "completions", "messages", "responses", "generateContent"


def read(endpoint: str, **members: object) -> OutputLimit:
    return read_output_limit(Members(json.dumps({"model": "x", **members}).encode()), endpoint)


@pytest.mark.parametrize(
    ("endpoint", "members", "limit"),
    [
        (CHAT, {}, OutputLimit(None)),
        (CHAT, {"max_tokens": 5}, OutputLimit(5)),
        (CHAT, {"max_completion_tokens": 7, "max_tokens": 5}, OutputLimit(7)),
        (CHAT, {"max_tokens": None}, OutputLimit(None)),
        (CHAT, {"max_tokens": 10**9, "n": 128}, OutputLimit(10**9, 128)),
        (CHAT, {"max_tokens": 1e9}, OutputLimit(10**9)),
        (CHAT, {"max_tokens": "20"}, OutputLimit(20)),
        (CHAT, {"max_tokens": True}, OutputLimit(None)),
        (CHAT, {"max_tokens": -5, "n": -1}, OutputLimit(None)),
        (CHAT, {"max_tokens": 5, "n": 0}, OutputLimit(5)),
        (CHAT, {"max_tokens": 2.5}, OutputLimit(None)),
        (CHAT, {"max_output_tokens": 5}, OutputLimit(None)),
        (COMPLETIONS, {"prompt": "a", "max_tokens": 5, "n": 2, "best_of": 20}, OutputLimit(5, 20)),
        (COMPLETIONS, {"prompt": ["a", "b", "c"], "max_tokens": 5, "n": 2}, OutputLimit(5, 6)),
        (COMPLETIONS, {"prompt": [[1, 2], [3]], "max_tokens": 5}, OutputLimit(5, 2)),
        (COMPLETIONS, {"prompt": [1, 2, 3], "max_tokens": 5}, OutputLimit(5, 1)),
        (MESSAGES, {"max_tokens": 5, "n": 9}, OutputLimit(5)),
        ("messages/count_tokens", {}, OutputLimit(0)),
        (RESPONSES, {"max_output_tokens": 5, "max_tokens": 9}, OutputLimit(5)),
        ("embeddings", {"max_tokens": 9}, OutputLimit(0)),
        (GEMINI, {"generationConfig": {"maxOutputTokens": 5, "candidateCount": 3}}, OutputLimit(5, 3)),
        (GEMINI, {"generation_config": {"max_output_tokens": 5, "candidate_count": 3}}, OutputLimit(5, 3)),
        (GEMINI, {"generationConfig": None}, OutputLimit(None)),
        (GEMINI, {"generationConfig": [1]}, OutputLimit(None)),
        ("streamGenerateContent", {"max_tokens": 5}, OutputLimit(None)),
    ],
)
def test_the_limit_and_the_number_of_answers_are_read(endpoint: str, members: dict, limit: OutputLimit) -> None:
    assert read(endpoint, **members) == limit


def test_a_number_out_of_range_does_not_hide_the_limit_beside_it() -> None:
    body = b'{"contents":[],"generationConfig":{"temperature":1e999,"maxOutputTokens":5}}'
    assert read_output_limit(Members(body), GEMINI) == OutputLimit(5)


@pytest.mark.parametrize(
    ("endpoint", "body", "expected"),
    [
        (CHAT, {"max_tokens": 500}, {"max_tokens": 16}),
        (CHAT, {"max_completion_tokens": 500}, {"max_completion_tokens": 16}),
        (CHAT, {"max_completion_tokens": 9, "max_tokens": 500}, {"max_completion_tokens": 16, "max_tokens": 16}),
        (CHAT, {}, {"max_tokens": 16}),
        (CHAT, {"max_tokens": None}, {"max_tokens": 16}),
        (COMPLETIONS, {"prompt": "a"}, {"prompt": "a", "max_tokens": 16}),
        (MESSAGES, {"max_tokens": 500}, {"max_tokens": 16}),
        (RESPONSES, {}, {"max_output_tokens": 16}),
        (GEMINI, {"contents": []}, {"contents": [], "generationConfig": {"maxOutputTokens": 16}}),
        (GEMINI, {"generationConfig": {"topK": 1}}, {"generationConfig": {"topK": 1, "maxOutputTokens": 16}}),
        (GEMINI, {"generation_config": {"max_output_tokens": 500}}, {"generation_config": {"max_output_tokens": 16}}),
    ],
)
def test_it_is_lowered_in_the_member_that_the_request_uses(endpoint: str, body: dict, expected: dict) -> None:
    text = set_output_limit(Members(json.dumps(body).encode()), endpoint, 16)
    assert json.loads(text) == expected
    assert read_output_limit(Members(text), endpoint).tokens == 16


def test_a_chat_completion_without_a_limit_gets_it_under_the_newer_name_where_that_is_needed() -> None:
    assert json.loads(set_output_limit(Members(b"{}"), CHAT, 20, is_newer_name=True)) == {"max_completion_tokens": 20}
    assert json.loads(set_output_limit(Members(b'{"max_tokens":99}'), CHAT, 20, is_newer_name=True)) == {"max_tokens": 20}
