"""The events of a text within an item: that it begins, that it grows, that it is whole.

Members follow in the order of their names, after the type, as OpenAI sends them (recorded streams of 2025 and 2026).
"""

from typing import NamedTuple

from anyrouter.wire.translation.responses.output_items import (
    CALL,
    CUSTOM_CALL,
    OUTPUT_TEXT,
    REFUSAL,
    SUMMARY,
    THOUGHT,
    Content,
    Item,
)


class Members(NamedTuple):
    """An event: its type, and its members around the sequence number, which is not known yet."""

    type: bytes
    before: bytes
    after: bytes = b""


class _Kind(NamedTuple):
    deltas: bytes  # what the types of the deltas begin with
    member: bytes  # what the whole text is called
    part: bytes  # what the types of the part begin with; none for a call, which is no part


_KINDS = {
    OUTPUT_TEXT: _Kind(b"response.output_text", b"text", b"response.content_part"),
    REFUSAL: _Kind(b"response.refusal", b"refusal", b"response.content_part"),
    THOUGHT: _Kind(b"response.reasoning_text", b"text", b"response.content_part"),
    SUMMARY: _Kind(b"response.reasoning_summary_text", b"text", b"response.reasoning_summary_part"),
    CALL: _Kind(b"response.function_call_arguments", b"arguments", b""),
    CUSTOM_CALL: _Kind(b"response.custom_tool_call_input", b"input", b""),
}
NO_LOGPROBS = b'"logprobs":[]'


def _place(content: Content) -> tuple[bytes, bytes]:
    """What stands before everything else, and behind the sequence number: which text of the item it is."""
    if content.kind == SUMMARY:
        return b"", b',"summary_index":%d' % content.number
    return (b"" if content.kind in {CALL, CUSTOM_CALL} else b'"content_index":%d,' % content.number), b""


def opened(item: Item, content: Content) -> list[Members]:
    """That a text begins."""
    kind = _KINDS[content.kind]
    if not kind.part:
        return []
    start, after = _place(content)
    part = content.render(is_empty=True)
    return [Members(kind.part + b".added", b'%s"item_id":%s,"output_index":%d,"part":%s' % (start, item.id, item.index, part), after)]


def delta_template(item: Item, content: Content) -> bytes:
    """The event of every piece of a text, to be formatted with the piece and the sequence number."""
    name = _KINDS[content.kind].deltas + b".delta"
    start, after = _place(content)
    logprobs = NO_LOGPROBS + b"," if content.kind == OUTPUT_TEXT else b""
    item_id = item.id.replace(b"%", b"%%")
    where = b'"item_id":%s,%s"output_index":%d' % (item_id, logprobs, item.index)
    return b'event: %s\ndata: {"type":"%s",%s"delta":%%s,%s,"sequence_number":%%d%s}\n\n' % (name, name, start, where, after)


def done(item: Item, content: Content) -> list[Members]:
    """That a text is whole."""
    kind = _KINDS[content.kind]
    start, after = _place(content)
    logprobs = b'"logprobs":[%s],' % b",".join(content.logprobs) if content.kind == OUTPUT_TEXT else b""
    where = b'"item_id":%s,%s"output_index":%d' % (item.id, logprobs, item.index)
    whole = b'"%s":%s' % (kind.member, content.text)
    events = [Members(kind.deltas + b".done", b"%s%s" % (start, where), b"%s,%s" % (after, whole))]
    if kind.part:
        before = b'%s"item_id":%s,"output_index":%d,"part":%s' % (start, item.id, item.index, content.render())
        events.append(Members(kind.part + b".done", before, after))
    return events
