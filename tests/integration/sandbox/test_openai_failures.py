"""The official OpenAI SDK meets the sandbox's failures, which are its own errors at both of OpenAI's APIs."""

from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai import OpenAI

NOT_JSON = r"Expecting|Unterminated|delimiter|EOF"
Ask = Callable[..., Any]


@pytest.fixture(params=["chat", "responses"])
def ask(request: pytest.FixtureRequest, client: OpenAI) -> Ask:
    """Asks a model at either API; `client` is another one than the usual."""

    def send(model: str, *, client: OpenAI = client, **members: Any) -> Any:
        if request.param == "responses":
            return client.responses.create(model=model, input="Hi", **members)
        return client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}], **members)

    return send


@pytest.mark.parametrize(
    ("model", "error", "code"),
    [
        ("sandbox/rate-limited", openai.RateLimitError, "rate_limit_exceeded"),
        ("sandbox/server-error", openai.InternalServerError, None),
        ("sandbox/context-length", openai.BadRequestError, "context_length_exceeded"),
        ("x" * 300, openai.NotFoundError, "model_not_found"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_failures_are_the_sdks_own_errors(
    ask: Ask, model: str, error: type[openai.APIStatusError], code: str | None, *, stream: bool
) -> None:
    with pytest.raises(error) as caught:
        ask(model, stream=stream)
    assert caught.value.code == code
    assert caught.value.request_id is not None


def test_a_missing_key_is_an_authentication_error(ask: Ask) -> None:
    with pytest.raises(openai.AuthenticationError):
        ask("m", extra_headers={"Authorization": "Basic MARKER"})


def test_a_timeout_is_the_sdks_own_error(ask: Ask, client: OpenAI) -> None:
    with pytest.raises(openai.APITimeoutError):
        ask("timeout", client=client.with_options(timeout=0.2))


def test_a_cut_reply_is_a_connection_error_whole_and_streamed(ask: Ask) -> None:
    with pytest.raises(openai.APIConnectionError):
        ask("cut-stream")
    seen: list[Any] = []
    with ask("cut-stream", stream=True) as stream, pytest.raises(openai.APIConnectionError):
        _collect(stream, seen)
    assert seen


def _collect(stream: Any, into: list[Any]) -> None:
    for chunk in stream:
        into.append(chunk)  # noqa: PERF402 -- extend would lose what came before the cut


def test_a_malformed_reply_is_noticed(ask: Ask) -> None:
    with pytest.raises(ValueError, match=NOT_JSON):
        ask("malformed")
    with pytest.raises(ValueError, match=NOT_JSON), ask("malformed", stream=True) as stream:
        list(stream)
