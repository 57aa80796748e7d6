"""The OpenAI dialect: chat completions, legacy completions, embeddings; requests and whole replies (streams: openai_stream).

Source: the OpenAI API reference as published in 2026. What the gateway changes in a reply is the contract's section 5:
`id`, `model`, `provider` and the cost fields of `usage`; everything else reaches the client as it came.
"""

import msgspec

from anyrouter.core.usage import Usage, UsageSource
from anyrouter.wire.members import Members, NotJson, append_to_object
from anyrouter.wire.reply import CostFields, InvalidReply, ReplyFacts
from anyrouter.wire.request import OWN_MEMBERS, InferenceRequest, estimate_input, need, read_flag, read_members, read_model, refused

NAME = "openai"
_ENCODE = msgspec.json.encode
_DETAILS_COUNT = 2
_SHORT_REPLY = 32_768
_PROMPT_MEMBERS = {
    "chat/completions": ("messages", "tools", "functions", "response_format"),
    "completions": ("prompt", "suffix"),
    "embeddings": ("input",),
}
_NEEDED_MEMBER = {"chat/completions": "messages", "completions": None, "embeddings": "input"}
_REPLY_MEMBER = {"chat/completions": "choices", "completions": "choices", "embeddings": "data"}
_REASONING_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
_ASK_USAGE = b'{"include_usage":true}'


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class UsageMember(msgspec.Struct):
    """The `usage` object of the OpenAI dialect."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


class _Choice(msgspec.Struct):
    finish_reason: str | None = None


_decode_usage = msgspec.json.Decoder(UsageMember).decode
_decode_choices = msgspec.json.Decoder(list[_Choice]).decode
_decode_text = msgspec.json.Decoder(str).decode


def read_request(endpoint: str, body: bytes) -> InferenceRequest:
    """Judge a request's body; nothing of it is changed yet. ClientError says what is wrong with it."""
    members = read_members(body)
    model = read_model(members)
    is_streamed = endpoint != "embeddings" and read_flag(members, "stream")
    needed = _NEEDED_MEMBER[endpoint]
    if needed is not None:
        need(members, needed, endpoint)
    replace: dict[str, bytes] = {}
    append: dict[str, bytes] = {}
    is_usage_wanted = False
    if is_streamed:
        options = members.decode("stream_options")
        if options is not None and not isinstance(options, dict):
            raise refused("invalid_parameter", "stream_options", "stream_options must be an object.")
        is_usage_wanted = bool(options and options.get("include_usage") is True) or _asks_usage(members)
        if "stream_options" not in members.values:
            append["stream_options"] = _ASK_USAGE
        elif not (options and options.get("include_usage") is True):
            replace["stream_options"] = _ENCODE({**(options or {}), "include_usage": True})
    if "model" not in members.values:  # it came as the first of `models`
        append["model"] = _ENCODE(model)
    return InferenceRequest(
        members=members,
        model=model,
        is_streamed=is_streamed,
        is_usage_wanted=is_usage_wanted,
        estimated_input_tokens=estimate_input(members, _PROMPT_MEMBERS[endpoint]),
        replace=replace,
        remove=_removed(members, append),
        append=append,
    )


def read_reply(endpoint: str, body: bytes) -> tuple[Members, ReplyFacts]:
    """The members and facts of a whole reply; InvalidReply when it is not one of this endpoint."""
    try:
        members = Members(body)
    except NotJson as error:
        raise InvalidReply(str(error)) from None
    needed = _REPLY_MEMBER[endpoint]
    raw = members.raw(needed)
    if raw is None or not raw.startswith(b"["):
        raise InvalidReply(f"the reply has no {needed}")
    facts = ReplyFacts(upstream_id=read_text(members, "id"), usage=read_usage(members.raw("usage")), output_bytes=len(raw))
    if needed == "choices":
        try:
            choices = _decode_choices(raw)
        except msgspec.DecodeError:
            raise InvalidReply("the reply's choices are not choices") from None
        facts.finish_reason = facts.native_finish_reason = choices[0].finish_reason if choices else None
    return members, facts


def render_reply(
    endpoint: str, members: Members, *, generation_id: str, model: str, provider: str, usage: Usage, cost: CostFields
) -> list[bytes | memoryview]:
    """The reply for the client: id, model, provider and cost spliced in."""
    usage_block = render_usage(members.raw("usage"), usage, cost, is_embedding=endpoint == "embeddings")
    replace = {"id": b'"%s"' % generation_id.encode(), "model": _ENCODE(model), "usage": usage_block}
    append = {"provider": _ENCODE(provider)}
    known = members.values
    if endpoint == "chat/completions" and "system_fingerprint" not in known:
        append["system_fingerprint"] = b"null"
    if len(members.text) <= _SHORT_REPLY and "provider" not in known and replace.keys() <= known.keys():
        spliced = members.splice(replace, b"".join([b',"%s":%s' % (name.encode(), value) for name, value in append.items()]))
        if spliced is not None:
            return [spliced]
    values = {**replace, **append}
    present = {name: value for name, value in values.items() if name in known}
    return members.edit(present, (), {name: value for name, value in values.items() if name not in present})


def read_usage(raw: bytes | None) -> Usage | None:
    """The usage that a `usage` member tells; None when it is absent, null or not usable."""
    if raw is None or raw == b"null":
        return None
    try:
        told = _decode_usage(raw)
    except msgspec.DecodeError:
        return None
    if told.prompt_tokens is None and told.completion_tokens is None:
        return None
    prompt, completion = told.prompt_tokens_details or _NO_DETAILS, told.completion_tokens_details or _NO_DETAILS
    return Usage(
        input_tokens=max(0, told.prompt_tokens or 0),
        output_tokens=max(0, told.completion_tokens or 0),
        cache_read_tokens=max(0, prompt.cached_tokens or 0),
        cache_write_tokens=max(0, prompt.cache_write_tokens or 0),
        reasoning_tokens=max(0, completion.reasoning_tokens or 0),
    )


def render_usage(raw: bytes | None, usage: Usage, cost: CostFields, *, is_embedding: bool = False) -> bytes:
    """The `usage` object for the client: the upstream's own bytes with the cost behind them, or one made of `usage`.

    Numbers are numbers, never null, and the two details objects are there for chat and text.
    """
    if raw is not None and usage.source is UsageSource.EXACT and _is_whole(raw):
        return b"%s,%s}" % (raw[:-1], cost.render())
    told = Members(raw) if raw is not None and usage.source is UsageSource.EXACT else None
    if told is None or any(told.raw_is_missing(name) for name in ("prompt_tokens", "total_tokens")):
        made = b'{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}' % (
            usage.input_tokens,
            usage.output_tokens,
            usage.input_tokens + usage.output_tokens,
        )
        told = Members(made)
    parts = [cost.render()]
    replaced: dict[str, bytes] = {}
    if not is_embedding:
        for name, field, count in (
            ("prompt_tokens_details", "cached_tokens", usage.cache_read_tokens),
            ("completion_tokens_details", "reasoning_tokens", usage.reasoning_tokens),
        ):
            details = told.raw(name)
            if details is None:
                parts.append(b'"%s":{"%s":%d}' % (name.encode(), field.encode(), count))
            elif details == b"null":
                replaced[name] = b'{"%s":%d}' % (field.encode(), count)
        if told.raw_is_missing("completion_tokens"):
            (replaced if "completion_tokens" in told.values else {}).update(completion_tokens=b"%d" % usage.output_tokens)
    stale = [name for name in ("cost", "is_byok", "cost_details") if name in told.values]
    text = b"".join(told.edit(replaced, stale)) if replaced or stale else told.text
    return append_to_object(text, b",".join(parts))


def _is_whole(raw: bytes) -> bool:
    """Whether a usage object has every count and both details, no nulls, and no cost of its own: the usual one, found cheaply."""
    return (
        raw.count(b'_tokens_details"') == _DETAILS_COUNT
        and b'"prompt_tokens"' in raw
        and b'"completion_tokens"' in raw
        and b'"total_tokens"' in raw
        and b"null" not in raw
        and b'"cost' not in raw
        and b'"is_byok"' not in raw
    )


def read_text(members: Members, name: str) -> str | None:
    """A string member; None when it is absent or something else."""
    raw = members.raw(name)
    try:
        return None if raw is None else _decode_text(raw)
    except msgspec.DecodeError:
        return None


def _asks_usage(members: Members) -> bool:
    usage = members.decode("usage")
    return isinstance(usage, dict) and usage.get("include") is True


def _removed(members: Members, append: dict[str, bytes]) -> frozenset[str]:
    removed = _NOTHING if OWN_MEMBERS.isdisjoint(members.values) else OWN_MEMBERS & members.values.keys()
    if "reasoning" in members.values:
        # OpenRouter's form of what this dialect calls reasoning_effort, where strict upstreams refuse the former.
        removed = removed | {"reasoning"}
        reasoning = members.decode("reasoning")
        effort = reasoning.get("effort") if isinstance(reasoning, dict) else None
        if effort in _REASONING_EFFORTS and "reasoning_effort" not in members.values:
            append["reasoning_effort"] = _ENCODE(effort)
    return frozenset(removed)


_NO_DETAILS = _Details()
_NOTHING: frozenset[str] = frozenset()
