"""What is charged for a generation that died with its process: by the same terms as any other."""

from pathlib import Path

import pytest

from anyrouter.bootstrap.prices import Prices
from anyrouter.core.ledger import Intent
from anyrouter.settings import load_settings
from anyrouter.settings.upstreams import SANDBOX_ID


@pytest.mark.parametrize(
    ("upstream", "model", "tokens", "cost"),
    [
        ("openai", "openai/gpt-4o", 1000, 1000 * 2500 * 11 // 10),
        ("openai", "openai/never-heard-of", 1000, 0),
        ("byok_0192f0c4a7e87cc3a1f5d3b2c1a09f8e", "openai/gpt-4o", 1000, 500),
        ("byok_0192f0c4a7e87cc3a1f5d3b2c1a09f8e", "openai/never-heard-of", 1000, 500),
        ("byok_0192f0c4a7e87cc3a1f5d3b2c1a09f8e", "openai/gpt-4o", 0, 0),  # a kept reply was given
        (SANDBOX_ID, "openai/gpt-4o", 1000, 0),
    ],
)
def test_an_interrupted_generation_is_charged_its_input_or_its_fee(
    tmp_path: Path, upstream: str, model: str, tokens: int, cost: int
) -> None:
    billing = {"ANYROUTER_BILLING__MARKUP_PERCENT": "10", "ANYROUTER_BILLING__ROUTING_FEE_USD": "0.0000005"}
    prices = Prices(load_settings(data_dir=tmp_path, environ=billing))
    intent = Intent(
        generation_id="gen-1",
        attempt=1,
        request_id="req-1",
        organisation_id="org_default",
        environment_id="env_live",
        environment="live",
        api_key_id="key_1",
        rotation_group="key_1",
        endpoint="chat/completions",
        model=model,
        upstream_model=model,
        provider="openai",
        upstream=upstream,
        created_at_ms=1,
        estimated_input_tokens=tokens,
    )
    assert prices.price_interrupted(intent) == cost
