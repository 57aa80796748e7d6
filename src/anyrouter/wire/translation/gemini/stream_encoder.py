"""Events of the form as Gemini's clients get them: GenerateContentResponses, as server-sent events or as the items of one JSON array.

A chunk of text is put together from bytes that are made once for a stream. A function call is written when it is whole. The reasons to
finish, the sources and the usage stand on the last chunk, as Google sends them; nothing marks the end.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import msgspec
from msgspec.structs import replace

from anyrouter.core.errors import Denied
from anyrouter.core.usage import Usage
from anyrouter.wire.form.events import (
    ArgumentsDelta,
    AudioDelta,
    CitationAdded,
    Event,
    Finish,
    LogprobsTold,
    PartEnd,
    PartStart,
    ReasoningDelta,
    RefusalDelta,
    SignatureDelta,
    Start,
    TextDelta,
    UsageTold,
)
from anyrouter.wire.form.parts import Audio, Citation, Part, Reasoning, Refusal, Text, ToolCall
from anyrouter.wire.form.reply import TokenLogprob, UsageDetails
from anyrouter.wire.form.text import EMPTY, JsonText, join, unquote
from anyrouter.wire.form.warnings import warnings_shown
from anyrouter.wire.reply import CostFields
from anyrouter.wire.translation.codec import ReplyContext
from anyrouter.wire.translation.gemini.citations import grounding_of
from anyrouter.wire.translation.gemini.failure import render_error
from anyrouter.wire.translation.gemini.media import audio_type
from anyrouter.wire.translation.gemini.reply_encoder import (
    CallIds,
    encode_call,
    encode_logprobs,
    encode_reasoning,
    encode_usage,
    encode_whole,
    finish_word,
    is_hidden,
    with_format,
)

Wire = dict[str, Any]
_encode = msgspec.json.Encoder().encode
_CONTENT = b'data: {"candidates":[{"content":{"parts":['
_END = b"}\r\n\r\n"


class _Candidate:
    """What has been written of one candidate."""

    __slots__ = ("arguments", "cited", "finish", "logprobs", "parts", "spans", "tail", "texts")

    def __init__(self, tail: bytes) -> None:
        self.tail = tail  # the bytes of a chunk behind its parts
        self.parts: dict[int, Part] = {}  # open ones
        self.arguments: list[JsonText] = []  # of the open call
        self.texts: list[JsonText] = []  # all text, for the places of sources
        self.spans: dict[int, tuple[int, int]] = {}  # which of the texts a part is made of
        self.cited: list[tuple[int, Citation]] = []  # with the number of the part
        self.logprobs: list[TokenLogprob] = []
        self.finish: Finish | None = None


class GeminiStreamEncoder:
    """A `StreamEncoder`. Who did not ask for events (`alt=sse`) gets an array of what they hold: `wire.gemini_array`."""

    __slots__ = ("_calls", "_candidates", "_context", "_details", "_hidden", "_is_begun", "_naming")

    def __init__(self, context: ReplyContext) -> None:
        self._context, self._hidden = context, is_hidden(context)
        self._naming = b'"modelVersion":%s,"responseId":%s}' % (context.naming.model, context.naming.generation_id)
        self._calls = CallIds(context)
        self._candidates: dict[int, _Candidate] = {}
        self._details: UsageDetails | None = None
        self._is_begun = False

    def encode(self, events: Sequence[Event]) -> bytes:
        """The chunks."""
        if len(events) == 1 and type(event := events[0]) is TextDelta and self._is_begun:  # nearly every time
            return self._write_text(event)
        return b"".join([self._WRITERS[type(event)](self, event) for event in events])

    def end(self, usage: Usage, cost: CostFields) -> bytes:
        """The last chunk."""
        candidates = [self._end_of(index, candidate) for index, candidate in sorted(self._candidates.items())]
        members = b'"candidates":%s,"usageMetadata":%s,' % (_encode(candidates), encode_usage(usage, self._details, cost))
        return self._begin(b"data: {%s%s\r\n\r\n" % (members, self._naming))

    def fail(self, denied: Denied, request_id: str) -> bytes:
        """The error in place of a chunk."""
        return b"data: %s\r\n\r\n" % render_error(denied, request_id)

    def _end_of(self, index: int, candidate: _Candidate) -> Wire:
        finish = candidate.finish
        wire: Wire = {"content": {"parts": [{"text": ""}], "role": "model"}}
        if finish is not None:
            wire["finishReason"] = finish_word(finish.reason, finish.native)
        wire["index"] = index
        if candidate.cited:
            wire["groundingMetadata"] = self._sources_of(candidate)
        if candidate.logprobs:
            wire["logprobsResult"] = encode_logprobs(candidate.logprobs)
        return wire

    def _sources_of(self, candidate: _Candidate) -> Wire | None:
        """The sources, with places in all of the text: clients put the pieces of a stream together to one."""
        texts = [unquote(text) for text in candidate.texts]
        moved = []
        for index, citation in candidate.cited:
            first, last = candidate.spans[index]
            start, end = sum(map(len, texts[:first])), sum(map(len, texts[:last]))
            if citation.text_end is not None:
                end = start + citation.text_end
            moved.append(replace(citation, text_start=start + (citation.text_start or 0), text_end=end))
        return grounding_of([(0, "".join(texts), moved)])

    def _begin(self, chunk: bytes) -> bytes:
        """A chunk; the first of all says who answers, and what was left out."""
        if self._is_begun:
            return chunk
        self._is_begun = True
        context = self._context
        told = b',"metadata":%s' % _encode({"warnings": warnings_shown(context.warnings)}) if context.warnings else b""
        return b'%s,"provider":%s%s%s' % (chunk.removesuffix(_END), context.naming.provider, told, _END)

    def _candidate(self, index: int) -> _Candidate:
        candidate = self._candidates.get(index)
        if candidate is None:
            tail = b'],"role":"model"},"index":%d}],%s\r\n\r\n' % (index, self._naming)
            candidate = self._candidates[index] = _Candidate(tail)
        return candidate

    def _write(self, candidate: _Candidate, part: bytes) -> bytes:
        """A chunk with this part, and with the log probabilities that wait for one."""
        tail = candidate.tail
        if candidate.logprobs:
            tail = tail.replace(b'},"index":', b'},"logprobsResult":%s,"index":' % _encode(encode_logprobs(candidate.logprobs)), 1)
            candidate.logprobs = []
        return self._begin(_CONTENT + part + tail)

    def _write_text(self, event: TextDelta | RefusalDelta) -> bytes:
        candidate = self._candidates[event.candidate]
        candidate.texts.append(event.text)
        if self._is_begun and not candidate.logprobs:
            return b'%s{"text":%s}%s' % (_CONTENT, bytes(event.text), candidate.tail)
        return self._write(candidate, b'{"text":%s}' % bytes(event.text))

    def _write_thought(self, event: ReasoningDelta) -> bytes:
        if self._hidden:
            return b""
        return self._write(self._candidates[event.candidate], b'{"text":%s,"thought":true}' % bytes(event.text))

    def _write_part(self, event: PartStart) -> bytes:
        candidate, part = self._candidate(event.candidate), event.part
        part = with_format(part, self._context) if isinstance(part, Audio) else part
        candidate.parts[event.index] = part
        if isinstance(part, ToolCall):
            candidate.arguments = []
            return b""
        if isinstance(part, Reasoning):
            return b"" if part.text == EMPTY or part.text is None else self._write_thought(ReasoningDelta(0, part.text, event.candidate))
        if isinstance(part, Text | Refusal):
            candidate.spans[event.index] = (len(candidate.texts), len(candidate.texts))
            citations = part.citations if isinstance(part, Text) else ()
            candidate.cited += [(event.index, citation) for citation in citations]
            return b"" if part.text == EMPTY else self._write_text(TextDelta(0, part.text, event.candidate))
        if isinstance(part, Audio) and part.source is None:
            return b""
        wire = encode_whole(part)
        return b"" if wire is None else self._write(candidate, _encode(wire))

    def _end_part(self, event: PartEnd) -> bytes:
        """A call, now that it is whole; the proof of what was written before it."""
        candidate = self._candidates[event.candidate]
        part = candidate.parts.pop(event.index)
        if isinstance(part, ToolCall):
            text = part.arguments + (unquote(join(candidate.arguments)) if candidate.arguments else "")
            wire: Wire | None = encode_call(replace(part, arguments=text), self._calls.of(part))
        elif isinstance(part, Reasoning):
            proven = part if part.text is None else replace(part, text=EMPTY)
            wire = encode_reasoning(proven, is_hidden=self._hidden)
        else:
            if event.index in candidate.spans:
                candidate.spans[event.index] = (candidate.spans[event.index][0], len(candidate.texts))
            signature = part.signature if isinstance(part, Text) else None
            wire = None if signature is None else {"text": "", "thoughtSignature": signature}
        return b"" if wire is None else self._write(candidate, _encode(wire))

    def _keep_signature(self, event: SignatureDelta) -> bytes:
        parts = self._candidates[event.candidate].parts
        part = parts[event.index]
        if isinstance(part, Reasoning):
            parts[event.index] = replace(
                part,
                signature=event.signature or part.signature,
                encrypted=event.encrypted or part.encrypted,
                format=event.format or part.format,
                id=event.id or part.id,
            )
        elif isinstance(part, Text | ToolCall) and event.signature is not None:
            parts[event.index] = replace(part, signature=event.signature)
        return b""

    def _keep_arguments(self, event: ArgumentsDelta) -> bytes:
        self._candidates[event.candidate].arguments.append(event.text)
        return b""

    def _write_audio(self, event: AudioDelta) -> bytes:
        candidate = self._candidates[event.candidate]
        part = candidate.parts[event.index]
        wire: Wire = {}
        if event.data is not None:
            told = part.format if isinstance(part, Audio) else None
            wire["inlineData"] = {"mimeType": audio_type(told), "data": event.data}
        if event.transcript is not None:
            wire["audioTranscription"] = {"text": event.transcript}
        return self._write(candidate, _encode(wire)) if wire else b""

    def _keep_citation(self, event: CitationAdded) -> bytes:
        candidate = self._candidates[event.candidate]
        candidate.cited.append((event.index, event.citation))
        return b""

    def _keep_logprobs(self, event: LogprobsTold) -> bytes:
        self._candidate(event.candidate).logprobs += event.logprobs
        return b""

    def _keep_finish(self, event: Finish) -> bytes:
        self._candidate(event.candidate).finish = event
        return b""

    def _keep_usage(self, event: UsageTold) -> bytes:
        self._details = event.details or self._details
        return b""

    def _pass_over(self, _event: Start) -> bytes:
        return b""

    _WRITERS: ClassVar[dict[type, Callable[..., bytes]]] = {
        Start: _pass_over,
        PartStart: _write_part,
        TextDelta: _write_text,
        RefusalDelta: _write_text,
        ReasoningDelta: _write_thought,
        SignatureDelta: _keep_signature,
        ArgumentsDelta: _keep_arguments,
        AudioDelta: _write_audio,
        CitationAdded: _keep_citation,
        LogprobsTold: _keep_logprobs,
        PartEnd: _end_part,
        Finish: _keep_finish,
        UsageTold: _keep_usage,
    }
