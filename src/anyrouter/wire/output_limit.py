"""How long the answers to a request may be by its own word, in every dialect, and how that is lowered.

An answer's tokens are counted for each of its choices: a request for several, or of several prompts, is answered with as many.
"""

from typing import NamedTuple

import msgspec

from anyrouter.wire.members import Members, NotJson

_CHAT, _COMPLETIONS, _EMBEDDINGS, _RESPONSES = "chat/completions", "completions", "embeddings", "responses"
_GEMINI = frozenset({"generateContent", "streamGenerateContent"})
_CONFIGS = ("generationConfig", "generation_config")
_GEMINI_LIMITS = ("maxOutputTokens", "max_output_tokens")
_GEMINI_COUNTS = ("candidateCount", "candidate_count")
_LIMITS = {_CHAT: ("max_completion_tokens", "max_tokens"), _RESPONSES: ("max_output_tokens",)}
_USUAL_LIMIT = ("max_tokens",)
_SILENT = frozenset({_EMBEDDINGS, "messages/count_tokens"})  # no text is answered there
_MAX_COUNT = 2**53


class OutputLimit(NamedTuple):
    """The most tokens that each choice of an answer may have, None without a limit, and how many choices there may be."""

    tokens: int | None
    choices: int = 1


def read_output_limit(members: Members, endpoint: str) -> OutputLimit:
    """The request's own limit. Where it says it twice the larger counts; what is no whole number is no limit."""
    if endpoint in _SILENT:
        return OutputLimit(0)
    if endpoint in _GEMINI:
        config = _read_config(members)
        limits, counts = [config.get(name) for name in _GEMINI_LIMITS], [config.get(name) for name in _GEMINI_COUNTS]
    else:
        limits = [members.decode(name) for name in _LIMITS.get(endpoint, _USUAL_LIMIT)]
        counts = [members.decode(name) for name in ("n", "best_of")] if endpoint in (_CHAT, _COMPLETIONS) else []
    told = [count for value in limits if (count := _read_count(value)) is not None]
    choices = max([1, *(count for value in counts if (count := _read_count(value)) is not None)])
    if endpoint == _COMPLETIONS:
        choices *= _count_prompts(members.decode("prompt"))
    return OutputLimit(max(told, default=None), choices)


def set_output_limit(members: Members, endpoint: str, tokens: int, *, is_newer_name: bool = False) -> bytes:
    """The request's body with that limit for each choice, in the member that it uses.

    `is_newer_name`: a chat completion that has none yet gets `max_completion_tokens`, which some models insist on.
    """
    value = b"%d" % tokens
    if endpoint in _GEMINI:
        name = next((name for name in _CONFIGS if not members.raw_is_missing(name)), _CONFIGS[0])
        return _write(members, {name: _limit_config(members.raw(name), value)})
    names = _LIMITS.get(endpoint, _USUAL_LIMIT)
    said = [name for name in names if not members.raw_is_missing(name)]
    return _write(members, dict.fromkeys(said or (names[0] if is_newer_name else names[-1],), value))


def _limit_config(raw: bytes | None, value: bytes) -> bytes:
    try:
        config = Members(raw or b"{}")
    except NotJson:
        config = Members(b"{}")
    said = [name for name in _GEMINI_LIMITS if not config.raw_is_missing(name)]
    return _write(config, dict.fromkeys(said or _GEMINI_LIMITS[:1], value))


def _write(members: Members, changes: dict[str, bytes]) -> bytes:
    replaced = {name: value for name, value in changes.items() if name in members.values}
    return b"".join(members.edit(replaced, (), {name: value for name, value in changes.items() if name not in replaced}))


def _read_config(members: Members) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in _CONFIGS:
        config = members.decode(name)
        if isinstance(config, bytes):  # a number within is out of range: read without it
            config = _read_raw(config)
        if isinstance(config, dict):
            found |= config
    return found


def _read_raw(text: bytes) -> object:
    try:
        values = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        return {name: msgspec.json.decode(value) for name, value in values.items() if name in (*_GEMINI_LIMITS, *_GEMINI_COUNTS)}
    except (msgspec.DecodeError, RecursionError):
        return None


def _count_prompts(prompt: object) -> int:
    """A list of texts or of token lists is as many prompts; a text, or one list of tokens, is one."""
    return max(1, len(prompt)) if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int) else 1


def _read_count(value: object) -> int | None:
    """A whole number as JSON has it, also written as 16.0 or, as some servers take it, in quotes."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:  # noqa: PLR2004 -- digits of 64 bits
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return min(value, _MAX_COUNT) if isinstance(value, int) and value >= 0 else None
