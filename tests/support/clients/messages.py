"""Anthropic's SDK."""

from typing import Any, ClassVar

import anthropic
from pydantic import BaseModel

from support.clients.talk import PICTURE, PICTURE_URL, Call, Ending, Failed, Question, Said

_THOUGHTS = {"thinking", "redacted_thinking"}


class MessagesClient:
    """See `Client`."""

    dialect = "anthropic"
    shows_stream_warnings = True
    words: ClassVar[dict[Ending, str]] = {
        Ending.STOP: "end_turn",
        Ending.STOP_SEQUENCE: "stop_sequence",
        Ending.LENGTH: "max_tokens",
        Ending.TOOL: "tool_use",
        Ending.FILTER: "refusal",
    }
    errors: ClassVar[dict[str, type[Exception]]] = {
        "key": anthropic.AuthenticationError,
        "rate limit": anthropic.RateLimitError,
        "too long": anthropic.ContentTooLargeError,
        "server": anthropic.InternalServerError,
        "bad request": anthropic.BadRequestError,
        "not found": anthropic.NotFoundError,
        "stream": anthropic.APIStatusError,
    }

    def __init__(self, base_url: str, key: str, timeout_s: float) -> None:
        self._headers: Any = {}
        http = anthropic.DefaultHttpxClient(event_hooks={"response": [self._keep]}, trust_env=False)
        self._sdk = anthropic.Anthropic(base_url=base_url, api_key=key, max_retries=0, timeout=timeout_s, http_client=http)

    def _keep(self, response: Any) -> None:
        self._headers = response.headers  # what `parse` does not tell

    def close(self) -> None:
        self._sdk.close()

    def ask(self, model: str, question: Question) -> Said:
        raw = self._sdk.messages.with_raw_response.create(model=model, **_members(question))
        return _said(raw.parse(), question, raw.headers["x-generation-id"])

    def stream(self, model: str, question: Question) -> Said:
        with self._sdk.messages.stream(model=model, **_members(question)) as stream:
            return _collect(stream, question)

    def parse(self, model: str, question: Question, into: type[BaseModel]) -> Said:
        reply = self._sdk.messages.parse(model=model, output_format=into, **_members(question))
        return _said(reply, question, self._headers["x-generation-id"])

    def parse_stream(self, model: str, question: Question, into: type[BaseModel]) -> Said:
        with self._sdk.messages.stream(model=model, output_format=into, **_members(question)) as stream:
            return _collect(stream, question)

    def results(self, said: Said, texts: dict[str, str]) -> tuple[Any, ...]:
        blocks = [{"type": "tool_result", "tool_use_id": call.id, "content": texts[call.name]} for call in said.calls]
        return ({"role": "user", "content": blocks},)

    def failure(self, error: Exception) -> Failed:
        assert isinstance(error, anthropic.APIStatusError)
        told: Any = error.body
        inner = told["error"]
        assert told["type"] == "error"
        assert told["request_id"] == error.response.headers["request-id"]
        return Failed(
            kind=type(error),
            status=error.status_code if error.status_code >= 400 else None,
            code=inner.get("code"),
            message=inner["message"],
            param=(inner.get("metadata") or {}).get("param"),
            retry_after=error.response.headers.get("retry-after"),
            generation_id=error.response.headers.get("x-generation-id"),
        )


def _turns(question: Question) -> list[Any]:
    if question.text is None:
        return list(question.before)
    parts: list[Any] = [{"type": "text", "text": question.text}]
    if question.has_picture:
        parts.append({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}})
    if question.has_picture_url:
        parts.append({"type": "image", "source": {"type": "url", "url": PICTURE_URL}})
    return [*question.before, {"role": "user", "content": parts if len(parts) > 1 else question.text}]


def _members(question: Question) -> dict[str, Any]:
    members: dict[str, Any] = {"messages": _turns(question), "max_tokens": question.max_tokens, **question.own}
    if question.system is not None:
        members["system"] = question.system
    if question.tools:
        members["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.schema, "strict": True} for tool in question.tools
        ]
    if question.must_call is not None or question.is_one_call:
        kind = {None: "auto", "any": "any"}.get(question.must_call, "tool")
        members["tool_choice"] = {"type": kind, **({"name": question.must_call} if kind == "tool" else {})}
        if question.is_one_call:
            members["tool_choice"]["disable_parallel_tool_use"] = True
    if question.stop:
        members["stop_sequences"] = list(question.stop)
    if question.thinks:
        members["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    return {**members, "extra_body": question.members} if question.members else members


def _collect(stream: Any, question: Question) -> Said:
    pieces = [event.text for event in stream if event.type == "text"]
    final = stream.get_final_message()
    assert "".join(pieces) == "".join(block.text for block in final.content if block.type == "text")
    return _said(final, question, stream.response.headers["x-generation-id"], len(pieces))


def _said(reply: Any, question: Question, generation_id: str, pieces: int = 1) -> Said:
    usage, details = reply.usage, reply.usage.output_tokens_details
    metadata = (reply.model_extra or {}).get("metadata") or {}
    return Said(
        text="".join(block.text for block in reply.content if block.type == "text"),
        ending=reply.stop_reason,
        id=reply.id,
        model=reply.model,
        generation_id=generation_id,
        input_tokens=usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0),
        output_tokens=usage.output_tokens,
        reasoning_tokens=0 if details is None else details.thinking_tokens or 0,
        calls=tuple(Call(id=block.id, name=block.name, arguments=block.input) for block in reply.content if block.type == "tool_use"),
        thoughts="".join(block.thinking for block in reply.content if block.type == "thinking"),
        proofs=tuple(getattr(block, "signature", "") or getattr(block, "data", "") for block in reply.content if block.type in _THOUGHTS),
        refusal=None,
        warnings=metadata.get("warnings", []),
        turns=(*_turns(question), {"role": "assistant", "content": reply.content}),
        pieces=pieces,
        parsed=getattr(reply, "parsed_output", None),
    )
