"""The items of an output, as parts of the form make them up: the same for a whole reply and for a stream.

Texts and refusals in a row are the parts of one message; reasoning with one id is one item; everything else is an item of its own.
An item's id is its upstream's where that has to come back, else it is made of the generation's id and the item's number.
"""

from typing import NamedTuple

import msgspec
from msgspec import Raw

from anyrouter.wire.form.parts import Audio, Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall, make_call_id
from anyrouter.wire.form.reasoning import GEMINI_FORMAT
from anyrouter.wire.form.tools import CustomTool
from anyrouter.wire.translation.codec import ReplyContext
from anyrouter.wire.translation.responses.shapes import NAME, compact
from anyrouter.wire.translation.responses.thoughts import is_continued, is_own, slot_of

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(str).decode
COMPLETED, INCOMPLETE, IN_PROGRESS = b"completed", b"incomplete", b"in_progress"
MESSAGE, REASONING, CALL, CUSTOM_CALL, IMAGE, OPAQUE = "message", "reasoning", "function_call", "custom_tool_call", "image", "opaque"
_PREFIXES = {MESSAGE: "msg", REASONING: "rs", CALL: "fc", CUSTOM_CALL: "ctc", IMAGE: "ig"}
OUTPUT_TEXT, REFUSAL, SUMMARY, THOUGHT = "output_text", "refusal", "summary_text", "reasoning_text"
_EMPTY = b'""'


class Content:
    """A text within an item: of its message, of its reasoning, or a call's arguments. Its `pieces`, literals, are joined when asked for."""

    __slots__ = ("annotations", "is_wrapped", "kind", "logprobs", "number", "pieces")

    def __init__(self, kind: str, number: int) -> None:
        self.kind, self.number = kind, number  # the number counts within the item's list
        self.is_wrapped = False  # free text, told as the arguments of a function
        self.pieces: list[bytes] = []
        self.annotations: list[bytes] = []
        self.logprobs: list[bytes] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been added."""
        return not self.pieces

    @property
    def text(self) -> bytes:
        """The text so far, as a literal."""
        pieces = self.pieces
        if len(pieces) > 1:
            pieces[:] = [b'"%s"' % b"".join([piece[1:-1] for piece in pieces])]
        return pieces[0] if pieces else _EMPTY

    def unwrap(self) -> Raw:
        """Take out what is wrapped: the text itself, as a literal."""
        told = _decode(self.text)
        self.is_wrapped = False
        self.pieces.clear()
        try:
            arguments = msgspec.json.decode(told or '{"input":""}')
        except (ValueError, msgspec.DecodeError, RecursionError):
            arguments = None
        text = arguments.get("input") if isinstance(arguments, dict) and len(arguments) == 1 else None
        return Raw(_encode(text if isinstance(text, str) else told))

    def render(self, *, is_empty: bool = False) -> bytes:
        """The part, or, with `is_empty`, what it is when it begins."""
        text = _EMPTY if is_empty else self.text
        if self.kind == REFUSAL:
            return b'{"type":"refusal","refusal":%s}' % text
        if self.kind != OUTPUT_TEXT:
            return b'{"type":"%s","text":%s}' % (self.kind.encode(), text)
        annotations, logprobs = (b"", b"") if is_empty else (b",".join(self.annotations), b",".join(self.logprobs))
        return b'{"type":"output_text","annotations":[%s],"logprobs":[%s],"text":%s}' % (annotations, logprobs, text)


class Item:
    """An item that grows. `id` is a literal."""

    __slots__ = ("_call", "contents", "id", "index", "kind", "last", "proof", "raw")

    def __init__(self, kind: str, item_id: bytes, index: int, last: Part) -> None:
        self.kind, self.id, self.index = kind, item_id, index
        self.last = last  # the part that the item began with, or the last of its reasoning
        self.contents: list[Content] = []
        self.proof: str | None = None
        self.raw = b""  # of an item that never grows
        self._call = b""

    def call(self, call_id: str, name: str) -> Content:
        """The arguments of the call that the item is."""
        self._call = b'"call_id":%s,"name":%s' % (_encode(call_id), _encode(name))
        self.contents.append(Content(self.kind, 0))
        return self.contents[0]

    def open(self, kind: str) -> Content:
        """Another text."""
        content = Content(kind, sum(1 for one in self.contents if (one.kind == SUMMARY) == (kind == SUMMARY)))
        self.contents.append(content)
        return content

    def render(self, status: bytes) -> bytes:
        """The item; while it is in progress, as it is when it is added."""
        is_new = status is IN_PROGRESS
        if self.kind == MESSAGE:
            parts = b"" if is_new else b",".join([content.render() for content in self.contents])
            return b'{"id":%s,"type":"message","status":"%s","content":[%s],"role":"assistant"}' % (self.id, status, parts)
        if self.kind == REASONING:
            return self._render_reasoning(is_new=is_new)
        if self.kind in {CALL, CUSTOM_CALL}:
            text = _EMPTY if is_new else self.contents[0].text
            member = b"arguments" if self.kind == CALL else b"input"
            values = (self.id, self.kind.encode(), status, member, text, self._call)
            return b'{"id":%s,"type":"%s","status":"%s","%s":%s,%s}' % values
        if self.kind == IMAGE:
            told = b'"result":null' if is_new else self.raw
            return b'{"id":%s,"type":"image_generation_call","status":"%s",%s}' % (self.id, status, told)
        return self.raw

    def _render_reasoning(self, *, is_new: bool) -> bytes:
        summary = b"" if is_new else b",".join([one.render() for one in self.contents if one.kind == SUMMARY])
        content = b"" if is_new else b",".join([one.render() for one in self.contents if one.kind != SUMMARY])
        told = b"" if not content else b',"content":[%s]' % content
        proof = b"" if is_new or self.proof is None else b',"encrypted_content":%s' % _encode(self.proof)
        return b'{"id":%s,"type":"reasoning","summary":[%s]%s%s}' % (self.id, summary, told, proof)


class Start(NamedTuple):
    """Where a part begins: its item, whether that begins with it, and its text, if it has one."""

    item: Item
    is_new: bool
    content: Content | None


class ItemSequence:
    """Makes the items of one output. A call of one of the client's custom tools is one, whatever the upstream was told they are."""

    __slots__ = ("_calls", "_count", "_custom_tools", "_generation_id", "_ids", "_seed")

    def __init__(self, context: ReplyContext) -> None:
        self._generation_id = context.naming.generation_id.decode()
        self._custom_tools = {tool.name for tool in context.request.tools if isinstance(tool, CustomTool)}
        self._seed = self._generation_id.strip('"').removeprefix("gen-")[-32:]
        self._count = self._calls = 0
        self._ids: set[str] = set()

    def start(self, part: Part, open_item: Item | None) -> Start | None:
        """Where a part belongs; None for one that the dialect has no place for. The open item ends unless it is the answer's."""
        if isinstance(part, Text | Refusal | Audio):
            is_new = open_item is None or open_item.kind != MESSAGE
            item = self._make(MESSAGE, part) if open_item is None or is_new else open_item
            return Start(item, is_new, item.open(REFUSAL if isinstance(part, Refusal) else OUTPUT_TEXT))
        if isinstance(part, Reasoning):
            return self._start_reasoning(part, open_item)
        if isinstance(part, ToolCall):
            is_wrapped = part.kind != "custom" and part.name in self._custom_tools
            item = self._make(CUSTOM_CALL if is_wrapped or part.kind == "custom" else CALL, part)
            content = item.call(self.call_id_of(part), part.name)
            content.is_wrapped = is_wrapped
            self._calls += 1
            return Start(item, is_new=True, content=content)
        if isinstance(part, Opaque) and part.dialect == NAME:
            item = self._make(OPAQUE, part)
            item.raw = compact(part.raw)
            return Start(item, is_new=True, content=None)
        if isinstance(part, Image) and part.source.data is not None:
            item = self._make(IMAGE, part)
            media_type = part.source.media_type or "image/png"
            item.raw = b'"output_format":%s,"result":%s' % (_encode(media_type.rpartition("/")[2]), bytes(part.source.data))
            return Start(item, is_new=True, content=None)
        return None

    def call_id_of(self, call: ToolCall) -> str:
        """The id of the call that is to start next: the upstream's, else one that is made."""
        return call.id or make_call_id(self._generation_id, self._calls)

    def _start_reasoning(self, part: Reasoning, open_item: Item | None) -> Start:
        last = open_item.last if open_item is not None and open_item.proof is None else None
        is_new = not isinstance(last, Reasoning) or not is_continued(last, part)
        item = self._make(REASONING, part) if open_item is None or is_new else open_item
        item.last = part
        item.proof = slot_of(part) or item.proof
        return Start(item, is_new, None if part.text is None else item.open(SUMMARY if part.is_summary else THOUGHT))

    def _make(self, kind: str, part: Part) -> Item:
        index = self._count
        self._count += 1
        told = None
        if isinstance(part, ToolCall):
            told = part.item_id
        elif isinstance(part, Reasoning) and is_own(part):
            told = part.id
        if not told or told in self._ids:
            told = f"{_PREFIXES.get(kind, 'item')}_{self._seed}_{index}"
        self._ids.add(told)
        return Item(kind, _encode(told), index, part)


def owed_before(part: Part, items: ItemSequence) -> Reasoning | None:
    """The reasoning that has to come before a part: Gemini's proof of a call."""
    if isinstance(part, ToolCall) and part.signature is not None:
        return Reasoning(encrypted=part.signature, id=items.call_id_of(part), format=GEMINI_FORMAT)
    return None


def owed_after(part: Part) -> Reasoning | None:
    """The reasoning that has to follow a part: Gemini's proof of a text, or what another provider encrypted beside a text."""
    if isinstance(part, Text) and part.signature is not None:
        return Reasoning(encrypted=part.signature, format=GEMINI_FORMAT)
    if isinstance(part, Reasoning) and part.text is not None and part.encrypted is not None and not is_own(part):
        return Reasoning(encrypted=part.encrypted, id=part.id, format=part.format)
    return None


def literal_of(part: Part) -> Raw | None:
    """The text that a part brings when it begins, if any."""
    if isinstance(part, Text | Refusal | Reasoning):
        text = part.text
    elif isinstance(part, Audio):
        text = part.transcript
    elif isinstance(part, ToolCall):
        text = Raw(_encode(part.arguments)) if part.arguments else None
    else:
        text = None
    return None if text is None or memoryview(text).nbytes <= len(_EMPTY) else text
