"""Streams of the OpenAI dialect: chat and text chunks as they pass.

The first event is parsed and teaches how this upstream writes its id and model; after that chunks are rewritten by replacing
those bytes. Only events that carry something to be read (usage, a finish reason, an error, the end) are parsed again, and any
event in which the known bytes are not found as often as expected. A string in JSON cannot contain the replaced bytes, for
they have unescaped quotation marks in them.
"""

import re

import msgspec

from anyrouter.core.usage import Usage, UsageSource, estimate_tokens
from anyrouter.wire.members import Members, NotJson
from anyrouter.wire.openai_usage import read_usage, render_usage
from anyrouter.wire.reply import InvalidReply, Naming, Pricer, ReplyFacts
from anyrouter.wire.sse import EventSplitter, EventTooLarge, data_of, split_events

DONE = b"data: [DONE]\n\n"
_OBJECTS = {"chat/completions": b"chat.completion.chunk", "completions": b"text_completion"}
_TEXT_MEMBERS = {"chat/completions": b'"content"', "completions": b'"text"'}
_FINISH = re.compile(rb'"finish_reason"\s*:\s*"([^"\\]{1,64})"')
_IS_EMPTY = re.compile(rb"\[\s*\]")
_COMMA = b'",'


class OpenAIStream:
    """A `StreamRewriter`. `pricer` is asked when the usage is known, so that the usage event carries the cost."""

    def __init__(
        self,
        *,
        endpoint: str,
        naming: Naming,
        is_usage_wanted: bool,
        estimated_input_tokens: int,
        pricer: Pricer,
    ) -> None:
        self.facts = ReplyFacts()
        self.is_done, self.is_begun = False, False
        self.failure: bytes | None = None
        self._id, self._model, self._provider = naming.generation_id, naming.model, naming.provider
        self._is_usage_wanted, self._pricer = is_usage_wanted, pricer
        self._estimated_input_tokens, self._endpoint = estimated_input_tokens, endpoint
        self._splitter = EventSplitter()
        self._usage_event: Members | None = None
        self._created = b"0"
        # What the first event teaches: the bytes of id and model, what replaces them, and the marks of what must be parsed.
        self._known: tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes] | None = None

    def feed(self, data: bytes) -> bytes:
        """Whole events, rewritten; InvalidReply for what is not a stream of this dialect."""
        try:
            whole = self._splitter.feed(data)
        except EventTooLarge:
            raise InvalidReply("an event of the stream is too large") from None
        if not whole or self.is_done or self.failure is not None:
            return b""
        if self._known is not None and (passed := self._pass(whole, *self._known)) is not None:
            return passed
        return b"".join([self._rewrite(event) for event in split_events(whole)])

    def eof(self) -> bytes:
        """The last events. `is_done` stays false when the stream ended before the generation did."""
        rest = self._splitter.rest()
        out = b""
        if rest.strip() and not self.is_done and self.failure is None:
            try:
                out = self._rewrite(rest.rstrip(b"\r\n") + b"\n\n")
            except InvalidReply:
                return b""  # cut within an event: not done, and the relay says so
        if self.is_done or self.failure is not None or self.facts.finish_reason is None:
            return out
        return out + self._end()  # servers exist that leave [DONE] out

    def usage(self) -> Usage:
        """What was used so far: the upstream's word, else an estimate from what has passed."""
        if self.facts.usage is not None:
            return self.facts.usage
        output_tokens = estimate_tokens(self.facts.output_bytes) if self.facts.output_bytes else 0
        return Usage(input_tokens=self._estimated_input_tokens, output_tokens=output_tokens, source=UsageSource.ESTIMATED)

    def _pass(  # noqa: PLR0917 -- unpacked from one tuple, in its order
        self, whole: bytes, old_id: bytes, new_id: bytes, old_model: bytes, new_model: bytes, usage: bytes, finish: bytes, text: bytes
    ) -> bytes | None:
        """The events with id and model replaced, when there is nothing in them to be read; else None."""
        if usage in whole or finish in whole or b"[DONE]" in whole or b'"error"' in whole:
            return None
        count = whole.count(b"data:")
        if whole.count(old_id) != count or whole.count(old_model) != count:
            return None
        at = whole.find(text)
        while at >= 0:
            start = at + len(text)
            end = whole.find(b'"', start)
            self.facts.output_bytes += end - start
            at = whole.find(text, end) if count > 1 else -1
        return whole.replace(old_id, new_id).replace(old_model, new_model)

    def _rewrite(self, event: bytes) -> bytes:
        data = data_of(event)
        if not data:
            return event  # a comment
        if data.strip() == b"[DONE]":
            return self._end()
        if self.is_done:
            return b""
        try:
            members = Members(data)
        except NotJson:
            raise InvalidReply("an event of the stream is not a JSON object") from None
        if not members.raw_is_missing("error"):
            self.failure = data
            return b""
        choices = members.raw("choices")
        if choices is None:
            raise InvalidReply("an event of the stream has no choices")
        if not self.is_begun:
            self._learn(event, members)
        return self._read(event, data, members, choices)

    def _read(self, event: bytes, data: bytes, members: Members, choices: bytes) -> bytes:
        facts, edits = self.facts, {"id": self._id, "model": self._model}
        append = {} if self.is_begun else {"provider": self._provider}
        if not self.is_begun and "provider" in members.values:
            edits |= append
            append = {}
        usage = read_usage(members.raw("usage"))
        if usage is not None:
            facts.usage = usage
            if _IS_EMPTY.fullmatch(choices):
                self._usage_event = members
                return b""
            edits["usage"] = b"null"  # the client gets usage once, before [DONE], and only when it asked
        finish = _FINISH.search(choices)
        if finish is not None:
            facts.finish_reason = facts.native_finish_reason = finish[1].decode("utf-8", "replace")
        facts.output_bytes += _text_size(choices)
        self.is_begun = True
        edited = b"".join(members.edit(edits, (), append))
        at = event.find(data)
        return event[:at] + edited + event[at + len(data) :] if at >= 0 else b"data: %s\n\n" % edited

    def _learn(self, event: bytes, members: Members) -> None:
        """Remember how this upstream spells its id and model; without both, every event is parsed."""
        self.facts.upstream_id = members.text_of("id")
        self._created = members.raw("created") or b"0"
        old_id, old_model = members.raw("id"), members.raw("model")
        if not old_id or not old_model or old_id == b'""' or old_model == b'""':
            return
        for gap in (b"", b" "):
            id_bytes, model_bytes = b'"id":%s%s' % (gap, old_id), b'"model":%s%s' % (gap, old_model)
            if event.count(id_bytes) == 1 and event.count(model_bytes) == 1:
                self._known = (
                    id_bytes,
                    b'"id":%s%s' % (gap, self._id),
                    model_bytes,
                    b'"model":%s%s' % (gap, self._model),
                    b'"usage":%s{' % gap,
                    b'"finish_reason":%s"' % gap,
                    b'%s:%s"' % (_TEXT_MEMBERS[self._endpoint], gap),
                )

    def _end(self) -> bytes:
        if self.is_done:
            return b""
        self.is_done = True
        if not self._is_usage_wanted:
            return DONE
        usage = self.usage()
        event, cost = self._usage_event, self._pricer(usage)
        block = render_usage(event.raw("usage") if event is not None else None, usage, cost)
        if event is None:
            event = Members(b'{"id":"","object":"%s","created":%s,"model":"","choices":[]}' % (_OBJECTS[self._endpoint], self._created))
        values = {"id": self._id, "model": self._model, "provider": self._provider, "usage": block}
        present = {name: value for name, value in values.items() if name in event.values}
        added = {name: value for name, value in values.items() if name not in present}
        return b"data: %s\n\n%s" % (b"".join(event.edit(present, (), added)), DONE)


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: msgspec.Raw = msgspec.Raw(b"")


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    text: str | None = None


_decode_choices = msgspec.json.Decoder(list[_Choice]).decode


def _text_size(choices: bytes) -> int:
    """UTF-8 bytes of what the choices' deltas say."""
    try:
        decoded = _decode_choices(choices)
    except msgspec.DecodeError:
        return 0
    size = 0
    for choice in decoded:
        delta = choice.delta
        texts = (choice.text, *((delta.content, delta.reasoning_content, delta.refusal) if delta else ()))
        size += sum(len(text.encode()) for text in texts if text) + (memoryview(delta.tool_calls).nbytes if delta else 0)
    return size
