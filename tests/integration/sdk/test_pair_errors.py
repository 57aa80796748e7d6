"""Any client to any provider, through the official SDKs: what goes wrong is the SDK's own exception, and nothing hangs."""

import re
import time
from typing import Any

import pytest

from support.clients.talk import IMPOSSIBLE, Failed
from support.pairs import CLIENTS, HOW, LIVE, NOBODY, STREAMED, VENDORS, WHOLE, Pair, World

SOON_S = 5.0  # long before anybody's timeout
FAILURES = {
    "rate-limited": ("rate limit", 429, "upstream_rate_limited"),
    "context-length": ("too long", 413, "context_length_exceeded"),
    "server-error": ("server", 502, "upstream_error"),
}


def fail(pair: Pair, how: str, model: str, kind: str, **members: Any) -> Failed:
    """The failure that the SDK raises as its class for this kind."""
    started_s = time.monotonic()
    with pytest.raises(pair.client.errors[kind]) as caught:
        pair.say(how, model, **members)
    assert time.monotonic() - started_s < SOON_S
    failed = pair.client.failure(caught.value)
    assert "MARKER" not in str(caught.value)
    return failed


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("model", FAILURES)
def test_a_failure_is_the_sdks_own_exception(pair: Pair, how: str, model: str) -> None:
    kind, status, code = FAILURES[model]
    failed = fail(pair, how, model, kind)
    assert (failed.status, failed.code) == (status, code)
    assert (failed.retry_after is not None) == (status == 429)
    if status == 413:
        assert "maximum context length" in failed.message
    assert failed.generation_id is not None
    told = pair.world.generation(failed.generation_id, pair.environment)
    assert (told["state"], told["error_code"], told["total_cost"], told["status"]) == ("failed", code, 0, status)


def test_a_reply_that_is_cut_is_none(pair: Pair) -> None:
    for model in ("cut-stream", "malformed"):
        failed = fail(pair, WHOLE, model, "server")
        assert (failed.status, failed.code) == (502, "upstream_invalid_response")


@pytest.mark.parametrize("model", ["cut-stream", "stream-error"])
def test_a_stream_that_breaks_off_raises(pair: Pair, model: str) -> None:
    failed = fail(pair, STREAMED, model, "stream")
    assert failed.code in ({"upstream_invalid_response"} if model == "cut-stream" else {"upstream_error", "overloaded"})
    if model == "stream-error":
        assert re.search("overloaded|unable to process|had an error", failed.message, re.IGNORECASE), failed.message


def test_a_stream_that_cannot_be_read_raises(pair: Pair) -> None:
    if pair.is_passed_through and pair.client.dialect != "openai":
        with pytest.raises((ValueError, pair.client.errors["stream"])):  # events pass as they came, and the SDK cannot read them
            pair.say(STREAMED, "malformed")
        return
    assert fail(pair, STREAMED, "malformed", "stream").code == "upstream_invalid_response"


def test_a_model_that_is_not_there_is_not_found(pair: Pair) -> None:
    if pair.environment == LIVE:  # there only the provider knows, and this one answers to every name
        assert pair.say(WHOLE, "nobody-ever-heard-of").text
        return
    failed = fail(pair, WHOLE, "nobody-ever-heard-of", "not found")
    assert (failed.status, failed.code) == (404, "model_not_found")


def test_what_the_upstream_finds_wrong_is_a_bad_request(pair: Pair) -> None:
    """A schema without an instance: refused by the upstream, and told in the client's envelope."""
    failed = fail(pair, WHOLE, "chat", "bad request", tools=(IMPOSSIBLE,), must_call="any")
    assert failed.status == 400


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_with_a_wrong_key_is_refused_in_its_own_words(world: World, client: str) -> None:
    pair = world.pair(client, next(iter(VENDORS)), NOBODY)
    failed = fail(pair, WHOLE, "chat", "key")
    assert (failed.status, failed.code) == (401, "malformed_api_key")
