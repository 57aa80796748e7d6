"""Every fault of an upstream, through the gateway: with another target behind it, and alone; whole and streamed; by dialect."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from support.faults import FAULTS, STREAMED, TEXT, Fault, name_model
from support.laboratory import Laboratory
from support.served import wait_for
from support.streams import read_events

PAIRS = [("openai", "openai"), ("anthropic", "anthropic"), ("openai", "anthropic"), ("anthropic", "openai")]
PATHS = {"openai": "chat/completions", "anthropic": "messages"}
CASES = [(name, how) for name, fault in FAULTS.items() for how in fault.how]
BEFORE = [(name, how) for name, how in CASES if not (FAULTS[name].begins and how == STREAMED)]
AFTER = [(name, how) for name, how in CASES if FAULTS[name].begins and how == STREAMED]
ENVELOPES = {
    (429, "upstream_rate_limited"): {"openai": "rate_limit_error", "anthropic": "rate_limit_error"},
    (502, "upstream_error"): {"openai": "upstream_error", "anthropic": "api_error"},
    (502, "upstream_invalid_response"): {"openai": "upstream_error", "anthropic": "api_error"},
    (503, "no_healthy_upstream"): {"openai": "service_unavailable", "anthropic": "overloaded_error"},
    (503, "overloaded"): {"openai": "service_unavailable", "anthropic": "overloaded_error"},
    (504, "upstream_timeout"): {"openai": "upstream_timeout", "anthropic": "timeout_error"},
}


@dataclass
class Asked:
    """A reply, and how long it took."""

    reply: httpx.Response
    took_s: float

    @property
    def said(self) -> str:
        """The text that the reply carries, in either dialect, whole or streamed."""
        if not self.reply.headers["content-type"].startswith("text/event-stream"):
            return "".join(_texts(self.reply.json()))
        return "".join(text for event in read_events(self.reply.content) if isinstance(event, dict) for text in _texts(event))


def _texts(value: dict[str, Any]) -> Iterator[str]:
    for choice in value.get("choices", ()):
        yield (choice.get("message") or choice["delta"]).get("content") or ""
    for block in value.get("content", ()):
        yield block.get("text", "")
    if isinstance(value.get("delta"), dict):
        yield value["delta"].get("text", "")


@dataclass
class Case:
    """One fault, as one client meets it at one upstream."""

    laboratory: Laboratory
    client: str
    upstream: str

    def ask(self, name: str, how: str, company: str) -> Asked:
        model = name_model(name, how, company, self.client, self.upstream)
        body = {"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": model}], "stream": how == STREAMED}
        asked_s = time.monotonic()
        reply = self.laboratory.client.post(f"/api/v1/{PATHS[self.client]}", json=body)
        return Asked(reply, time.monotonic() - asked_s)

    def read_entry(self, asked: Asked) -> dict[str, Any]:
        """The one entry of it, when all is over: nothing runs any more, and no upstream is still answering."""
        wait_for(lambda: read_running(self.laboratory) == 0, 2.0)
        wait_for(lambda: self.laboratory.upstream.busy == 0, 2.0)
        reply = self.laboratory.client.get(f"/api/v1/generation/{asked.reply.headers['x-generation-id']}")
        assert reply.status_code == 200, reply.text
        return reply.json()["data"]


@pytest.fixture(params=PAIRS, ids="-".join)
def case(laboratory: Laboratory, request: pytest.FixtureRequest) -> Case:
    client, upstream = request.param
    return Case(laboratory, client, upstream)


def read_running(laboratory: Laboratory) -> int:
    text = laboratory.client.get("/metrics").text
    found = re.search(r"^anyrouter_running_requests (\d+)", text, re.MULTILINE)
    assert found is not None, text
    return int(found[1])


def assert_in_time(asked: Asked, fault: Fault) -> None:
    assert fault.least_s - 0.05 <= asked.took_s <= fault.least_s + fault.most_s, asked.took_s


def assert_attempt(attempt: dict[str, Any], fault: Fault, upstream: str) -> None:
    assert attempt["upstream"] == f"{fault.at}-{upstream}"
    assert (attempt["status"], attempt["error"]) == (fault.status, fault.error)
    assert attempt["latency"] >= fault.least_s * 1000 - 50


@pytest.mark.parametrize(("name", "how"), BEFORE)
def test_a_fault_before_the_first_event_is_mended_by_the_next_target(case: Case, name: str, how: str) -> None:
    fault = FAULTS[name]
    asked = case.ask(name, how, "mended")
    assert asked.reply.status_code == 200, asked.reply.text
    assert asked.said.strip() == TEXT
    assert '"error"' not in asked.reply.text
    assert asked.reply.headers["x-anyrouter-served-by"] == f"good-{case.upstream}; attempt=2"
    assert_in_time(asked, fault)
    entry = case.read_entry(asked)
    first, second = entry["attempts"]
    assert_attempt(first, fault, case.upstream)
    assert (second["upstream"], second["status"], second["error"]) == (f"good-{case.upstream}", 200, None)
    assert (entry["cancelled"], entry["tokens_prompt"]) == (False, 100)


@pytest.mark.parametrize(("name", "how"), BEFORE)
def test_a_fault_that_nobody_mends_is_told_as_the_contract_says(case: Case, name: str, how: str) -> None:
    fault = FAULTS[name]
    asked = case.ask(name, how, "alone")
    status, code = fault.alone
    assert (asked.reply.status_code, asked.reply.headers["content-type"]) == (status, "application/json"), asked.reply.text
    body = asked.reply.json()
    error = body["error"]
    assert (error["type"], error["code"]) == (ENVELOPES[fault.alone][case.client], code)
    assert (body.get("type") == "error") is (case.client == "anthropic")
    told = [(attempt["upstream"], attempt["status"]) for attempt in error["metadata"]["attempts"]]
    assert told == [(f"{fault.at}-{case.upstream}", fault.status)]
    assert fault.raw.decode() in error["metadata"].get("raw", "")
    if fault.retry_after_s is not None:
        least, most = fault.retry_after_s
        assert least <= int(asked.reply.headers["retry-after"]) <= most
    assert_in_time(asked, fault)
    entry = case.read_entry(asked)
    [attempt] = entry["attempts"]
    assert_attempt(attempt, fault, case.upstream)
    assert (entry["cancelled"], entry["total_cost"]) == (False, 0)


@pytest.mark.parametrize("company", ["alone", "mended"])
@pytest.mark.parametrize(("name", "how"), AFTER)
def test_a_fault_after_the_first_event_ends_the_stream_with_one_error(case: Case, name: str, how: str, company: str) -> None:
    fault = FAULTS[name]
    asked = case.ask(name, how, company)
    assert asked.reply.status_code == 200
    assert asked.reply.headers["content-type"].startswith("text/event-stream")
    *before, last = read_events(asked.reply.content)
    assert asked.reply.content.endswith(b"\n\n")
    assert all(isinstance(event, dict) and "error" not in event for event in before), "one error, at the end"
    assert TEXT.startswith("".join(text for event in before for text in _texts(event)).strip() or "-")
    assert isinstance(last, dict)
    assert last["error"]["code"] == fault.error
    assert last["error"]["type"] == ENVELOPES[fault.alone][case.client]
    if case.client == "anthropic":
        assert asked.reply.content.split(b"\n\n")[-2].startswith(b"event: error\n")
        assert last["type"] == "error"
    else:
        assert last["choices"] == [{"index": 0, "delta": {}, "finish_reason": "error"}]
    metadata = last["error"]["metadata"]
    told = [(attempt["upstream"], attempt["status"]) for attempt in metadata["attempts"]]
    assert told == [(f"{fault.at}-{case.upstream}", fault.status)]
    if name.endswith("as a later event"):
        assert last["error"]["message"].endswith(": It broke")
        assert "It broke" in metadata["raw"]
        assert metadata["provider_status"] == fault.status
    assert_in_time(asked, fault)
    entry = case.read_entry(asked)
    [attempt] = entry["attempts"]
    assert_attempt(attempt, fault, case.upstream)
    assert entry["streamed"]


def test_after_all_faults_no_request_is_left_and_no_broken_connection(laboratory: Laboratory) -> None:
    """Requests came one at a time, so that one connection is enough for those to come: what was broken is not kept."""
    assert read_running(laboratory) == 0
    assert (laboratory.upstream.busy, laboratory.good.busy) == (0, 0)
    wait_for(lambda: max(laboratory.upstream.open, laboratory.good.open) <= 1, 2.0)
