"""What a provider is: a frozen row of facts about an upstream API. Address, authentication, wire formats and quirks; nothing about models.

A row is data alone, so that documentation, tests and routing read the same facts. What is done with it is in `providers`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum


class AuthKind(StrEnum):
    """How a credential travels.

    `none`: nothing is sent. `header`: the credential stands in a header as it is. `sigv4`: every request is signed with it.
    `service_account`: it is a private key that buys tokens, and a token stands in the header.
    """

    NONE = "none"
    HEADER = "header"
    SIGV4 = "sigv4"
    SERVICE_ACCOUNT = "service_account"


class Effect(StrEnum):
    """What becomes of a member that a provider takes in another way than the wire format's maker.

    `unsupported`: it is left out. `renamed`: it is sent under another name. `restricted`: it is left out unless it has one of the
    values that are taken, `excluded`: if it has one that is not. `replaced`: one of its values is sent as another.
    """

    UNSUPPORTED = "unsupported"
    EXCLUDED = "excluded"
    RENAMED = "renamed"
    RESTRICTED = "restricted"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the provider says it, and the day on which that was checked: there, or in the words of an SDK or table that cites it."""

    page: str
    checked: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A part of a provider's address or paths that differs between accounts: the operator gives it.

    `environment` are the variables in which the provider's own tools look for it, the first one that is set counts. `pattern` is
    what a value must match as a whole: it becomes part of a host name or of a path.
    """

    name: str
    text: str
    environment: tuple[str, ...] = ()
    default: str | None = None
    pattern: str = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How a provider is asked in one wire format.

    `path` is below the base URL, streams have `stream_path` where that is another one, counting tokens `count_tokens_path`. In them
    `{model}` is the upstream's name of the model and any other name in braces one of the provider's variables. `base_url`,
    `credential_header`, `credential_prefix` and `headers` replace the provider's own. `members` (JSON) are put into every body, those of
    `removed` never sent, because the path says the same.
    """

    path: str
    stream_path: str | None = None
    count_tokens_path: str | None = None
    base_url: str | None = None
    credential_header: str | None = None
    credential_prefix: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, bytes] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirk:
    """One documented difference between what a provider takes and the wire format that it speaks.

    `members` are names at the top of the body, `messages[].name` one within each message, `response_format.type` one within an
    object. `to` is the other name (renamed) or value (replaced). `values` are the value that is replaced, those that are taken
    (restricted), or those that are not (excluded): texts, or the JSON of numbers and booleans. `models` is a
    regular expression for the start of the upstream's model names that it concerns; empty: all of them.
    """

    members: tuple[str, ...]
    effect: Effect
    source: Source
    to: str | None = None
    values: tuple[str, ...] = ()
    models: str = ""
    dialect: str = "openai"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One upstream API.

    `dialect` is the wire format of `paths`, `vendors` the vendors whose models it serves (the part of a public model id
    before the slash), `paths` the endpoint's public path ("chat/completions") to the path below `base_url`.
    `formats` are all the wire formats in which it can be asked for a chat, the one that loses nothing first.
    `credential_header` and `credential_prefix` say how the credential travels; `headers` are sent with every request;
    `passed_headers` are the client's own headers (lower case) that reach this provider, all others do not.

    An address that differs between accounts is `base_url_template`, with `variables` in it, and `base_url` is empty.
    `base_url_exceptions` are other templates for single values of a variable, as "location=global".
    """

    id: str
    name: str
    dialect: str
    base_url: str
    vendors: tuple[str, ...]
    paths: Mapping[str, str]
    formats: Mapping[str, Format] = field(default_factory=dict)
    auth: tuple[AuthKind, ...] = (AuthKind.HEADER,)  # those that it takes, the plainest first
    credential_header: str = "authorization"
    credential_prefix: str = "Bearer "
    credential_variable: str | None = None  # the environment variable that providers' own SDKs read
    credential_parts: Mapping[str, str] = field(default_factory=dict)  # of a credential that has several: part to its variable
    credential_file_variable: str | None = None  # names a file with the credential
    signing_service: str | None = None  # the service's name in signatures
    token_url: str = ""  # where a service account's tokens are bought, for which scope
    token_scope: str = ""
    base_url_variable: str | None = None
    base_url_template: str = ""
    base_url_exceptions: Mapping[str, str] = field(default_factory=dict)
    variables: tuple[Variable, ...] = ()
    models_path: str | None = None  # GET lists the models that are there, in OpenAI's shape
    check_path: str | None = None  # GET tells whether a credential is taken, and costs nothing; None: the list of models does
    model_prefix: str = ""  # before a model's name that has no slash
    headers: Mapping[str, str] = field(default_factory=dict)
    passed_headers: frozenset[str] = frozenset()
    quirks: tuple[Quirk, ...] = ()
    is_asking_usage: bool = True  # whether `stream_options.include_usage` is understood
    is_fetching_images: bool = True  # whether an image may be given by its address; false: only as data
    is_host: bool = False  # serves other makers' models; they are listed under this provider's own vendor name
    is_found_last: bool = False  # a name without a vendor means its model only where nobody else has such a name
    is_local: bool = False  # a program on the operator's own machines: plain http, a credential only if the operator wants one
    traits: frozenset[str] = frozenset()  # deviations of its own dialect that the encoder of requests knows by name
    is_implied: bool = True  # whether its credential's variable alone makes an upstream; false where other tools read it too
    source: Source | None = None
    note: str = ""  # what an operator must know, for its page

    def select_formats(self, *, has_own_address: bool) -> Mapping[str, Format]:
        """The formats that are there. At an address of the operator's own those that live at another one are not."""
        return {name: row for name, row in self.formats.items() if row.base_url is None or not has_own_address}

    @property
    def native_dialect(self) -> str:
        """The wire format in which it can be asked for everything that it can do."""
        return next(iter(self.formats), self.dialect)
