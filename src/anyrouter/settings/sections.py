"""The sections of the configuration file as they are written in it. The reference in docs/ is generated from these classes.

Compatibility law: a setting is never given another meaning or unit; a new one has a default that changes nothing.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from anyrouter.core.budget import BudgetPolicy
from anyrouter.core.tenancy import EnvironmentKind
from anyrouter.policy.preference import Strategy
from anyrouter.settings.byok import ByokSettings
from anyrouter.settings.dashboard import DashboardSettings
from anyrouter.settings.fields import (
    Boolean,
    Count,
    HttpUrl,
    LogFormat,
    LogLevel,
    Network,
    Port,
    PostgresUrl,
    Rpm,
    Seconds,
    SecondsOrOff,
    Section,
    Slug,
    Text,
    Token,
    Tpm,
    UpstreamId,
    VariableName,
    WholeSecondsOrOff,
)
from anyrouter.settings.messages import LeakSettings, NoticeSettings
from anyrouter.settings.money import BillingSettings
from anyrouter.settings.sso import SsoSettings


class ServerSettings(Section):
    """Where the gateway listens, and what it bears from clients."""

    host: Text = Field(default="127.0.0.1", description="Address to listen on. `0.0.0.0` or `::` is every address of the machine.")
    port: Port = Field(default=8080, description="Port to listen on. 0 takes a free one and prints it.")
    public_url: HttpUrl | None = Field(default=None, description="The address that clients use, when it is not the one listened on.")
    tls_certificate: Text | None = Field(
        default=None,
        description="PEM file with the certificate and its chain; a relative path starts at the configuration file's directory.",
    )
    tls_key: Text | None = Field(default=None, description="PEM file with the certificate's private key; paths as above.")
    trusted_proxies: tuple[Network, ...] = Field(default=(), description="Addresses or networks whose `X-Forwarded-For` is believed.")
    head_bytes: Annotated[Count, Field(ge=1024, le=1_048_576)] = Field(
        default=65_536, description="Largest request head (request line and headers), in bytes; beyond it: 431."
    )
    head_count: Annotated[Count, Field(ge=8, le=10_000)] = Field(default=100, description="Most headers of a request; beyond it: 431.")
    body_bytes: Annotated[Count, Field(ge=1024, le=1_073_741_824)] = Field(
        default=33_554_432, description="Largest request body, in bytes; beyond it: 413."
    )
    head_timeout_s: Seconds = Field(default=10.0, description="Seconds from a request's first byte to the end of its head; beyond it: 408.")
    body_timeout_s: Seconds = Field(default=60.0, description="Seconds from the end of the head to the end of the body; beyond it: 408.")
    keep_alive_s: Seconds = Field(default=75.0, description="Seconds that an idle connection is kept open.")
    stream_comment_s: WholeSecondsOrOff = Field(
        default=15, description="Seconds of silence after which a stream gets a keep-alive comment. 0 sends none."
    )
    graceful_shutdown_s: WholeSecondsOrOff = Field(
        default=30, description="Seconds that running requests get to end when the gateway is stopped."
    )
    max_connections: Count = Field(default=20_000, description="Most connections at once; beyond it: 503 and the connection is closed.")
    public_models: Boolean = Field(default=False, description="Whether `/models` and `/models/count` can be read without a key.")
    metrics_token: Token | None = Field(
        default=None, description="Bearer token for `/metrics` from other machines. Without it only loopback can read them."
    )

    def base_url(self, port: int | None = None) -> str:
        """Where clients reach the gateway, without a path. `port` is the one really bound, when 0 was asked for."""
        if self.public_url is not None:
            return self.public_url
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 -- read, not bound
        host = f"[{host}]" if ":" in host and not host.startswith("[") else host
        return f"{'https' if self.tls_certificate else 'http'}://{host}:{self.port if port is None else port}"

    @model_validator(mode="after")
    def _has_both_tls_files(self) -> "ServerSettings":
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together: set both or neither")
        return self


class StorageSettings(Section):
    """Where keys and the ledger are kept."""

    database_url: PostgresUrl | None = Field(
        default=None,
        description="`postgresql://user:password@host/name`, or unset: SQLite in the data directory. Better set by its variable.",
    )


class LimitSettings(Section):
    """Limits of the server. A key's own is set when it is made, an environment's in its table."""

    default_rpm: Rpm = Field(
        default=6_000_000, description="Requests per minute of the whole server, beside the limits of keys and environments. 0 blocks."
    )
    keys_per_organisation: Count = Field(
        default=10_000, description="Keys that an organisation may have, deleted ones left out. Beyond it no more are made."
    )
    failed_auth_per_minute: Count = Field(
        default=60, description="Failed authentications per minute and client address; beyond it that address gets 429 for bad keys."
    )


class RetentionSettings(Section):
    """How much of the ledger is kept. The sums by day stay."""

    ledger_days: Annotated[Count, Field(le=36_500)] | None = Field(
        default=None, description="Entries older than this many days are deleted. Unset keeps them."
    )
    ledger_rows: Count | None = Field(
        default=None, description="When there are more entries than this, the oldest are deleted. Unset keeps them."
    )


class LoggingSettings(Section):
    """What the gateway says about itself, on standard error. Never a key, a credential or a prompt."""

    level: LogLevel = Field(default="info", description="The least severe level that is written.")
    format: LogFormat = Field(default="console", description="`console` for people, `json` with one object a line for collectors.")


def _pattern(value: str) -> str:
    if value != "*":
        _check_model(value, None)
        if "/" not in value:
            raise ValueError('must be "vendor/name", "vendor/*" or "*"')
    return value


class ModelRouting(Section):
    """How the upstreams of one model are asked, or those of each of a vendor's models."""

    model: Annotated[Text, AfterValidator(_pattern)] = Field(
        description="The public id `vendor/name`, or `vendor/*`. The more exact of two that fit and say something holds."
    )
    strategy: Strategy | None = Field(default=None, description="As `strategy` of the section.")
    hedge: bool | None = Field(default=None, description="As `hedge` of the section.")

    @model_validator(mode="after")
    def _says_something(self) -> "ModelRouting":
        if self.strategy is None and self.hedge is None:
            raise ValueError("says nothing: give it a strategy, hedge or both")
        return self


class RoutingSettings(Section):
    """In which order upstreams are asked, and what happens when one fails."""

    strategy: Strategy = Field(
        default=Strategy.PRIORITY,
        description="The order of the upstreams that serve a model: `priority`, the lowest first; `weighted`, within a priority at random "
        "by `weight`; `price`, the cheapest first; `latency`, the shortest time to the first token first; `throughput`, the most tokens a "
        "second first. A request's own `provider.sort` and `provider.order` go before it.",
    )
    models: Annotated[tuple[ModelRouting, ...], WithJsonSchema({"type": "list of tables"})] = Field(
        default=(),
        description="Other rules for some models, `[[routing.models]]`: `model` (`vendor/name` or `vendor/*`), `strategy` and `hedge`.",
    )
    retries: Annotated[int, Field(ge=0, le=5)] = Field(
        default=1,
        description="How often an upstream is asked again for one request, after all others were asked: when it could not be reached, or "
        "failed before it generated anything. At most a tenth of its requests are such repetitions.",
    )
    hedge: bool = Field(
        default=False,
        description="Whether a second upstream is asked too when the first one has been silent for longer than nearly all of its answers "
        "took to begin. The first to answer serves, the other is cancelled, and both are billed. A request's own `provider.hedge` goes "
        "before it. At most one in twenty of the requests that may be hedged is.",
    )
    hedge_floor_s: Annotated[float, Field(ge=0.01, le=60)] = Field(
        default=0.5, description="The shortest silence, in seconds, after which a second upstream is asked."
    )
    probe_s: SecondsOrOff = Field(
        default=0.0,
        description="Seconds between two looks at upstreams that are left alone after failures: their lists of models are asked for, which "
        "costs nothing, instead of waiting for a request to try them with. 0: never.",
    )

    def find_strategy(self, model: str) -> Strategy:
        """The strategy of a public model id."""
        return next((row.strategy for row in self._find_rules(model) if row.strategy is not None), self.strategy)

    def is_hedged(self, model: str) -> bool:
        """Whether requests for a public model id are hedged that do not say so themselves."""
        return next((row.hedge for row in self._find_rules(model) if row.hedge is not None), self.hedge)

    def _find_rules(self, model: str) -> list[ModelRouting]:
        """Those that fit, the most exact one first."""
        named = {row.model: row for row in self.models}
        return [named[pattern] for pattern in (model, f"{model.partition('/')[0]}/*", "*") if pattern in named]

    @model_validator(mode="after")
    def _has_one_strategy_for_a_model(self) -> "RoutingSettings":
        if len({row.model for row in self.models}) < len(self.models):
            raise ValueError("has two tables in models with the same model: keep one")
        return self


class CacheSettings(Section):
    """Replies that are kept in memory for requests that ask for exactly the same again, where that is wished for."""

    max_bytes: Annotated[int, Field(strict=True, ge=0, le=1_099_511_627_776)] = Field(
        default=67_108_864, description="Most bytes of replies that are kept, with a kilobyte for each beside its body. 0: none is kept."
    )
    ttl_s: SecondsOrOff = Field(
        default=300.0,
        description="Seconds that a reply is kept for a request with `X-AnyRouter-Cache: use` in an environment without a `cache_ttl_s`. "
        "0: such requests are answered as all others.",
    )


class CatalogueSettings(Section):
    """Where models come from, beside those that are bundled."""

    overlay: Text | None = Field(
        default=None,
        description="TOML file with models of your own, prices, aliases and what is hidden: see the how-to page on models. It is read "
        "again when it changes. A relative path starts at the configuration file's directory, without one at the data directory.",
    )
    discovery_s: SecondsOrOff = Field(
        default=60.0, description="Seconds between two looks at the lists of models of the upstreams that are asked for theirs. 0: never."
    )


class EnvironmentSettings(Section):
    """An environment: an isolated set of keys, limits and usage. `live` and `test` always exist."""

    slug: Slug = Field(description="Its name in the text of keys: 2 to 16 lower-case letters and digits. It never changes.")
    name: Text | None = Field(default=None, description="What people read. Unset: the slug.")
    kind: EnvironmentKind = Field(
        default=EnvironmentKind.LIVE, description="`live` reaches the upstreams, `sandbox` nothing but the simulated provider."
    )
    rate_limit_rpm: Rpm | None = Field(
        default=None, description="Requests per minute of all its keys together. Unset: only the limits of keys and of the server hold."
    )
    rate_limit_tpm: Tpm | None = Field(default=None, description="Tokens per minute of all its keys together. Unset: no limit.")
    concurrency: Rpm | None = Field(default=None, description="Requests of all its keys together that may run at once. Unset: no limit.")
    budget_policy: BudgetPolicy | None = Field(
        default=None, description="What becomes of requests near the end of a budget, for keys that do not say it. Unset: `clamp`."
    )
    cache_ttl_s: SecondsOrOff = Field(
        default=0.0, description="Seconds that replies are kept for requests that ask for exactly the same again. 0: only on request."
    )


class TimeoutSettings(Section):
    """Deadlines of one request to an upstream, in seconds."""

    connect_s: Seconds = Field(default=5.0, description="Name lookup, TCP and TLS.")
    first_byte_s: Seconds = Field(default=120.0, description="From the request sent to the first byte of the reply.")
    idle_s: Seconds = Field(default=60.0, description="Longest silence within a reply.")
    total_s: SecondsOrOff = Field(default=600.0, description="The whole request. 0: as long as it moves.")


class ServedModel(Section):
    """A model that an upstream serves. `public` is `vendor/name` or `vendor/*`; `upstream_name` None means the name as it is."""

    public: str
    upstream_name: str | None = None


def _models(value: Any) -> Any:
    """The list form and the table form, as one; the vendor of a bare name is put in front later, when the provider is known."""
    if value is None or (isinstance(value, tuple) and all(isinstance(item, ServedModel) for item in value)):
        return value
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list | tuple):
        pairs = [(item, None) for item in value]
    else:
        raise ValueError('must be a list of names, or a table of public name = "upstream name"')  # noqa: TRY004 -- pydantic takes ValueError
    if not pairs:
        raise ValueError("is empty: leave it out to serve every model of the provider's vendors")
    for public, upstream_name in pairs:
        _check_model(public, upstream_name)
    return tuple(ServedModel(public=public, upstream_name=upstream_name) for public, upstream_name in pairs)


def _check_model(public: Any, upstream_name: Any) -> None:
    if not isinstance(public, str):
        raise ValueError("holds a name that is not a printable text, or that is empty or has spaces around it")  # noqa: TRY004 -- for pydantic
    for name in (public, upstream_name):
        if name is not None and (not isinstance(name, str) or not name.strip() or name != name.strip() or not name.isprintable()):
            raise ValueError("holds a name that is not a printable text, or that is empty or has spaces around it")
    if "*" in public and (not public.endswith("/*") or public.count("*") > 1 or public == "/*"):
        raise ValueError('holds a pattern; the only one is "vendor/*"')
    if "*" in public and upstream_name is not None:
        raise ValueError("gives a pattern an upstream name: one name cannot serve many models")
    if public.startswith("/") or public.endswith("/"):
        raise ValueError('holds a name that starts or ends with "/"')


Quantization = Literal["int4", "int8", "fp4", "fp6", "fp8", "fp16", "bf16", "fp32"]


class UpstreamSettings(Section):
    """An upstream: one account at one provider, or one server of your own. Several may serve the same models."""

    id: UpstreamId = Field(description="Its name in headers, the ledger and logs: lower-case letters, digits, `-` and `_`, a letter first.")
    provider: Text = Field(description="What kind of API it is: a provider's id.")
    base_url: HttpUrl | None = Field(
        default=None, description="Where it is. Unset: the provider's own address. Plain http and loopback are allowed."
    )
    variables: dict[Text, Text] = Field(
        default={},
        description="The parts of the provider's address that are your account's, such as a region or a resource; the provider's page "
        "names them. Unset: what the provider's own variables say.",
    )
    credential_variable: VariableName | None = Field(
        default=None,
        description="The environment variable that holds the credential; of one in several variables, any of them. Unset, and without a "
        "`credential_file` and a `base_url`: an access key or a service account's key is found where the provider's own tools look.",
    )
    credential_file: Text | None = Field(
        default=None,
        description="The file that holds the credential and nothing else; a relative path starts at the configuration file's directory.",
    )
    priority: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] = Field(
        default=100, description="The lowest number is tried first, the next when that one fails."
    )
    weight: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] = Field(
        default=1, description="Its share among the upstreams of its priority under the strategy `weighted`. 0: only when the others fail."
    )
    region: Text | None = Field(
        default=None, description="Where it computes, in your words (`eu`). Requests name it `upstream/region`, as in `provider.only`."
    )
    quantization: Quantization | None = Field(
        default=None, description="How its models' weights are rounded, for requests with `provider.quantizations`. Unset: unknown."
    )
    data_collection: Literal["allow", "deny"] | None = Field(
        default=None,
        description="`deny`: your contract says that prompts are not stored for training, and requests with `provider.data_collection` "
        "`deny` may go there. Unset: nobody knows, and they do not.",
    )
    zdr: Boolean | None = Field(
        default=None,
        description="Whether your contract says that prompts are not kept at all: requests with `provider.zdr` go nowhere else. Unset: "
        "nobody knows.",
    )
    distillable: Boolean | None = Field(
        default=None,
        description="Whether its models' answers may train others: requests with `provider.enforce_distillable_text` go nowhere else. "
        "Unset: nobody knows.",
    )
    models: Annotated[
        tuple[ServedModel, ...] | None,
        BeforeValidator(_models),
        WithJsonSchema({"type": "list or table"}),
    ] = Field(
        default=None,
        description="What it serves: `vendor/name`, `vendor/*`, or a bare name, which gets the provider's vendor (at a server of your "
        "own: the upstream's id); as a table: public name = upstream's name. Unset: every model of the provider's vendors, at a server "
        "of your own `<id>/*`.",
    )
    discover: Boolean | None = Field(
        default=None,
        description="Whether its own list of models (`GET /models` below its address) is read, so that they are listed and reached. "
        "Unset: yes at a server of your own without `models`, such as Ollama, vLLM, LM Studio or llama.cpp.",
    )
    timeouts: TimeoutSettings = Field(default=TimeoutSettings(), description="Its deadlines, see below.")
    environments: tuple[Slug, ...] | None = Field(
        default=None, description="The environments of the first organisation whose keys reach it. Unset: all of kind `live`, of every one."
    )

    @model_validator(mode="after")
    def _has_one_source_of_the_credential(self) -> "UpstreamSettings":
        if self.credential_variable is not None and self.credential_file is not None:
            raise ValueError("has both credential_variable and credential_file: keep one")
        return self


SECTIONS: dict[str, type[Section]] = {
    "server": ServerSettings,
    "storage": StorageSettings,
    "limits": LimitSettings,
    "retention": RetentionSettings,
    "logging": LoggingSettings,
    "catalogue": CatalogueSettings,
    "routing": RoutingSettings,
    "cache": CacheSettings,
    "billing": BillingSettings,
    "notices": NoticeSettings,
    "leaks": LeakSettings,
    "byok": ByokSettings,
    "dashboard": DashboardSettings,
    "sso": SsoSettings,
}
ARRAYS: dict[str, type[Section]] = {"environments": EnvironmentSettings, "upstreams": UpstreamSettings}
