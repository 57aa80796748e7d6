"""The sandbox's text: what it says, how it is counted, cut and split."""

import re
from collections.abc import Iterator

from anyrouter.core.usage import BYTES_PER_TOKEN, estimate_tokens

LONG_ANSWER_TOKENS = 2_000
REFUSAL = "I'm sorry, but I can't help with that: this simulated model refuses everything."
_LONG_SENTENCE = "The sandbox tells a long story that says nothing at all. "
_PIECE = re.compile(r"\s*\S{1,24}|\s+")
_MAX_PIECES = 4_096


def simulated_answer(model: str, last_user_text: str) -> str:
    """The answer of every ordinary model: says that it is simulated, names the model, and shows that the question arrived."""
    return (
        f"Hello! This is a simulated answer from AnyRouter's sandbox, given in the place of {model}. "
        f"No model was asked and nothing was charged. Your last message has {byte_count(last_user_text)} bytes."
    )


def simulated_reasoning(last_user_text: str) -> str:
    """What every model thinks, where thinking is asked for: it shows that the question was read, and nothing else."""
    return f"The last message has {byte_count(last_user_text)} bytes. This is a simulation, so the answer is a fixed sentence."


def long_answer() -> str:
    """A text of exactly `LONG_ANSWER_TOKENS` tokens."""
    size = LONG_ANSWER_TOKENS * BYTES_PER_TOKEN
    return (_LONG_SENTENCE * (size // len(_LONG_SENTENCE) + 1))[:size]


def byte_count(text: str) -> int:
    """The length of the text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def tokens_of(size: int) -> int:
    """The tokens of so many bytes of text, by the documented rule."""
    return estimate_tokens(size)


def count_tokens(text: str) -> int:
    """The tokens of a text that was put out, by the documented rule."""
    return tokens_of(byte_count(text))


def cut_to_tokens(text: str, max_tokens: int) -> str:
    """The longest beginning of the text that counts as at most `max_tokens` (at least 1), never splitting a character."""
    if count_tokens(text) > max_tokens:
        return text.encode()[: max_tokens * BYTES_PER_TOKEN + BYTES_PER_TOKEN - 1].decode(errors="ignore")
    return text


def cut_at_stop(text: str, stop: tuple[str, ...]) -> tuple[str, str | None]:
    """The text before the earliest stop sequence, and that sequence; at one place the first of the request's list wins."""
    places = [(place, sequence) for sequence in stop if sequence and (place := text.find(sequence)) >= 0]
    if not places:
        return text, None
    place, sequence = min(places, key=lambda found: found[0])
    return text[:place], sequence


def pieces(text: str) -> Iterator[str]:
    """The text in the parts in which it is streamed: words with the space before them, more words at once in a very long text."""
    words = max(1, len(text) // (8 * _MAX_PIECES))
    held: list[str] = []
    for match in _PIECE.finditer(text):
        held.append(match[0])
        if len(held) >= words:
            yield "".join(held)
            held.clear()
    if held:
        yield "".join(held)


def argument_pieces(text: str) -> Iterator[str]:
    """A tool's arguments in the parts in which they are streamed: at least two, unless there is but one character."""
    size = max(1, min(8, len(text) // 2), len(text) // _MAX_PIECES)
    for start in range(0, len(text), size):
        yield text[start : start + size]
