"""What clients of chat completions get, from whatever dialect, holds to the types of OpenAI's own SDK, strictly checked."""

import json
from pathlib import Path

import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

GOLDEN = Path(__file__).resolve().parents[4] / "golden"
# Not in the SDK's types: the contract's finish reason `error`, and streamed calls of custom tools, which OpenAI sends all the same.
UNTYPED = ('"finish_reason":"error"', '"type":"custom"')


def is_typed(path: Path) -> bool:
    text = path.read_text("utf-8").replace('": ', '":')
    return not any(one in text for one in UNTYPED[: 1 if path.name.startswith("reply_") else 2])


REPLIES = [path for path in sorted(GOLDEN.glob("*/reply_*.openai.snap")) if is_typed(path)]
STREAMS = [path for path in sorted(GOLDEN.glob("*/stream_*.openai.snap")) if is_typed(path)]


@pytest.mark.parametrize("path", REPLIES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_reply_is_a_chat_completion(path: Path) -> None:
    ChatCompletion.model_validate(json.loads(path.read_text("utf-8")))


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_streams_events_are_chunks_and_its_last_says_done(path: Path) -> None:
    events = [line.removeprefix("data: ") for line in path.read_text("utf-8").splitlines() if line.startswith("data: ")]
    for event in events:
        if event != "[DONE]":
            ChatCompletionChunk.model_validate(json.loads(event))
    assert events.count("[DONE]") <= 1
    assert "[DONE]" not in events[:-1]


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_sdk_joins_a_streams_events_to_one_message(path: Path) -> None:
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    told = [json.loads(line[len("data: ") :]) for line in path.read_text("utf-8").split("\n") if line.startswith("data: {")]
    for event in told:
        list(state.handle_chunk(ChatCompletionChunk.model_validate(event)))
    texts = [choice["delta"].get("content") or "" for event in told for choice in event["choices"] if choice["index"] == 0]
    assert (state.current_completion_snapshot.choices[0].message.content or "") == "".join(texts)


def test_there_is_something_to_check() -> None:
    assert len(REPLIES) >= 10
    assert len(STREAMS) >= 10
