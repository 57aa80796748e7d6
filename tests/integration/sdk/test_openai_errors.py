"""Each failure is the OpenAI SDK's own exception, with the contract's code, and is retried by the SDK exactly as often as it was told."""

import json
import time
from collections.abc import Callable
from typing import Any

import openai
import pytest

from anyrouter.core.keys import generate
from support.served import ANTHROPIC_MODEL, OPENAI_MODEL, UPSTREAM_KEY, Served, run_command
from support.upstream import COMPLETION, Answer, Received, ScriptedUpstream, json_answer

MESSAGES: Any = [{"role": "user", "content": "Hello there"}]
DOCUMENTED = "ar-live-abc123def456ghi789jkl012mno345pqr678stu901vwx"

MakeClient = Callable[..., openai.OpenAI]


def ask(client: openai.OpenAI, **members: Any) -> Any:
    return client.chat.completions.create(**({"model": OPENAI_MODEL, "messages": MESSAGES} | members))


def refusing(status: int, body: Any = None, **headers: str) -> Callable[[Received], Answer]:
    said = {"error": {"message": "said the upstream", "type": "some_error", "param": None, "code": None}}
    return lambda _: json_answer(said if body is None else body, status, **headers)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("not-a-key", "malformed_api_key"),
        ("ar-live-" + "x" * 45, "malformed_api_key"),
        (DOCUMENTED, "documentation_key"),
        (generate("live"), "invalid_api_key"),
        ("", "malformed_api_key"),
    ],
    ids=["other", "checksum", "documented", "unknown", "cut"],
)
def test_a_bad_key_is_an_authentication_error(openai_with: MakeClient, served: Served, key: str, code: str, stream: bool) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        ask(openai_with(key or served.live_key[:37]), stream=stream)
    assert (caught.value.code, caught.value.type) == (code, "authentication_error")
    assert caught.value.response.headers["www-authenticate"] == 'Bearer realm="anyrouter", error="invalid_token"'
    assert caught.value.request_id is not None
    assert not key or key not in str(caught.value)
    assert served.live_key[:37] not in str(caught.value)


def test_a_disabled_key_is_an_authentication_error(openai_with: MakeClient, served: Served) -> None:
    made = run_command(served.gateway.data_dir, "keys", "create", "--name", f"disabled-{time.monotonic_ns()}")
    client = openai_with(made["key"])
    ask(client)
    run_command(served.gateway.data_dir, "keys", "disable", made["data"]["id"])
    time.sleep(1.0)  # what another process changes takes effect within a second
    with pytest.raises(openai.AuthenticationError) as caught:
        ask(client)
    assert caught.value.code == "disabled_api_key"


def test_a_key_for_other_models_is_refused_permission(openai_with: MakeClient, served: Served) -> None:
    client = openai_with(served.key("--model", "openai/gpt-4o-mini"))
    ask(client, model="openai/gpt-4o-mini")
    with pytest.raises(openai.PermissionDeniedError) as caught:
        ask(client)
    assert (caught.value.code, caught.value.type) == ("model_not_allowed", "permission_error")
    assert len(served.upstream.received) == 1


def test_a_key_without_the_scope_is_refused_permission(openai_with: MakeClient, served: Served) -> None:
    client = openai_with(served.key("--scope", "models:read"))
    assert client.models.retrieve(OPENAI_MODEL).id == OPENAI_MODEL
    with pytest.raises(openai.PermissionDeniedError) as caught:
        ask(client)
    assert caught.value.code == "insufficient_scope"
    assert 'scope="completions:write"' in caught.value.response.headers["www-authenticate"]


@pytest.mark.parametrize("model", ["gpt-4p", "nobody/nothing", "sandbox/echo"])
def test_a_model_that_is_not_here_is_not_found(openai_sdk: openai.OpenAI, served: Served, model: str) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        ask(openai_sdk, model=model)
    assert caught.value.code in {"model_not_found", "no_route"}
    assert caught.value.param == "model"
    with pytest.raises(openai.NotFoundError):
        openai_sdk.models.retrieve(model)
    assert served.upstream.received == []


def test_a_model_that_has_no_embeddings_says_where_it_is_served(openai_sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="/messages") as caught:
        openai_sdk.embeddings.create(model=ANTHROPIC_MODEL, input="x")
    assert caught.value.code == "no_route"


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"messages": None}, "messages"),
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"stream": "yes"}, "stream"),
        ({"extra_body": {"api_base": "http://127.0.0.1:1/MARKER"}}, "api_base"),
        ({"extra_body": {"api_key": "sk-MARKER"}}, "api_key"),
        ({"extra_body": {"base_url": "http://127.0.0.1:1"}}, "base_url"),
        ({"extra_body": {"extra_headers": {"a": "b"}}}, "extra_headers"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_asked_is_a_bad_request_that_names_the_member(
    openai_sdk: openai.OpenAI, served: Served, members: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(openai_sdk, **members)
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")
    assert "MARKER" not in str(caught.value)
    assert served.upstream.received == []


def test_what_the_upstream_calls_bad_stays_a_bad_request(openai_sdk: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.handle = refusing(
        400, {"error": {"message": "temperature is too warm", "type": "invalid_request_error", "param": "temperature"}}
    )
    with pytest.raises(openai.BadRequestError, match="temperature is too warm") as caught:
        ask(openai_sdk, temperature=9)
    assert caught.value.param == "temperature"
    metadata: Any = caught.value.body["metadata"]  # type: ignore[index]
    assert (metadata["provider_name"], metadata["provider_status"]) == ("OpenAI", 400)
    upstream.handle = refusing(422)
    with pytest.raises(openai.UnprocessableEntityError):
        ask(openai_sdk)
    upstream.handle = refusing(404)
    with pytest.raises(openai.NotFoundError):
        ask(openai_sdk)


@pytest.mark.parametrize("status", [400, 413])
def test_a_prompt_that_is_too_long_is_413_and_says_so(openai_sdk: openai.OpenAI, upstream: ScriptedUpstream, status: int) -> None:
    message = "This model's maximum context length is 128000 tokens."
    upstream.handle = refusing(status, {"error": {"message": message, "type": "x", "param": "messages", "code": "context_length_exceeded"}})
    with pytest.raises(openai.APIStatusError, match="maximum context length") as caught:
        ask(openai_sdk)
    assert (caught.value.status_code, caught.value.code, caught.value.type) == (413, "context_length_exceeded", "request_too_large")


def test_a_body_over_the_limit_is_413(openai_sdk: openai.OpenAI, served: Served) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        ask(openai_sdk, messages=[{"role": "user", "content": "x" * (33 * 1024 * 1024)}])
    assert (caught.value.status_code, caught.value.code) == (413, "body_too_large")
    assert served.upstream.received == []


def test_a_keys_rate_limit_is_a_rate_limit_error_that_says_how_long(openai_with: MakeClient, served: Served) -> None:
    made = run_command(served.gateway.data_dir, "keys", "create", "--name", f"slow-{time.monotonic_ns()}", "--rpm", "2")
    client = openai_with(made["key"])
    raw = client.chat.completions.with_raw_response.create(model=OPENAI_MODEL, messages=MESSAGES)
    assert (raw.headers["x-ratelimit-limit"], raw.headers["x-ratelimit-remaining"]) == ("2", "1")
    ask(client)
    with pytest.raises(openai.RateLimitError) as caught:
        ask(client)
    headers = caught.value.response.headers
    assert (caught.value.code, caught.value.type) == ("rate_limited", "rate_limit_error")
    assert 50 <= int(headers["retry-after"]) <= 60
    assert int(headers["x-ratelimit-reset"]) == pytest.approx(time.time() + 60, abs=12)
    assert headers["x-ratelimit-remaining"] == "0"
    assert len(served.upstream.received) == 2


def test_an_upstreams_rate_limit_keeps_the_time_that_it_told(openai_sdk: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.handle = refusing(429, retry_after="7", x_ratelimit_remaining_requests="0")
    with pytest.raises(openai.RateLimitError) as caught:
        ask(openai_sdk)
    assert caught.value.code == "upstream_rate_limited"
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.response.headers["x-ratelimit-remaining-requests"] != "0"


@pytest.mark.parametrize(
    ("status", "became", "code"),
    [(500, 502, "upstream_error"), (502, 502, "upstream_error"), (503, 503, "no_healthy_upstream"), (529, 503, "no_healthy_upstream")],
)
def test_an_upstream_that_fails_is_an_internal_server_error(
    openai_sdk: openai.OpenAI, served: Served, status: int, became: int, code: str
) -> None:
    served.upstream.handle = refusing(status)
    with pytest.raises(openai.InternalServerError) as caught:
        ask(openai_sdk)
    assert (caught.value.status_code, caught.value.code) == (became, code)
    assert ("retry-after" in caught.value.response.headers) == (became == 503)
    (attempt,) = caught.value.body["metadata"]["attempts"]  # type: ignore[index]
    assert (attempt["upstream"], attempt["status"]) == ("openai", status)
    told = served.generation(caught.value.response.headers["x-generation-id"])
    assert (told["state"], told["error_code"], told["total_cost"], told["status"]) == ("failed", code, 0, became)


@pytest.mark.parametrize("status", [401, 402, 403])
def test_the_operators_trouble_with_the_upstream_is_not_the_callers(
    openai_sdk: openai.OpenAI, upstream: ScriptedUpstream, status: int
) -> None:
    upstream.handle = refusing(status, {"error": {"message": f"bad key {UPSTREAM_KEY}", "code": "invalid_api_key"}})
    with pytest.raises(openai.InternalServerError) as caught:
        ask(openai_sdk)
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_error")
    assert "MARKER" not in caught.value.response.text


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"null", b"[]", b"{", b"<html>no</html>", b'{"choices":null}', b'{"choices":{}}', b"\xff{}"], ids=repr
)
def test_a_reply_that_is_none_is_never_a_success(openai_sdk: openai.OpenAI, upstream: ScriptedUpstream, body: bytes) -> None:
    upstream.handle = lambda _: Answer(body=body)
    with pytest.raises(openai.InternalServerError) as caught:
        ask(openai_sdk)
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_invalid_response")


def test_a_whole_reply_to_a_request_for_a_stream_is_never_a_success(openai_sdk: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.handle = lambda _: json_answer(COMPLETION)
    with pytest.raises(openai.InternalServerError):
        ask(openai_sdk, stream=True)


def test_a_cut_reply_is_an_error(openai_sdk: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.handle = lambda _: Answer(body=json.dumps(COMPLETION).encode(), is_cut=True)
    with pytest.raises(openai.InternalServerError) as caught:
        ask(openai_sdk)
    assert caught.value.code == "upstream_invalid_response"


def test_the_sdk_retries_and_the_gateway_does_not(openai_sdk: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    answers = [json_answer({"error": {"message": "once"}}, 500), json_answer(COMPLETION)]
    upstream.handle = lambda _: answers.pop(0)
    with pytest.raises(openai.InternalServerError):
        ask(openai_sdk)
    assert len(upstream.received) == 1
    answers.insert(0, json_answer({"error": {"message": "again"}}, 500))
    raw = openai_sdk.with_options(max_retries=1).chat.completions.with_raw_response.create(model=OPENAI_MODEL, messages=MESSAGES)
    assert (raw.retries_taken, raw.status_code, len(upstream.received)) == (1, 200, 3)
    assert raw.headers["x-anyrouter-served-by"] == "openai; attempt=1"


def test_the_sdk_gives_up_after_the_number_of_retries_it_was_told(openai_sdk: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.handle = refusing(429, retry_after="1")
    started = time.monotonic()
    with pytest.raises(openai.RateLimitError):
        ask(openai_sdk.with_options(max_retries=1))
    assert len(upstream.received) == 2
    assert time.monotonic() - started >= 1.0


def test_what_will_not_get_better_is_not_retried(openai_sdk: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.handle = refusing(400)
    with pytest.raises(openai.BadRequestError):
        ask(openai_sdk.with_options(max_retries=3))
    assert len(upstream.received) == 1


def test_embeddings_and_legacy_completions_fail_in_the_same_way(openai_sdk: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.handle = refusing(500)
    with pytest.raises(openai.InternalServerError):
        openai_sdk.embeddings.create(model="openai/text-embedding-3-small", input="a")
    with pytest.raises(openai.InternalServerError):
        openai_sdk.completions.create(model="openai/gpt-3.5-turbo-instruct", prompt="a")
    upstream.handle = lambda _: json_answer({"object": "list"})
    with pytest.raises(openai.InternalServerError):
        openai_sdk.embeddings.create(model="openai/text-embedding-3-small", input="a")
