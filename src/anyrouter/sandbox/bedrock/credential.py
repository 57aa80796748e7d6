"""What an AWS request must say of who makes it: a signature (SigV4) or a bearer token, well-formed. Neither is verified.

No secret is known here that a signature could be computed with; but what a service sees without one is seen. Nothing of what came is
repeated in an error.
"""

import re

from anyrouter.sandbox.reply import ApiError
from anyrouter.sandbox.request import Request

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "bedrock"

_SIGNATURE = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TIME = re.compile(r"(\d{8})T\d{6}Z", re.ASCII)
_REGION = re.compile(r"[a-z0-9-]{1,32}", re.ASCII)
_PARAMETERS = ("Credential", "Signature", "SignedHeaders")
_SCOPE_PARTS = 5


def check_credential(request: Request) -> None:
    """ApiError for a request that neither bears a token nor carries a signature as SigV4 writes it."""
    value = request.headers.get("authorization", "").strip()
    if request.has_bearer():
        return
    if not value:
        raise ApiError(403, "Missing Authentication Token", type="MissingAuthenticationTokenException")
    algorithm, _, rest = value.partition(" ")
    if algorithm != ALGORITHM:
        raise _incomplete(f"Unsupported AWS 'algorithm': use '{ALGORITHM}' or a bearer token.")
    parameters = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    missing = [f"Authorization header requires '{name}' parameter." for name in _PARAMETERS if not parameters.get(name)]
    if "x-amz-date" not in request.headers and "date" not in request.headers:
        missing.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    if missing:
        raise _incomplete(" ".join(missing))
    _check_scope(parameters["Credential"], request.headers.get("x-amz-date"))
    _check_signed(parameters["SignedHeaders"], request)
    if not _SIGNATURE.fullmatch(parameters["Signature"]):
        raise _mismatch("The request signature we calculated does not match the signature you provided.")


def _check_scope(credential: str, stamp: str | None) -> None:
    parts = credential.rsplit("/", _SCOPE_PARTS - 1)
    if len(parts) != _SCOPE_PARTS or not all(parts):
        raise _incomplete("Credential must have exactly 5 slash-delimited elements: keyid/date/region/service/term.")
    _, date, region, service, term = parts
    if stamp is not None:
        found = _TIME.fullmatch(stamp)
        if found is None:
            raise _incomplete("Date must be in ISO-8601 'basic format'.")
        if found[1] != date:
            raise _mismatch("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.")
    if not _REGION.fullmatch(region):
        raise _mismatch("Credential should be scoped to a valid region.")
    if service != SERVICE:
        raise _mismatch(f"Credential should be scoped to correct service: '{SERVICE}'.")
    if term != "aws4_request":
        raise _mismatch("Credential should be scoped with a valid terminator: 'aws4_request'.")


def _check_signed(names: str, request: Request) -> None:
    signed = names.split(";")
    if "host" not in signed:
        raise _mismatch("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    for name in request.headers:
        if name.startswith("x-amz-") and name not in signed:
            raise _mismatch(f"'{name[:64]}' must be a 'SignedHeader' in the AWS Authorization.")
    if any(name not in request.headers for name in signed):
        raise _mismatch("A 'SignedHeader' of the AWS Authorization is not in the request.")


def _incomplete(message: str) -> ApiError:
    return ApiError(400, message, type="IncompleteSignatureException")


def _mismatch(message: str) -> ApiError:
    return ApiError(403, message, type="InvalidSignatureException")
