"""The bodies of requests that change something: bounded, JSON, and of the shape that their type says."""

import re
from typing import TypeVar

import msgspec
from starlette.requests import Request

from anyrouter.core.errors import ClientError, Denied
from anyrouter.web.api.visit import visit_of

MAX_BODY_BYTES = 262_144
T = TypeVar("T")
_UNKNOWN = re.compile(r"unknown field `([^`]{1,64})`")
_MISSING = re.compile(r"missing required field `([^`]{1,64})`")
_PLACE = re.compile(r" - at `\$\.?([^`]{1,64})`")


async def read_body(request: Request, kind: type[T]) -> T:
    """The body as a value of the type; ClientError says what is wrong with it."""
    _check_headers(request)
    body = await read_bytes(request)
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _refusal("invalid_json", None, "The body is not valid JSON. Send one JSON object.") from None


async def read_bytes(request: Request, *, most: int = MAX_BODY_BYTES) -> bytes:
    """The body as it came; ClientError when it is too large. May be asked again."""
    visit = visit_of(request.scope)
    if visit.body is None:
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > most:
                raise _refusal("body_too_large", None, f"At most {most} bytes are taken here.")
        visit.body = bytes(body)
    return visit.body


def _check_headers(request: Request) -> None:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if kind != "application/json" or coding not in ("", "identity"):
        raise _refusal("unsupported_media_type", None, "The body must be JSON, without a content coding.")


def _explain(said: str) -> ClientError:
    """Msgspec's sentence as a refusal. It names members and kinds of values, and no value."""
    unknown, missing, place = _UNKNOWN.search(said), _MISSING.search(said), _PLACE.search(said)
    if missing is not None:
        return _refusal("missing_parameter", missing[1], f"{missing[1]} is missing.")
    if unknown is not None:
        return _refusal("invalid_parameter", unknown[1], f"{unknown[1]} is not known here.")
    param = place[1] if place is not None else None
    reason = _PLACE.sub("", said).replace("`", "")
    return _refusal("invalid_parameter", param, f"{param}: {reason}." if param else f"{reason}.")


def _refusal(code: str, param: str | None, message: str) -> ClientError:
    return ClientError(Denied(code=code, param=param, message=message))
