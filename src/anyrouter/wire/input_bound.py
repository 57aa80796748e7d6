"""How many tokens a prompt may have at most: an upper estimate, for what is set aside before anybody has counted.

The rule, documented for tenants: one token for every two bytes of the prompt's JSON, and for what is only referred to (a picture, a
file at an address) as much as a large picture has. Texts of all languages that tokenizers know have fewer tokens. A list of token
numbers is counted exactly.
"""

import re

from anyrouter.wire.members import Members

BYTES_PER_TOKEN_AT_MOST = 2
TOKENS_OF_A_REFERENCE = 2_000
_PROMPTS = frozenset(
    {
        "messages",
        "system",
        "tools",
        "functions",
        "response_format",
        "prompt",
        "suffix",
        "input",
        "instructions",
        "text",
        "contents",
        "systemInstruction",
        "system_instruction",
    }
)
_REFERENCE = re.compile(
    rb'"(?:image_url|input_image|input_file|file_id|file_url|file_uri|fileUri|fileData|file_data|video_url|input_audio)"'
    rb'|"type"[ \t\r\n]*:[ \t\r\n]*"(?:image|document|file|video)"'
)
_NUMBERS = re.compile(rb"[0-9]+")
_ONLY_NUMBERS = re.compile(rb"[\[\]0-9, \t\r\n]*")


def bound_input_tokens(members: Members, context_length: int | None = None) -> int:
    """The most tokens that the prompt is taken to have, at least 1. `context_length`: the model takes no more than that."""
    size, tokens = 0, 0
    for name, value in members.values.items():
        if name not in _PROMPTS:
            continue
        raw = bytes(value)
        if name in ("input", "prompt") and _ONLY_NUMBERS.fullmatch(raw):
            tokens += sum(1 for _ in _NUMBERS.finditer(raw))
        else:
            size += len(raw)
            tokens += TOKENS_OF_A_REFERENCE * sum(1 for _ in _REFERENCE.finditer(raw))
    tokens = max(1, tokens - (-size // BYTES_PER_TOKEN_AT_MOST))
    return tokens if context_length is None else min(tokens, context_length)
