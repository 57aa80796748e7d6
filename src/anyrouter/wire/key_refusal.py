"""Whether a refusal with status 400 is one of the credential.

Google's APIs answer 400, not 401, to an API key that is wrong, expired or gone; the error's details say so, as `google.rpc.ErrorInfo`
with a reason: github.com/googleapis/googleapis, google/api/error_reason.proto (read 2026-11). A stream's refusal is the same object in
an array. A message that quotes a request can say anything: only the details count.
"""

from typing import Any

import msgspec

_MARK = b"API_KEY_INVALID"
_KIND = "google.rpc.ErrorInfo"


def refuses_key(body: bytes) -> bool:
    """Whether it is the API key that is refused, and not the request."""
    if _MARK not in body:
        return False
    try:
        document: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    for part in document if isinstance(document, list) else [document]:
        error = part.get("error") if isinstance(part, dict) else None
        details = error.get("details") if isinstance(error, dict) else None
        for detail in details if isinstance(details, list) else ():
            if isinstance(detail, dict) and str(detail.get("@type")).endswith(_KIND) and detail.get("reason") == _MARK.decode():
                return True
    return False
