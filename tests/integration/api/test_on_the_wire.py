"""The reading API behind the front: what is not visible without a socket."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import anthropic
import openai
import pytest

from support.gateway import GatewayProcess


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("wire"))
    yield process
    process.stop()


def exchange(
    gateway: GatewayProcess, *lines: str, method: str = "GET", target: str = "/livez", version: str = "HTTP/1.1"
) -> tuple[str, bytes]:
    """The head, in lower case, and the body of a reply, read until the server closes."""
    address = urlsplit(gateway.base_url)
    head = "\r\n".join([f"{method} {target} {version}", "Host: gateway", "Connection: close", *lines, "", ""])
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(head.encode("latin-1"))
        reply = b""
        while data := connection.recv(65536):
            reply += data
    before, _, body = reply.partition(b"\r\n\r\n")
    return before.decode("latin-1").lower(), body


def test_head_sends_the_length_and_no_body(gateway: GatewayProcess) -> None:
    key = f"x-api-key: {gateway.first_key}"
    for target in ("/api/v1/models", "/v1/key", "/openapi.json", "/api/v1/openapi.json", "/nope"):
        got, body = exchange(gateway, key, target=target)
        head, nothing = exchange(gateway, key, method="HEAD", target=target)
        assert nothing == b""
        assert head.split("\r\n")[0] == got.split("\r\n")[0]
        assert f"content-length: {len(body)}" in head


def test_a_slash_may_be_percent_encoded_on_the_wire(gateway: GatewayProcess) -> None:
    key = f"x-api-key: {gateway.first_key}"
    for target in (
        "/api/v1/models/openai/gpt-4o",
        "/api/v1/models/openai%2Fgpt-4o",
        "/v1/models/openai%2fgpt-4o/",
        "http://x/v1/models/openai/gpt-4o",
    ):
        head, body = exchange(gateway, key, target=target)
        assert head.startswith("http/1.1 200")
        assert b'"id":"openai/gpt-4o"' in body


SPELLINGS = (
    "/api/v1/key",
    "/v1//key",
    "/v1/./key",
    "/v1/x/../key",
    "/v1/%6bey",
    "/v1/key%00",
    "/v1/key;a=b",
    "/v1/key?x",
    "/v1/key#x",
    "http://health/v1/key",
    "/v1/KEY",
)


def test_no_spelling_of_a_path_gets_round_its_guard(gateway: GatewayProcess) -> None:
    for target in SPELLINGS:
        head, _ = exchange(gateway, target=target)
        assert head.split(" ", 2)[1] in ("401", "404", "400"), target


def test_odd_messages_get_clear_answers(gateway: GatewayProcess) -> None:
    for method, target, expected in (
        ("OPTIONS", "/api/v1/models", "204"),
        ("TRACE", "/api/v1/models", "405"),
        ("GET", "/api/v1/models/%ff%fe", "401"),
        ("GET", "/api/v1/chat/completions", "405"),
        ("DELETE", "/api/v1/messages", "405"),
    ):
        head, _ = exchange(gateway, method=method, target=target)
        assert head.split(" ", 2)[1] == expected, (method, target)
        assert "x-request-id: req-" in head
        assert "\r\nserver:" not in head


def test_http_1_0_is_served(gateway: GatewayProcess) -> None:
    head, body = exchange(gateway, version="HTTP/1.0")
    assert head.split(" ", 2)[1] == "200"
    assert body == b'{"status":"ok"}'


def test_metrics_tell_of_the_ledger_and_need_no_key_on_this_machine(gateway: GatewayProcess) -> None:
    _, body = exchange(gateway, target="/metrics")
    assert b"anyrouter_ledger_queue" in body
    head, _ = exchange(gateway, "X-Forwarded-For: 127.0.0.1", target="/metrics")
    assert head.split(" ", 2)[1] == "403"


def test_the_openai_sdk_lists_and_shows_models(gateway: GatewayProcess) -> None:
    with openai.OpenAI(base_url=f"{gateway.base_url}/api/v1", api_key=gateway.first_key) as client:
        listed = list(client.models.list())
        assert "openai/gpt-4o" in {model.id for model in listed}
        assert all(isinstance(model.created, int) and model.object == "model" for model in listed)
        assert client.models.retrieve("openai/gpt-4o").owned_by == "openai"
        with pytest.raises(openai.NotFoundError) as refusal:
            client.models.retrieve("openai/nothing")
        assert refusal.value.code == "model_not_found"
    with openai.OpenAI(base_url=f"{gateway.base_url}/v1", api_key="ar-live-MARKER") as client, pytest.raises(openai.AuthenticationError):
        client.models.list()


def test_the_anthropic_sdk_lists_models(gateway: GatewayProcess) -> None:
    with anthropic.Anthropic(base_url=f"{gateway.base_url}/api", api_key=gateway.first_key) as client:
        assert "anthropic/claude-sonnet-4-5" in {model.id for model in client.models.list().data}
