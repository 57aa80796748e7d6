"""The contract's section 1: both base URLs, trailing slashes, HEAD, and model ids that hold a slash."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from support.served import ANTHROPIC_MODEL, OPENAI_MODEL, Served

Ask = Callable[..., httpx.Response]

MESSAGES = [{"role": "user", "content": "Hello there"}]
BODIES: dict[str, dict[str, Any]] = {
    "chat/completions": {"model": OPENAI_MODEL, "messages": MESSAGES},
    "completions": {"model": "openai/gpt-3.5-turbo-instruct", "prompt": "Say it"},
    "embeddings": {"model": "openai/text-embedding-3-small", "input": "Say it"},
    "messages": {"model": ANTHROPIC_MODEL, "max_tokens": 100, "messages": MESSAGES},
    "messages/count_tokens": {"model": ANTHROPIC_MODEL, "messages": MESSAGES},
    "responses": {"model": OPENAI_MODEL, "input": "Say it"},
}
READABLE = ["models", "models/count", f"models/{OPENAI_MODEL}", "providers", "key", "auth/key", "credits", "activity", "health", "livez"]


@pytest.mark.parametrize("endpoint", BODIES)
@pytest.mark.parametrize("form", ["/api/v1/{}", "/v1/{}", "/api/v1/{}/", "/v1/{}/", "/v1/{}?beta=true"])
def test_inference_is_at_both_addresses_with_and_without_a_slash(ask: Ask, served: Served, form: str, endpoint: str) -> None:
    reply = ask(form.format(endpoint), BODIES[endpoint])
    assert (reply.status_code, len(served.upstream.received)) == (200, 1), reply.text
    assert served.upstream.received[0].path == f"/v1/{endpoint}"


@pytest.mark.parametrize("version", ["v1beta", "v1", "v1alpha"])
@pytest.mark.parametrize("model", [OPENAI_MODEL, OPENAI_MODEL.replace("/", "%2F"), OPENAI_MODEL.partition("/")[2]])
@pytest.mark.parametrize(
    "form", [":generateContent", "%3AgenerateContent/", ":generateContent?key=x&$alt=json", ":streamGenerateContent?alt=sse"]
)
def test_gemini_s_paths_are_at_the_root(http: httpx.Client, served: Served, version: str, model: str, form: str) -> None:
    body = {"contents": [{"role": "user", "parts": [{"text": "Hello there"}]}]}
    reply = http.post(f"/{version}/models/{model}{form}", json=body, headers={"x-goog-api-key": served.live_key})
    assert (reply.status_code, len(served.upstream.received)) == (200, 1), reply.text
    assert served.upstream.received[0].json()["model"] == OPENAI_MODEL.partition("/")[2]
    assert reply.headers["content-type"] == ("text/event-stream" if "stream" in form else "application/json")


@pytest.mark.parametrize("path", READABLE)
def test_reading_is_at_both_addresses_with_and_without_a_slash_and_by_head(get: Ask, ask: Ask, path: str) -> None:
    wanted = get(f"/api/v1/{path}")
    assert wanted.status_code == 200
    for form in (f"/v1/{path}", f"/api/v1/{path}/", f"/v1/{path}/"):
        reply = get(form)
        assert (reply.status_code, set(reply.json())) == (200, set(wanted.json())), form
        assert not reply.history
        head = ask(form, method="HEAD")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == wanted.headers["content-type"]
        assert int(head.headers["content-length"]) > 0


@pytest.mark.parametrize("model", [OPENAI_MODEL, ANTHROPIC_MODEL])
def test_a_models_id_may_be_written_raw_or_encoded(get: Ask, model: str) -> None:
    encoded = model.replace("/", "%2F")
    replies = [
        get(f"/{base}/models/{name}{end}") for base in ("api/v1", "v1") for name in (model, encoded, encoded.lower()) for end in ("", "/")
    ]
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.text for reply in replies}) == 1
    assert replies[0].json()["id"] == model
    for name in (model, encoded):
        endpoints = get(f"/api/v1/models/{name}/endpoints").json()["data"]
        assert endpoints["id"] == model
        assert endpoints["endpoints"][0]["upstream"] == model.partition("/")[0]


@pytest.mark.parametrize("path", ["/api/v1/models/openai", "/api/v1/models/openai%2F", "/api/v1/models/nobody/nothing", "/v1/models/a/b/c"])
def test_a_model_that_is_not_here_is_404(get: Ask, path: str) -> None:
    reply = get(path)
    assert (reply.status_code, reply.json()["error"]["type"]) == (404, "not_found_error")


def test_a_key_goes_in_either_header_and_in_no_other_place(http: httpx.Client, served: Served) -> None:
    key, body = served.live_key, BODIES["chat/completions"]
    other = served.test_key
    accepted = [{"authorization": f"bearer {key}"}, {"authorization": f"BEARER {key}"}, {"x-api-key": key}]
    accepted.append({"authorization": f"Bearer {key}", "x-api-key": key})
    for headers in accepted:
        assert http.post("/v1/chat/completions", json=body, headers=headers).status_code == 200, list(headers)
        assert http.get("/v1/models/count", headers=headers).status_code == 200, list(headers)
    both = {"authorization": f"Bearer {key}", "x-api-key": other}
    for reply in (http.post("/v1/chat/completions", json=body, headers=both), http.get("/v1/models", headers=both)):
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "conflicting_credentials")
    for headers in ({"cookie": f"key={key}"}, {"x-goog-api-key": key}, {"authorization": f"Basic {key}"}, {"api-key": key}):
        assert http.post("/v1/chat/completions", json=body, headers=headers).status_code == 401, list(headers)
    assert http.post(f"/v1/chat/completions?key={key}&api_key={key}", json=body).status_code == 401


def test_head_on_what_only_takes_post_is_405(ask: Ask) -> None:
    reply = ask("/v1/chat/completions", method="HEAD")
    assert (reply.status_code, reply.content) == (405, b"")
    assert "POST" in reply.headers["allow"]
