"""What is known of a model by its id."""

import pytest

from anyrouter.wire.translation.bedrock.model_facts import facts_of


@pytest.mark.parametrize(
    ("model_id", "words"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude cache long status"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "claude cache status"),
        ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/eu.anthropic.claude-opus-4-7", "claude cache long status"),
        ("amazon.nova-pro-v1:0", "nova cache status"),
        ("us.amazon.nova-2-lite-v1:0", "nova nova2 cache status"),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-2-pro-v1:0", "nova nova2 cache status"),
        ("openai.gpt-oss-120b-1:0", "effort"),
        ("meta.llama3-3-70b-instruct-v1:0", ""),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123", ""),
        ("custom-amazon.novae", ""),
    ],
)
def test_an_id_tells_what_its_model_takes(model_id: str, words: str) -> None:
    facts = facts_of(model_id)
    found = {
        "claude": facts.is_claude,
        "nova": facts.is_nova,
        "nova2": facts.is_nova_2,
        "cache": facts.has_cache_points,
        "long": facts.has_long_cache,
        "status": facts.has_result_status,
        "effort": facts.has_effort,
    }
    assert [word for word, is_so in found.items() if is_so] == words.split()
