"""Thinking blocks, to and from reasoning of the form.

A thinking block is a text and a signature that proves it, a redacted one is data alone. A proof that another provider made stands in
these members sealed (`form.reasoning`), so that it finds its way back through clients that know no more than this dialect. Gemini's
proofs of tool calls and of plain text are redacted blocks beside what they prove.
"""

from msgspec.structs import replace

from anyrouter.wire.form.parts import Part, Reasoning, Text, ToolCall
from anyrouter.wire.form.reasoning import ANTHROPIC_FORMAT, GEMINI_FORMAT, OPENAI_FORMAT, UNPROVED, seal, unseal
from anyrouter.wire.form.text import EMPTY, JsonText
from anyrouter.wire.translation.anthropic.shapes import Wire


def thinking_of(text: JsonText | None, signature: str | None) -> Reasoning:
    """The reasoning that a thinking block is. OpenAI's proofs stand instead of the text that is summed up, others prove it."""
    told = EMPTY if text is None else text
    if not signature:
        return Reasoning(text=told)
    proof, whose, origin = _open(signature)
    if not proof:
        return Reasoning(text=told)
    if whose == OPENAI_FORMAT:
        return Reasoning(text=told, encrypted=proof, id=origin, is_summary=True, format=whose)
    return Reasoning(text=told, signature=proof, id=origin, format=whose)


def redacted_of(data: str) -> Reasoning:
    """The reasoning that a redacted block is."""
    proof, whose, origin = _open(data)
    if not proof:
        return Reasoning(text=EMPTY)
    return Reasoning(encrypted=proof, id=origin, format=whose)


def _open(proof: str) -> tuple[str, str | None, str | None]:
    sealed = unseal(proof)
    is_sealed = sealed.proof != proof
    return sealed.proof, sealed.format if is_sealed else ANTHROPIC_FORMAT, sealed.id


def hang_signatures(parts: list[Part]) -> list[Part]:
    """The parts with Gemini's proofs on what they prove: the call of their id, else the part behind them, else the text before.

    Those that prove nothing here stand at the end.
    """
    if not any(_is_proof_of_another(part) for part in parts):
        return parts
    hung = [part for part in parts if not _is_proof_of_another(part)]
    calls = {part.id: at for at, part in enumerate(hung) if isinstance(part, ToolCall)}
    left: list[Part] = []
    passed = 0  # how many of `hung` stand before
    for part in parts:
        if not isinstance(part, Reasoning) or not _is_proof_of_another(part):
            passed += 1
            continue
        for at in (calls.get(part.id or "", -1), passed, passed - 1):
            proven = hung[at] if 0 <= at < len(hung) else None
            if isinstance(proven, Text | ToolCall) and proven.signature is None:
                hung[at] = replace(proven, signature=part.encrypted)
                break
        else:
            left.append(part)
    return hung + left


def _is_proof_of_another(part: Part) -> bool:
    return isinstance(part, Reasoning) and part.format == GEMINI_FORMAT and part.encrypted is not None and part.text is None


def proof_of(part: Reasoning) -> str:
    """What a block says in `signature` or `data`; empty for reasoning that nothing proves."""
    proof = part.signature if part.signature is not None else part.encrypted
    if proof is None:
        return ""
    return proof if part.format == ANTHROPIC_FORMAT else seal(proof, part.format, part.id)


def redacted_block(data: str) -> Wire:
    """A redacted block."""
    return {"type": "redacted_thinking", "data": data}


def signature_block(signature: str, call_id: str | None) -> Wire:
    """Gemini's proof of a tool call, or of plain text, as a block."""
    return redacted_block(seal(signature, GEMINI_FORMAT, call_id))


def encode_thought(part: Reasoning, *, is_hidden: bool) -> Wire | None:
    """A reasoning as a client of this dialect reads it; None when there is nothing to be read nor to be given back."""
    proof = proof_of(part)
    if part.text is None or (part.text == EMPTY and part.encrypted is not None):
        return redacted_block(proof) if proof else None
    if is_hidden and not proof:
        return None
    return {"type": "thinking", "thinking": EMPTY if is_hidden else part.text, "signature": proof or UNPROVED}


def own_thought(part: Reasoning) -> Wire | None:
    """A reasoning as an upstream takes it back; None for what another provider proved, or nobody did."""
    if part.format != ANTHROPIC_FORMAT:
        return None
    if part.encrypted is not None:
        return redacted_block(part.encrypted)
    if part.signature is None:
        return None
    return {"type": "thinking", "thinking": EMPTY if part.text is None else part.text, "signature": part.signature}
