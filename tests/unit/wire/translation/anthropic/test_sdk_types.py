"""What clients of the Messages API get, from whatever dialect, is read by the official SDK, its types strictly checked."""

import json
from pathlib import Path

import anthropic
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

GOLDEN = Path(__file__).resolve().parents[4] / "golden"
REPLIES = sorted(GOLDEN.glob("*/reply_*.anthropic.snap"))
STREAMS = sorted(GOLDEN.glob("*/stream_*.anthropic.snap"))
HI = [{"role": "user", "content": "Hi"}]
# They hold what the SDK's types do not have: a block that is not known yet, and the failure, which the SDK raises.
UNTYPED = ("hologram", "compaction", "event: error")


@pytest.mark.parametrize("path", REPLIES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_reply_is_a_message(path: Path, sdk) -> None:
    Message.model_validate(json.loads(path.read_text("utf-8")))
    assert sdk(path.read_bytes()).messages.create(model="m", max_tokens=9, messages=HI).type == "message"


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_stream_adds_up_to_a_message(path: Path, sdk) -> None:
    body = path.read_bytes()
    with sdk(body).messages.stream(model="m", max_tokens=9, messages=HI) as stream:
        if b"event: error" in body:
            with pytest.raises(anthropic.APIStatusError):
                stream.until_done()
            return
        message = stream.get_final_message()
    assert (message.stop_reason is None) is (b": cut\n" in body)
    if not any(word in path.read_text("utf-8") for word in UNTYPED):
        adapter: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)
        for line in path.read_text("utf-8").splitlines():
            if line.startswith("data: "):
                adapter.validate_json(line.removeprefix("data: "))


def test_there_is_something_to_check() -> None:
    assert len(REPLIES) >= 10
    assert len(STREAMS) >= 10
