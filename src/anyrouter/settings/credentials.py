"""An upstream's credential: found where the operator says, else where the provider's own tools look, and checked before anything starts.

No error repeats anything of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from anyrouter.core.provider import AuthKind, Provider
from anyrouter.core.secret import Secret
from anyrouter.providers.credential import find_credential, join_parts, judge_credential, list_missing
from anyrouter.providers.sigv4 import UnreadableCredentialError, read_credential
from anyrouter.settings.fields import is_header_safe
from anyrouter.settings.problems import UnusableUpstreamError
from anyrouter.settings.sections import UpstreamSettings

_MAX_BYTES = 16_384
_VARIABLE, _FILE = "credential_variable", "credential_file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What an upstream is asked with. `text` None sends none. `source` says in words where it came from.

    `variables` are those of the provider's addresses that it tells itself.
    """

    text: Secret | None = None
    kind: AuthKind = AuthKind.NONE
    source: str = "none"
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    text: str
    source: str
    key: str  # of the upstream's table, for an error


def load_credential(table: UpstreamSettings, provider: Provider, environ: Mapping[str, str], directory: Path) -> Credential:
    """The credential of an upstream of the file. `directory` is where relative paths start. UnusableUpstreamError."""
    if table.credential_variable is not None:
        found: _Found | None = _from_variable(table.credential_variable, provider, environ)
    elif table.credential_file is not None:
        path = directory / Path(table.credential_file).expanduser()
        found = _Found(text=_read(path, _FILE), source=f"file {table.credential_file}", key=_FILE)
        if not found.text:
            raise UnusableUpstreamError(_FILE, "names an empty file")
    elif table.base_url is None:  # to an address of the operator's goes only what the operator names
        found = _from_usual_places(provider, environ)
        if found is None and AuthKind.NONE not in provider.auth:
            raise UnusableUpstreamError(_VARIABLE, f"is missing: {provider.name} asks for a credential ({_cure(provider)})")
    else:
        found = None
    return Credential() if found is None else _check(found, provider)


def _from_variable(name: str, provider: Provider, environ: Mapping[str, str]) -> _Found:
    if name in provider.credential_parts.values():
        text = join_parts(provider, environ)
        if text is None:
            missing = ", ".join(list_missing(provider, environ))
            raise UnusableUpstreamError(_VARIABLE, f"names {name}, a part of a credential of which {missing} is not set")
        return _Found(text=text, source=_name_parts(provider), key=_VARIABLE)
    text = environ.get(name, "").strip()
    if not text:
        raise UnusableUpstreamError(_VARIABLE, f"names {name}, which is not set")
    if name == provider.credential_file_variable and not text.startswith("{"):
        return _from_named_file(name, text)
    return _Found(text=text, source=f"variable {name}", key=_VARIABLE)


def _from_usual_places(provider: Provider, environ: Mapping[str, str]) -> _Found | None:
    """Where the tools of a provider look whose credential is more than one text in one variable."""
    if provider.credential_parts:
        text = find_credential(provider, environ)
        if text is not None:
            is_whole = judge_credential(provider, text) is AuthKind.HEADER
            source = f"variable {provider.credential_variable}" if is_whole else _name_parts(provider)
            return _Found(text=text, source=source, key=_VARIABLE)
        if any(environ.get(name) for name in provider.credential_parts.values()):
            missing = ", ".join(list_missing(provider, environ))
            raise UnusableUpstreamError(_VARIABLE, f"is missing, and of the usual variables {missing} is not set")
    name = provider.credential_file_variable
    path = environ.get(name, "").strip() if name is not None else ""
    return _from_named_file(str(name), path) if path else None


def _from_named_file(name: str, path: str) -> _Found:
    """The file whose path stands in a variable, as the provider's own tools would find it."""
    try:
        text = _read(Path(path).expanduser(), _VARIABLE)
    except UnusableUpstreamError as problem:
        raise UnusableUpstreamError(_VARIABLE, f"(the file that {name} names) {problem}") from None
    if not text:
        raise UnusableUpstreamError(_VARIABLE, f"(the file that {name} names) is empty")
    return _Found(text=text, source=f"file that {name} names", key=_VARIABLE)


def _check(found: _Found, provider: Provider) -> Credential:
    kind = judge_credential(provider, found.text)
    try:
        if kind is None:
            raise UnusableUpstreamError(found.key, _explain_mismatch(provider, found.text))
        variables: Mapping[str, str] = {}
        if kind is AuthKind.SIGV4:
            read_credential(found.text)
        elif kind is AuthKind.SERVICE_ACCOUNT:
            variables = _check_service_account(found, provider)
        elif not is_header_safe(found.text):
            raise UnusableUpstreamError(found.key, "holds what no credential has: spaces, line breaks or non-ASCII characters")
    except UnreadableCredentialError as problem:
        raise UnusableUpstreamError(found.key, f"(the {found.source}) {problem}") from None
    return Credential(text=Secret(found.text), kind=kind, source=found.source, variables=variables)


def _check_service_account(found: _Found, provider: Provider) -> dict[str, str]:
    from anyrouter.providers.service_account import UnreadableKeyError, read_key  # noqa: PLC0415 -- 20 MB, 70 ms; most have no such upstream

    try:
        key = read_key(found.text, token_url=provider.token_url, is_operators=True)
    except UnreadableKeyError as problem:
        raise UnusableUpstreamError(found.key, f"(the {found.source}) {problem}") from None
    return {} if key.project_id is None else {"project": key.project_id}


def _explain_mismatch(provider: Provider, text: str) -> str:
    if text.startswith("{"):
        return f"holds a JSON object, and {provider.name} takes an API key"
    if AuthKind.SERVICE_ACCOUNT in provider.auth:
        return f"holds no service account's key, which is a JSON object: {provider.name} takes nothing else"
    return f"is not needed: {provider.name} takes no credential"


def _name_parts(provider: Provider) -> str:
    return f"variables {', '.join(provider.credential_parts.values())}"


def _cure(provider: Provider) -> str:
    if provider.credential_variable is None and provider.credential_file_variable is not None:
        return f'credential_file = "key.json", or the variable {provider.credential_file_variable}'
    others = f", or the {_name_parts(provider)}" if provider.credential_parts else ""
    return f'credential_variable = "{provider.credential_variable or "NAME"}"{others}'


def _read(path: Path, key: str) -> str:
    if "\0" in str(path):
        raise UnusableUpstreamError(key, "is not a path")
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES).decode("ascii").strip()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        where = "; relative paths start at the configuration file's directory" if key == _FILE else ""
        raise UnusableUpstreamError(key, f"cannot be read ({reason}){where}") from None
    except UnicodeDecodeError:
        raise UnusableUpstreamError(key, "holds non-ASCII characters, which no credential has") from None
