"""What a chat took, in words: exactly what the ledger has."""

from anyrouter.core.ledger import EntryState, LedgerEntry
from anyrouter.core.usage import Usage, UsageSource
from anyrouter.web.pages.playground_figures import list_figures


def figures(**changes: object) -> dict[str, str]:
    values = {
        "generation_id": "gen-1",
        "attempt": 1,
        "request_id": "req-1",
        "organisation_id": "org_1",
        "environment_id": "env_1",
        "environment": "live",
        "api_key_id": "play_1",
        "rotation_group": "play_1",
        "endpoint": "chat/completions",
        "model": "openai/gpt-4o",
        "upstream_model": "gpt-4o",
        "provider": "openai",
        "upstream": "main",
        "created_at_ms": 0,
        "state": EntryState.SETTLED,
        "status": 200,
        "usage": Usage(input_tokens=1200, output_tokens=34),
        "cost_nanousd": 3_340_000,
        "latency_ms": 1240,
        "ttft_ms": 85,
        "is_streamed": True,
        "finish_reason": "stop",
        **changes,
    }
    return dict(list_figures(LedgerEntry(**values)))  # type: ignore[arg-type]


def test_cost_tokens_and_times_are_told() -> None:
    assert figures() == {
        "Cost": "$0.003340",
        "Tokens": "1,200 in, 34 out",
        "First token": "85 ms",
        "Total": "1.24 s",
        "Answered by": "OpenAI (main)",
    }


def test_what_is_not_known_is_not_invented() -> None:
    told = figures(cost_nanousd=0, is_price_unknown=True, ttft_ms=None, usage=Usage(input_tokens=1, source=UsageSource.ESTIMATED))
    assert told["Cost"] == "unknown: the model has no price"
    assert told["Tokens"] == "1 in, 0 out, estimated"
    assert "First token" not in told
    assert "First token" not in figures(is_streamed=False)


def test_what_is_special_is_said() -> None:
    assert figures(cost_nanousd=0, shadow_cost_nanousd=5)["Cost"] == "$0.00 (simulated; it would have been < $0.000001)"
    own = figures(cost_nanousd=500_000, is_byok=True, upstream_cost_nanousd=1_000_000)
    assert own["Cost"] == "$0.000500 here, $0.001000 at your provider"
    assert figures(usage=Usage(input_tokens=9, output_tokens=8, cache_read_tokens=7, reasoning_tokens=6))["Tokens"] == (
        "9 in, 8 out (7 from cache, 6 for thinking)"
    )
    assert figures(finish_reason="length")["Ended by"] == "length"
    assert figures(state=EntryState.FAILED, error_code="upstream_error")["Ended"] == "upstream_error"
