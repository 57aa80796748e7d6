"""The text of an API key: how it is made, checked and digested.

Compatibility law: keys are held by clients for years. The format, the alphabet, the checksum and the digest never change;
a new format gets a new prefix beside this one.

    ar-<environment>-<39 x [0-9A-Za-z]><6 x [0-9A-Za-z]>
       environment   [a-z][a-z0-9]{1,15}
       body          39 characters, 232 bits of the operating system's randomness
       checksum      base62(CRC32(everything before it)), left-padded with "0"
"""

import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BODY_LENGTH = 39
CHECKSUM_LENGTH = 6
LABEL_BODY_LENGTH = 6
MAX_KEY_LENGTH = len("ar--") + 16 + BODY_LENGTH + CHECKSUM_LENGTH
DOCUMENTATION_KEY = "ar-live-abc123def456ghi789jkl012mno345pqr678stu901vwx"
ENVIRONMENT_SLUG = re.compile(r"[a-z][a-z0-9]{1,15}", re.ASCII)

_KEY = re.compile(r"ar-([a-z][a-z0-9]{1,15})-([0-9A-Za-z]{45})", re.ASCII)
_FOREIGN = (  # the most specific first: an Anthropic key also starts with "sk-"
    ("sk-ant-", "an Anthropic key"),
    ("sk-or-", "an OpenRouter key"),
    ("sk-", "an OpenAI key"),
    ("gsk_", "a Groq key"),
    ("ghp_", "a GitHub token"),
    ("github_pat_", "a GitHub token"),
    ("AKIA", "an AWS access key id"),
    ("AIza", "a Google API key"),
    ("hf_", "a Hugging Face token"),
    ("xai-", "an xAI key"),
    ("key_", "the public id of a key, not the key itself"),
    ("eyJ", "a JSON web token"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WellFormed:
    """The text is a key by its form and checksum; whether it was ever issued is the store's knowledge."""

    environment: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """The text is not a key. `code` is the contract's error code, `hint` a sentence that repeats nothing of the text."""

    code: str
    hint: str


def checksum(head: str) -> str:
    """The six base62 digits of the CRC32 of `head` (the key without its checksum)."""
    number, digits = zlib.crc32(head.encode("ascii")), []
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def generate(environment: str) -> str:
    """A fresh key of `environment` (its slug), from the operating system's randomness, unbiased."""
    if not ENVIRONMENT_SLUG.fullmatch(environment):
        raise ValueError("an environment's slug is [a-z][a-z0-9]{1,15}")
    head = f"ar-{environment}-" + "".join(secrets.choice(ALPHABET) for _ in range(BODY_LENGTH))
    return head + checksum(head)


def label_of(key: str) -> str:
    """What may be shown of a key: its head and the first six characters of its body."""
    match = _KEY.fullmatch(key)
    if match is None:
        raise ValueError("not a key")
    return f"ar-{match[1]}-{match[2][:LABEL_BODY_LENGTH]}"


def find_keys(text: str) -> list[str]:
    """What is a key by form and checksum, of everything in a text."""
    return [match[0] for match in _KEY.finditer(text) if isinstance(inspect(match[0]), WellFormed)] if "ar-" in text else []


def hide(text: str) -> str:
    """The text with every key in it reduced to its label, for what is logged and stored. To be done before a text is cut short."""
    return _KEY.sub(lambda match: f"ar-{match[1]}-{match[2][:LABEL_BODY_LENGTH]}…", text) if "ar-" in text else text


def inspect(text: str) -> WellFormed | Malformed:
    """Judge a presented text by length, character set, form and checksum. No I/O, and nothing of the text comes back."""
    match = _KEY.fullmatch(text) if len(text) <= MAX_KEY_LENGTH else None
    if match is None:
        return Malformed(code="malformed_api_key", hint=_hint(text))
    if text == DOCUMENTATION_KEY:
        return Malformed(code="documentation_key", hint="this is the example key of the documentation; use a key of your own")
    if not hmac.compare_digest(checksum(text[:-CHECKSUM_LENGTH]), text[-CHECKSUM_LENGTH:]):
        return Malformed(code="malformed_api_key", hint="the checksum does not match: a character was changed, lost or swapped")
    return WellFormed(environment=match[1], label=f"ar-{match[1]}-{match[2][:LABEL_BODY_LENGTH]}")


def digest(pepper: bytes, key: str) -> bytes:
    """The 32 bytes under which a key is stored: HMAC-SHA256(pepper, key)."""
    return Digester(pepper).digest(key)


class Digester:
    """Digests keys under one pepper, which is worked in once and not for each key."""

    __slots__ = ("_keyed",)

    def __init__(self, pepper: bytes) -> None:
        self._keyed = hmac.new(pepper, digestmod=hashlib.sha256)

    def digest(self, key: str) -> bytes:
        """The 32 bytes under which a key is stored: HMAC-SHA256(pepper, key)."""
        mac = self._keyed.copy()
        mac.update(key.encode("utf-8", "surrogatepass"))
        return mac.digest()


def _hint(text: str) -> str:
    for prefix, kind in _FOREIGN:
        if text.startswith(prefix):
            return f"this looks like {kind}; AnyRouter keys start with ar-"
    if not text.startswith("ar-"):
        return "AnyRouter keys start with ar-"
    head = re.match(r"ar-[a-z][a-z0-9]{1,15}-", text, re.ASCII)
    whole = (len(head[0]) if head else len("ar-live-")) + BODY_LENGTH + CHECKSUM_LENGTH
    if len(text) != whole:
        return f"it has {len(text)} of {whole} characters; keys get cut or padded when they are copied without the copy button"
    return "it has characters that no key has"
