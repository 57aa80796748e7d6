"""What a tenant enters as a provider's credential: checked, in one form, and with a label that gives nothing of it away.

No refusal repeats anything of it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.provider import AuthKind, Provider
from anyrouter.providers.credential import judge_credential
from anyrouter.providers.sigv4 import UnreadableCredentialError, read_credential

MAX_LENGTH = 16_384
MAX_HEADER_LENGTH = 8192
_SHOWN = 4
_SHOWN_FROM = 20  # letters; of a shorter one four letters are too much
_PREFIX = re.compile(r"[A-Za-z]{2,4}[-_]", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnteredSecret:
    """`text` is what is sealed. `variables` are those of the provider's addresses that it tells itself."""

    text: str = field(repr=False)
    kind: AuthKind
    label: str
    variables: Mapping[str, str] = field(default_factory=dict)


def read_secret(provider: Provider, entered: str | Mapping[str, object]) -> EnteredSecret:
    """A text, or the object that a provider's own tools have in a file. ClientError `unprocessable` for `key`."""
    text = entered if isinstance(entered, str) else _write(entered)
    if not 0 < len(text) <= MAX_LENGTH:
        raise _refusal(f"must have 1 to {MAX_LENGTH} characters")
    kind = judge_credential(provider, text)
    if kind is AuthKind.SIGV4:
        return _read_access_key(text)
    if kind is AuthKind.SERVICE_ACCOUNT:
        return _read_service_account(provider, text)
    if kind is not AuthKind.HEADER:
        raise _refusal(f"is not what {provider.name} takes: {_name_kinds(provider)}")
    if len(text) > MAX_HEADER_LENGTH or not all("!" <= letter <= "~" for letter in text):
        raise _refusal("holds what no credential has: spaces, line breaks or non-ASCII characters")
    return EnteredSecret(text=text, kind=kind, label=make_label(text))


def make_label(text: str) -> str:
    """What people know a credential by: at most the beginning that all of its kind have, and the last four letters of a long one."""
    if len(text) < _SHOWN_FROM:
        return "…"
    prefix = _PREFIX.match(text)
    return f"{prefix[0] if prefix is not None else ''}…{text[-_SHOWN:]}"


def _read_access_key(text: str) -> EnteredSecret:
    try:
        credential = read_credential(text)
    except UnreadableCredentialError as problem:
        raise _refusal(str(problem)) from None
    parts = {"access_key_id": credential.access_key_id, "secret_access_key": credential.secret_access_key.reveal()}
    if credential.session_token is not None:
        parts["session_token"] = credential.session_token.reveal()
    return EnteredSecret(text=msgspec.json.encode(parts).decode(), kind=AuthKind.SIGV4, label=make_label(credential.access_key_id))


def _read_service_account(provider: Provider, text: str) -> EnteredSecret:
    from anyrouter.providers.service_account import UnreadableKeyError, read_key  # noqa: PLC0415 -- 20 MB, 70 ms; most have no such key

    try:
        key = read_key(text, token_url=provider.token_url)
    except UnreadableKeyError as problem:
        raise _refusal(str(problem)) from None
    return EnteredSecret(
        text=text,
        kind=AuthKind.SERVICE_ACCOUNT,
        label=make_label(key.key_id),
        variables={} if key.project_id is None else {"project": key.project_id},
    )


def _write(entered: Mapping[str, object]) -> str:
    try:
        return msgspec.json.encode(entered).decode()
    except (TypeError, ValueError, RecursionError):
        raise _refusal("is an object that cannot be written as JSON") from None


def _name_kinds(provider: Provider) -> str:
    words = {
        AuthKind.HEADER: "an API key, which is a text",
        AuthKind.SIGV4: "an object with access_key_id and secret_access_key",
        AuthKind.SERVICE_ACCOUNT: "a service account's key, which is a JSON object",
    }
    return ", or ".join(words[kind] for kind in provider.auth if kind in words) or "it takes no credential"


def _refusal(reason: str) -> ClientError:
    return ClientError(Denied(code="unprocessable", param="key", message=f"key {reason}."))
