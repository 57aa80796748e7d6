"""The events of a Responses stream, in the provider's order: each item is added, filled part by part, and done.

The members of an event are sorted by their names, after its type, as the provider sends them (recorded streams of 2025 and 2026).
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from anyrouter.core.keys import ALPHABET
from anyrouter.sandbox.responses.output import Item, list_logprobs
from anyrouter.sandbox.responses.request import ResponsesRequest
from anyrouter.sandbox.text import argument_pieces, pieces

Event = tuple[str, dict[str, Any]]  # its type, and its members but the sequence number

_PADDED_TO = 16
_CALL_EVENTS = {
    "function_call": ("arguments", "response.function_call_arguments"),
    "custom_tool_call": ("input", "response.custom_tool_call_input"),
}


def list_events(items: list[Item], request: ResponsesRequest) -> Iterator[Event]:
    """What happens between `response.in_progress` and the response's end."""
    for index, item in enumerate(items):
        place = {"item_id": item["id"], "output_index": index}
        yield "response.output_item.added", {"item": _unfilled(item), "output_index": index}
        if item["type"] == "reasoning":
            yield from _of_summary(item, place)
        elif item["type"] == "message":
            yield from _of_content(item["content"][0], place, request.top_logprobs)
        else:
            yield from _of_call(item, place)
        yield "response.output_item.done", {"item": item, "output_index": index}


def encode_events(events: Iterable[Event], *, is_obfuscated: bool) -> Iterator[bytes]:
    """The events as they go over the wire, numbered."""
    for number, (kind, members) in enumerate(events):
        value = {**members, "sequence_number": number}
        if is_obfuscated and isinstance(delta := members.get("delta"), str):
            value["obfuscation"] = ALPHABET[: _PADDED_TO - len(delta) % _PADDED_TO]
        body = {"type": kind, **{name: value[name] for name in sorted(value)}}
        yield b"event: %s\ndata: %s\n\n" % (kind.encode(), msgspec.json.encode(body))


def _unfilled(item: Item) -> Item:
    """An item as it is added. A thought's encrypted content is not all there yet."""
    if item["type"] == "reasoning":
        encrypted = item["encrypted_content"]
        return {**item, "encrypted_content": encrypted[: len(encrypted) // 2], "summary": []}
    if item["type"] == "message":
        return {**item, "status": "in_progress", "content": []}
    return {**item, "status": "in_progress", _CALL_EVENTS[item["type"]][0]: ""}


def _of_summary(item: Item, place: dict[str, Any]) -> Iterator[Event]:
    for index, part in enumerate(item["summary"]):
        where = {**place, "summary_index": index}
        yield "response.reasoning_summary_part.added", {**where, "part": {**part, "text": ""}}
        for piece in pieces(part["text"]):
            yield "response.reasoning_summary_text.delta", {**where, "delta": piece}
        yield "response.reasoning_summary_text.done", {**where, "text": part["text"]}
        yield "response.reasoning_summary_part.done", {**where, "part": part}


def _of_content(part: dict[str, Any], place: dict[str, Any], top_logprobs: int | None) -> Iterator[Event]:
    where = {**place, "content_index": 0}
    if part["type"] == "refusal":
        yield "response.content_part.added", {**where, "part": {**part, "refusal": ""}}
        for piece in pieces(part["refusal"]):
            yield "response.refusal.delta", {**where, "delta": piece}
        yield "response.refusal.done", {**where, "refusal": part["refusal"]}
    else:
        yield "response.content_part.added", {**where, "part": {**part, "text": "", "logprobs": []}}
        for piece in pieces(part["text"]):
            yield "response.output_text.delta", {**where, "delta": piece, "logprobs": list_logprobs(piece, top_logprobs)}
        yield "response.output_text.done", {**where, "logprobs": part["logprobs"], "text": part["text"]}
    yield "response.content_part.done", {**where, "part": part}


def _of_call(item: Item, place: dict[str, Any]) -> Iterator[Event]:
    member, kind = _CALL_EVENTS[item["type"]]
    for piece in argument_pieces(item[member]):
        yield f"{kind}.delta", {**place, "delta": piece}
    yield f"{kind}.done", {**place, member: item[member]}
