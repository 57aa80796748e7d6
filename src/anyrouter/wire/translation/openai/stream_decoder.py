"""A stream of a chat completions upstream into events of the form.

Most events of a stream differ from the one before in nothing but a piece of text. Such a one teaches what stands around its text; an
event with the same bytes around another string is the same object with another text, and is not parsed.
"""

import re

import msgspec
from msgspec import UNSET, Raw

from anyrouter.wire.failure import read_failure, read_status_told
from anyrouter.wire.form.events import (
    AudioDelta,
    CitationAdded,
    End,
    Event,
    Failure,
    Finish,
    LogprobsTold,
    PartStart,
    ReasoningDelta,
    RefusalDelta,
    SignatureDelta,
    Start,
    TextDelta,
    UsageTold,
)
from anyrouter.wire.form.parts import Audio, Part, Reasoning, Refusal, Text
from anyrouter.wire.form.reasoning import GEMINI_FORMAT
from anyrouter.wire.form.text import EMPTY, JsonText
from anyrouter.wire.reply import InvalidReply
from anyrouter.wire.sse import EventSplitter, checked_comment, data_of, feed_checked, split_events
from anyrouter.wire.translation.carried import Carried, is_list, is_string, is_told
from anyrouter.wire.translation.openai.part_numbers import PartNumbers
from anyrouter.wire.translation.openai.reasoning_details import ENCRYPTED, SUMMARY
from anyrouter.wire.translation.openai.reply_decoder import (
    citations_of,
    decode_usage,
    finish_of,
    images_of,
    logprobs_of,
    parts_of_list,
    stop_sequence_of,
)
from anyrouter.wire.translation.openai.shapes import (
    ChunkShape,
    DeltaChoiceShape,
    DetailShape,
    ToldAudioShape,
    ToldCallShape,
    ToldMessageShape,
)
from anyrouter.wire.translation.openai.tool_call_order import ToolCallOrder

_decode_chunk = msgspec.json.Decoder(ChunkShape).decode
_CONTENT = re.compile(rb'"content"\s*:\s*')
_LITERAL = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}))+"')  # halves of characters aside
_MAX_LESSONS = 8  # a stream whose events all differ elsewhere is not worth learning from


class OpenAIStreamDecoder:
    """A `StreamDecoder`."""

    __slots__ = ("_before", "_behind", "_candidates", "_is_begun", "_is_over", "_lessons", "_splitter", "_text")

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self._before = self._behind = b""  # what stands around the text of an event, while a text is open
        self._text = (0, 0)  # that text's part and candidate
        self._lessons = 0
        self._candidates: dict[int, _CandidateDecoder] = {}
        self._is_begun = self._is_over = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that are whole now; InvalidReply for what is no stream of this dialect."""
        before = self._before
        if before and data.startswith(before) and data.endswith(self._behind) and not self._splitter.is_holding:
            text = data[len(before) : -len(self._behind)]
            if _LITERAL.fullmatch(text) and _is_utf8(text):
                self._lessons = 0
                return [TextDelta(self._text[0], Raw(text), self._text[1])]
        whole = feed_checked(self._splitter, data)
        events: list[Event] = []
        if whole and not self._is_over:
            for event in split_events(whole):
                if not self._read(event, events):
                    self._is_over = True
                    break
        return events

    def eof(self) -> list[Event]:
        """The last events; servers exist that leave [DONE] out."""
        events: list[Event] = []
        rest = self._splitter.rest()
        if data_of(rest) and not self._is_over:
            self._is_over = not self._read(rest.rstrip(b"\r\n") + b"\n\n", events)
        if not self._is_over and self._candidates and all(candidate.is_finished for candidate in self._candidates.values()):
            self._is_over = True
            events.append(End())
        return events

    def _read(self, event: bytes, events: list[Event]) -> bool:
        """Take note of one event; False when nothing can follow it."""
        self._before = b""
        data = event[6:-2] if event.startswith(b"data: ") and event.find(b"\n") == len(event) - 2 else data_of(event)
        if not data:
            checked_comment(event)
            return True
        if data.strip() == b"[DONE]":
            self._end(events)
            return False
        chunk = _decode_chunk(data)
        if is_told(chunk.error):
            message, code, _ = read_failure(data)
            message = message or "it reported an error inside of the stream"
            events.append(Failure(message=message, code=code, status=read_status_told(data)))
            return False
        choices = chunk.choices
        if choices is None:
            raise InvalidReply("an event of the stream has no choices")
        if not self._is_begun:
            self._is_begun = True
            events.append(
                Start(
                    id=chunk.id,
                    model=chunk.model,
                    created_s=chunk.created,
                    service_tier=chunk.service_tier,
                    system_fingerprint=chunk.system_fingerprint,
                )
            )
        for choice in choices:
            candidate = self._candidates.get(choice.index)
            if candidate is None:
                candidate = self._candidates[choice.index] = _CandidateDecoder(choice.index)
            candidate.read(choice, events)
        if is_told(chunk.usage):
            self._read_usage(chunk.usage, events, is_last=not choices)
        elif len(choices) == 1 and events and type(events[-1]) is TextDelta:
            self._learn(event, choices[0], events[-1])
        return True

    def _read_usage(self, raw: Raw, events: list[Event], *, is_last: bool) -> None:
        usage, details = decode_usage(raw)
        if usage is not None:
            is_final = is_last or all(candidate.is_finished for candidate in self._candidates.values())
            events.append(UsageTold(usage, details, is_final))

    def _learn(self, event: bytes, choice: DeltaChoiceShape, text: TextDelta) -> None:
        """Remember what stands around the text of an event that has nothing else in it."""
        delta = choice.delta
        if delta is None or not _is_plain(delta) or choice.finish_reason is not None or choice.logprobs is not None:
            return
        found = _CONTENT.findall(event)
        if len(found) != 1 or self._lessons >= _MAX_LESSONS:
            return
        literal = bytes(text.text)
        start = event.index(found[0]) + len(found[0])
        before, behind = event[:start], event[start + len(literal) :]
        # Behind a backslash a member's name could be spelt so that it is not found.
        if event.startswith(literal, start) and b"\\" not in before and b"\\" not in behind:
            self._before, self._behind = before, behind
            self._text = (text.index, text.candidate)
            self._lessons += 1

    def _end(self, events: list[Event]) -> None:
        if not self._candidates:
            raise InvalidReply("the stream ended before it began")
        for candidate in self._candidates.values():
            candidate.finish(None, None, None, events)
        events.append(End())


class _CandidateDecoder:
    """The choice of one index."""

    __slots__ = ("_calls", "_candidate", "_parts", "_thought", "is_finished")

    def __init__(self, index: int) -> None:
        self._candidate, self._parts, self._calls = index, PartNumbers(index), ToolCallOrder(index)
        self._thought: tuple[object, ...] | None = None  # which reasoning is open
        self.is_finished = False

    def read(self, choice: DeltaChoiceShape, events: list[Event]) -> None:
        """The events of a chunk's choice."""
        delta = choice.delta
        if self.is_finished:
            return
        if choice.logprobs is not None:
            for told, is_refusal in ((choice.logprobs.content, False), (choice.logprobs.refusal, True)):
                if told:
                    events.append(LogprobsTold(logprobs_of(told) or [], is_refusal, self._candidate))
        if delta is not None:
            content = delta.content
            if is_string(content) and self._parts.open_kind == "text" and _is_plain(delta):  # nearly every chunk
                if content != EMPTY:
                    events.append(TextDelta(self._parts.open_index, content, self._candidate))
            else:
                self._read_delta(delta, events)
        if choice.finish_reason is not None:
            self.finish(choice.finish_reason, choice.native_finish_reason, stop_sequence_of(choice.stop_reason), events)

    def finish(self, reason: str | None, native: str | None, stop_sequence: str | None, events: list[Event]) -> None:
        """The events that end the candidate, unless it has ended."""
        if self.is_finished:
            return
        self.is_finished = True
        events += self._calls.finish(self._parts)
        for call_id, proof in self._calls.proofs.items():
            self._add_whole(Reasoning(encrypted=proof, id=call_id, format=GEMINI_FORMAT), events)
        events += self._parts.close()
        finish = finish_of(reason, has_calls=self._calls.count > 0)
        events.append(Finish(reason=finish, native=native or reason, stop_sequence=stop_sequence, candidate=self._candidate))

    def _read_delta(self, delta: ToldMessageShape, events: list[Event]) -> None:
        for detail in delta.reasoning_details or ():
            self._read_detail(detail, events)
        if not delta.reasoning_details:
            for thought in (delta.reasoning, delta.reasoning_content):
                if is_string(thought) and thought != EMPTY:
                    self._add_thought(thought, events)
                    break
        if delta.content is not UNSET or delta.refusal is not UNSET:
            self._read_text(delta, events)
        for citation in citations_of(delta.annotations):
            events.append(CitationAdded(self._open("text", Text(EMPTY), events), citation, self._candidate))
        if delta.audio is not None:
            self._read_audio(delta.audio, events)
        for image in images_of(delta.images):
            self._add_whole(image, events)
        if delta.tool_calls or delta.function_call is not None:
            self._read_calls(delta, events)

    def _read_text(self, delta: ToldMessageShape, events: list[Event]) -> None:
        content, refusal, candidate = delta.content, delta.refusal, self._candidate
        if is_string(content):
            if content != EMPTY:
                events.append(TextDelta(self._open("text", Text(EMPTY), events), content, candidate))
        elif is_list(content):
            for part in parts_of_list(content):
                if isinstance(part, Text) and part.text != EMPTY:
                    events.append(TextDelta(self._open("text", Text(EMPTY), events), part.text, candidate))
                elif isinstance(part, Reasoning) and part.text is not None and part.text != EMPTY:
                    self._add_thought(part.text, events)
        if is_string(refusal) and refusal != EMPTY:
            events.append(RefusalDelta(self._open("refusal", Refusal(EMPTY), events), refusal, candidate))

    def _add_thought(self, text: JsonText, events: list[Event]) -> None:
        """More of reasoning that is told without details."""
        index = self._open_thought((None,), Reasoning(text=EMPTY), events)
        events.append(ReasoningDelta(index, text, self._candidate))

    def _read_calls(self, delta: ToldMessageShape, events: list[Event]) -> None:
        if not self._calls.is_open:
            events += self._parts.close()
        for call in delta.tool_calls or ():
            events += self._calls.take(call, self._parts)
        if delta.function_call is not None:
            events += self._calls.take(ToldCallShape(index=0, function=delta.function_call), self._parts)

    def _open(self, kind: str, part: Part, events: list[Event]) -> int:
        """The number of the open part of this kind, which begins now if none is open."""
        if self._parts.open_kind != kind:
            self._close(events)
            events.append(PartStart(self._parts.take(kind), part, self._candidate))
        return self._parts.open_index

    def _close(self, events: list[Event]) -> None:
        events += self._calls.finish(self._parts)
        events += self._parts.close()
        self._thought = None

    def _add_whole(self, part: Part, events: list[Event]) -> None:
        self._close(events)
        events.append(PartStart(self._parts.take("whole"), part, self._candidate))
        events += self._parts.close()

    def _open_thought(self, key: tuple[object, ...], part: Reasoning, events: list[Event]) -> int:
        if self._parts.open_kind == "reasoning" and self._thought != key:
            self._close(events)
        index = self._open("reasoning", part, events)
        self._thought = key
        return index

    def _read_detail(self, detail: DetailShape, events: list[Event]) -> None:
        whose = None if detail.format == "unknown" else detail.format
        if detail.type == ENCRYPTED:
            if detail.data:
                self._read_proof(detail.data, detail.id, whose, events)
            return
        is_summary = detail.type == SUMMARY
        text: Carried = detail.summary if is_summary else detail.text
        key = (detail.type, detail.index)
        part = Reasoning(text=EMPTY, id=detail.id, is_summary=is_summary, format=whose)
        if is_string(text) and text != EMPTY:
            events.append(ReasoningDelta(self._open_thought(key, part, events), text, self._candidate))
        if detail.signature:
            index = self._open_thought(key, part, events)
            events.append(SignatureDelta(index, detail.signature, None, whose, detail.id, self._candidate))

    def _read_proof(self, proof: str, call_id: str | None, whose: str | None, events: list[Event]) -> None:
        if whose == GEMINI_FORMAT and call_id is not None:
            proven = self._calls.prove(call_id, proof)
            if proven is not None:
                events += proven
                return
        elif whose == GEMINI_FORMAT and self._parts.open_kind == "text":
            events.append(SignatureDelta(self._parts.open_index, proof, format=whose, candidate=self._candidate))
            return
        self._add_whole(Reasoning(encrypted=proof, id=call_id, format=whose), events)

    def _read_audio(self, told: ToldAudioShape, events: list[Event]) -> None:
        index = self._open("audio", Audio(id=told.id), events)
        data = told.data if is_string(told.data) else None
        transcript = told.transcript if is_string(told.transcript) else None
        if data is not None or transcript is not None or told.expires_at is not None:
            events.append(AudioDelta(index, data, transcript, told.expires_at, self._candidate))


def _is_utf8(text: bytes) -> bool:
    if not text.isascii():
        try:
            str(text, "utf-8")
        except UnicodeDecodeError:
            return False
    return True


def _is_plain(delta: ToldMessageShape) -> bool:
    """Whether a delta that has content has nothing else."""
    return (
        delta.tool_calls is None
        and delta.reasoning_details is None
        and delta.reasoning is UNSET
        and delta.reasoning_content is UNSET
        and delta.annotations is None
        and delta.refusal is UNSET
        and delta.audio is None
        and delta.images is None
        and delta.function_call is None
    )
