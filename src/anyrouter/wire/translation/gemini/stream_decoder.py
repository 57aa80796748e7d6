"""A stream of a streamGenerateContent upstream (`alt=sse`) into events of the form.

Each event is a whole GenerateContentResponse with more of the answer. Nothing marks the end, and a reason to finish may come on events
that others follow: a candidate is finished, and the stream ended, when the bytes end and each candidate has told its reason.
"""

import msgspec
from msgspec import UNSET, Raw

from anyrouter.wire.failure import read_failure
from anyrouter.wire.form.events import (
    AudioDelta,
    CitationAdded,
    End,
    Event,
    Failure,
    Finish,
    LogprobsTold,
    PartEnd,
    PartStart,
    ReasoningDelta,
    SignatureDelta,
    Start,
    TextDelta,
    UsageTold,
)
from anyrouter.wire.form.parts import Audio, Part, Reasoning, Text
from anyrouter.wire.form.reasoning import GEMINI_FORMAT
from anyrouter.wire.form.reply import FinishReason
from anyrouter.wire.form.text import EMPTY, join, unquote
from anyrouter.wire.sse import EventSplitter, checked_comment, data_of, feed_checked, split_events
from anyrouter.wire.translation.carried import Carried, is_string, is_told
from anyrouter.wire.translation.gemini.citations import citations_of, has_sources
from anyrouter.wire.translation.gemini.reply_decoder import call_of, details_of, finish_of, logprobs_of, seconds_of, usage_of, whole_part_of
from anyrouter.wire.translation.gemini.reply_shapes import CandidateShape, ChunkShape, GroundingShape, ToldPartShape, UsageShape

_decode_chunk = msgspec.json.Decoder(ChunkShape).decode
_decode_usage = msgspec.json.Decoder(UsageShape).decode
_BORDER = b"\r\n\r\n"
_TEXT, _THOUGHT, _SOUND = "text", "thought", "sound"


class GeminiStreamDecoder:
    """A `StreamDecoder`."""

    __slots__ = ("_blocked", "_candidates", "_grounding", "_is_begun", "_is_over", "_splitter", "_usage")

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self._candidates: dict[int, _CandidateDecoder] = {}
        self._usage: Carried = UNSET
        self._grounding: GroundingShape | None = None
        self._blocked: str | None = None  # why the prompt was
        self._is_begun = self._is_over = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that are whole now; InvalidReply for what is no stream of this dialect."""
        events: list[Event] = []
        if data.endswith(_BORDER) and data.find(b"\n") == len(data) - 3 and data.isascii() and not self._splitter.is_holding:
            found = [data]  # one event, as nearly every time
        else:
            found = split_events(feed_checked(self._splitter, data))
        if not self._is_over:
            for event in found:
                if not self._read(event, events):
                    self._is_over = True
                    break
        return events

    def eof(self) -> list[Event]:
        """All that the end of the bytes completes: the answer, if every candidate has a reason to be finished."""
        events: list[Event] = []
        rest = self._splitter.rest()
        if rest.strip() and not self._is_over:
            self._is_over = not self._read(rest.rstrip(b"\r\n") + b"\n\n", events)
        if self._is_over or not self._is_begun:
            return events
        self._is_over = True
        is_whole = all(candidate.reason is not None for candidate in self._candidates.values())
        is_whole = is_whole and bool(self._candidates or self._blocked)
        if is_whole:
            for candidate in self._candidates.values():
                candidate.finish(events)
            if not self._candidates:
                events.append(Finish(reason=FinishReason.CONTENT_FILTER, native=self._blocked))
        if is_told(self._usage):
            told = _decode_usage(self._usage)
            events.append(UsageTold(usage_of(told), details_of(told, self._grounding), is_final=is_whole))
        if is_whole:
            events.append(End())
        return events

    def _read(self, event: bytes, events: list[Event]) -> bool:
        """Take note of one event; False when nothing can follow it."""
        data = event[6:-4] if event.startswith(b"data: {") and event.find(b"\n") == len(event) - 3 else _body_of(event)
        if not data:
            return True
        chunk = _decode_chunk(data)
        if chunk.error is not UNSET and is_told(chunk.error):
            events.append(_failure_of(data, chunk.error))
            return False
        if chunk.usage_metadata is not UNSET:
            self._usage = chunk.usage_metadata
        if not self._is_begun:
            self._begin(chunk, events)
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason is not None:
            self._blocked = chunk.prompt_feedback.block_reason
        for told in chunk.candidates or ():
            candidate = self._candidates.get(told.index)
            if candidate is None:
                candidate = self._candidates[told.index] = _CandidateDecoder(told.index)
            candidate.read(told, events)
            if told.grounding_metadata is not None:
                self._grounding = told.grounding_metadata
        return True

    def _begin(self, chunk: ChunkShape, events: list[Event]) -> None:
        self._is_begun = True
        usage = usage_of(_decode_usage(chunk.usage_metadata)) if is_told(chunk.usage_metadata) else None
        created_s = seconds_of(chunk.create_time)
        events.append(Start(id=chunk.response_id, model=chunk.model_version, created_s=created_s, usage=usage))


class _CandidateDecoder:
    """The candidate of one index."""

    __slots__ = (
        "_candidate",
        "_grounding",
        "_has_calls",
        "_is_plain",
        "_is_signed",
        "_metadata",
        "_next",
        "_open",
        "_open_kind",
        "_texts",
        "reason",
    )

    def __init__(self, index: int) -> None:
        self._candidate = index
        self._next = self._open = 0
        self._open_kind = ""  # of the part that is open
        self._is_signed = False  # whether its proof has come: what follows is another part
        self._is_plain = False  # whether it is a text without one
        self._has_calls = False
        self._texts: list[Raw] = []  # of the open part, for the places of citations
        self._grounding: GroundingShape | None = None
        self._metadata: CandidateShape | None = None
        self.reason: str | None = None

    def read(self, told: CandidateShape, events: list[Event]) -> None:
        """The events of a chunk's candidate."""
        if told.logprobs_result is not None:
            logprobs = logprobs_of(told.logprobs_result)
            if logprobs:
                events.append(LogprobsTold(logprobs, candidate=self._candidate))
        if told.content is not None:
            for part in told.content.parts or ():
                text = part.text
                if self._is_plain and not part.thought and part.thought_signature is None and is_string(text):  # nearly every chunk
                    if text != EMPTY:
                        self._texts.append(text)
                        events.append(TextDelta(self._open, text, self._candidate))
                else:
                    self._read_part(part, events)
        if told.grounding_metadata is not None or told.citation_metadata is not None:
            self._metadata = told if has_sources(told.grounding_metadata, told.citation_metadata) else self._metadata
        if told.finish_reason is not None and told.finish_reason != "FINISH_REASON_UNSPECIFIED":
            self.reason = told.finish_reason

    def finish(self, events: list[Event]) -> None:
        """The events that end the candidate."""
        if self._metadata is not None:
            self._cite(self._metadata, events)
        self._close(events)
        reason = finish_of(self.reason, has_calls=self._has_calls)
        events.append(Finish(reason=reason, native=self.reason, candidate=self._candidate))

    def _read_part(self, part: ToldPartShape, events: list[Event]) -> None:
        if part.function_call is not None:
            self._has_calls = True
            self._add_whole(call_of(part.function_call, part.thought_signature), events)
        elif is_string(part.text) or (part.thought_signature is not None and whole_part_of(part) is None):
            self._read_text(part, events)
        elif part.inline_data is not None and (part.inline_data.mime_type or "").startswith("audio/"):
            self._read_sound(part, events)
        else:
            whole = whole_part_of(part)
            if whole is not None:
                self._add_whole(whole, events)

    def _read_text(self, part: ToldPartShape, events: list[Event]) -> None:
        text, proof = part.text, part.thought_signature
        has_text = is_string(text) and text != EMPTY
        if not has_text and proof is None:
            return
        if part.thought:
            self._open_part(_THOUGHT, Reasoning(EMPTY, format=GEMINI_FORMAT), events)
        else:
            self._open_part(_TEXT, Text(EMPTY), events)
        if has_text and is_string(text):
            if part.thought:
                events.append(ReasoningDelta(self._open, text, self._candidate))
            else:
                self._texts.append(text)
                events.append(TextDelta(self._open, text, self._candidate))
        if proof is not None:
            self._is_signed, self._is_plain = True, False
            events.append(SignatureDelta(self._open, proof, format=GEMINI_FORMAT, candidate=self._candidate))

    def _read_sound(self, part: ToldPartShape, events: list[Event]) -> None:
        whole = whole_part_of(part)
        if isinstance(whole, Audio) and whole.source is not None:
            self._open_part(_SOUND, Audio(format=whole.format), events)
            events.append(AudioDelta(self._open, whole.source.data, candidate=self._candidate))

    def _open_part(self, kind: str, part: Part, events: list[Event]) -> None:
        """Begin a part, unless one of its kind is open and has no proof yet."""
        if self._open_kind == kind and not self._is_signed:
            return
        self._close(events)
        self._open, self._open_kind, self._is_signed, self._is_plain, self._texts = self._next, kind, False, kind == _TEXT, []
        self._next += 1
        events.append(PartStart(self._open, part, self._candidate))

    def _add_whole(self, part: Part, events: list[Event]) -> None:
        self._close(events)
        events += [PartStart(self._next, part, self._candidate), PartEnd(self._next, self._candidate)]
        self._next += 1

    def _close(self, events: list[Event]) -> None:
        if self._open_kind:
            self._open_kind, self._is_plain = "", False
            events.append(PartEnd(self._open, self._candidate))

    def _cite(self, told: CandidateShape, events: list[Event]) -> None:
        """What the text that is open rests on; behind another part, places are not known any more."""
        is_open = self._open_kind == _TEXT
        texts = [unquote(join(self._texts))] if is_open and self._texts else [""]
        (found,) = citations_of(told.grounding_metadata, told.citation_metadata, texts)
        if found and not is_open:
            self._open_part(_TEXT, Text(EMPTY), events)
        events += [CitationAdded(self._open, citation, self._candidate) for citation in found]


def _body_of(event: bytes) -> bytes:
    """What an event holds, also one that is none: so Google's front end writes its errors. Empty for a comment."""
    data = data_of(event)
    if not data and event.lstrip()[:1] in {b"{", b"["}:
        data = event
    if not data:
        checked_comment(event)
    elif data.lstrip()[:1] == b"[":
        data = bytes((msgspec.json.decode(data, type=list[Raw]) or [Raw(b"{}")])[0])
    return data


def _failure_of(data: bytes, error: Raw) -> Failure:
    message, code, _ = read_failure(data)
    try:
        told = msgspec.json.decode(error)
    except (ValueError, msgspec.DecodeError, RecursionError):
        told = None
    told = told if isinstance(told, dict) else {}
    status, number = told.get("status"), told.get("code")
    return Failure(
        message=message or "it reported an error inside of the stream",
        code=status if isinstance(status, str) else code,
        status=number if isinstance(number, int) else None,
    )
