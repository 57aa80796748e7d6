"""Reasoning items, to and from reasoning of the form.

An item holds texts (of a summary, or what was thought itself) and one proof, `encrypted_content`. A proof of another provider's stands
there sealed (`form.reasoning`): beside texts it is their signature, alone it is encrypted reasoning, and one of Gemini's without texts
belongs to the tool call whose id it has, or, without an id, to the text before it. Compatibility law: such items live in clients' stored
conversations.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from msgspec.structs import replace

from anyrouter.wire.form.parts import Part, Reasoning, Text, ToolCall
from anyrouter.wire.form.reasoning import GEMINI_FORMAT, OPENAI_FORMAT, seal, unseal
from anyrouter.wire.form.text import JsonText
from anyrouter.wire.translation.carried import is_string
from anyrouter.wire.translation.responses.shapes import ThoughtShape

Wire = dict[str, Any]


class Proof(NamedTuple):
    """What an `encrypted_content` is. `id` is the upstream's own id of the reasoning, where the proof is sealed."""

    text: str
    format: str | None
    id: str | None
    is_own: bool


def read_proof(encrypted_content: str | None) -> Proof | None:
    """The proof that a member holds, if any."""
    if not encrypted_content:
        return None
    sealed = unseal(encrypted_content)
    if sealed.proof == encrypted_content:
        return Proof(encrypted_content, OPENAI_FORMAT, None, is_own=True)
    return Proof(sealed.proof, sealed.format, sealed.id, is_own=False) if sealed.proof else None


def reasoning_of(
    item_id: str | None, summary: list[ThoughtShape] | None, content: list[ThoughtShape] | None, encrypted_content: str | None
) -> list[Reasoning]:
    """A reasoning item in the form, its proof with the last of its texts; nothing for an item that only refers to a stored one."""
    texts = [(one.text, True) for one in summary or () if is_string(one.text)]
    texts += [(one.text, False) for one in content or () if is_string(one.text)]
    proof = read_proof(encrypted_content)
    if proof is None:
        return [Reasoning(text=text, id=item_id, is_summary=is_summary) for text, is_summary in texts]
    origin = item_id if proof.is_own else proof.id
    if not texts:
        return [Reasoning(encrypted=proof.text, id=origin, format=proof.format)]
    parts = [Reasoning(text=text, id=origin, is_summary=is_summary, format=proof.format) for text, is_summary in texts]
    parts[-1] = replace(parts[-1], encrypted=proof.text) if proof.is_own else replace(parts[-1], signature=proof.text)
    return parts


def is_hung(part: Part) -> bool:
    """Whether a part is a proof that belongs to another part."""
    return isinstance(part, Reasoning) and part.format == GEMINI_FORMAT and part.text is None and part.encrypted is not None


def hang_proofs(parts: list[Part]) -> list[Part]:
    """The parts of one turn with such proofs on the call or text that they prove."""
    hung = list(parts)
    used: set[int] = set()
    for at, part in enumerate(parts):
        if not is_hung(part) or not isinstance(part, Reasoning):
            continue
        found = _proven_call(hung, part.id) if part.id is not None else _proven_text(hung, at)
        if found is not None:
            target = hung[found]
            assert isinstance(target, Text | ToolCall)  # noqa: S101 -- so they were looked for
            hung[found] = replace(target, signature=part.encrypted)
            used.add(at)
    return [part for at, part in enumerate(hung) if at not in used]


def _proven_call(parts: list[Part], call_id: str) -> int | None:
    return next((at for at, part in enumerate(parts) if isinstance(part, ToolCall) and part.id == call_id), None)


def _proven_text(parts: list[Part], before: int) -> int | None:
    texts = [at for at, part in enumerate(parts) if isinstance(part, Text) and part.signature is None]
    return next((at for at in reversed(texts) if at < before), texts[0] if texts else None)


def is_own(part: Reasoning) -> bool:
    """Whether OpenAI's own, or nobody's: its text and proof may share an item with others of the same id."""
    return part.format == OPENAI_FORMAT or (part.format is None and part.signature is None and part.encrypted is None)


def is_continued(last: Reasoning, part: Reasoning) -> bool:
    """Whether a part belongs to the item of the one before it, which has no proof yet."""
    if not is_own(part) or part.format != last.format or last.encrypted is not None:
        return False
    return part.id == last.id and (part.id is not None or part.format == OPENAI_FORMAT)


def slot_of(part: Reasoning) -> str | None:
    """What stands in `encrypted_content` for a part: OpenAI's proof as it is, a foreign one sealed, beside a text its signature alone."""
    if part.format == OPENAI_FORMAT:
        return part.encrypted or part.signature
    proof = part.signature or (part.encrypted if part.text is None else None)
    return None if proof is None else seal(proof, part.format, part.id)


def group_thoughts(parts: list[Reasoning]) -> Iterator[list[Reasoning]]:
    """Reasoning that stands in a row, item by item."""
    group: list[Reasoning] = []
    for part in parts:
        if group and not is_continued(group[-1], part):
            yield group
            group = []
        group.append(part)
    if group:
        yield group


def encode_own(group: list[Reasoning], *, is_text_taken: bool) -> Wire | None:
    """One item for an upstream, without its id, which refers to what is stored; None for reasoning that the upstream would refuse.

    Source: vercel/ai pull request 12689 and langchain pull request 38372 (2026): ids of items that are not stored are refused.
    """
    encrypted = group[-1].encrypted if group[-1].format == OPENAI_FORMAT else None
    told = [part for part in group if part.text is not None]
    if encrypted is None and not (is_text_taken and told):
        return None
    wire: Wire = {"type": "reasoning", "summary": [encode_thought(part.text, is_summary=True) for part in told if part.is_summary]}
    content = [encode_thought(part.text, is_summary=False) for part in told if not part.is_summary]
    if content:
        wire["content"] = content
    if encrypted is not None:
        wire["encrypted_content"] = encrypted
    return wire


def encode_thought(text: JsonText | None, *, is_summary: bool) -> Wire:
    """A text of an item."""
    return {"type": "summary_text" if is_summary else "reasoning_text", "text": text}
