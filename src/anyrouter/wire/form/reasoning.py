"""Thinking: how much of it is asked for, and proofs of it (signatures) that have to find their way back to who made them.

A client gives back what it got, in its own dialect, and some dialects have no member for whose proof it is. A foreign proof is put
there sealed: `seal` writes its origin in front, `unseal` takes it off again. Compatibility law: sealed proofs live in clients' stored
conversations, so the shape is never changed. Reasoning that nobody proved is sealed as well where a dialect refuses an empty proof
(`UNPROVED`): without the gateway's mark on it, it could not be told from what the upstream itself has made.
"""

from typing import NamedTuple

import msgspec

ANTHROPIC_FORMAT = "anthropic-claude-v1"
OPENAI_FORMAT = "openai-responses-v1"
GEMINI_FORMAT = "google-gemini-v1"
BEDROCK_FORMAT = ANTHROPIC_FORMAT  # the models that sign there are the same, and so are the signatures
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
MIN_BUDGET, MAX_BUDGET = 1024, 128_000
_DEFAULT_OUTPUT_TOKENS = 32_000  # where nobody said how long the answer may be
# The share of max_tokens that an effort may think. Source: OpenRouter, "Reasoning Tokens", as published in 2026.
_RATIOS = {"minimal": 0.1, "low": 0.2, "medium": 0.5, "high": 0.8, "xhigh": 0.95, "max": 0.95}
_SEAL = "anyrouter."
UNPROVED = f"{_SEAL}.."  # the seal of no proof, by nobody


class ReasoningOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the model is to think. Every member None: as the upstream likes."""

    is_enabled: bool | None = None  # False: not at all
    effort: str | None = None  # one of EFFORTS
    budget_tokens: int | None = None
    is_adaptive: bool = False  # the model decides how much
    summary: str | None = None  # auto, concise, detailed
    is_hidden: bool = False  # think, but do not show it
    is_encrypted_wanted: bool = False  # Responses: include reasoning.encrypted_content


class Sealed(NamedTuple):
    """A proof with its origin, both None-able, and the upstream's own id of the reasoning."""

    format: str | None
    proof: str
    id: str | None


def budget_of(effort: str, max_tokens: int | None) -> int:
    """The thinking budget, in tokens, that an effort amounts to."""
    ratio = _RATIOS.get(effort, 0.5)
    return max(MIN_BUDGET, min(MAX_BUDGET, int((max_tokens or _DEFAULT_OUTPUT_TOKENS) * ratio)))


def effort_of(budget_tokens: int, max_tokens: int | None) -> str:
    """The lowest effort whose budget is no less."""
    return next((effort for effort in ("minimal", "low", "medium", "high") if budget_tokens <= budget_of(effort, max_tokens)), "xhigh")


def seal(proof: str, format: str | None, id: str | None = None) -> str:  # noqa: A002 -- the members' names
    """A foreign proof as one string, for a member that does not say whose it is."""
    return f"{_SEAL}{_escape(format)}.{_escape(id)}.{proof}"


def unseal(proof: str) -> Sealed:
    """What `seal` was given; a proof that was not sealed has no format."""
    if not proof.startswith(_SEAL):
        return Sealed(None, proof, None)
    parts = proof[len(_SEAL) :].split(".", 2)
    if len(parts) != 3:  # noqa: PLR2004 -- format, id, proof
        return Sealed(None, proof, None)
    return Sealed(_unescape(parts[0]), parts[2], _unescape(parts[1]))


def _escape(told: str | None) -> str:
    """Without dots, which part a seal: some providers have them in the ids of their calls."""
    return told.replace("%", "%25").replace(".", "%2E") if told else ""


def _unescape(told: str) -> str | None:
    return told.replace("%2E", ".").replace("%25", "%") or None
