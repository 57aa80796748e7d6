"""Vertex AI through a real gateway: tokens bought with a service account's key, by both rows, at a scripted token endpoint."""

import asyncio
import base64
import functools
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

import anthropic
import openai
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from support.gateway import GatewayProcess
from support.served import MESSAGE
from support.service_account import EMAIL, PROJECT, key_file, key_lines, private_key
from support.upstream import Answer, Received, ScriptedUpstream, completion, json_answer, stream_answer

PATIENCE_S = 10.0
HI: Any = [{"role": "user", "content": "Hello there"}]
GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Hello from the cloud"}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 5, "totalTokenCount": 9},
    "modelVersion": "gemini-x",
    "responseId": "r-1",
}
UPSTREAM = """
[[upstreams]]
id = "{id}"
provider = "google-vertex"
base_url = "{cloud}/v1"
variables = {{ location = "europe-west4" }}
credential_file = "{id}.json"
timeouts = {{ connect_s = {connect_s} }}
models = {{ "{id}/gemini" = "gemini-x", "{id}/both" = "gemini-x" }}
"""
OTHERS = """
[[upstreams]]
id = "claude"
provider = "google-vertex-anthropic"
base_url = "{cloud}/v1"
credential_variable = "GOOGLE_APPLICATION_CREDENTIALS"
models = {{ "anthropic/claude-x" = "claude-x@20260101" }}

[[upstreams]]
id = "second"
provider = "openai-compatible"
base_url = "{cloud}/second"
priority = 200
models = ["refused/both", "busy/both", "tokenless/both", "absent/both", "hanging/both"]

[routing]
retries = 0
"""
NAMES = ("good", "gated", "short", "refused", "busy", "tokenless", "absent", "hanging")


class Seller:
    """A token endpoint with a path for each upstream: sells `MARKER-good-1`, `MARKER-good-2` and so on, or does not."""

    def __init__(self) -> None:
        self.sold: Counter[str] = Counter()
        self.gate, self.end = threading.Event(), threading.Event()

    def __call__(self, received: Received) -> Answer:
        name = received.path.strip("/")
        self.sold[name] += 1
        answers = {
            "refused": json_answer({"error": "invalid_grant", "error_description": f"MARKER {private_key_line()}"}, 400),
            "busy": json_answer({"error": "MARKER"}, 503),
            "tokenless": json_answer({"access_token": ""}),
            "hanging": self._when_open(b"{}", self.end),
        }
        if name in answers:
            return answers[name]
        token = {"access_token": f"MARKER-{name}-{self.sold[name]}", "expires_in": 2 if name == "short" else 3600}
        return self._when_open(json.dumps(token).encode(), self.gate) if name == "gated" else json_answer(token)

    def _when_open(self, body: bytes, gate: threading.Event) -> Answer:
        """A reply that begins at once and goes on when the gate is open."""

        async def give() -> AsyncIterator[bytes]:
            while not gate.is_set():
                await asyncio.sleep(0.02)
                yield b" "
            yield body

        return Answer(body=give)


def answer_as_the_cloud(received: Received) -> Answer:
    if received.path.startswith("/second"):
        return completion(received)
    if "publishers/anthropic" in received.path:
        return json_answer(MESSAGE)
    if ":streamGenerateContent" in received.path:
        return stream_answer(b"data: " + json.dumps(GEMINI).encode() + b"\r\n\r\n")
    return json_answer(GEMINI)


@pytest.fixture(scope="module")
def sales(seller: ScriptedUpstream) -> Seller:
    sales = Seller()
    seller.handle = sales
    return sales


@pytest.fixture(scope="module")
def gateway(
    start: Callable[..., GatewayProcess], cloud: ScriptedUpstream, seller: ScriptedUpstream, sales: Seller
) -> Iterator[GatewayProcess]:
    """One upstream for each way in which a token may be had, or not."""
    cloud.handle = answer_as_the_cloud
    with socket.create_server(("127.0.0.1", 0)) as free:
        absent = f"http://127.0.0.1:{free.getsockname()[1]}"
    files = {f"{name}.json": key_file(f"{absent if name == 'absent' else seller.url}/{name}") for name in NAMES}
    rows = [UPSTREAM.format(id=name, cloud=cloud.url, connect_s=0.2 if name == "hanging" else 20) for name in NAMES]
    config = "".join(rows) + OTHERS.format(cloud=cloud.url)
    yield start(config, files, GOOGLE_APPLICATION_CREDENTIALS=key_file(f"{seller.url}/claude"))
    sales.end.set()


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess, connect: Callable[..., openai.OpenAI]) -> openai.OpenAI:
    return connect(gateway)


@pytest.fixture(autouse=True)
def fresh(cloud: ScriptedUpstream) -> None:
    cloud.handle = answer_as_the_cloud
    cloud.received.clear()


def private_key_line() -> str:
    return key_lines()[5]


def ask(client: openai.OpenAI, model: str) -> str | None:
    return client.chat.completions.create(model=model, messages=HI).choices[0].message.content


def wait_until(is_so: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end_s
        threading.Event().wait(0.02)


def test_the_first_token_is_bought_before_anybody_asks(gateway: GatewayProcess, cloud: ScriptedUpstream, sales: Seller) -> None:
    wait_until(lambda: sales.sold["good"] == 1)
    assert cloud.received == []


def test_requests_that_come_at_once_wait_for_one_purchase(client: openai.OpenAI, cloud: ScriptedUpstream, sales: Seller) -> None:
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(ask, client, "gated/gemini") for _ in range(16)]
        wait_until(lambda: sales.sold["gated"] == 1)
        assert cloud.received == []
        sales.gate.set()
        assert {answer.result(PATIENCE_S) for answer in asked} == {"Hello from the cloud"}
    assert sales.sold["gated"] == 1
    assert {received.headers["authorization"] for received in cloud.received} == {"Bearer MARKER-gated-1"}


def test_both_rows_are_asked_with_tokens_that_their_key_has_bought(
    gateway: GatewayProcess, client: openai.OpenAI, cloud: ScriptedUpstream, seller: ScriptedUpstream
) -> None:
    assert ask(client, "good/gemini") == "Hello from the cloud"
    chunks = list(client.chat.completions.create(model="good/gemini", messages=HI, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hello from the cloud"
    assert ask(client, "anthropic/claude-x") == "Hello from upstream"
    with anthropic.Anthropic(base_url=f"{gateway.base_url}/api", api_key=client.api_key, max_retries=0) as claude:
        message = claude.messages.create(model="anthropic/claude-x", max_tokens=9, messages=HI)
    assert message.content[0].text == "Hello from upstream"

    below = f"/v1/projects/{PROJECT}/locations"
    assert [(received.path, received.headers["authorization"]) for received in cloud.received] == [
        (f"{below}/europe-west4/publishers/google/models/gemini-x:generateContent", "Bearer MARKER-good-1"),
        (f"{below}/europe-west4/publishers/google/models/gemini-x:streamGenerateContent?alt=sse", "Bearer MARKER-good-1"),
        (f"{below}/global/publishers/anthropic/models/claude-x@20260101:rawPredict", "Bearer MARKER-claude-1"),
        (f"{below}/global/publishers/anthropic/models/claude-x@20260101:rawPredict", "Bearer MARKER-claude-1"),
    ]
    for received in cloud.received[2:]:
        assert received.json()["anthropic_version"] == "vertex-2023-10-16"
        assert "model" not in received.json()

    (bought,) = (received for received in seller.received if received.path == "/good")
    head, claims, signature = parse_qs(bought.body.decode(), strict_parsing=True)["assertion"][0].split(".")
    proof = base64.urlsafe_b64decode(signature + "==")
    private_key().public_key().verify(proof, f"{head}.{claims}".encode(), PKCS1v15(), SHA256())
    said = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert (said["iss"], said["aud"], said["exp"] - said["iat"]) == (EMAIL, f"{seller.url}/good", 3600)
    assert said["scope"] == "https://www.googleapis.com/auth/cloud-platform"
    assert abs(said["iat"] - time.time()) < 60


def test_tokens_that_end_are_replaced_while_requests_go_on(client: openai.OpenAI, cloud: ScriptedUpstream) -> None:
    def is_replaced() -> bool:
        assert ask(client, "short/gemini") == "Hello from the cloud"
        return len({received.headers["authorization"] for received in cloud.received}) > 1

    wait_until(is_replaced)


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("refused", 502, "upstream_error"),
        ("busy", 503, "no_healthy_upstream"),
        ("tokenless", 502, "upstream_invalid_response"),
        ("absent", 502, "upstream_error"),
        ("hanging", 504, "upstream_timeout"),
    ],
)
def test_without_a_token_the_next_upstream_is_asked_or_the_client_is_told(
    gateway: GatewayProcess, client: openai.OpenAI, name: str, status: int, code: str
) -> None:
    started_s = time.monotonic()
    reply = client.chat.completions.with_raw_response.create(model=f"{name}/both", messages=HI)
    assert reply.headers["X-AnyRouter-Served-By"] == "second; attempt=2"
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client, f"{name}/gemini")
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert time.monotonic() - started_s < 4
    assert "MARKER" not in str(caught.value.body)
    assert name == "hanging" or any("token_not_bought" in line and name in line for line in gateway.output.splitlines())


def test_nothing_of_a_key_or_token_is_told_or_written(client: openai.OpenAI, cloud: ScriptedUpstream, gateway: GatewayProcess) -> None:
    key = key_file("http://x.test/token")
    told = ""
    for status in (500, 429, 404, 400, 403, 401):

        def quote(received: Received, status: int = status) -> Answer:
            text = f"{received.headers['authorization'].removeprefix('Bearer ')} {key} {json.loads(key)['private_key']}"
            return json_answer({"error": {"message": text, "status": text, "details": [{"text": text}]}}, status)

        cloud.handle = quote
        with pytest.raises(openai.APIStatusError) as caught:
            ask(client, "good/gemini")
        told += str(caught.value.body)
    assert "[redacted]" in told
    files = (path for path in gateway.data_dir.rglob("*") if path.is_file() and path.suffix != ".json")
    written = gateway.output + "".join(path.read_bytes().decode("latin-1") for path in files)
    said_by_endpoints = ("(invalid_grant: MARKER [redacted])", "(MARKER)")  # is for the operator
    assert all(text in gateway.output for text in said_by_endpoints)
    assert "MARKER" not in told + functools.reduce(lambda rest, text: rest.replace(text, ""), said_by_endpoints, written)
    assert not [line for line in key_lines() if line in told + written]
    assert "Traceback" not in gateway.output
