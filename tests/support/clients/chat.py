"""OpenAI's SDK at chat completions."""

import json
from typing import Any, ClassVar

import openai
from pydantic import BaseModel

from support.clients.talk import PICTURE, PICTURE_URL, Call, Ending, Failed, Function, Question, Said


class ChatClient:
    """See `Client`."""

    dialect = "openai"
    shows_stream_warnings = True
    words: ClassVar[dict[Ending, str]] = {
        Ending.STOP: "stop",
        Ending.STOP_SEQUENCE: "stop",
        Ending.LENGTH: "length",
        Ending.TOOL: "tool_calls",
        Ending.FILTER: "content_filter",
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
        raw = self._sdk.chat.completions.with_raw_response.create(model=model, **_members(question))
        return _said(raw.parse(), question, raw.headers["x-generation-id"])

    def stream(self, model: str, question: Question) -> Said:
        with self._sdk.chat.completions.stream(model=model, **_members(question), stream_options={"include_usage": True}) as stream:
            pieces = sum(1 for event in stream if event.type == "content.delta")
            # Of an answer that is not whole `get_final_completion` makes an exception.
            return _said(stream.current_completion_snapshot, question, stream._response.headers["x-generation-id"], pieces)

    def parse(self, model: str, question: Question, into: type[BaseModel]) -> Said:
        raw = self._sdk.chat.completions.with_raw_response.parse(model=model, response_format=into, **_members(question))
        return _said(raw.parse(), question, raw.headers["x-generation-id"])

    def parse_stream(self, model: str, question: Question, into: type[BaseModel]) -> Said:
        options: Any = {"include_usage": True}
        with self._sdk.chat.completions.stream(model=model, response_format=into, stream_options=options, **_members(question)) as stream:
            return _said(stream.get_final_completion(), question, stream._response.headers["x-generation-id"])

    def results(self, said: Said, texts: dict[str, str]) -> tuple[Any, ...]:
        return tuple({"role": "tool", "tool_call_id": call.id, "content": texts[call.name]} for call in said.calls)

    def failure(self, error: Exception) -> Failed:
        return failure_of(error)


def failure_of(error: Exception) -> Failed:
    """The failure of a call or a stream of OpenAI's SDK."""
    assert isinstance(error, openai.APIError)
    response = error.response if isinstance(error, openai.APIStatusError) else None
    return Failed(
        kind=type(error),
        status=None if response is None else response.status_code,
        code=error.code,
        message=error.message,
        param=error.param,
        retry_after=None if response is None else response.headers.get("retry-after"),
        generation_id=None if response is None else response.headers.get("x-generation-id"),
    )


def _turns(question: Question) -> list[Any]:
    turns: list[Any] = list(question.before)
    if question.system is not None and not turns:
        turns.append({"role": "system", "content": question.system})
    if question.text is None:
        return turns
    parts: list[Any] = [{"type": "text", "text": question.text}]
    if question.has_picture:
        parts.append({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}})
    if question.has_picture_url:
        parts.append({"type": "image_url", "image_url": {"url": PICTURE_URL}})
    return [*turns, {"role": "user", "content": parts if len(parts) > 1 else question.text}]


def _tool(tool: Function) -> Any:
    return {"type": "function", "function": {"name": tool.name, "description": tool.description, "parameters": tool.schema, "strict": True}}


def _members(question: Question) -> dict[str, Any]:
    members: dict[str, Any] = {"messages": _turns(question), "max_completion_tokens": question.max_tokens, **question.own}
    if question.tools:
        members["tools"] = [_tool(tool) for tool in question.tools]
    if question.must_call == "any":
        members["tool_choice"] = "required"
    elif question.must_call is not None:
        members["tool_choice"] = {"type": "function", "function": {"name": question.must_call}}
    if question.is_one_call:
        members["parallel_tool_calls"] = False
    if question.stop:
        members["stop"] = list(question.stop)
    if question.thinks:
        members["reasoning_effort"] = "low"
    return {**members, "extra_body": question.members} if question.members else members


def _said(reply: Any, question: Question, generation_id: str, pieces: int = 1) -> Said:
    (choice,) = reply.choices
    message, usage = choice.message, reply.usage
    extra = message.model_extra or {}
    details = extra.get("reasoning_details") or []
    metadata = getattr(reply, "metadata", None) or {}
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    return Said(
        text=message.content or "",
        ending=choice.finish_reason,
        id=reply.id,
        model=reply.model,
        generation_id=generation_id,
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        reasoning_tokens=usage.completion_tokens_details.reasoning_tokens,
        calls=tuple(
            Call(id=call.id, name=call.function.name, arguments=json.loads(call.function.arguments)) for call in message.tool_calls or ()
        ),
        thoughts=extra.get("reasoning") or "",
        proofs=tuple(one.get("signature") or one.get("data") for one in details if one.get("signature") or one.get("data")),
        refusal=message.refusal,
        warnings=metadata.get("warnings", []),
        turns=(*_turns(question), message.model_dump(mode="json", exclude_unset=True, exclude={"parsed"})),
        pieces=pieces,
        parsed=getattr(message, "parsed", None),
    )
