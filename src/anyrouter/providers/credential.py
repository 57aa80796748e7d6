"""Of which kind a credential is, and where a provider's own tools keep it. A credential is one text, whatever its kind.

An API key is that text itself; an access key with its secret and a service account's key are JSON objects.
"""

from collections.abc import Mapping

import msgspec

from anyrouter.core.provider import AuthKind, Provider

_OPTIONAL_PARTS = {"session_token"}


def judge_credential(provider: Provider, text: str) -> AuthKind | None:
    """How the provider is to be asked with this credential; empty: none. None when it takes no such credential."""
    if not text:
        return AuthKind.NONE if AuthKind.NONE in provider.auth else None
    is_object = text.lstrip().startswith("{")
    kinds = (AuthKind.SIGV4, AuthKind.SERVICE_ACCOUNT) if is_object else (AuthKind.HEADER,)
    return next((kind for kind in kinds if kind in provider.auth), None)


def find_credential(provider: Provider, environ: Mapping[str, str]) -> str | None:
    """The credential that the provider's own tools would take from these variables; None when they would find none.

    One in a single variable counts before one in parts. A file that a variable names is not opened here.
    """
    variable = provider.credential_variable
    if variable is not None and (text := environ.get(variable, "").strip()):
        return text
    return join_parts(provider, environ)


def join_parts(provider: Provider, environ: Mapping[str, str]) -> str | None:
    """The credential that stands in several variables, a part in each; None when one that is needed is not set."""
    if not provider.credential_parts or list_missing(provider, environ):
        return None
    parts = {part: environ.get(name, "").strip() for part, name in provider.credential_parts.items()}
    return msgspec.json.encode({part: value for part, value in parts.items() if value}).decode()


def list_missing(provider: Provider, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The variables that are not set of those that a credential in parts needs."""
    needed = (name for part, name in provider.credential_parts.items() if part not in _OPTIONAL_PARTS)
    return tuple(name for name in needed if not environ.get(name, "").strip())
