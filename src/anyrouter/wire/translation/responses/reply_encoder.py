"""A reply of the form as a client of Responses gets it."""

from collections.abc import Iterator

from anyrouter.core.usage import Usage
from anyrouter.wire.form.parts import Part, Reasoning, Text
from anyrouter.wire.form.reply import Candidate, Reply
from anyrouter.wire.form.text import unquote
from anyrouter.wire.reply import CostFields
from anyrouter.wire.translation.codec import ReplyContext
from anyrouter.wire.translation.responses.annotations import encode_citation, encode_logprobs
from anyrouter.wire.translation.responses.output_items import (
    CALL,
    COMPLETED,
    INCOMPLETE,
    Content,
    Item,
    ItemSequence,
    literal_of,
    owed_after,
    owed_before,
)
from anyrouter.wire.translation.responses.response_object import INCOMPLETE as CUT
from anyrouter.wire.translation.responses.response_object import ResponseObject, render_usage


def encode_response(reply: Reply, context: ReplyContext, usage: Usage, cost: CostFields) -> bytes:
    """The body for the client: the first of the answers, and there is no more, since the dialect cannot ask for it."""
    response = ResponseObject(context)
    response.take_start(reply.created_s, reply.service_tier)
    first = reply.candidates[0] if reply.candidates else Candidate(parts=[], finish=None)
    output, last = _make_items(first, ItemSequence(context), is_hidden=is_hidden(context))
    status = INCOMPLETE if first.finish in CUT else COMPLETED
    items = b",".join([item.render(status if item is last else COMPLETED) for item in output])
    return response.render_end(first.finish, items, render_usage(usage, reply.details, cost))[1]


def is_hidden(context: ReplyContext) -> bool:
    """Whether the client wants thinking without seeing it."""
    return context.request.reasoning is not None and context.request.reasoning.is_hidden


def _make_items(candidate: Candidate, items: ItemSequence, *, is_hidden: bool) -> tuple[list[Item], Item | None]:
    """The items, and the one with which the answer ends; proofs may follow it."""
    output: list[Item] = []
    last: Item | None = None
    logprobs = encode_logprobs(candidate.logprobs) if candidate.logprobs else []
    for part, is_owed in _expand(candidate.parts, items, is_hidden=is_hidden):
        start = items.start(part, output[-1] if output else None)
        if start is None:
            continue
        if start.is_new:
            output.append(start.item)
        if not is_owed:
            last = start.item
        if start.content is not None:
            _fill(start.content, part)
            if isinstance(part, Text):
                start.content.logprobs, logprobs = logprobs, []  # nobody tells which of several texts they are of
    return output, last


def _expand(parts: list[Part], items: ItemSequence, *, is_hidden: bool) -> Iterator[tuple[Part, bool]]:
    """The parts, and whether each is reasoning that has to stand before or behind another one."""
    for part in parts:
        if isinstance(part, Reasoning) and is_hidden:
            continue
        before, after = owed_before(part, items), owed_after(part)
        if before is not None:
            yield before, True
        yield part, False
        if after is not None:
            yield after, True


def _fill(content: Content, part: Part) -> None:
    literal = literal_of(part)
    if literal is not None:
        content.pieces.append(bytes(literal))
    elif content.kind == CALL:
        content.pieces.append(b'"{}"')  # a tool without arguments: clients parse what they get, and nothing is no JSON
    if content.is_wrapped:
        content.pieces.append(bytes(content.unwrap()))
    if isinstance(part, Text) and part.citations:
        size = len(unquote(part.text))
        annotations = [encode_citation(citation, size) for citation in part.citations]
        content.annotations = [one for one in annotations if one is not None]
