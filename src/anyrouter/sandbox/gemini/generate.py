"""generateContent, streamGenerateContent and countTokens.

The order of members is the provider's (recorded replies of 2025 and 2026). A stream is a list of replies: as server-sent events, or
as the one JSON array that Google sends to who does not ask for them.
"""

from collections.abc import Iterator
from typing import Any

from anyrouter.sandbox.answer import Answer, Ending, check_window, compose
from anyrouter.sandbox.fields import Fields
from anyrouter.sandbox.gemini.content import read_contents
from anyrouter.sandbox.gemini.envelope import JSON, encode, headers, refusal, whole
from anyrouter.sandbox.gemini.members import COUNT_REQUEST, read
from anyrouter.sandbox.gemini.request import GeminiRequest, read_model, read_request
from anyrouter.sandbox.reply import Reply, Stamp
from anyrouter.sandbox.scenario import Scenario
from anyrouter.sandbox.text import byte_count, pieces, tokens_of

Part = dict[str, Any]

_FINISH_REASONS = {Ending.LENGTH: "MAX_TOKENS", Ending.FILTERED: "SAFETY"}
_RATINGS = [{"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True}]
_LOGPROB = -0.01


def answer_generate(fields: Fields, stamp: Stamp, model: str) -> Reply:
    """The reply to :generateContent; FieldFault, ApiError or WindowExceeded when there is none."""
    request, answer = _prepare(fields, model)
    reply = _Reply(request, answer, stamp)
    return whole(reply.blocked() if answer.ending is Ending.REFUSED else reply.whole(), stamp)


def answer_stream(fields: Fields, stamp: Stamp, model: str, *, is_array: bool) -> Reply:
    """The reply to :streamGenerateContent; what :generateContent refuses is refused before it."""
    request, answer = _prepare(fields, model)
    chunks = _Reply(request, answer, stamp).chunks()
    if is_array:
        return Reply(headers=(JSON, *headers(stamp)), body=_as_array(chunks), is_stream=True)
    kind = (("content-type", "text/event-stream"), ("content-disposition", "attachment"))
    body = (b"data: " + encode(chunk) + b"\r\n\r\n" for chunk in chunks)
    return Reply(headers=(*kind, *headers(stamp)), body=body, is_stream=True)


def answer_gemini_count(fields: Fields, stamp: Stamp, model: str) -> Reply:
    """The reply to :countTokens: what :generateContent would report as `promptTokenCount`."""
    read_model(model, "countTokens")
    request = read(fields, COUNT_REQUEST)
    inner = request.object("generateContentRequest")
    if inner is not None and request.has("contents"):
        raise refusal("* CountTokensRequest: contents and generate_content_request are mutually exclusive.\n")
    tokens = read_request(inner, model).prompt.input_tokens if inner is not None else read_contents(request, "CountTokensRequest").tokens
    return whole({"totalTokens": tokens, "promptTokensDetails": _details(tokens)}, stamp)


def _prepare(fields: Fields, model: str) -> tuple[GeminiRequest, Answer]:
    request = read_request(fields, read_model(model, "generateContent"))
    check_window(request.prompt.scenario, request.prompt.input_tokens)
    return request, compose(request.prompt)


def _as_array(chunks: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    """The elements of an array, each in a part of its own, with what stands before it."""
    before = b"["
    for chunk in chunks:
        yield before + encode(chunk, is_indented=True) + b"\n"
        before = b",\r\n"
    yield b"]\n"


def _details(tokens: int) -> list[dict[str, Any]]:
    return [{"modality": "TEXT", "tokenCount": tokens}]


class _Reply:
    """Writes one reply, whole or in the chunks of a stream. All candidates say the same."""

    def __init__(self, request: GeminiRequest, answer: Answer, stamp: Stamp) -> None:
        self._request, self._answer, self._stamp = request, answer, stamp
        self._choices = request.prompt.choices

    def whole(self) -> dict[str, Any]:
        answer = self._answer
        parts = self._thoughts([answer.reasoning] if answer.reasoning else [])
        if answer.tool is not None:
            parts += self._call()
        elif answer.tokens:
            parts.append({"text": answer.text, **self._signature()})
        return self._chunk(parts, answer.tokens, is_last=True)

    def chunks(self) -> Iterator[dict[str, Any]]:
        answer = self._answer
        if answer.ending is Ending.REFUSED:
            yield self.blocked()
            return
        steps = [([part], 0) for part in self._thoughts(list(pieces(answer.reasoning)))]
        if answer.tool is not None:
            steps.append((self._call(), answer.tokens))
        else:
            said = 0
            for piece in pieces(answer.text):
                said += byte_count(piece)
                steps.append(([{"text": piece}], tokens_of(said)))
            if answer.reasoning or not answer.text:  # a thought's signature comes when all is said
                steps.append(([{"text": "", **self._signature()}] if answer.tokens else [], answer.tokens))
        for number, (parts, tokens) in enumerate(steps, start=1):
            yield self._chunk(parts, tokens, is_last=number == len(steps))

    def blocked(self) -> dict[str, Any]:
        """The reply to a prompt that is not answered: no candidate, and why."""
        return {"promptFeedback": {"blockReason": "SAFETY", "safetyRatings": _RATINGS}, **self._tail(0)}

    def _thoughts(self, texts: list[str]) -> list[Part]:
        return [{"text": text, "thought": True} for text in texts] if self._request.shows_thoughts else []

    def _call(self) -> list[Part]:
        """The call; nothing when its arguments were cut short."""
        answer = self._answer
        if answer.tool is None or answer.arguments is None:
            return []
        call = {"name": answer.tool.name, "args": answer.arguments, "id": self._stamp.token("call", 16).lower()}
        return [{"functionCall": call, **self._signature()}]

    def _signature(self) -> dict[str, str]:
        """What proves that a thought is the model's own, for the way back."""
        return {"thoughtSignature": f"CiQB{self._stamp.token('signature', 40)}"} if self._answer.reasoning else {}

    def _chunk(self, parts: list[Part], tokens: int, *, is_last: bool) -> dict[str, Any]:
        content = {"parts": parts, "role": "model"} if parts else {"role": "model"}
        candidate: dict[str, Any] = {"content": content}
        if is_last:
            candidate["finishReason"] = _FINISH_REASONS.get(self._answer.ending, "STOP")
            if self._answer.ending is Ending.FILTERED:
                candidate["safetyRatings"] = _RATINGS
        candidates = [{**candidate, "index": index, **self._logprobs(parts)} for index in range(self._choices)]
        return {"candidates": candidates, **self._tail(tokens)}

    def _tail(self, tokens: int) -> dict[str, Any]:
        """What every chunk says of the whole."""
        version, identity = self._request.prompt.model, self._stamp.token("response", 22)
        return {**self._usage(tokens), "modelVersion": version, "responseId": identity}

    def _usage(self, tokens: int) -> dict[str, Any]:
        """The usage member, or nothing under sandbox/no-usage. Thoughts are counted beside the candidates, not in them."""
        prompt = self._request.prompt
        if prompt.scenario is Scenario.NO_USAGE:
            return {}
        spoken, thought = tokens * self._choices, self._answer.reasoning_tokens * self._choices
        usage: dict[str, Any] = {"promptTokenCount": prompt.input_tokens}
        if spoken:
            usage["candidatesTokenCount"] = spoken
        usage |= {"totalTokenCount": prompt.input_tokens + spoken + thought, "promptTokensDetails": _details(prompt.input_tokens)}
        if thought:
            usage["thoughtsTokenCount"] = thought
        return {"usageMetadata": usage}

    def _logprobs(self, parts: list[Part]) -> dict[str, Any]:
        top, text = self._request.top_logprobs, "".join(part["text"] for part in parts if "text" in part and not part.get("thought"))
        if top is None or not text:
            return {}
        chosen = [{"token": piece, "tokenId": index, "logProbability": _LOGPROB} for index, piece in enumerate(pieces(text))]
        result: dict[str, Any] = {"topCandidates": [{"candidates": [entry]} for entry in chosen]} if top else {}
        return {"avgLogprobs": _LOGPROB, "logprobsResult": {**result, "chosenCandidates": chosen}}
