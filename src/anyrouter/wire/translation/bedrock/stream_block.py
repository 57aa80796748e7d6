"""A content block of a stream, from its first event to its end, as events of the form.

Only tool calls, pictures and what the service runs itself are announced; a text or a thought begins with its first piece. What cannot
be told in pieces is kept until its end: pictures, redacted thoughts (pieces of base64 do not join) and the service's own tools.
"""

import base64
import binascii
from typing import Any

import msgspec
from msgspec import Raw

from anyrouter.wire.form.events import (
    ArgumentsDelta,
    CitationAdded,
    Event,
    PartEnd,
    PartStart,
    ReasoningDelta,
    SignatureDelta,
    TextDelta,
)
from anyrouter.wire.form.parts import Image, Opaque, Part, Reasoning, Source, Text
from anyrouter.wire.form.reasoning import BEDROCK_FORMAT
from anyrouter.wire.form.text import EMPTY, JsonText, quote_ascii, unquote
from anyrouter.wire.reply import InvalidReply
from anyrouter.wire.translation.bedrock.reply_decoder import NAME, call_of, citation_of
from anyrouter.wire.translation.bedrock.reply_shapes import (
    DeltaShape,
    ImageShape,
    ReasoningDeltaShape,
    StartShape,
    ToolResultStartShape,
    ToolUseShape,
)
from anyrouter.wire.translation.carried import is_string, is_told

_ENCODE = msgspec.json.Encoder().encode


class Block:
    """One block. `part` is its number among the answer's parts once it has begun, else -1; `is_text` whether it is plain text."""

    __slots__ = ("_blobs", "_image", "_inputs", "_result", "_results", "_server_call", "_signature", "index", "is_call", "is_text", "part")

    def __init__(self, index: int) -> None:
        self.index, self.part = index, -1
        self.is_text = self.is_call = False
        self._signature = ""
        self._blobs: list[bytes] = []  # of a picture or a redacted thought
        self._image: ImageShape | None = None
        self._server_call: ToolUseShape | None = None
        self._inputs: list[JsonText] = []  # of that call
        self._result: ToolResultStartShape | None = None
        self._results: list[Raw] = []  # of that answer

    def start(self, told: StartShape, part: int, events: list[Event]) -> None:
        """What the block's announcement says. `part` is its number if it begins now."""
        if told.tool_use is not None and told.tool_use.type is not None:
            self._server_call = told.tool_use
        elif told.tool_use is not None:
            self.is_call = True
            self._begin(call_of(told.tool_use), part, events)
        elif told.tool_result is not None:
            self._result = told.tool_result
        elif told.image is not None:
            self._image = told.image

    def take(self, delta: DeltaShape, part: int, events: list[Event]) -> None:
        """The events of a piece. `part` is the block's number if it begins now."""
        if is_string(delta.text):
            self._take_text(delta.text, part, events)
        elif delta.tool_use is not None and is_told(delta.tool_use.input):
            self._take_input(delta.tool_use.input, events)
        elif delta.reasoning_content is not None:
            self._take_thought(delta.reasoning_content, part, events)
        elif delta.citation is not None:
            self._take_text(EMPTY, part, events)
            events.append(CitationAdded(self.part, citation_of(delta.citation)))
        elif delta.tool_result is not None:
            self._results += delta.tool_result
        elif delta.image is not None and delta.image.source is not None and is_string(delta.image.source.bytes):
            self._blobs.append(_blob(unquote(delta.image.source.bytes)))

    def stop(self, part: int, events: list[Event]) -> None:
        """The events that end it. `part` is its number if it begins only now."""
        whole = self._whole()
        if whole is not None:
            self._begin(whole, part, events)
        elif self._signature:
            if self.part < 0:
                self._begin(Reasoning(EMPTY, format=BEDROCK_FORMAT), part, events)
            events.append(SignatureDelta(self.part, self._signature, format=BEDROCK_FORMAT))
        if self.part >= 0:
            events.append(PartEnd(self.part))

    def _begin(self, part: Part, number: int, events: list[Event]) -> None:
        if self.part < 0:
            self.part = number
            events.append(PartStart(number, part))

    def _take_text(self, text: JsonText, part: int, events: list[Event]) -> None:
        self._begin(Text(EMPTY), part, events)
        self.is_text = True
        if text != EMPTY:
            events.append(TextDelta(self.part, text))

    def _take_input(self, text: Raw, events: list[Event]) -> None:
        if self._server_call is not None:
            self._inputs.append(text)
        elif not self.is_call:
            raise InvalidReply("arguments came for a tool call that had not begun")
        elif text != EMPTY:
            events.append(ArgumentsDelta(self.part, text))

    def _take_thought(self, told: ReasoningDeltaShape, part: int, events: list[Event]) -> None:
        if told.redacted_content is not None:
            self._blobs.append(_blob(told.redacted_content))
        if is_string(told.text):
            self._begin(Reasoning(EMPTY, format=BEDROCK_FORMAT), part, events)  # whose proof follows, if one does
            if told.text != EMPTY:
                events.append(ReasoningDelta(self.part, told.text))
        self._signature += told.signature or ""

    def _whole(self) -> Part | None:
        """The part that is told in one piece; None when the block was told in pieces."""
        if self._image is not None:
            source = Source(data=quote_ascii(base64.b64encode(b"".join(self._blobs))), media_type=f"image/{self._image.format}")
            return Image(source) if self._blobs else None
        if self._server_call is not None:
            call, text = self._server_call, "".join(unquote(piece) for piece in self._inputs)
            told: dict[str, Any] = {"toolUseId": call.tool_use_id, "name": call.name, "type": call.type, "input": _input_of(text)}
            return Opaque(NAME, "toolUse", Raw(_ENCODE({"toolUse": told})))
        if self._result is not None:
            result = self._result
            told = {"toolUseId": result.tool_use_id, "type": result.type, "status": result.status, "content": self._results}
            return Opaque(NAME, "toolResult", Raw(_ENCODE({"toolResult": told})))
        if self._blobs:
            return Reasoning(encrypted=base64.b64encode(b"".join(self._blobs)).decode(), format=BEDROCK_FORMAT)
        return None


def _input_of(text: str) -> Any:
    """What a call of the service's own tool was given; text where it is no JSON."""
    try:
        return msgspec.json.decode(text) if text else {}
    except (ValueError, msgspec.DecodeError, RecursionError):
        return text


def _blob(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidReply("a piece of the stream is not base64") from None
