"""What a provider is: a frozen row of facts about an upstream API. Address, authentication and quirks; nothing about models."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One upstream API.

    `dialect` is the wire format that it speaks, `vendors` the vendors whose models it serves (the part of a public model id
    before the slash), `paths` the endpoint's public path ("chat/completions") to the path below `base_url`.
    `credential_header` and `credential_prefix` say how the credential travels; `headers` are sent with every request;
    `passed_headers` are the client's own headers (lower case) that reach this provider, all others do not.
    """

    id: str
    name: str
    dialect: str
    base_url: str
    vendors: tuple[str, ...]
    paths: Mapping[str, str]
    credential_header: str = "authorization"
    credential_prefix: str = "Bearer "
    credential_variable: str | None = None  # the environment variable that providers' own SDKs read
    base_url_variable: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    passed_headers: frozenset[str] = frozenset()
    is_asking_usage: bool = True  # whether `stream_options.include_usage` is understood
    is_host: bool = False  # serves other makers' models; they are listed under this provider's own vendor name
