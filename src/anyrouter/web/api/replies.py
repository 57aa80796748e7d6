"""The reading API's replies. Their types are their schemas in /openapi.json: what is said here is what is sent.

Compatibility law: fields are added and never removed, renamed or given another meaning. Where another gateway's published
clients require a field of an object (they fail without it), it is here, with a true value or null.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from anyrouter.control.key_health import KeyHint
from anyrouter.policy.health import TargetState

Usd = Annotated[float, Meta(description="US dollars")]
Count = Annotated[int, Meta(ge=0)]
Moment = Annotated[str, Meta(description="RFC 3339, UTC")]


class ErrorDetail(msgspec.Struct, kw_only=True):
    """What went wrong. `code` is stable, `message` is for people, `param` names what is to be changed."""

    message: str
    type: str
    code: str
    param: str | None
    metadata: dict[str, Any]


class ErrorReply(msgspec.Struct, kw_only=True):
    """The error envelope of every path but /messages."""

    error: ErrorDetail


class ProblemReply(msgspec.Struct, kw_only=True):
    """An error of the control plane: a problem of RFC 9457, and the same in the other paths' envelope."""

    type: Annotated[str, Meta(description="`urn:anyrouter:error:` and the code")]
    title: str
    status: int
    detail: str
    error: ErrorDetail


class AnthropicErrorDetail(msgspec.Struct, kw_only=True):
    """What went wrong, in the Anthropic dialect."""

    type: str
    message: str


class AnthropicErrorReply(msgspec.Struct, kw_only=True):
    """The error envelope of /messages."""

    type: Literal["error"]
    error: AnthropicErrorDetail
    request_id: str


class RateLimit(msgspec.Struct, kw_only=True):
    """Requests per interval."""

    requests: Count
    interval: str
    note: str


class DailyRequests(msgspec.Struct, kw_only=True):
    """An allowance of free requests a day; this gateway has none."""

    limit: Count
    remaining: Count
    used: Count


class KeyInfo(msgspec.Struct, kw_only=True):
    """The key that asks. `hash` equals `id`; usage is that of the key's rotation group."""

    id: str
    hash: str
    label: Annotated[str, Meta(description="The head of the key and six characters of its body")]
    name: str
    environment: str
    scopes: list[str]
    models: list[str] | None
    endpoints: list[str] | None
    providers: list[str] | None
    regions: list[str] | None
    allowed_ips: list[str] | None
    disabled: bool
    tags: list[str]
    health: Annotated[list[KeyHint], Meta(description="What wants a look")]
    created_at: Moment
    last_used_at: Moment | None
    not_before: Moment | None
    expires_at: Moment | None
    rotated_from: str | None
    superseded_by: Annotated[str | None, Meta(description="The key that took this one's place; this one ends at `expires_at`")]
    rate_limit: RateLimit
    rate_limit_tpm: int | None
    rate_limit_rpd: int | None
    concurrency: int | None
    budget_policy: str | None
    limit: Usd | None
    limit_remaining: Usd | None
    limit_reset: str | None
    usage: Usd
    usage_daily: Usd
    usage_weekly: Usd
    usage_monthly: Usd
    byok_usage: Usd
    byok_usage_daily: Usd
    byok_usage_weekly: Usd
    byok_usage_monthly: Usd
    include_byok_in_limit: bool
    is_free_tier: bool
    is_management_key: bool
    is_provisioning_key: bool
    budgets: list[dict[str, Any]]
    effective_budget: dict[str, Any] | None
    free_model_daily_requests: DailyRequests
    allowed_data_regions: list[str]
    creator_user_id: str | None
    organization_id: str
    workspace_id: str


class KeyReply(msgspec.Struct, kw_only=True):
    """The reply of /key and /auth/key."""

    data: KeyInfo


class CreditTotals(msgspec.Struct, kw_only=True):
    """What was prepaid and what was used, by the organisation, in US dollars."""

    total_credits: Usd
    total_usage: Usd


class Credits(msgspec.Struct, kw_only=True):
    """Prepaid credits, in US dollars: `balance` is what was prepaid less what was used, so below zero without prepayment.

    While `enforced` is false nothing is refused for want of them.
    """

    balance: Usd
    currency: Literal["usd"]
    total_credits: Usd
    total_usage: Usd
    enforced: bool
    data: CreditTotals


class AttemptReply(msgspec.Struct, kw_only=True):
    """One try at one upstream. `status` is the upstream's, null when it never answered.

    `cost`: of a try that lost against another at the same time; a part of the generation's `total_cost`.
    """

    upstream: str
    provider_name: str
    model: str
    status: int | None
    latency: Count
    error: str | None
    cost: Usd | None


class ProviderResponse(msgspec.Struct, kw_only=True):
    """An attempt in the form that published clients read."""

    endpoint_id: str
    model_permaslug: str
    provider_name: str
    status: int | None
    latency: Count
    is_byok: bool


class Generation(msgspec.Struct, kw_only=True):
    """One generation. Times are milliseconds. `usage_source` says whether the token counts are the upstream's or an estimate."""

    id: str
    upstream_id: str | None
    request_id: str
    api_type: Literal["completions", "embeddings"]
    endpoint: str
    model: str
    provider_name: str
    environment: str
    api_key_id: str
    api_key_name: str | None
    created_at: Moment
    state: Annotated[str, Meta(description="settled, failed, cancelled or interrupted")]
    status: int
    error_code: str | None
    streamed: bool
    cancelled: bool
    finish_reason: str | None
    native_finish_reason: str | None
    latency: Count
    generation_time: Count
    time_to_first_token: Count | None
    overhead: Annotated[float, Meta(description="Milliseconds spent in the gateway itself")]
    moderation_latency: Count | None
    tokens_prompt: Count
    tokens_completion: Count
    native_tokens_prompt: Count
    native_tokens_completion: Count
    native_tokens_completion_images: Count | None
    native_tokens_reasoning: Count
    native_tokens_cached: Count
    native_tokens_cache_write: Count
    usage_source: Annotated[str, Meta(description="exact, estimated or none")]
    total_cost: Usd
    usage: Usd
    routing_fee: Usd
    upstream_inference_cost: Usd
    shadow_cost: Annotated[float, Meta(description="What a sandbox generation would have cost, in US dollars")]
    cache_discount: Usd | None
    is_byok: bool
    price_unknown: bool
    trace_id: str | None
    attempts: list[AttemptReply]
    provider_responses: list[ProviderResponse]
    app_id: int | None
    app_title: str | None
    http_referer: str | None
    origin: str
    user_agent: str | None
    external_user: str | None
    data_region: str
    num_fetches: Count | None
    num_input_audio_prompt: Count | None
    num_media_completion: Count | None
    num_media_prompt: Count | None
    num_search_results: Count | None
    preset_id: str | None
    router: str | None
    service_tier: str | None
    web_search_engine: str | None
    workspace_id: str


class GenerationReply(msgspec.Struct, kw_only=True):
    """The reply of /generation."""

    data: Generation


class ActivityItem(msgspec.Struct, kw_only=True):
    """Sums over one group. A dimension that is not grouped by is null. `usage` is what was charged."""

    date: Annotated[str, Meta(description="YYYY-MM-DD, UTC")] | None
    hour: Annotated[str, Meta(description="RFC 3339, UTC: when the hour begins")] | None
    environment: str | None
    api_key_id: str | None
    model: str | None
    model_permaslug: str | None
    provider_name: str | None
    endpoint_id: str
    requests: Count
    errors: Count
    prompt_tokens: Count
    completion_tokens: Count
    reasoning_tokens: Count
    cached_tokens: Count
    usage: Usd
    byok_usage_inference: Usd
    app: str | None
    tag: str | None
    trace_id: str | None


class ActivityReply(msgspec.Struct, kw_only=True):
    """The reply of /activity."""

    data: list[ActivityItem]


ShownState = Annotated[
    TargetState,
    Meta(description="short: out of its rate limits; open: left alone after failures; half_open: being tried again"),
]
Percentiles = dict[str, float] | None


class TargetHealthRow(msgspec.Struct, kw_only=True):
    """How one model of an upstream does. Measures are of the last five minutes, null where there are none."""

    model: str
    state: ShownState
    wait_s: Annotated[float, Meta(description="Seconds until it is asked again, 0: now")]
    requests: Count
    error_rate: Annotated[float, Meta(ge=0, le=1)] | None
    latency_ms: Annotated[Percentiles, Meta(description="Whole replies: p50, p75, p90, p95, p99")]
    ttft_ms: Annotated[Percentiles, Meta(description="Streams, to the first byte")]
    throughput: Annotated[Percentiles, Meta(description="Streams, output tokens per second")]
    uptime_1d: Annotated[float, Meta(ge=0, le=100)] | None
    remaining: Annotated[dict[str, int], Meta(description="Left of the rate limits that its replies tell of")]


class UpstreamHealth(msgspec.Struct, kw_only=True):
    """How an upstream is doing: `ok`, or `failing` after attempts that failed. `state` is the worst of its targets'."""

    id: str
    provider: str
    status: Literal["ok", "failing"]
    failures: Count
    last_error: str | None
    state: ShownState
    targets: Annotated[list[TargetHealthRow], Meta(description="The models that were asked lately and that the key reaches")]


class ModelsFileHealth(msgspec.Struct, kw_only=True):
    """The operator's file of models: `ok`, or `failing` while it has mistakes and what it said before holds."""

    status: Literal["ok", "failing"]
    read_at: Annotated[Moment, Meta(description="When what holds was read")]
    problems: list[str]


class ModelListHealth(msgspec.Struct, kw_only=True):
    """An upstream's own list of models: `ok`, or `failing` while it cannot be read and what it said before holds."""

    upstream: str
    status: Literal["ok", "failing"]
    models: Count
    looked_at: Moment
    last_error: str | None


class CatalogueHealth(msgspec.Struct, kw_only=True):
    """Where models come from, beside those that are bundled. `models_file` is null where there is none."""

    models_file: ModelsFileHealth | None
    model_lists: list[ModelListHealth]


class HealthReply(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The process answers. `upstreams` and `catalogue` are there for a key with usage:read."""

    status: Literal["ok"]
    version: str
    upstreams: list[UpstreamHealth] | msgspec.UnsetType = msgspec.UNSET
    catalogue: CatalogueHealth | msgspec.UnsetType = msgspec.UNSET


class ProbeReply(msgspec.Struct, kw_only=True):
    """A probe's answer."""

    status: Literal["ok"]
