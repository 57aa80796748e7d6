"""The kinds of values that settings have: each with its bounds, checked without ever repeating the value in an error."""

import ipaddress
import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict, StringConstraints, WithJsonSchema

from anyrouter.core.keys import ENVIRONMENT_SLUG
from anyrouter.core.secret import Secret

UPSTREAM_ID = re.compile(r"[a-z][a-z0-9_-]{0,62}", re.ASCII)
_VARIABLE_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,127}", re.ASCII)


class Section(BaseModel):
    """A table of the configuration file: frozen, and nothing in it is ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True)


def is_header_safe(text: str) -> bool:
    """Whether a text can stand in an HTTP header: printable ASCII without spaces, at most 8,192 characters."""
    return 0 < len(text) <= 8192 and all("!" <= character <= "~" for character in text)  # noqa: PLR2004 -- named in the docstring


def _secret(value: Any) -> Any:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError("must be a text that is not empty")
    return Secret(value)


def _token(value: Secret) -> Secret:
    if not is_header_safe(value.reveal()):
        raise ValueError("must be printable ASCII without spaces")
    return value


def check_http_url(value: str) -> str:
    """The URL as it is written; ValueError when it is none that may stand in a setting."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError('must be a URL such as "https://host:port/path"')
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or password: a URL ends up in logs")
    if parts.query or parts.fragment or "?" in value or "#" in value:
        raise ValueError("must not have a query or a fragment")
    if not is_header_safe(value) or "\\" in value:
        raise ValueError("must be printable ASCII without spaces and backslashes")
    return value


def _http_url(value: str) -> str:
    return check_http_url(value).rstrip("/")


def _postgres_url(value: Secret) -> Secret:
    if not value.reveal().startswith(("postgresql://", "postgres://", "postgresql+psycopg://")):
        raise ValueError("must start with postgresql://")
    return value


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise ValueError('must be an address or a network such as "10.0.0.0/8", without host bits') from None
    return value


def _slug(value: str) -> str:
    if not ENVIRONMENT_SLUG.fullmatch(value):
        raise ValueError("must be 2 to 16 lower-case letters and digits, a letter first: it is part of the text of keys")
    return value


def _upstream_id(value: str) -> str:
    if not UPSTREAM_ID.fullmatch(value):
        raise ValueError("must be at most 63 lower-case letters, digits, - and _, a letter first: it is put into headers")
    return value


def _variable_name(value: str) -> str:
    if not _VARIABLE_NAME.fullmatch(value):
        raise ValueError("must be the name of an environment variable, in upper case (the name, not the credential)")
    return value


Text = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=4096)]
Boolean = Annotated[bool, Strict()]
Port = Annotated[int, Strict(), Field(ge=0, le=65535)]
Count = Annotated[int, Strict(), Field(ge=1, le=1_000_000_000)]
Rpm = Annotated[int, Strict(), Field(ge=0, le=1_000_000_000)]
Tpm = Annotated[int, Strict(), Field(ge=0, le=2**53)]
Seconds = Annotated[float, Strict(), Field(gt=0, le=86_400, allow_inf_nan=False)]
SecondsOrOff = Annotated[float, Strict(), Field(ge=0, le=86_400, allow_inf_nan=False)]
WholeSecondsOrOff = Annotated[int, Strict(), Field(ge=0, le=86_400)]
HttpUrl = Annotated[Text, AfterValidator(_http_url)]
Network = Annotated[Text, AfterValidator(_network)]
Slug = Annotated[Text, AfterValidator(_slug)]
UpstreamId = Annotated[Text, AfterValidator(_upstream_id)]
VariableName = Annotated[Text, AfterValidator(_variable_name)]
SecretText = Annotated[Secret, BeforeValidator(_secret), WithJsonSchema({"type": "string", "format": "password"})]
Token = Annotated[SecretText, AfterValidator(_token)]
PostgresUrl = Annotated[SecretText, AfterValidator(_postgres_url)]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["console", "json"]
