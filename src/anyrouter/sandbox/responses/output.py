"""The output items of a response, as they are when they are done: what was thought, then a message or a call."""

from typing import Any

from anyrouter.sandbox.answer import Answer, Ending
from anyrouter.sandbox.reply import Stamp
from anyrouter.sandbox.responses.request import ResponsesRequest
from anyrouter.sandbox.text import pieces

Item = dict[str, Any]

_IDENTITY_DIGITS = 50
_LOGPROB = -0.01


def list_items(request: ResponsesRequest, answer: Answer, stamp: Stamp) -> list[Item]:
    """The items in their order. None but the thought is there when thinking left no token for the rest."""
    items = [_reasoning(request, answer, stamp)] if answer.reasoning else []
    if answer.tool is not None:
        items.append(_call(answer, stamp))
    elif answer.tokens:
        items.append(_message(request, answer, stamp))
    return items


def list_logprobs(text: str, top: int | None) -> list[dict[str, Any]]:
    """The log probabilities of a text, all the same; none when none were asked for."""
    if top is None:
        return []
    entries = [{"token": piece, "bytes": list(piece.encode()), "logprob": _LOGPROB} for piece in pieces(text)]
    return [{**entry, "top_logprobs": [entry] if top else []} for entry in entries]


def _reasoning(request: ResponsesRequest, answer: Answer, stamp: Stamp) -> Item:
    return {
        "id": _identity("rs", stamp),
        "type": "reasoning",
        "encrypted_content": f"gAAAAAB{stamp.token('encrypted', 40)}",
        "summary": [{"type": "summary_text", "text": answer.reasoning}] if request.shows_summary else [],
    }


def _message(request: ResponsesRequest, answer: Answer, stamp: Stamp) -> Item:
    part: dict[str, Any]
    if answer.ending is Ending.REFUSED:
        part = {"type": "refusal", "refusal": answer.text}
    else:
        logprobs = list_logprobs(answer.text, request.top_logprobs)
        part = {"type": "output_text", "annotations": [], "logprobs": logprobs, "text": answer.text}
    is_whole = answer.ending not in {Ending.LENGTH, Ending.FILTERED}
    status = "completed" if is_whole else "incomplete"
    return {"id": _identity("msg", stamp), "type": "message", "status": status, "content": [part], "role": "assistant"}


def _call(answer: Answer, stamp: Stamp) -> Item:
    assert answer.tool is not None  # noqa: S101 -- the caller looked
    call_id = f"call_{stamp.token('call', 24)}"
    status = "incomplete" if answer.ending is Ending.LENGTH else "completed"
    if answer.tool.schema is None:
        kind, prefix, member = "custom_tool_call", "ctc", "input"
    else:
        kind, prefix, member = "function_call", "fc", "arguments"
    return {
        "id": _identity(prefix, stamp), "type": kind, "status": status,
        member: answer.text, "call_id": call_id, "name": answer.tool.name,
    }  # fmt: skip


def _identity(prefix: str, stamp: Stamp) -> str:
    return f"{prefix}_{stamp.hexadecimal(prefix, _IDENTITY_DIGITS)}"
