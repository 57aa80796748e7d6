"""Events of the form as a client of chat completions gets them: chunks as OpenAI writes them, with OpenRouter's reasoning.

A chunk of text is put together from bytes that are made once for a stream; only what is rare is encoded.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import Raw

from anyrouter.core.errors import Denied
from anyrouter.core.usage import Usage
from anyrouter.wire.failure import render_stream_failure
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
from anyrouter.wire.form.parts import Audio, Citation, Image, Part, Reasoning, Text, ToolCall, make_call_id
from anyrouter.wire.form.reply import UsageDetails
from anyrouter.wire.form.text import EMPTY, JsonText, unquote
from anyrouter.wire.form.warnings import warnings_shown
from anyrouter.wire.openai_stream import DONE
from anyrouter.wire.reply import CostFields
from anyrouter.wire.translation.codec import ReplyContext
from anyrouter.wire.translation.openai.reasoning_details import SUMMARY, TEXT, details_of_reasoning, signature_detail
from anyrouter.wire.translation.openai.reply_encoder import encode_citation, encode_image, encode_logprobs, encode_usage, is_hidden

_encode = msgspec.json.Encoder().encode
_PLAIN_END = b'},"logprobs":null,"finish_reason":null}]}\n\n'


class _Candidate:
    """What has been written of one candidate."""

    __slots__ = ("calls", "cited", "details", "head", "images", "is_empty", "logprobs", "parts", "pieces", "spans", "told")

    def __init__(self, head: bytes) -> None:
        self.head = head  # the bytes of a chunk up to the members of its delta
        self.parts: dict[int, tuple[Part, int]] = {}  # open parts, with the number that the dialect counts them by
        self.calls = self.details = 0
        self.told: set[tuple[int, str]] = set()  # what was said once of the details
        self.is_empty = True  # whether the open tool call has no arguments yet
        self.logprobs: dict[str, list[Any]] = {}
        self.images = 0
        self.pieces: list[JsonText] = []  # all text, for the places of citations
        self.spans: dict[int, tuple[int, int]] = {}  # of each part, in pieces
        self.cited: list[tuple[int, Citation]] = []  # with the number of the part


class OpenAIStreamEncoder:
    """A `StreamEncoder`."""

    __slots__ = ("_candidates", "_context", "_created", "_details", "_is_begun", "_is_hidden", "_start", "_tail")

    def __init__(self, context: ReplyContext) -> None:
        self._context, self._is_hidden = context, is_hidden(context)
        self._start = Start()
        self._candidates: dict[int, _Candidate] = {}
        self._details: UsageDetails | None = None
        self._is_begun = False
        self._created = b"%d" % context.created_s

    def encode(self, events: Sequence[Event]) -> bytes:
        """The chunks."""
        if len(events) == 1 and type(event := events[0]) is TextDelta and self._is_begun:  # nearly every time
            return self._write_text(event)
        return b"".join([self._WRITERS[type(event)](self, event) for event in events])

    def end(self, usage: Usage, cost: CostFields) -> bytes:
        """The usage chunk, if the client asked for it, and [DONE]."""
        if not self._context.request.is_usage_wanted:
            return DONE
        block = encode_usage(usage, self._details, cost)
        provider = self._context.naming.provider
        return b'data: %s"choices":[],"provider":%s,"usage":%s}\n\n%s' % (self._prefix(), provider, block, DONE)

    def fail(self, denied: Denied, request_id: str) -> bytes:
        """The chunk that ends a stream which cannot go on."""
        naming = self._context.naming
        return render_stream_failure("openai", denied, request_id, unquote(Raw(naming.generation_id)), unquote(Raw(naming.model)))

    def _prefix(self) -> bytes:
        naming, start = self._context.naming, self._start
        prefix = b'{"id":%s,"object":"chat.completion.chunk","created":%s,"model":%s,' % (
            naming.generation_id,
            self._created,
            naming.model,
        )
        if start.service_tier is not None:
            prefix += b'"service_tier":%s,' % _encode(start.service_tier)
        return prefix + b'"system_fingerprint":%s,' % _encode(start.system_fingerprint)

    def _candidate(self, index: int) -> _Candidate:
        """The candidate, which the chunk with the role begins."""
        candidate = self._candidates.get(index)
        if candidate is None:
            candidate = self._candidates[index] = _Candidate(b'data: %s"choices":[{"index":%d,"delta":{' % (self._prefix(), index))
        return candidate

    def _begin(self, index: int) -> tuple[_Candidate, bytes]:
        """The candidate, and the chunk with the role when it begins now. The first of all says who answers, and what was left out."""
        if index in self._candidates:
            return self._candidates[index], b""
        candidate = self._candidate(index)
        role = candidate.head + b'"role":"assistant","content":"","refusal":null' + _PLAIN_END
        if not self._is_begun:
            self._is_begun = True
            naming, warnings = self._context.naming, self._context.warnings
            told = b',"metadata":%s' % _encode({"warnings": warnings_shown(warnings)}) if warnings else b""
            role = role[:-3] + b',"provider":%s%s}\n\n' % (naming.provider, told)
        return candidate, role

    def _write_start(self, event: Start) -> bytes:
        self._start = event
        if event.created_s is not None:
            self._created = b"%d" % event.created_s
        return b""

    def _write_text(self, event: TextDelta) -> bytes:
        candidate = self._candidates[event.candidate]
        candidate.pieces.append(event.text)
        if candidate.logprobs:
            return self._chunk(candidate, b'"content":%s' % bytes(event.text))
        return b'%s"content":%s%s' % (candidate.head, bytes(event.text), _PLAIN_END)

    def _write_refusal(self, event: RefusalDelta) -> bytes:
        return self._chunk(self._candidates[event.candidate], b'"refusal":%s' % bytes(event.text))

    def _chunk(self, candidate: _Candidate, delta: bytes) -> bytes:
        """A chunk with this delta, and with the log probabilities that wait for one."""
        if not candidate.logprobs:
            return candidate.head + delta + _PLAIN_END
        told = {"content": candidate.logprobs.get("content"), "refusal": candidate.logprobs.get("refusal")}
        candidate.logprobs = {}
        return b'%s%s},"logprobs":%s,"finish_reason":null}]}\n\n' % (candidate.head, delta, _encode(told))

    def _write_part(self, event: PartStart) -> bytes:
        candidate, out = self._begin(event.candidate)
        part = event.part
        number = 0
        if isinstance(part, ToolCall):
            number = candidate.calls
            out += self._write_call(candidate, part, number)
            candidate.calls += 1
        elif isinstance(part, Reasoning):
            number = candidate.details
            out += self._write_reasoning(candidate, part)
        elif isinstance(part, Text):
            candidate.spans[event.index] = (len(candidate.pieces), len(candidate.pieces))
            if part.signature:
                out += self._write_details(candidate, [signature_detail(part.signature, None, candidate.details)])
            if part.text != EMPTY:
                out += self._write_text(TextDelta(event.index, part.text, event.candidate))
            candidate.cited += [(event.index, citation) for citation in part.citations]
        elif isinstance(part, Image):
            image = encode_image(part)
            if image is not None:
                out += self._chunk(candidate, b'"images":%s' % _encode([{**image, "index": candidate.images}]))
                candidate.images += 1
        elif isinstance(part, Audio):
            out += self._chunk(candidate, b'"audio":%s' % _encode({"id": part.id or ""}))
        candidate.parts[event.index] = (part, number)
        return out

    def _write_call(self, candidate: _Candidate, part: ToolCall, number: int) -> bytes:
        call_id = part.id or make_call_id(self._context.naming.generation_id.decode(), number)
        candidate.is_empty = not part.arguments
        told: dict[str, Any] = {"name": part.name, "arguments": part.arguments}
        if part.kind == "custom":
            told = {"name": part.name, "input": part.arguments}
        call = {"index": number, "id": call_id, "type": part.kind, part.kind: told}
        proof = b""
        if part.signature:
            proof = self._write_details(candidate, [signature_detail(part.signature, call_id, candidate.details)])
        return proof + self._chunk(candidate, b'"tool_calls":%s' % _encode([call]))

    def _write_reasoning(self, candidate: _Candidate, part: Reasoning) -> bytes:
        text = b"" if part.text is None or part.text == EMPTY else bytes(part.text)
        number = candidate.details
        details = details_of_reasoning(part, number) if part.text is None or text or part.encrypted is not None else []
        if not details:
            candidate.details += 1  # its deltas come under this number
            return b""
        candidate.told |= {(entry["index"], name) for entry in details for name in ("id", "format") if name in entry}
        return self._write_details(candidate, details, text)

    def _write_details(self, candidate: _Candidate, details: list[dict[str, Any]], text: bytes = b"") -> bytes:
        candidate.details += len(details)
        if self._is_hidden or not details:
            return b""
        told = b'"reasoning":%s,' % text if text else b""
        return self._chunk(candidate, told + b'"reasoning_details":%s' % _encode(details))

    def _write_thought(self, event: ReasoningDelta) -> bytes:
        if self._is_hidden:
            return b""
        candidate = self._candidates[event.candidate]
        part, number = candidate.parts[event.index]
        kind, member = (SUMMARY, "summary") if isinstance(part, Reasoning) and part.is_summary else (TEXT, "text")
        detail = self._detail(candidate, part, number, {"type": kind, member: event.text})
        return self._chunk(candidate, b'"reasoning":%s,"reasoning_details":%s' % (bytes(event.text), _encode([detail])))

    def _write_signature(self, event: SignatureDelta) -> bytes:
        candidate = self._candidates[event.candidate]
        part, number = candidate.parts[event.index]
        if isinstance(part, Reasoning):
            told = msgspec.structs.replace(part, format=event.format or part.format, id=event.id or part.id)
            entries = []
            if event.signature is not None:
                entries.append(self._detail(candidate, told, number, {"type": TEXT, "text": "", "signature": event.signature}))
            if event.encrypted is not None:
                entries += details_of_reasoning(msgspec.structs.replace(told, text=None, encrypted=event.encrypted), candidate.details)
                candidate.details += 1
            return b"" if self._is_hidden or not entries else self._chunk(candidate, b'"reasoning_details":%s' % _encode(entries))
        if event.signature is None:
            return b""
        call_id = None
        if isinstance(part, ToolCall):
            call_id = part.id or make_call_id(self._context.naming.generation_id.decode(), number)
        return self._write_details(candidate, [signature_detail(event.signature, call_id, candidate.details)])

    def _detail(self, candidate: _Candidate, part: Part, number: int, told: dict[str, Any]) -> dict[str, Any]:
        """A piece of a detail. Its id and format stand on the first one that knows them: OpenAI's SDKs join a text that comes again."""
        if isinstance(part, Reasoning):
            for name, value in (("id", part.id), ("format", part.format)):
                if value is not None and (number, name) not in candidate.told:
                    candidate.told.add((number, name))
                    told[name] = value
        told["index"] = number
        return told

    def _write_arguments(self, event: ArgumentsDelta) -> bytes:
        candidate = self._candidates[event.candidate]
        part, number = candidate.parts[event.index]
        candidate.is_empty = False
        if isinstance(part, ToolCall) and part.kind == "custom":
            delta = b'"tool_calls":[{"index":%d,"custom":{"input":%s}}]' % (number, bytes(event.text))
        else:
            delta = b'"tool_calls":[{"index":%d,"function":{"arguments":%s}}]' % (number, bytes(event.text))
        return b"%s%s%s" % (candidate.head, delta, _PLAIN_END)

    def _write_audio(self, event: AudioDelta) -> bytes:
        told = {"data": event.data, "transcript": event.transcript, "expires_at": event.expires_at}
        audio = {name: value for name, value in told.items() if value is not None}
        return self._chunk(self._candidates[event.candidate], b'"audio":%s' % _encode(audio))

    def _keep_citation(self, event: CitationAdded) -> bytes:
        self._candidates[event.candidate].cited.append((event.index, event.citation))
        return b""

    def _write_citations(self, candidate: _Candidate) -> bytes:
        """All of them in one chunk: they have no index, so that OpenAI's SDKs cannot join those of two."""
        sizes = [len(unquote(piece)) for piece in candidate.pieces]
        annotations = []
        for number, citation in candidate.cited:
            first, last = candidate.spans.get(number, (0, len(sizes)))
            start = sum(sizes[:first])
            annotation = encode_citation(citation, start, start + sum(sizes[first:last]))
            if annotation is not None:
                annotations.append(annotation)
        return self._chunk(candidate, b'"annotations":%s' % _encode(annotations)) if annotations else b""

    def _keep_logprobs(self, event: LogprobsTold) -> bytes:
        candidate, out = self._begin(event.candidate)
        kept = candidate.logprobs.setdefault("refusal" if event.is_refusal else "content", [])
        kept += encode_logprobs(event.logprobs)
        return out

    def _end_part(self, event: PartEnd) -> bytes:
        candidate = self._candidates[event.candidate]
        part, number = candidate.parts.pop(event.index)
        if isinstance(part, Text):
            candidate.spans[event.index] = (candidate.spans[event.index][0], len(candidate.pieces))
        if isinstance(part, ToolCall) and candidate.is_empty and part.kind == "function":
            # A tool without arguments: clients parse what they collected, and nothing is no JSON.
            return self._chunk(candidate, b'"tool_calls":[{"index":%d,"function":{"arguments":"{}"}}]' % number)
        return b""

    def _write_finish(self, event: Finish) -> bytes:
        candidate, out = self._begin(event.candidate)
        if candidate.cited:
            out += self._write_citations(candidate)
        if candidate.logprobs:
            out += self._chunk(candidate, b"")
        reason = event.reason.value
        stop = b"" if event.stop_sequence is None else b',"stop_reason":%s' % _encode(event.stop_sequence)
        native = _encode(event.native or reason)
        return out + b'%s},"logprobs":null,"finish_reason":"%s","native_finish_reason":%s%s}]}\n\n' % (
            candidate.head,
            reason.encode(),
            native,
            stop,
        )

    def _keep_usage(self, event: UsageTold) -> bytes:
        self._details = event.details or self._details
        return b""

    _WRITERS: ClassVar[dict[type, Callable[..., bytes]]] = {
        Start: _write_start,
        PartStart: _write_part,
        TextDelta: _write_text,
        RefusalDelta: _write_refusal,
        ReasoningDelta: _write_thought,
        SignatureDelta: _write_signature,
        ArgumentsDelta: _write_arguments,
        AudioDelta: _write_audio,
        CitationAdded: _keep_citation,
        LogprobsTold: _keep_logprobs,
        PartEnd: _end_part,
        Finish: _write_finish,
        UsageTold: _keep_usage,
    }
