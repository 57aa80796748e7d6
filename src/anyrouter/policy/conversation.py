"""What conversation a request belongs to, told from little of its text.

In this order, as at OpenRouter (openrouter.ai/docs/guides/best-practices/prompt-caching, read 2026-11): `session_id`, the header
`x-session-id`, `prompt_cache_key`, else the messages up to the first that is not the system's: a client that goes on sends them
again byte for byte, and only they are looked at. The name is a digest: sixteen bytes, whatever came in.
"""

import re
from hashlib import blake2b

from anyrouter.wire.members import Members

DIGEST_BYTES = 16
# Of a text that is looked at: a first message of ten megabytes or a million brackets must not hold anybody up. Openings that are
# alike for so long have the same prompt cache too.
MAX_BYTES = 16_384
MAX_TOKENS = 512
_SESSION, _CACHE_KEY, _MESSAGES = b"s", b"c", b"m"
_HISTORIES = ("messages", "input", "contents")  # chat and Anthropic messages; Responses; Gemini
_INSTRUCTIONS = ("system", "instructions", "systemInstruction", "system_instruction")
_TOKEN = re.compile(rb'["{}\[\]]')
_SYSTEM_ROLE = re.compile(rb'"role"[ \t\n\r]*:[ \t\n\r]*"(?:system|developer)"')
_QUOTE, _OPENING = 0x22, b"{["


def name_conversation(members: Members, session_header: bytes | None = None) -> bytes | None:
    """The conversation's name; None where nothing tells it, as in a text completion. Embeddings have none: do not ask for them."""
    values = members.values
    session = members.text_of("session_id") if "session_id" in values else None
    if session:
        return _digest(_SESSION, session.encode())
    if session_header:
        return _digest(_SESSION, session_header)
    cache_key = members.text_of("prompt_cache_key") if "prompt_cache_key" in values else None
    if cache_key:
        return _digest(_CACHE_KEY, cache_key.encode())
    for name in _HISTORIES:
        if members.starts_with(name, b"["):
            history = _start_of(members, name)
            instructions = [_start_of(members, known) for known in _INSTRUCTIONS if known in values]
            return _digest(_MESSAGES, *instructions, history[: find_opening(history)])
    return _digest(_MESSAGES, _start_of(members, "input")) if members.starts_with("input", b'"') else None


def find_opening(history: bytes) -> int:
    """Where a JSON array's first element that is not a system message ends; `history` is valid JSON, or the start of it.

    At most `MAX_TOKENS` strings and brackets are looked at: where that does not reach, the end of what was seen.
    """
    # Escapes are blanked out, pair by pair from the left: then every quote that is left begins or ends a string.
    text = history.replace(b"\\\\", b"..").replace(b'\\"', b"..")
    at, depth, is_system = 1, 0, False
    for _ in range(MAX_TOKENS):
        token = _TOKEN.search(text, at)
        if token is None:
            return len(text)
        start = token.start()
        at, character = start + 1, text[start]
        if character == _QUOTE:
            is_system = is_system or (depth == 1 and _SYSTEM_ROLE.match(text, start) is not None)
            at = text.find(b'"', at) + 1 or len(text)
        else:
            depth += 1 if character in _OPENING else -1
        if depth < 0:
            return start
        if depth == 0:  # an element has ended
            if not is_system:
                return at
            is_system = False
    return at


def _start_of(members: Members, name: str) -> bytes:
    return bytes(memoryview(members.values[name])[:MAX_BYTES])


def _digest(kind: bytes, *parts: bytes) -> bytes:
    digest = blake2b(digest_size=DIGEST_BYTES, person=kind)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()
