"""Amazon Bedrock through a real gateway: signed requests, judged by the cloud's own library, and answered by the sandbox."""

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest

from support.gateway import GatewayProcess
from support.sigv4 import is_signed, read_authorization
from support.upstream import Answer, Received, ScriptedUpstream, json_answer

SECRET, SESSION, BEARER = "MARKER/secret+key", "MARKER-session//token==", "MARKER-bearer-of-bedrock"
HI: Any = [{"role": "user", "content": "Hello there"}]
REPLY = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello from the cloud"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 4, "outputTokens": 5, "totalTokens": 9},
    "metrics": {"latencyMs": 1},
}
CONFIG = """
[[upstreams]]
id = "aws"
provider = "aws"
base_url = "{sandbox}"
variables = {{ region = "eu-west-1" }}
credential_variable = "AWS_ACCESS_KEY_ID"
models = {{ "cloud/echo" = "sandbox/echo", "cloud/limited" = "sandbox/rate-limited", "cloud/claude" = "anthropic.claude-x-v1:0" }}

[[upstreams]]
id = "scripted"
provider = "aws"
base_url = "{cloud}/behind/a/path"
variables = {{ region = "us-east-1" }}
credential_file = "key.json"
priority = 20
models = {{ "scripted/model" = "arn:aws:bedrock:us-east-1:1:inference-profile/us.a.b-v1:0", "both/model" = "m" }}

[[upstreams]]
id = "failing"
provider = "aws"
base_url = "{sandbox}"
variables = {{ region = "us-east-1" }}
credential_file = "key.json"
priority = 10
models = {{ "both/model" = "sandbox/server-error" }}

[[upstreams]]
id = "bearer"
provider = "aws"
base_url = "{cloud}"
variables = {{ region = "us-east-1" }}
credential_variable = "AWS_BEARER_TOKEN_BEDROCK"
models = ["bearer/model"]

[routing]
retries = 0
"""


@pytest.fixture(scope="module")
def gateway(start: Callable[..., GatewayProcess], sandbox_url: str, cloud: ScriptedUpstream) -> GatewayProcess:
    key = {"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": SECRET, "SessionToken": SESSION}
    return start(
        CONFIG.format(sandbox=sandbox_url, cloud=cloud.url),
        {"key.json": json.dumps(key, indent=2)},
        AWS_ACCESS_KEY_ID="AKIDOTHER",
        AWS_SECRET_ACCESS_KEY=SECRET,
        AWS_BEARER_TOKEN_BEDROCK=BEARER,
    )


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess, connect: Callable[..., openai.OpenAI]) -> openai.OpenAI:
    return connect(gateway)


@pytest.fixture(autouse=True)
def fresh(cloud: ScriptedUpstream) -> None:
    cloud.handle = lambda _: json_answer(REPLY)
    cloud.received.clear()


@pytest.mark.parametrize(("model", "text"), [("cloud/echo", "Hello there"), ("cloud/claude", None)])
def test_an_openai_client_is_answered_by_converse(client: openai.OpenAI, model: str, text: str | None) -> None:
    reply = client.chat.completions.create(model=model, messages=HI)
    said = reply.choices[0].message.content
    assert said == text if text is not None else said
    assert reply.model == model
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    assert reply.usage.total_tokens > 0
    assert reply.model_extra is not None
    assert reply.model_extra["provider"] == "Amazon Bedrock"


def test_an_openai_client_is_streamed_to_by_converse_stream(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="cloud/echo", messages=HI, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hello there"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert [chunk.usage.completion_tokens for chunk in chunks if chunk.usage] == [2]


def test_a_refusal_of_the_clouds_is_told_as_the_contract_says(client: openai.OpenAI) -> None:
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="cloud/limited", messages=HI)
    assert caught.value.code == "upstream_rate_limited"


@pytest.mark.parametrize("size", [10, 200_000])
def test_a_request_is_signed_over_what_arrives(client: openai.OpenAI, cloud: ScriptedUpstream, size: int) -> None:
    reply = client.chat.completions.create(model="scripted/model", messages=[{"role": "user", "content": "é" * size}])
    assert reply.choices[0].message.content == "Hello from the cloud"
    (received,) = cloud.received
    assert is_signed(received, SECRET)
    assert not is_signed(received, "another")
    path = "/behind/a/path/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.a.b-v1%3A0/converse"
    assert received.path == path
    scope = read_authorization(received)["Credential"].split("/")
    assert (scope[0], scope[2:]) == ("AKIDEXAMPLE", ["us-east-1", "bedrock", "aws4_request"])
    assert received.headers["x-amz-security-token"] == SESSION
    assert SECRET not in str(received.headers)


def test_a_request_for_a_stream_is_signed_for_its_own_path(client: openai.OpenAI, cloud: ScriptedUpstream) -> None:
    cloud.handle = lambda _: json_answer({"message": "no"}, 400)
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="scripted/model", messages=HI, stream=True)
    (received,) = cloud.received
    assert received.path.endswith("/converse-stream")
    assert is_signed(received, SECRET)


def test_the_next_upstream_gets_a_signature_of_its_own(client: openai.OpenAI, cloud: ScriptedUpstream) -> None:
    reply = client.chat.completions.with_raw_response.create(model="both/model", messages=HI)
    assert reply.headers["X-AnyRouter-Served-By"] == "scripted; attempt=2"
    assert is_signed(cloud.received[0], SECRET)


def test_a_key_for_the_api_is_the_plain_header(client: openai.OpenAI, cloud: ScriptedUpstream) -> None:
    client.chat.completions.create(model="bearer/model", messages=HI)
    (received,) = cloud.received
    assert received.headers["authorization"] == f"Bearer {BEARER}"
    assert not [name for name in received.headers if name.startswith("x-amz-")]


def test_a_credential_that_is_not_accepted_is_the_operators_business(client: openai.OpenAI, cloud: ScriptedUpstream) -> None:
    cloud.handle = lambda _: json_answer({"message": f"The security token {SESSION} is invalid"}, 403)
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="scripted/model", messages=HI)
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_error")
    assert "MARKER" not in str(caught.value.body)


def test_nothing_of_a_credential_is_told_or_written(client: openai.OpenAI, cloud: ScriptedUpstream, gateway: GatewayProcess) -> None:
    told = ""
    for model, secrets in (("scripted/model", f"{SECRET} {SESSION}"), ("bearer/model", BEARER)):
        for status in (400, 404, 429, 500):

            def quote(received: Received, status: int = status, secrets: str = secrets) -> Answer:
                text = f"{secrets} {json.dumps(received.headers)}"
                return json_answer({"message": text, "nested": {"text": text}}, status)

            cloud.handle = quote
            for stream in (False, True):
                with pytest.raises(openai.APIStatusError) as caught:
                    client.chat.completions.create(model=model, messages=HI, stream=stream)
                told += str(caught.value.body)
    assert "[redacted]" in told
    assert "MARKER" not in told
    files = (path for path in gateway.data_dir.rglob("*") if path.is_file() and path.name != "key.json")
    assert "MARKER" not in gateway.output + "".join(path.read_bytes().decode("latin-1") for path in files)
