"""`thoughtSignature`: Gemini's own proofs as they are, those of other models sealed (`form.reasoning`), so that they find their way back.

The member holds bytes, written as base64; SDKs decode it and encode it again, in either alphabet. A sealed proof is therefore the
base64 of the sealed text. Compatibility law: as for `form.reasoning.seal`.
"""

import base64
import binascii
import re

from anyrouter.wire.form.reasoning import GEMINI_FORMAT, Sealed, seal, unseal

_SEALED_START = "YW55cm91dGVy"  # base64 of the letters that every sealed text begins with
_UNKNOWN = "unknown"
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}", re.ASCII)
_URL_SAFE = str.maketrans("-_", "+/")


def write_signature(proof: str, format: str | None, id: str | None = None) -> str:  # noqa: A002 -- the form's names
    """The member's value for a proof of this format; of None it is not known whose it is, and it will not be given to anybody."""
    if format == GEMINI_FORMAT:
        return proof
    return base64.b64encode(seal(proof, format or _UNKNOWN, id).encode()).decode()


def read_signature(value: str) -> Sealed:
    """The proof that a member holds, with its format, which is never None, and its id."""
    if value.startswith(_SEALED_START):
        text = value.translate(_URL_SAFE).rstrip("=")
        try:
            sealed = unseal(base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode())
        except (binascii.Error, ValueError):
            return Sealed(GEMINI_FORMAT, value, None)
        if sealed.format is not None:
            return sealed
    return Sealed(GEMINI_FORMAT, value, None)


def is_signature(value: str) -> bool:
    """Whether a member may hold this: bytes as base64, in either alphabet, padded or not. Anything else is refused with its request."""
    return _BASE64.fullmatch(value) is not None and len(value.rstrip("=")) % 4 != 1
