"""OpenRouter's `reasoning_details`, to and from reasoning of the form.

Source: openrouter.ai/docs, "Reasoning Tokens" (Preserving reasoning blocks), as published in 2026. Entries are reasoning.text,
reasoning.summary and reasoning.encrypted; `format` says whose proof an entry holds. A proof of Gemini's belongs to the tool call whose id
the entry has.
"""

from typing import Any

from msgspec.structs import replace

from anyrouter.wire.form.parts import Part, Reasoning, Text, ToolCall
from anyrouter.wire.form.reasoning import GEMINI_FORMAT
from anyrouter.wire.form.text import EMPTY, JsonText, join
from anyrouter.wire.translation.carried import Carried, is_string
from anyrouter.wire.translation.openai.shapes import DetailShape

TEXT, SUMMARY, ENCRYPTED = "reasoning.text", "reasoning.summary", "reasoning.encrypted"


def reasoning_of(details: list[DetailShape] | None, *texts: Carried) -> list[Reasoning]:
    """The reasoning that a message tells: its details, else the first of `texts` (reasoning, reasoning_content) that is one."""
    if details:
        found = [part for part in map(_part_of, _merge(details)) if part is not None]
        if found:
            return found
    for text in texts:
        if is_string(text) and text != EMPTY:
            return [Reasoning(text=text)]
    return []


def hang_signatures(parts: list[Part]) -> list[Part]:
    """The parts with Gemini's proofs on the tool call or text that they prove, instead of reasoning of their own."""
    proofs = {part.id: part.encrypted for part in parts if isinstance(part, Reasoning) and part.encrypted and part.format == GEMINI_FORMAT}
    if not proofs:
        return parts
    calls = {part.id for part in parts if isinstance(part, ToolCall)}
    text_at = max((at for at, part in enumerate(parts) if isinstance(part, Text)), default=None)
    hung: list[Part] = []
    for at, part in enumerate(parts):
        if isinstance(part, ToolCall) and part.id in proofs:
            hung.append(replace(part, signature=proofs[part.id]))
        elif isinstance(part, Text) and at == text_at and None in proofs:
            hung.append(replace(part, signature=proofs[None]))
        elif isinstance(part, Reasoning) and part.encrypted is not None and part.format == GEMINI_FORMAT and part.text is None:
            if part.id not in calls and not (part.id is None and text_at is not None):
                hung.append(part)
        else:
            hung.append(part)
    return hung


def _merge(details: list[DetailShape]) -> list[DetailShape]:
    """The entries as they were before a stream cut them: clients that collect deltas send back every piece."""
    merged: list[DetailShape] = []
    for detail in details:
        last = merged[-1] if merged else None
        if last is None or last.type != detail.type or detail.type == ENCRYPTED or last.index is None or last.index != detail.index:
            merged.append(detail)
            continue
        merged[-1] = DetailShape(
            type=last.type,
            text=_joined(last.text, detail.text),
            summary=_joined(last.summary, detail.summary),
            signature=detail.signature or last.signature,
            id=last.id or detail.id,
            format=_whose(last) or _whose(detail),
            index=last.index,
        )
    return merged


def _joined(one: Carried, other: Carried) -> Carried:
    if not is_string(one):
        return other
    return join([one, other]) if is_string(other) else one


def _whose(detail: DetailShape) -> str | None:
    return None if detail.format == "unknown" else detail.format


def _part_of(detail: DetailShape) -> Reasoning | None:
    whose = _whose(detail)
    if detail.type == ENCRYPTED:
        return Reasoning(encrypted=detail.data, id=detail.id, format=whose) if detail.data else None
    is_summary = detail.type == SUMMARY
    text = detail.summary if is_summary else detail.text
    if is_string(text):
        return Reasoning(text=text, signature=detail.signature, id=detail.id, is_summary=is_summary, format=whose)
    return Reasoning(text=EMPTY, signature=detail.signature, id=detail.id, format=whose) if detail.signature else None


def details_of(parts: list[Part]) -> tuple[list[JsonText], list[dict[str, Any]]]:
    """What a message tells of its reasoning: the readable texts, and the details."""
    texts: list[JsonText] = []
    details: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, Reasoning):
            details += details_of_reasoning(part, len(details))
            if part.text is not None and part.text != EMPTY:
                texts.append(part.text)
        elif isinstance(part, ToolCall | Text) and part.signature:
            details.append(signature_detail(part.signature, part.id if isinstance(part, ToolCall) else None, len(details)))
    return texts, details


def details_of_reasoning(part: Reasoning, index: int) -> list[dict[str, Any]]:
    """The entries of one reasoning, numbered from `index`. One that is readable and encrypted, as Responses has them, makes two."""
    origin: dict[str, Any] = {"id": part.id} if part.id is not None else {}
    origin["format"] = part.format or "unknown"
    entries: list[dict[str, Any]] = []
    if part.text is not None:
        told = {"type": SUMMARY, "summary": part.text} if part.is_summary else {"type": TEXT, "text": part.text}
        if part.signature is not None:
            told["signature"] = part.signature
        entries.append({**told, **origin, "index": index})
    if part.encrypted is not None:
        entries.append({"type": ENCRYPTED, "data": part.encrypted, **origin, "index": index + len(entries)})
    return entries


def signature_detail(signature: str, call_id: str | None, index: int) -> dict[str, Any]:
    """Gemini's proof of a tool call, or of plain text, as an entry."""
    entry: dict[str, Any] = {"type": ENCRYPTED, "data": signature}
    if call_id is not None:
        entry["id"] = call_id
    return {**entry, "format": GEMINI_FORMAT, "index": index}
