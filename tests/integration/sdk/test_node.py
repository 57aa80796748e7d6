"""The official JavaScript SDKs through the gateway, where Node and a registry are at hand."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.gateway import clean_environment
from support.served import ANTHROPIC_MODEL, EMBEDDING, MESSAGE, OPENAI_MODEL, Served, answer_in_its_dialect, message_events
from support.upstream import COMPLETION, Answer, Received, chat_events, json_answer, stream_answer

SOURCES = Path(__file__).with_name("node")
CACHE = Path(__file__).parents[3] / ".cache" / "node"
OLDEST_NODE = 18
INSTALL = ("install", "--no-save", "--no-audit", "--no-fund", "--package-lock=false", "--ignore-scripts", "--fetch-retries=0")


@pytest.fixture(scope="session")
def packages() -> Path:
    """A directory with the SDKs installed and the scripts beside them; kept from run to run, one for each package.json."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"node {version} is older than {OLDEST_NODE}")
    manifest = (SOURCES / "package.json").read_bytes()
    directory = CACHE / hashlib.sha256(manifest).hexdigest()[:16]
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "installed").exists():
            (directory / "package.json").write_bytes(manifest)
            done = subprocess.run(["npm", *INSTALL], cwd=directory, capture_output=True, text=True, timeout=180, check=False)
            if done.returncode:
                pytest.skip(f"npm cannot install the SDKs: {done.stderr.strip()[-300:]}")
            (directory / "installed").touch()
        for script in SOURCES.glob("*.mjs"):
            shutil.copyfile(script, directory / script.name)
    return directory


@pytest.fixture(scope="module")
def run(packages: Path, served_once: Served) -> Callable[[str], Any]:
    """What a script saw, each of its cases by name. A script runs once."""
    seen: dict[str, Any] = {}

    def run(name: str) -> Any:
        if name not in seen:
            served_once.upstream.handle = Playbook().answer
            keys = {"BASE_URL": served_once.base_url, "KEY": served_once.live_key, "TEST_KEY": served_once.test_key}
            done = subprocess.run(
                ["node", name],
                cwd=packages,
                env=clean_environment(PATH=os.environ["PATH"], **keys),
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            seen[name] = json.loads(done.stdout)
        return seen[name]

    return run


class Playbook:
    """The upstream's answers: the user's first word says which."""

    def __init__(self) -> None:
        self.failed: set[str] = set()

    def answer(self, received: Received) -> Answer:
        asked, is_openai = received.json(), "chat" in received.path
        if "embeddings" in received.path:
            return json_answer({**EMBEDDING, "data": [{"object": "embedding", "index": 0, "embedding": "AAAAPwAAgL4AAAA+"}]})
        cue = asked["messages"][0]["content"]
        if len(asked["messages"]) > 1 or "count" in received.path:
            return answer_in_its_dialect(received)
        if cue == "once" and cue not in self.failed:
            self.failed.add(cue)
            return json_answer({"error": {"message": "once"}}, 500)
        events = chat_events if is_openai else message_events
        answers: dict[str, Callable[[], Answer]] = {
            "stream": lambda: stream_answer(*events("one two three")),
            "endless": lambda: stream_answer(*events("word " * 2000), delay_s=0.02),
            "cut": lambda: stream_answer(*events("one two three")[:5], is_cut=True),
            "tools": lambda: json_answer(calling_chat() if is_openai else calling_message()),
            "streamed tools": lambda: stream_answer(*call_events()),
            "limit": lambda: json_answer({"error": {"message": "slow down"}}, 429, retry_after="7"),
            "server": lambda: json_answer({"error": {"message": "broken"}}, 500),
            "silence": lambda: stream_answer(b"{", delay_s=30),
        }
        return answers.get(cue, lambda: answer_in_its_dialect(received))()


def calling_chat() -> dict[str, Any]:
    calls = [
        {"id": f"call_{city}", "type": "function", "function": {"name": "weather", "arguments": json.dumps({"city": city})}}
        for city in ("Oslo", "Zürich")
    ]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    return {**COMPLETION, "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}


def calling_message() -> dict[str, Any]:
    calls = [{"type": "tool_use", "id": f"toolu_{city}", "name": "weather", "input": {"city": city}} for city in ("Oslo", "Zürich")]
    return {**MESSAGE, "content": calls, "stop_reason": "tool_use"}


def call_events() -> list[bytes]:
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-2024-08-06"}

    def event(call: dict[str, Any], finish: str | None = None) -> bytes:
        delta = {"role": "assistant", "tool_calls": [{"index": 0, **call}]} if call else {}
        return b"data: " + json.dumps({**base, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}).encode() + b"\n\n"

    first = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}
    parts = [event({"function": {"arguments": letter}}) for letter in '{"city":"Q☀"}']
    return [event(first), *parts, event({}, "tool_calls"), b"data: [DONE]\n\n"]


def test_openai_completes_a_chat(run: Callable[[str], Any], served: Served) -> None:
    seen = run("openai.mjs")
    data = seen["chat"]["data"]
    assert data["choices"][0]["message"]["content"] == "Hello from upstream"
    assert (data["id"], data["model"]) == (seen["chat"]["generation"], OPENAI_MODEL)
    assert seen["chat"]["request"].startswith("req-")
    assert data["usage"]["cost"] == served.generation(data["id"])["total_cost"] > 0
    assert seen["alias"] == OPENAI_MODEL
    assert seen["sandbox"] == "Hello there"


def test_openai_streams_with_usage_once(run: Callable[[str], Any], served: Served) -> None:
    seen = run("openai.mjs")
    chunks = seen["stream"]
    text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    assert text == seen["helper"] == "one two three "
    assert {(chunk["id"], chunk["model"]) for chunk in chunks} == {(chunks[0]["id"], OPENAI_MODEL)}
    assert [bool(chunk.get("usage")) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1]["usage"]["cost"] == served.generation(chunks[0]["id"])["total_cost"]


def test_openai_calls_tools(run: Callable[[str], Any], served: Served) -> None:
    seen = run("openai.mjs")
    arguments = [json.loads(call["function"]["arguments"]) for call in seen["tools"]["calls"]]
    assert arguments == [{"city": "Oslo"}, {"city": "Zürich"}]
    assert seen["tools"]["answer"] == "Hello from upstream"
    assert json.loads(seen["streamedTools"][0]["function"]["arguments"]) == {"city": "Q☀"}


def test_openai_embeds_and_lists_models(run: Callable[[str], Any], served: Served) -> None:
    seen = run("openai.mjs")
    assert seen["embeddings"] == [0.5, -0.25, 0.125]
    assert OPENAI_MODEL in seen["models"]["listed"]
    assert seen["models"]["retrieved"] == OPENAI_MODEL


def test_openais_errors_are_its_own_classes(run: Callable[[str], Any], served: Served) -> None:
    errors = run("openai.mjs")["errors"]
    assert {name: (error["name"], error["status"], error["code"]) for name, error in errors.items()} == {
        "key": ("AuthenticationError", 401, "malformed_api_key"),
        "model": ("NotFoundError", 404, "model_not_found"),
        "body": ("BadRequestError", 400, "missing_parameter"),
        "limit": ("RateLimitError", 429, "upstream_rate_limited"),
        "server": ("InternalServerError", 502, "upstream_error"),
        "timeout": ("APIConnectionTimeoutError", None, None),
    }
    assert all(error["requestId"].startswith("req-") for error in errors.values() if error["status"])


def test_openai_retries_and_notices_a_cut_and_leaves(run: Callable[[str], Any], served: Served) -> None:
    seen = run("openai.mjs")
    assert seen["retried"] == "Hello from upstream"
    assert "cannot be used" in seen["cut"]["failed"]["message"]
    assert seen["cut"]["chunks"]
    told = served.aborted_generation(seen["aborted"])
    assert told["cancelled"]
    assert told["total_cost"] > 0


def test_anthropic_sends_messages(run: Callable[[str], Any], served: Served) -> None:
    seen = run("anthropic.mjs")
    data = seen["message"]["data"]
    assert (data["content"][0]["text"], data["provider"]) == ("Hello from upstream", "Anthropic")
    assert seen["message"]["request"].startswith("req-")
    assert served.generation(seen["message"]["generation"])["model"] == ANTHROPIC_MODEL
    assert (seen["root"], seen["sandbox"], seen["counted"]) == ("Hello from upstream", "Hello there", 14)


def test_anthropic_streams(run: Callable[[str], Any], served: Served) -> None:
    seen = run("anthropic.mjs")
    assert seen["stream"][0] == "message_start"
    assert seen["stream"][-1] == "message_stop"
    assert seen["helper"]["text"] == "one two three "
    assert seen["helper"]["usage"]["output_tokens"] == 3


def test_anthropic_calls_tools(run: Callable[[str], Any], served: Served) -> None:
    seen = run("anthropic.mjs")
    assert [block["input"] for block in seen["tools"]["calls"]] == [{"city": "Oslo"}, {"city": "Zürich"}]
    assert seen["tools"]["answer"] == "Hello from upstream"


def test_anthropics_errors_are_its_own_classes(run: Callable[[str], Any], served: Served) -> None:
    seen = run("anthropic.mjs")
    assert {name: (error["name"], error["status"]) for name, error in seen["errors"].items()} == {
        "key": ("AuthenticationError", 401),
        "model": ("NotFoundError", 404),
        "body": ("BadRequestError", 400),
        "limit": ("RateLimitError", 429),
        "server": ("InternalServerError", 502),
    }
    assert all(error["requestId"].startswith("req-") for error in seen["errors"].values())
    assert "api_error" in seen["cut"]["failed"]["message"]
