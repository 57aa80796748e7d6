"""Legacy text completions: `text_completion` objects and streams of them.

Differs from the provider in one thing: without `max_tokens` the answer is whole, where the provider stops after 16 tokens.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from anyrouter.sandbox.answer import Answer, Ending, Prompt, bound, check_window, compose
from anyrouter.sandbox.fields import FaultKind, Fields
from anyrouter.sandbox.openai.chat import usage
from anyrouter.sandbox.openai.envelope import headers, whole
from anyrouter.sandbox.openai.request import MAX_CHOICES, StreamOptions, read_model, read_sampling, read_stop, read_stream_options
from anyrouter.sandbox.openai.tokens import MAX_INPUTS, count_inputs, read_inputs
from anyrouter.sandbox.reply import ApiError, Reply, Stamp
from anyrouter.sandbox.scenario import Scenario, scenario_of
from anyrouter.sandbox.text import pieces

_FINISH_REASONS = {Ending.LENGTH: "length", Ending.FILTERED: "content_filter"}
_LOGPROB = -0.01
_MAX_LOGPROBS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    index: int
    before: str  # the prompt, when it is to be echoed
    answer: Answer

    @property
    def finish_reason(self) -> str:
        return _FINISH_REASONS.get(self.answer.ending, "stop")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    model: str
    scenario: Scenario | None
    stream: StreamOptions
    logprobs: int | None
    input_tokens: int
    choices: list[_Choice]


def answer_completion(fields: Fields, stamp: Stamp) -> Reply:
    """The reply to POST /v1/completions; FieldFault, ApiError or WindowExceeded when there is none."""
    request = _read(fields)
    if request.stream.is_streamed:
        kind = ("content-type", "text/event-stream; charset=utf-8")
        return Reply(headers=(kind, ("cache-control", "no-cache"), *headers(stamp)), body=_events(request, stamp), is_stream=True)
    completion = {**_identity(request, stamp), "choices": [_whole_choice(request, choice) for choice in request.choices]}
    if request.scenario is not Scenario.NO_USAGE:
        completion["usage"] = _usage(request)
    return whole(completion, stamp)


def _read(fields: Fields) -> _Request:
    model = read_model(fields)
    fields.require("prompt")
    inputs = read_inputs(fields, "prompt")
    count = fields.integer("n", 1, MAX_CHOICES) or 1
    max_tokens = fields.integer("max_tokens", 1)
    best_of = fields.integer("best_of", 1, MAX_CHOICES)
    fields.text("suffix")
    read_sampling(fields)
    is_echoed, stop, scenario = fields.flag("echo"), read_stop(fields), scenario_of(model)
    stream, logprobs = read_stream_options(fields), fields.integer("logprobs", 0, _MAX_LOGPROBS)
    if best_of is not None and best_of < count:
        raise ApiError(
            400, "You requested that the server return more choices than it will generate (HINT: best_of must be >= n).", param="best_of"
        )
    total = len(inputs) * count
    if total > MAX_INPUTS:
        raise fields.fault("prompt", FaultKind.TOO_LONG, MAX_INPUTS // count, len(inputs))
    input_tokens = count_inputs(inputs)
    check_window(scenario, input_tokens)
    choices = []
    for place, one in enumerate(inputs):
        prompt = Prompt(
            model=model, scenario=scenario, last_user_text=one.text, input_tokens=input_tokens, is_tool_allowed=False,
            stop=stop, max_tokens=max_tokens, choices=total,
        )  # fmt: skip
        answer, before = compose(prompt), bound(one.text, total) if is_echoed else ""
        choices += [_Choice(index=place * count + index, before=before, answer=answer) for index in range(count)]
    return _Request(model=model, scenario=scenario, stream=stream, logprobs=logprobs, input_tokens=input_tokens, choices=choices)


def _usage(request: _Request) -> dict[str, Any]:
    numbers = usage(request.input_tokens, sum(choice.answer.tokens for choice in request.choices))
    return {name: numbers[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}


def _identity(request: _Request, stamp: Stamp) -> dict[str, Any]:
    return {"id": f"cmpl-{stamp.token('cmpl', 29)}", "object": "text_completion", "created": stamp.now_s, "model": request.model}


def _whole_choice(request: _Request, choice: _Choice) -> dict[str, Any]:
    text = choice.before + choice.answer.text
    return {"text": text, "index": choice.index, "logprobs": _logprobs(request, text, 0), "finish_reason": choice.finish_reason}


def _logprobs(request: _Request, text: str, offset: int) -> dict[str, Any] | None:
    if request.logprobs is None:
        return None
    tokens, offsets = list(pieces(text)), []
    for token in tokens:
        offsets.append(offset)
        offset += len(token)
    top = [{token: _LOGPROB} for token in tokens] if request.logprobs else None
    return {"tokens": tokens, "token_logprobs": [_LOGPROB] * len(tokens), "top_logprobs": top, "text_offset": offsets}


def _events(request: _Request, stamp: Stamp) -> Iterator[bytes]:
    identity = _identity(request, stamp)
    includes_usage = request.stream.includes_usage and request.scenario is not Scenario.NO_USAGE
    tail = {"usage": None} if includes_usage else {}

    def event(choices: list[dict[str, Any]], rest: dict[str, Any]) -> bytes:
        return b"data: " + msgspec.json.encode({**identity, "choices": choices, **rest}) + b"\n\n"

    for choice in request.choices:
        offset = 0
        for piece in pieces(choice.before + choice.answer.text):
            logprobs = _logprobs(request, piece, offset)
            yield event([{"text": piece, "index": choice.index, "logprobs": logprobs, "finish_reason": None}], tail)
            offset += len(piece)
        yield event([{"text": "", "index": choice.index, "logprobs": None, "finish_reason": choice.finish_reason}], tail)
    if includes_usage:
        yield event([], {"usage": _usage(request)})
    yield b"data: [DONE]\n\n"
