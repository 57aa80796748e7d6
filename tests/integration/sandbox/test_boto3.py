"""AWS's own SDK, boto3, talks straight to the sandbox."""

import gc
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError, ReadTimeoutError
from urllib3.exceptions import ProtocolError

HI: Any = [{"role": "user", "content": [{"text": "Hello there"}]}]
WEATHER: Any = {
    "toolSpec": {
        "name": "weather",
        "description": "The weather.",
        "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
    }
}
THINKING: Any = {"thinking": {"type": "enabled", "budget_tokens": 1024}}


@contextmanager
def make_client(sandbox: str, *, read_timeout_s: float = 10) -> Iterator[Any]:
    session = boto3.session.Session()
    client = session.client(
        "bedrock-runtime",
        endpoint_url=sandbox,
        region_name="us-east-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="MARKER",
        aws_session_token="MARKER",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=read_timeout_s),
    )
    with closing(client):
        yield client


@pytest.fixture(scope="module")
def client(sandbox: str) -> Iterator[Any]:
    with make_client(sandbox) as client:
        yield client


def events_of(client: Any, model: str, **members: Any) -> list[dict[str, Any]]:
    with closing(client.converse_stream(modelId=model, messages=HI, **members)["stream"]) as stream:
        return list(stream)


@pytest.mark.parametrize("model", ["sandbox/echo", "echo"])
def test_a_reply(client: Any, model: str) -> None:
    reply = client.converse(modelId=model, messages=HI, system=[{"text": "Be kind."}], inferenceConfig={"maxTokens": 100})
    assert reply["output"]["message"] == {"role": "assistant", "content": [{"text": "Hello there"}]}
    assert reply["stopReason"] == "end_turn"
    assert (reply["usage"]["inputTokens"], reply["usage"]["outputTokens"], reply["usage"]["totalTokens"]) == (4, 2, 6)
    assert reply["metrics"]["latencyMs"] == 1
    assert reply["ResponseMetadata"]["RequestId"]


@pytest.mark.parametrize("model", ["anthropic.claude-x-v1:0", "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.a.b-v1:0"])
def test_a_model_may_have_any_of_amazons_names(client: Any, model: str) -> None:
    assert model in client.converse(modelId=model, messages=HI)["output"]["message"]["content"][0]["text"]


def test_a_stream(client: Any) -> None:
    events = events_of(client, "echo")
    assert [next(iter(event)) for event in events] == [
        "messageStart", "contentBlockDelta", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata",
    ]  # fmt: skip
    assert "".join(event["contentBlockDelta"]["delta"]["text"] for event in events[1:3]) == "Hello there"
    assert events[4] == {"messageStop": {"stopReason": "end_turn"}}
    assert events[5]["metadata"]["usage"]["totalTokens"] == 4
    assert events[5]["metadata"]["metrics"] == {"latencyMs": 1}
    long = events_of(client, "long")
    assert sum(len(event["contentBlockDelta"]["delta"]["text"]) for event in long if "contentBlockDelta" in event) == 8000


def test_a_bearer_token_will_do(sandbox: str) -> None:
    url = f"{sandbox}/model/sandbox%2Fecho/converse"  # boto3 sends such a token over TLS only
    reply = httpx.post(url, json={"messages": HI}, headers={"authorization": "Bearer bedrock-api-key-MARKER"})
    assert reply.json()["stopReason"] == "end_turn"


def test_a_thought_is_shown_and_sent_back(client: Any) -> None:
    reply = client.converse(modelId="echo", messages=HI, additionalModelRequestFields=THINKING)
    thought, text = reply["output"]["message"]["content"]
    assert thought["reasoningContent"]["reasoningText"]["signature"]
    assert text == {"text": "Hello there"}
    history = [*HI, reply["output"]["message"], {"role": "user", "content": [{"text": "And?"}]}]
    assert client.converse(modelId="echo", messages=history)["output"]["message"]["content"] == [{"text": "And?"}]
    deltas = [event["contentBlockDelta"]["delta"] for event in events_of(client, "echo", additionalModelRequestFields=THINKING)[1:-6]]
    assert "".join(delta["reasoningContent"].get("text", "") for delta in deltas) == thought["reasoningContent"]["reasoningText"]["text"]


def test_a_forced_tool_and_the_way_back(client: Any) -> None:
    config = {"tools": [WEATHER], "toolChoice": {"tool": {"name": "weather"}}}
    reply = client.converse(modelId="m", messages=HI, toolConfig=config)
    assert reply["stopReason"] == "tool_use"
    use = reply["output"]["message"]["content"][0]["toolUse"]
    assert (use["name"], use["input"]) == ("weather", {"city": ""})
    result = {"toolResult": {"toolUseId": use["toolUseId"], "content": [{"json": {"sky": "clear"}}], "status": "success"}}
    history = [*HI, reply["output"]["message"], {"role": "user", "content": [result]}]
    assert client.converse(modelId="m", messages=history, toolConfig={"tools": [WEATHER]})["stopReason"] == "end_turn"
    with pytest.raises(client.exceptions.ValidationException, match="toolConfig field must be defined"):
        client.converse(modelId="m", messages=history)


def test_a_call_is_streamed(client: Any) -> None:
    events = events_of(client, "tool-call", toolConfig={"tools": [WEATHER]})
    assert events[1]["contentBlockStart"]["start"]["toolUse"]["name"] == "weather"
    arguments = "".join(event["contentBlockDelta"]["delta"]["toolUse"]["input"] for event in events if "contentBlockDelta" in event)
    assert arguments == '{"city":""}'
    assert events[-2]["messageStop"]["stopReason"] == "tool_use"


def test_images_and_documents_are_taken(client: Any) -> None:
    image = {"image": {"format": "png", "source": {"bytes": b"\x89PNG\xff"}}}
    document = {"document": {"format": "pdf", "name": "a file", "source": {"bytes": b"%PDF"}}}
    messages = [{"role": "user", "content": [image, document, {"text": "What is it?"}]}]
    assert client.converse(modelId="echo", messages=messages)["output"]["message"]["content"] == [{"text": "What is it?"}]


def test_tokens_are_counted(client: Any) -> None:
    assert client.count_tokens(modelId="m", input={"converse": {"messages": HI}})["inputTokens"] == 2


def test_there_are_no_asynchronous_invocations(client: Any) -> None:
    assert client.list_async_invokes(maxResults=1)["asyncInvokeSummaries"] == []


@pytest.mark.parametrize(
    ("model", "reason"), [("content-filter", "content_filtered"), ("refusal", "guardrail_intervened"), ("no-usage", "end_turn")]
)
def test_an_answer_ends_as_its_model_has_it(client: Any, model: str, reason: str) -> None:
    reply = client.converse(modelId=model, messages=HI)
    assert (reply["stopReason"], "usage" in reply) == (reason, model != "no-usage")


@pytest.mark.parametrize(
    ("model", "name", "status"),
    [
        ("sandbox/rate-limited", "ThrottlingException", 429),
        ("sandbox/server-error", "InternalServerException", 500),
        ("sandbox/context-length", "ValidationException", 400),
    ],
)
@pytest.mark.parametrize("method", ["converse", "converse_stream"])
def test_failures_are_the_sdks_own_errors(client: Any, model: str, name: str, status: int, method: str) -> None:
    with pytest.raises(getattr(client.exceptions, name)) as caught:
        getattr(client, method)(modelId=model, messages=HI)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert caught.value.response["Error"]["Code"] == name


def test_a_stream_that_fails_half_way_is_noticed(client: Any) -> None:
    with pytest.raises(EventStreamError, match="serviceUnavailableException"):
        events_of(client, "stream-error")
    with pytest.raises(client.exceptions.ServiceUnavailableException):
        client.converse(modelId="stream-error", messages=HI)
    with pytest.raises(ProtocolError, match="ended prematurely"):
        events_of(client, "cut-stream")
    with warnings.catch_warnings():  # now and then the SDK leaves such a stream's socket open, for another test to stumble over
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_a_malformed_reply_has_nothing_in_it(client: Any) -> None:
    assert "output" not in client.converse(modelId="malformed", messages=HI)
    assert events_of(client, "malformed") == [{"messageStart": {"role": "assistant"}}, {"contentBlockDelta": {}}, {"contentBlockDelta": {}}]


def test_a_signature_for_another_service_is_refused(sandbox: str) -> None:
    with make_client(sandbox) as client:
        client._request_signer._signing_name = "s3"
        with pytest.raises(ClientError, match="scoped to correct service: 'bedrock'"):
            client.converse(modelId="echo", messages=HI)


def test_a_timeout_is_the_sdks_own_error(sandbox: str) -> None:
    with make_client(sandbox, read_timeout_s=0.2) as client, pytest.raises(ReadTimeoutError):
        client.converse(modelId="timeout", messages=HI)
