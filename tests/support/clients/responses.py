"""OpenAI's SDK at Responses."""

import json
from typing import Any, ClassVar

import openai
from pydantic import BaseModel

from support.clients.chat import failure_of
from support.clients.talk import PICTURE, PICTURE_URL, Call, Ending, Failed, Question, Said

_LAST = {"response.completed", "response.incomplete", "response.failed"}


class ResponsesClient:
    """See `Client`."""

    dialect = "responses"
    shows_stream_warnings = True
    words: ClassVar[dict[Ending, str]] = {
        Ending.STOP: "completed",
        Ending.STOP_SEQUENCE: "completed",
        Ending.LENGTH: "incomplete: max_output_tokens",
        Ending.TOOL: "completed",
        Ending.FILTER: "incomplete: content_filter",
    }
    errors: ClassVar[dict[str, type[Exception]]] = {
        "key": openai.AuthenticationError,
        "rate limit": openai.RateLimitError,
        "too long": openai.APIStatusError,
        "server": openai.InternalServerError,
        "bad request": openai.BadRequestError,
        "not found": openai.NotFoundError,
        "stream": openai.APIError,
    }

    def __init__(self, base_url: str, key: str, timeout_s: float) -> None:
        self._sdk = openai.OpenAI(base_url=f"{base_url}/v1", api_key=key, max_retries=0, timeout=timeout_s)

    def close(self) -> None:
        self._sdk.close()

    def ask(self, model: str, question: Question) -> Said:
        raw = self._sdk.responses.with_raw_response.create(model=model, **_members(question))
        return _said(raw.parse(), question, raw.headers["x-generation-id"])

    def stream(self, model: str, question: Question) -> Said:
        with self._sdk.responses.stream(model=model, **_members(question)) as stream:
            return self._collect(stream, question)

    def parse(self, model: str, question: Question, into: type[BaseModel]) -> Said:
        raw = self._sdk.responses.with_raw_response.parse(model=model, text_format=into, **_members(question))
        return _said(raw.parse(), question, raw.headers["x-generation-id"])

    def parse_stream(self, model: str, question: Question, into: type[BaseModel]) -> Said:
        with self._sdk.responses.stream(model=model, text_format=into, **_members(question)) as stream:
            return self._collect(stream, question)

    def _collect(self, stream: Any, question: Question) -> Said:
        events = list(stream)
        assert [event.sequence_number for event in events] == list(range(len(events)))
        assert [event.type for event in events if event.type in _LAST] == [events[-1].type]
        pieces = [event for event in events if event.type == "response.output_text.delta"]
        reply = events[-1].response
        if events[-1].type == "response.completed":
            assert stream.get_final_response().id == reply.id
        assert "".join(event.delta for event in pieces) == reply.output_text
        return _said(reply, question, stream._response.headers["x-generation-id"], len(pieces))

    def results(self, said: Said, texts: dict[str, str]) -> tuple[Any, ...]:
        return tuple({"type": "function_call_output", "call_id": call.id, "output": texts[call.name]} for call in said.calls)

    def failure(self, error: Exception) -> Failed:
        return failure_of(error)


def _turns(question: Question) -> list[Any]:
    if question.text is None:
        return list(question.before)
    parts: list[Any] = [{"type": "input_text", "text": question.text}]
    if question.has_picture:
        parts.append({"type": "input_image", "image_url": f"data:image/png;base64,{PICTURE}", "detail": "auto"})
    if question.has_picture_url:
        parts.append({"type": "input_image", "image_url": PICTURE_URL, "detail": "auto"})
    return [*question.before, {"role": "user", "content": parts if len(parts) > 1 else question.text}]


def _members(question: Question) -> dict[str, Any]:
    members: dict[str, Any] = {"input": _turns(question), "max_output_tokens": question.max_tokens, "store": False, **question.own}
    if question.system is not None:
        members["instructions"] = question.system
    if question.tools:
        members["tools"] = [
            {"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.schema, "strict": True}
            for tool in question.tools
        ]
    if question.must_call == "any":
        members["tool_choice"] = "required"
    elif question.must_call is not None:
        members["tool_choice"] = {"type": "function", "name": question.must_call}
    if question.is_one_call:
        members["parallel_tool_calls"] = False
    if question.thinks:
        members |= {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}
    if question.stop:
        raise NotImplementedError("Responses has no stop sequences")
    return {**members, "extra_body": question.members} if question.members else members


def _said(reply: Any, question: Question, generation_id: str, pieces: int = 1) -> Said:
    thoughts = [item for item in reply.output if item.type == "reasoning"]
    refusals = [part.refusal for item in reply.output if item.type == "message" for part in item.content if part.type == "refusal"]
    usage, told = reply.usage, (reply.metadata or {}).get("warnings")
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    return Said(
        text=reply.output_text,
        ending=reply.status if reply.incomplete_details is None else f"{reply.status}: {reply.incomplete_details.reason}",
        id=reply.id,
        model=reply.model,
        generation_id=generation_id,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.output_tokens_details.reasoning_tokens,
        calls=tuple(
            Call(id=item.call_id, name=item.name, arguments=json.loads(item.arguments))
            for item in reply.output
            if item.type == "function_call"
        ),
        thoughts="".join(part.text for item in thoughts for part in (item.summary or item.content or ())),
        proofs=tuple(item.encrypted_content for item in thoughts if item.encrypted_content),
        refusal="".join(refusals) or None,
        warnings=[] if told is None else json.loads(told),
        turns=(*_turns(question), *(item.to_dict() for item in reply.output)),
        pieces=pieces,
        parsed=getattr(reply, "output_parsed", None),
    )
