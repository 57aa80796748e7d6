"""A running gateway with both environments: `live` reaches a scripted upstream in both dialects, `test` the sandbox.

The fixtures at the end are for a conftest to import. There is one gateway for each process of tests: starting it takes seconds.
"""

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from support.gateway import GatewayProcess, run_command
from support.upstream import COMPLETION, Answer, Received, ScriptedUpstream, chat_events, json_answer, stream_answer

OPENAI_MODEL = "openai/gpt-4o"  # 2.50 and 10.00 USD per million tokens
ANTHROPIC_MODEL = "anthropic/claude-sonnet-5"  # 2.00 and 10.00 USD, 0.20 read from the cache, 2.50 written to it
UPSTREAM_KEY = "sk-MARKER-upstream-credential"

MESSAGE = {
    "id": "msg_upstream",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5-20260210",
    "content": [{"type": "text", "text": "Hello from upstream"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 100, "output_tokens": 10, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0},
}
TEXT_COMPLETION = {
    "id": "cmpl-upstream",
    "object": "text_completion",
    "created": 1700000000,
    "model": "gpt-3.5-turbo-instruct",
    "choices": [{"text": "Hello from upstream", "index": 0, "logprobs": None, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7},
}
EMBEDDING = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -0.25, 0.125]}],
    "model": "text-embedding-3-small",
    "usage": {"prompt_tokens": 4, "total_tokens": 4},
}
RESPONSE = {
    "id": "resp_upstream",
    "object": "response",
    "created_at": 1700000000,
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "metadata": {},
    "model": "gpt-4o-2024-08-06",
    "output": [
        {
            "id": "msg_upstream",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Hello from upstream", "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "usage": {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 10,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 110,
    },
}
_ANSWERS = {
    "/v1/chat/completions": COMPLETION,
    "/v1/completions": TEXT_COMPLETION,
    "/v1/embeddings": EMBEDDING,
    "/v1/messages": MESSAGE,
    "/v1/responses": RESPONSE,
    "/v1/messages/count_tokens": {"input_tokens": 14},
}


def answer_in_its_dialect(received: Received) -> Answer:
    """The usual reply of each path. A chat that is streamed, as a client's may be whose path says so, is answered in a stream."""
    if received.path == "/v1/chat/completions" and b'"stream":true' in received.body:
        return stream_answer(*chat_events("Hello from upstream"))
    return json_answer(_ANSWERS[received.path])


def message_events(text: str) -> list[bytes]:
    """A stream of a message as Anthropic sends it: 100 tokens in, one a word out."""
    words = text.split()
    counts = {"input_tokens": 100, "output_tokens": len(words)}
    start = {**MESSAGE, "id": "msg_stream", "content": [], "stop_reason": None, "usage": {"input_tokens": 100, "output_tokens": 1}}
    return [
        named_event("message_start", message=start),
        named_event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        named_event("ping"),
        *(named_event("content_block_delta", index=0, delta={"type": "text_delta", "text": word + " "}) for word in words),
        named_event("content_block_stop", index=0),
        named_event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage=counts),
        named_event("message_stop"),
    ]


def named_event(kind: str, **members: object) -> bytes:
    """One event of Anthropic's streams."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members}, separators=(',', ':'))}\n\n".encode()


@dataclass
class Served:
    """The gateway, its upstream and its keys. `base_url` has no path."""

    gateway: GatewayProcess
    upstream: ScriptedUpstream
    live_key: str
    keys: dict[tuple[str, ...], str] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        return self.gateway.base_url

    @property
    def test_key(self) -> str:
        return self.gateway.first_key

    def get(self, path: str, key: str | None = None, **parameters: Any) -> httpx.Response:
        """What the reading API answers below /api/v1."""
        headers = {"authorization": f"Bearer {key or self.live_key}"}
        return httpx.get(f"{self.base_url}/api/v1/{path}", headers=headers, params=parameters or None, trust_env=False, timeout=20)

    def generation(self, identity: str, key: str | None = None) -> dict[str, Any]:
        """What the ledger says of a generation now."""
        reply = self.get(f"generation/{identity}", key)
        assert reply.status_code == 200, reply.text
        return reply.json()["data"]

    def aborted_generation(self, identity: str, within_s: float = 2.0) -> dict[str, Any]:
        """What the ledger says of a generation whose client has just left, as soon as the gateway has noticed."""
        wait_for(lambda: self.get(f"generation/{identity}").status_code == 200, within_s)
        return self.generation(identity)

    def find_by_trace(self, trace_id: str) -> dict[str, Any]:
        """What the ledger says of a generation whose client never heard its id, as soon as it is there."""
        uri = f"file:{self.gateway.data_dir / 'anyrouter.db'}?mode=ro"

        def find() -> Any:
            with contextlib.closing(sqlite3.connect(uri, uri=True)) as database:
                return database.execute("select generation_id from ledger where trace_id = ?", (trace_id,)).fetchone()

        return self.generation(wait_for(find)[0])

    def key(self, *arguments: str) -> str:
        """A key made with options of `keys create`; the same options give the same key."""
        if arguments not in self.keys:
            self.keys[arguments] = run_command(
                self.gateway.data_dir, "keys", "create", "--name", f"proof-{len(self.keys)}-{time.monotonic_ns()}", *arguments
            )["key"]
        return self.keys[arguments]


def wait_for(condition: Callable[[], Any], timeout_s: float = 10.0) -> Any:
    """The condition's value as soon as it is true; an AssertionError when it does not become so."""
    due_s = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < due_s, "what was waited for did not happen"
        time.sleep(0.01)
    return value


@pytest.fixture(scope="session")
def served_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with ScriptedUpstream(answer_in_its_dialect) as upstream:
        gateway = GatewayProcess(
            tmp_path_factory.mktemp("served") / "data",
            OPENAI_API_KEY=UPSTREAM_KEY,
            OPENAI_BASE_URL=f"{upstream.url}/v1",
            ANTHROPIC_API_KEY=UPSTREAM_KEY,
            ANTHROPIC_BASE_URL=upstream.url,
        )
        try:
            live_key = run_command(gateway.data_dir, "keys", "create", "--name", "live")["key"]
            yield Served(gateway, upstream, live_key)
        finally:
            gateway.stop()


@pytest.fixture(name="served")
def fresh(served_once: Served) -> Served:
    """The gateway of this process of tests; its upstream answering as usual and having seen nothing."""
    served_once.upstream.handle = answer_in_its_dialect
    served_once.upstream.received.clear()
    served_once.upstream.gone.clear()
    return served_once


@pytest.fixture
def upstream(served: Served) -> ScriptedUpstream:
    """The upstream behind the live environment."""
    return served.upstream
