"""The vault of a data directory: whose key-encryption keys are used, as the settings say, and who else may be asked about old ones."""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from anyrouter.control.stores import SealStore
from anyrouter.core.errors import InternalError
from anyrouter.core.secret import Secret
from anyrouter.core.vault import KekUnavailable
from anyrouter.relay.ports import UpstreamClient
from anyrouter.storage.kek import LocalKeys
from anyrouter.storage.transit import TransitKeys
from anyrouter.storage.vault import SealingVault

if TYPE_CHECKING:
    from pathlib import Path

    from anyrouter.settings import Settings

_MAX_TOKEN_BYTES = 4096


def make_vault(
    settings: "Settings",
    kek_path: "Path",
    client: UpstreamClient,
    environ: Mapping[str, str] = os.environ,
    *,
    seals: SealStore | None = None,
) -> SealingVault:
    """The vault of what `seals` has. `client` is the operator's own: HashiCorp Vault may be where tenants may not connect to.

    InternalError when the variables with keys or a token cannot be used.
    """
    local, byok = LocalKeys(kek_path, environ), settings.byok
    if byok.vault_address is None:
        return SealingVault([local], seals=seals)
    transit = TransitKeys(
        client,
        address=byok.vault_address,
        key=byok.vault_key,
        mount=byok.vault_mount,
        namespace=byok.vault_namespace,
        read_token=_find_token(settings, environ),
    )
    return SealingVault([transit, local], seals=seals)


def _find_token(settings: "Settings", environ: Mapping[str, str]) -> Callable[[], Secret]:
    byok = settings.byok
    if byok.vault_token_file is not None:
        path = settings.resolve_path(byok.vault_token_file)
        return lambda: _read_token(path)
    token = _check(environ.get(byok.vault_token_variable, ""))
    if token is None:
        raise InternalError(
            f"HashiCorp Vault's token is missing: set the variable {byok.vault_token_variable}, or byok.vault_token_file. It is one line."
        )
    return lambda: token


def _read_token(path: "Path") -> Secret:
    try:
        with path.open("rb") as file:
            token = _check(file.read(_MAX_TOKEN_BYTES).decode("ascii", "replace"))
    except OSError as error:
        raise KekUnavailable(f"the file {path} with HashiCorp Vault's token cannot be read: {error.strerror}") from None
    if token is None:
        raise KekUnavailable(f"the file {path} holds no token of HashiCorp Vault, which is one line")
    return token


def _check(text: str) -> Secret | None:
    text = text.strip()
    return Secret(text) if text and all("!" <= letter <= "~" for letter in text) else None
