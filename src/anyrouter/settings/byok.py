"""The section `[byok]`: provider credentials of tenants, and who keeps the keys under which they are sealed."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from anyrouter.policy.addresses import judge_url
from anyrouter.settings.fields import HttpUrl, Section, Text, VariableName

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,38}[A-Za-z0-9])?"
_MOUNT = re.compile(rf"{_NAME}(?:/{_NAME})*", re.ASCII)


def _host(value: str) -> str:
    text = value.lower()
    judged = judge_url(f"https://{text}", param="byok.allowed_hosts", allowed_hosts={text, f"{text}:443"})
    if not hasattr(judged, "authority") or "/" in text or text not in {judged.authority, judged.authority.rpartition(":")[0]}:
        raise ValueError('must be a host such as "llm.internal", "127.0.0.1:8000" or "[::1]:8000"')
    return text


def _mount(value: str) -> str:
    if not _MOUNT.fullmatch(value):
        raise ValueError('must be the path of a mount such as "transit", without slashes at its ends')
    return value


Host = Annotated[Text, AfterValidator(_host)]
Mount = Annotated[Text, AfterValidator(_mount)]
KeyName = Annotated[str, StringConstraints(strict=True, pattern=f"^{_NAME}$")]


class ByokSettings(Section):
    """What tenants' own provider credentials may lead to, and how their secrets are kept.

    Secrets are sealed with keys of the file `kek` of the data directory, or of the variable `ANYROUTER_KEK`; with `vault_address`
    HashiCorp Vault's transit engine keeps the keys instead, and what was sealed before can still be opened.
    """

    allowed_hosts: tuple[Host, ...] = Field(
        default=(),
        description="Hosts, with or without a port, that a tenant's `base_url` and webhooks may name although they are not public or "
        "plain `http`: local servers. All others must be public and `https`.",
    )
    vault_address: HttpUrl | None = Field(default=None, description='Address of HashiCorp Vault, such as `"https://vault.internal:8200"`.')
    vault_mount: Mount = Field(default="transit", description="Where its transit engine is mounted.")
    vault_key: KeyName = Field(default="anyrouter", description="The transit key's name. Its type is `aes256-gcm96`.")
    vault_namespace: Mount | None = Field(default=None, description="Vault's namespace, where it has some.")
    vault_token_variable: VariableName = Field(default="VAULT_TOKEN", description="Variable with the token, looked at once at the start.")
    vault_token_file: Text | None = Field(
        default=None,
        description="File with the token instead, such as the one that Vault's agent renews: read anew for each request. A relative path "
        "starts at this file's directory.",
    )

    @model_validator(mode="after")
    def _has_an_address_where_it_has_a_token(self) -> "ByokSettings":
        if self.vault_address is None and self.vault_token_file is not None:
            raise ValueError("has vault_token_file and no vault_address: give the address, or leave the file out")
        return self
