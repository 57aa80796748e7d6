"""Google's SDK."""

import base64
from typing import Any, ClassVar

from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from support.clients.talk import PICTURE, PICTURE_URL, Call, Ending, Failed, Question, Said

_MODE = types.FunctionCallingConfigMode


class GeminiClient:
    """See `Client`."""

    dialect = "gemini"
    shows_stream_warnings = False  # the SDK keeps nothing that its provider does not send
    words: ClassVar[dict[Ending, str]] = {
        Ending.STOP: "STOP",
        Ending.STOP_SEQUENCE: "STOP",
        Ending.LENGTH: "MAX_TOKENS",
        Ending.TOOL: "STOP",
        Ending.FILTER: "SAFETY",
    }
    errors: ClassVar[dict[str, type[Exception]]] = {
        "key": errors.ClientError,
        "rate limit": errors.ClientError,
        "too long": errors.ClientError,
        "server": errors.ServerError,
        "bad request": errors.ClientError,
        "not found": errors.ClientError,
        "stream": errors.APIError,
    }

    def __init__(self, base_url: str, key: str, timeout_s: float) -> None:
        self._warnings: list[Any] = []
        options = types.HttpOptions(
            base_url=base_url,
            timeout=int(timeout_s * 1000),
            retry_options=types.HttpRetryOptions(attempts=1),
            client_args={"event_hooks": {"response": [self._keep]}, "trust_env": False},
        )
        self._sdk = genai.Client(api_key=key, http_options=options)

    def _keep(self, response: Any) -> None:
        """Keep the warnings of a whole reply: the SDK's objects have no room for what its provider does not send."""
        if response.headers["content-type"].startswith("application/json"):
            response.read()
            told = response.json()
            self._warnings = told.get("metadata", {}).get("warnings", []) if isinstance(told, dict) else []

    def close(self) -> None:
        self._sdk.close()

    def ask(self, model: str, question: Question) -> Said:
        return self._ask(model, question, _config(question))

    def stream(self, model: str, question: Question) -> Said:
        return self._stream(model, question, _config(question))

    def parse(self, model: str, question: Question, into: type[BaseModel]) -> Said:
        return self._ask(model, question, _config(question, into))

    def parse_stream(self, model: str, question: Question, into: type[BaseModel]) -> Said:
        said = self._stream(model, question, _config(question, into))
        return Said(**{**vars(said), "parsed": into.model_validate_json(said.text)})

    def _ask(self, model: str, question: Question, config: Any) -> Said:
        reply = self._sdk.models.generate_content(model=model, contents=_turns(question), config=config)
        return _said([reply], question, self._warnings)

    def _stream(self, model: str, question: Question, config: Any) -> Said:
        return _said(list(self._sdk.models.generate_content_stream(model=model, contents=_turns(question), config=config)), question, [])

    def results(self, said: Said, texts: dict[str, str]) -> tuple[Any, ...]:
        parts = [
            types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"result": texts[call.name]}))
            for call in said.calls
        ]
        return (types.UserContent(parts=parts),)

    def failure(self, error: Exception) -> Failed:
        assert isinstance(error, errors.APIError)
        told: Any = error.details
        details = {detail["@type"].rpartition(".")[2]: detail for detail in told["error"]["details"]}
        headers: Any = getattr(error.response, "headers", {})
        assert error.status
        return Failed(
            kind=type(error),
            status=error.code,
            code=details["ErrorInfo"]["metadata"]["code"],
            message=str(error.message),
            param=details["ErrorInfo"]["metadata"].get("param"),
            retry_after=headers.get("retry-after"),
            generation_id=headers.get("x-generation-id"),
        )


def _turns(question: Question) -> list[Any]:
    if question.text is None:
        return list(question.before)
    parts = [types.Part.from_text(text=question.text)]
    if question.has_picture:
        parts.append(types.Part.from_bytes(data=base64.b64decode(PICTURE), mime_type="image/png"))
    if question.has_picture_url:
        parts.append(types.Part.from_uri(file_uri=PICTURE_URL, mime_type="image/png"))
    return [*question.before, types.UserContent(parts=parts)]


def _config(question: Question, into: type[BaseModel] | None = None) -> types.GenerateContentConfig:
    config: dict[str, Any] = {"max_output_tokens": question.max_tokens, **question.own}
    if question.system is not None:
        config["system_instruction"] = question.system
    if question.tools:
        declared = [
            types.FunctionDeclaration(name=tool.name, description=tool.description, parameters_json_schema=tool.schema)
            for tool in question.tools
        ]
        config["tools"] = [types.Tool(function_declarations=declared)]
    if question.must_call is not None:
        names = None if question.must_call == "any" else [question.must_call]
        calling = types.FunctionCallingConfig(mode=_MODE.ANY, allowed_function_names=names)
        config["tool_config"] = types.ToolConfig(function_calling_config=calling)
    if question.stop:
        config["stop_sequences"] = list(question.stop)
    if question.thinks:
        config["thinking_config"] = types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
    if into is not None:
        config |= {"response_mime_type": "application/json", "response_schema": into}
    if question.members:
        config["http_options"] = types.HttpOptions(extra_body=question.members)
    return types.GenerateContentConfig(**config)


def _said(chunks: list[types.GenerateContentResponse], question: Question, warnings: list[Any]) -> Said:
    candidates = [chunk.candidates[0] for chunk in chunks if chunk.candidates]
    parts = [part for one in candidates if one.content is not None for part in one.content.parts or ()]
    texts = [part.text for part in parts if part.text and not part.thought]
    last = chunks[-1]
    headers: Any = last.sdk_http_response.headers if last.sdk_http_response is not None else {}
    usage: Any = last.usage_metadata
    assert {chunk.response_id for chunk in chunks} == {last.response_id}
    output, thoughts = usage.candidates_token_count or 0, usage.thoughts_token_count or 0
    assert usage.total_token_count == usage.prompt_token_count + output + thoughts
    endings = [one.finish_reason for one in candidates if one.finish_reason is not None]
    return Said(
        text="".join(texts),
        ending=endings[-1].value if endings else None,
        id=str(last.response_id),
        model=str(last.model_version),
        generation_id=headers["x-generation-id"],
        input_tokens=usage.prompt_token_count,
        output_tokens=output + thoughts,
        reasoning_tokens=thoughts,
        calls=tuple(
            Call(id=part.function_call.id, name=part.function_call.name, arguments=part.function_call.args or {})
            for part in parts
            if part.function_call
        ),
        thoughts="".join(part.text or "" for part in parts if part.thought),
        proofs=tuple(part.thought_signature.decode("latin-1") for part in parts if part.thought_signature),
        refusal=None,
        warnings=warnings,
        turns=(*_turns(question), types.Content(role="model", parts=parts)),
        pieces=len(texts),
        parsed=last.parsed if isinstance(last.parsed, BaseModel) else None,
    )
