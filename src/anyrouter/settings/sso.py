"""The section `[sso]`: single sign-on at an OpenID provider."""

import ipaddress
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from anyrouter.core.tenancy import Role
from anyrouter.policy.sign_on import SignOnRules
from anyrouter.settings.fields import Section, Text, VariableName, check_http_url

_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)

_SCOPE = re.compile(r"[!#-\[\]-~]{1,100}", re.ASCII)


def _issuer(value: str) -> str:
    parts = urlsplit(check_http_url(value))
    if parts.scheme == "http" and not _is_this_machine(parts.hostname or ""):
        raise ValueError("must be https: over plain http anybody on the way could sign in as anybody (http is for this very machine)")
    return value


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _domain(value: str) -> str:
    text = value.lower()
    if not _DOMAIN.fullmatch(text):
        raise ValueError('must be a domain such as "example.org", without @')
    return text


def _scopes(value: tuple[str, ...]) -> tuple[str, ...]:
    if any(not _SCOPE.fullmatch(scope) for scope in value):
        raise ValueError("must be scopes: printable ASCII without spaces and quotes")
    if "openid" not in value:
        raise ValueError('must have "openid": without it there is no ID token')
    return value


Issuer = Annotated[Text, AfterValidator(_issuer)]
ClientId = Annotated[str, StringConstraints(strict=True, pattern=r"^[!-~]{1,255}$")]
ProviderName = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=40)]
Domain = Annotated[Text, AfterValidator(_domain)]
Scopes = Annotated[tuple[Text, ...], AfterValidator(_scopes)]


class SsoSettings(Section):
    """Single sign-on for the dashboard at an OpenID provider. It is on where `issuer` is set.

    The provider has to know the address `<public_url>/sso/callback` as the one that it sends people back to.
    """

    issuer: Issuer | None = Field(
        default=None,
        description="The provider's issuer, to the letter as its `/.well-known/openid-configuration` has it, a slash at the end included.",
    )
    client_id: ClientId | None = Field(default=None, description="The client's id, as the provider knows this gateway.")
    client_secret_variable: VariableName | None = Field(
        default=None, description="Variable with the client's secret. Without one the client is a public one."
    )
    client_secret_file: Text | None = Field(
        default=None, description="File with the secret instead; a relative path starts at this file's directory."
    )
    name: ProviderName = Field(default="single sign-on", description="What the button of the sign-in page says after: Continue with.")
    allowed_domains: tuple[Domain, ...] | None = Field(
        default=None,
        description="Domains of e-mail addresses that may come in this way for the first time. Unset: all that the provider has verified. "
        "Set it where anybody can have an account at the provider.",
    )
    default_role: Literal["admin", "developer", "billing", "viewer"] | None = Field(
        default=None,
        description="What somebody becomes in the first organisation who comes for the first time. Unset: only members and who is "
        "invited may come. Who was removed does not come back this way.",
    )
    scopes: Scopes = Field(default=("openid", "email", "profile"), description="What the provider is asked for.")

    @model_validator(mode="after")
    def _is_whole(self) -> "SsoSettings":
        if (self.issuer is None) != (self.client_id is None):
            raise ValueError("issuer and client_id belong together: set both or neither")
        if self.client_secret_variable is not None and self.client_secret_file is not None:
            raise ValueError("has both client_secret_variable and client_secret_file: keep one")
        return self

    @property
    def rules(self) -> SignOnRules | None:
        """What is wanted; None where nobody signs in that way."""
        if self.issuer is None or self.client_id is None:
            return None
        return SignOnRules(
            issuer=self.issuer,
            client_id=self.client_id,
            name=self.name,
            scopes=self.scopes,
            domains=None if self.allowed_domains is None else frozenset(self.allowed_domains),
            default_role=None if self.default_role is None else Role(self.default_role),
        )
