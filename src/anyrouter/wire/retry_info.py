"""How long a refusal's body asks to wait, where it is not the headers that say it.

Google puts it into the error's details, as `google.rpc.RetryInfo` with a duration in seconds ("12s", "0.847655010s"):
github.com/googleapis/googleapis, google/rpc/error_details.proto; ai.google.dev/gemini-api/docs/rate-limits (read 2026-11). A stream's
refusal is the same object in an array.
"""

import re
from typing import Any

import msgspec

_MARK = b'"retryDelay"'
_KIND = "google.rpc.RetryInfo"
_DURATION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?s", re.ASCII)


def read_retry_delay(body: bytes) -> float | None:
    """The seconds that it asks for; None when it asks for nothing that can be read."""
    if _MARK not in body:
        return None
    try:
        document: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    for part in document if isinstance(document, list) else [document]:
        error = part.get("error") if isinstance(part, dict) else None
        details = error.get("details") if isinstance(error, dict) else None
        for detail in details if isinstance(details, list) else ():
            if isinstance(detail, dict) and str(detail.get("@type")).endswith(_KIND):
                delay = detail.get("retryDelay")
                if isinstance(delay, str) and _DURATION.fullmatch(delay):
                    return float(delay[:-1])
    return None
