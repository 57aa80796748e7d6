"""Streams of the OpenAI dialect: chat and text chunks as they pass.

The first event is parsed and teaches how this upstream writes its id and model; after that chunks are rewritten by replacing
those bytes. Only events that carry something to be read (usage, a finish reason, an error, the end) are parsed again, and any
event in which the known bytes are not found as often as expected. A string in JSON cannot contain the replaced bytes, for
they have unescaped quotation marks in them.
"""

import re
from collections.abc import Callable

from anyrouter.core.usage import Usage, UsageSource, estimate_tokens
from anyrouter.wire.measure import TextMeter
from anyrouter.wire.members import Members, NotJson
from anyrouter.wire.openai_usage import read_usage, render_usage
from anyrouter.wire.reply import InvalidReply, Naming, Pricer, ReplyFacts
from anyrouter.wire.sse import EventSplitter, checked_comment, data_of, feed_checked, split_events

DONE = b"data: [DONE]\n\n"
_OBJECTS = {"chat/completions": b"chat.completion.chunk", "completions": b"text_completion"}
_FINISH = re.compile(rb'"finish_reason"\s*:\s*"([^"\\]{1,64})"')
_NOTHING_KNOWN = (b"",) * 6
_IS_EMPTY = re.compile(rb"\[\s*\]")


class OpenAIStream:
    """A `StreamRewriter`. `pricer` is asked when the usage is known, so that the usage event carries the cost.

    `estimate_input` is asked when the upstream never says.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        naming: Naming,
        is_usage_wanted: bool,
        estimate_input: Callable[[], int],
        pricer: Pricer,
    ) -> None:
        self._facts, self._meter = ReplyFacts(), TextMeter()
        self.is_done, self.is_begun = False, False
        self.failure: bytes | None = None
        self._id, self._model, self._provider = naming.generation_id, naming.model, naming.provider
        self._is_usage_wanted, self._pricer = is_usage_wanted, pricer
        self._estimate_input, self._endpoint = estimate_input, endpoint
        self._splitter = EventSplitter()
        self._usage_mark = self._finish_mark = b""
        self._prefix = self._new_prefix = b""  # how all events begin, up to their choices, and what that becomes
        self._held: list[bytes] = []
        self._usage_event: Members | None = None
        self._created = b"0"
        # What the first event teaches: the bytes of id and model, what replaces them, and the marks of what must be parsed.
        self._known: tuple[bytes, bytes, bytes, bytes, bytes, bytes] | None = None

    @property
    def facts(self) -> ReplyFacts:
        """What has been read off so far."""
        self._facts.output_bytes = self._meter.size()
        return self._facts

    def feed(self, data: bytes) -> bytes:
        """Whole events, rewritten; InvalidReply for what is not a stream of this dialect."""
        prefix = self._prefix
        if prefix and data.startswith(prefix) and not self._splitter.is_holding:
            rest = data[len(prefix) :]
            if (  # one event that begins as all do, with nothing in it to be read
                rest.find(b"\n\n") == len(rest) - 2
                and rest.endswith(b"}\n\n")
                and rest.isascii()
                and self._finish_mark not in rest
                and self._usage_mark not in rest
                and b'"error"' not in rest
            ):
                self._meter.add(rest)
                return self._new_prefix + rest
        whole = feed_checked(self._splitter, data)
        if not whole or self.is_done or self.failure is not None:
            return b""
        if self._known is not None and (passed := self._pass(whole, *self._known)) is not None:
            self._meter.add(whole)
            return passed
        return self._rewrite_all(split_events(whole))

    def eof(self) -> bytes:
        """The last events. `is_done` stays false when the stream ended before the generation did."""
        rest = self._splitter.rest()
        out = b""
        if data_of(rest) and not self.is_done and self.failure is None:
            try:
                out = self._rewrite_all([rest.rstrip(b"\r\n") + b"\n\n"])
            except InvalidReply:
                return b""  # cut within an event: not done, and the relay says so
        if self.is_done or self.failure is not None or self._facts.finish_reason is None:
            return out
        return out + self._end()  # servers exist that leave [DONE] out

    def usage(self) -> Usage:
        """What was used so far: the upstream's word, else an estimate from what has passed."""
        if self._facts.usage is not None:
            return self._facts.usage
        size = self._meter.size()
        return Usage(input_tokens=self._estimate_input(), output_tokens=estimate_tokens(size) if size else 0, source=UsageSource.ESTIMATED)

    def _pass(  # noqa: PLR0917 -- unpacked from one tuple, in its order
        self, whole: bytes, old_id: bytes, new_id: bytes, old_model: bytes, new_model: bytes, usage: bytes, finish: bytes
    ) -> bytes | None:
        """The events with id and model replaced, when there is nothing in them to be read; else None."""
        find = whole.find  # `in` would take each for an integer first, and make an error of that
        if find(usage) >= 0 or find(finish) >= 0 or find(b"[DONE]") >= 0 or find(b'"error"') >= 0 or not whole.endswith(b"}\n\n"):
            return None
        count = whole.count(b"data:")
        if whole.count(old_id) != count or whole.count(old_model) != count:
            return None
        return whole.replace(old_id, new_id).replace(old_model, new_model)

    def _rewrite_all(self, events: list[bytes]) -> bytes:
        """Up to the end or an error; what comes behind either does not matter."""
        out: list[bytes] = []
        for event in events:
            if self.is_done or self.failure is not None:
                break
            self._meter.add(event)
            if not self.is_begun and not data_of(event):
                self._held.append(checked_comment(event))
                continue
            was_begun = self.is_begun
            rewritten = self._rewrite(event)
            if not was_begun and self.is_begun:
                out += self._held  # comments do not begin the client's reply: they wait for what does
            out.append(rewritten)
        return b"".join(out)

    def _rewrite(self, event: bytes) -> bytes:
        data = data_of(event)
        if not data:
            return checked_comment(event)
        if data.strip() == b"[DONE]":
            return self._end()
        try:
            members = Members(data)
            if not members.raw_is_missing("error"):
                self.failure, self._prefix = data, b""
                return b""
            choices = members.raw("choices")
            if choices is None or not choices.startswith(b"["):
                raise InvalidReply("an event of the stream has no choices")
            if not self.is_begun:
                self._learn(event, members)
            return self._read(event, data, members, choices)
        except NotJson:
            raise InvalidReply("an event of the stream is not a JSON object") from None

    def _read(self, event: bytes, data: bytes, members: Members, choices: bytes) -> bytes:
        facts = self._facts
        values = {"id": self._id, "model": self._model}
        if not self.is_begun:
            values["provider"] = self._provider
        usage = read_usage(members.raw("usage"))
        if usage is not None:
            facts.usage = usage
            if _IS_EMPTY.fullmatch(choices):
                self._usage_event = members
                return b""
            values["usage"] = b"null"  # the client gets usage once, before [DONE], and only when it asked
        finish = _FINISH.search(choices)
        if finish is not None:
            facts.finish_reason = facts.native_finish_reason = finish[1].decode("utf-8", "replace")
        self.is_begun = True
        edited = _edit(members, values)
        at = event.find(data)
        return event[:at] + edited + event[at + len(data) :] if at >= 0 else _rebuild(event, edited)

    def _learn(self, event: bytes, members: Members) -> None:
        """Remember how this upstream spells its id and model; without both, every event is parsed."""
        self._facts.upstream_id = members.text_of("id")
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
                )
                self._learn_prefix(event[: event.find(b'"choices"')], *self._known[:4])
                return

    def _learn_prefix(self, prefix: bytes, old_id: bytes, new_id: bytes, old_model: bytes, new_model: bytes) -> None:
        if prefix.startswith(b"data:") and old_id in prefix and old_model in prefix:
            self._prefix, self._new_prefix = prefix, prefix.replace(old_id, new_id).replace(old_model, new_model)
            *_, self._usage_mark, self._finish_mark = self._known or _NOTHING_KNOWN

    def _end(self) -> bytes:
        if not self.is_begun and self._usage_event is None:
            raise InvalidReply("the stream ended before it began")
        self.is_done, self._prefix = True, b""
        if not self._is_usage_wanted:
            return DONE
        usage = self.usage()
        event, cost = self._usage_event, self._pricer(usage)
        block = render_usage(event.raw("usage") if event is not None else None, usage, cost)
        if event is None:
            event = Members(b'{"id":"","object":"%s","created":%s,"model":"","choices":[]}' % (_OBJECTS[self._endpoint], self._created))
        values = {"id": self._id, "model": self._model, "provider": self._provider, "usage": block}
        return b"data: %s\n\n%s" % (_edit(event, values), DONE)


def _edit(members: Members, values: dict[str, bytes]) -> bytes:
    present = {name: value for name, value in values.items() if name in members.values}
    return b"".join(members.edit(present, (), {name: value for name, value in values.items() if name not in present}))


def _rebuild(event: bytes, data: bytes) -> bytes:
    """An event whose data came on several lines, with other data."""
    others = [line for line in event.splitlines() if line and not line.startswith(b"data:")]
    return b"\n".join([*others, *(b"data: " + line for line in data.split(b"\n"))]) + b"\n\n"
