"""Signature Version 4: a request's signature from its parts, a key and the time. Nothing is read; the day's key and paths are kept.

Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html (read 2026-11-24) and Amazon's published
test suite, which the unit tests run. Left out, because no request here needs it: query-string signatures, signed streams of chunks.

A path is given as it stands in the request line, percent-encoding and all. It is encoded once more for the signature and its dot
segments are resolved, as every service but S3 does.
"""

import functools
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote_plus

import msgspec

from anyrouter.core.secret import Secret

ALGORITHM = "AWS4-HMAC-SHA256"
_END = "aws4_request"
_DAY_LENGTH = len("20150830")
_UNRESERVED = "-._~"  # beside letters and digits
_SPACES = re.compile(r"\s+")
_ARTICLES = {"access_key_id": "an", "secret_access_key": "a", "session_token": "a"}


class UnreadableCredentialError(ValueError):
    """The text is not a credential of the kind that is wanted. The message never repeats it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningCredential:
    """An access key. `session_token` goes with temporary ones."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Its parts, as texts that must not be shown."""
        parts = (self.access_key_id, self.secret_access_key.reveal())
        return parts if self.session_token is None else (*parts, self.session_token.reveal())


def read_credential(text: str) -> SigningCredential:
    """A credential from its text: `{"access_key_id": …, "secret_access_key": …, "session_token": …}`, the last one optional.

    The names may also be spelt as in the tools' own files, `aws_access_key_id` or `AccessKeyId`. UnreadableCredentialError.
    """
    try:
        members = {_simplify(name): value for name, value in msgspec.json.decode(text, type=dict[str, object]).items()}
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise UnreadableCredentialError("is not a JSON object with access_key_id and secret_access_key") from None
    return make_credential(
        _read_part(members, "access_key_id"),
        _read_part(members, "secret_access_key"),
        None if members.get("session_token") is None else _read_part(members, "session_token"),
    )


def _read_part(members: Mapping[str, object], name: str) -> str:
    value = members.get(name)
    if value is None:
        raise UnreadableCredentialError(f"has no {name}")
    if not isinstance(value, str):
        raise UnreadableCredentialError(f"has {_ARTICLES[name]} {name} that is not a text")
    return value


def make_credential(access_key_id: str, secret_access_key: str, session_token: str | None = None) -> SigningCredential:
    """A credential from its parts; UnreadableCredentialError for one that cannot stand in a header, or that lacks its session token.

    Identifiers that begin with ASIA are those of temporary keys: docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
    (read 2026-11-24).
    """
    parts = {"access_key_id": access_key_id, "secret_access_key": secret_access_key, "session_token": session_token}
    for name, part in parts.items():
        if part is not None and not (part and all("!" <= character <= "~" for character in part)):
            raise UnreadableCredentialError(f"has {_ARTICLES[name]} {name} that is empty or not printable ASCII without spaces")
    if session_token is None and access_key_id.startswith("ASIA"):
        raise UnreadableCredentialError("is a temporary access key (its access_key_id begins with ASIA) and has no session_token")
    return SigningCredential(
        access_key_id=access_key_id,
        secret_access_key=Secret(secret_access_key),
        session_token=Secret(session_token) if session_token is not None else None,
    )


def _simplify(name: str) -> str:
    spelt = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return {"aws_access_key_id": "access_key_id"}.get(spelt, spelt.removeprefix("aws_"))


def hash_payload(parts: Iterable[bytes | memoryview]) -> str:
    """The hash of a body that is sent in these parts, as the signature wants it."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignableRequest:
    """What of a request is signed. `headers` hold the host; all of them are signed. `query` is without the question mark."""

    method: str
    path: str
    headers: Mapping[str, str]
    payload_hash: str
    query: str = ""


class Signer:
    """Signs requests to one service in one region with one credential.

    The key of a day is derived once and kept until the next day's is asked for.
    """

    __slots__ = ("_credential", "_day", "_key", "region", "service")

    def __init__(self, credential: SigningCredential, *, region: str, service: str) -> None:
        self._credential, self.region, self.service = credential, region, service
        self._day, self._key = "", b""

    def sign(self, request: SignableRequest, now: datetime) -> dict[str, str]:
        """The headers that the request needs beside its own, in lower case: date, session token, authorization. `now` is aware."""
        stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        added = {"x-amz-date": stamp}
        if self._credential.session_token is not None:
            added["x-amz-security-token"] = self._credential.session_token.reveal()
        headers = _canonical_headers({**request.headers, **added})
        scope = f"{stamp[:_DAY_LENGTH]}/{self.region}/{self.service}/{_END}"
        text = render_text(stamp, scope, render_canonical(request, headers))
        signature = hmac.new(self._derive(stamp[:_DAY_LENGTH]), text.encode(), hashlib.sha256).hexdigest()
        added["authorization"] = (
            f"{ALGORITHM} Credential={self._credential.access_key_id}/{scope}, SignedHeaders={';'.join(headers)}, Signature={signature}"
        )
        return added

    def _derive(self, day: str) -> bytes:
        if day != self._day:
            key = f"AWS4{self._credential.secret_access_key.reveal()}".encode()
            for part in (day, self.region, self.service, _END):
                key = hmac.new(key, part.encode(), hashlib.sha256).digest()
            self._day, self._key = day, key
        return self._key


def render_canonical(request: SignableRequest, headers: Mapping[str, str]) -> str:
    """The canonical request; `headers` by lower-case name, in order."""
    lines = [request.method, _canonical_path(request.path), _canonical_query(request.query)]
    lines += [f"{name}:{value}" for name, value in headers.items()]
    return "\n".join([*lines, "", ";".join(headers), request.payload_hash])


def render_text(stamp: str, scope: str, canonical: str) -> str:
    """The text that is signed."""
    return "\n".join((ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))


def _canonical_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: _SPACES.sub(" ", value.strip()) for name, value in sorted((name.lower(), value) for name, value in headers.items())}


@functools.lru_cache(maxsize=1024)  # few models are asked many times
def _canonical_path(path: str) -> str:
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            segments = segments[:-1]
        elif segment not in {"", "."}:
            segments.append(segment)
    end = "/" if segments and path.endswith(("/", "/.", "/..")) else ""
    return f"/{'/'.join(quote(segment, safe=_UNRESERVED) for segment in segments)}{end}"


def _canonical_query(query: str) -> str:
    pairs = []
    for pair in query.split("&") if query else ():
        name, _, value = pair.partition("=")
        pairs.append((_encode_again(name), _encode_again(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _encode_again(text: str) -> str:
    return quote(unquote_plus(text), safe=_UNRESERVED)
