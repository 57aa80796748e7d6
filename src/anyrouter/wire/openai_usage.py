"""The `usage` object of the OpenAI dialect: read, and shown to the client with what it cost."""

from typing import Annotated

import msgspec

from anyrouter.core.usage import Usage, UsageSource
from anyrouter.wire.members import Members, append_to_object
from anyrouter.wire.reply import CostFields

# A count below nothing or beyond reason is no count: the usage is then estimated.
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**40)]
_ABSENT = msgspec.Raw(b"")
_OF_OURS = ("cost", "is_byok", "cost_details")


class _Details(msgspec.Struct):
    cached_tokens: _Count | None = None
    cache_write_tokens: _Count | None = None
    reasoning_tokens: _Count | None = None


class UsageMember(msgspec.Struct):
    """The `usage` object of the OpenAI dialect. The last three are members that some upstreams add and this gateway writes itself."""

    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None
    total_tokens: _Count | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    cost: msgspec.Raw = _ABSENT
    is_byok: msgspec.Raw = _ABSENT
    cost_details: msgspec.Raw = _ABSENT


_decode_usage = msgspec.json.Decoder(UsageMember).decode


def read_usage(raw: bytes | None) -> Usage | None:
    """The usage that a `usage` member tells; None when it is absent, null or not usable."""
    return read_told_usage(raw)[0]


def read_told_usage(raw: bytes | None) -> tuple[Usage | None, bool]:
    """`read_usage`, and whether the member is whole: every count and both details are there, no nulls, and no cost of its own."""
    if raw is None or raw == b"null":
        return None, False
    try:
        told = _decode_usage(raw)
    except (ValueError, msgspec.DecodeError):
        return None, False
    prompt_tokens, completion_tokens = told.prompt_tokens, told.completion_tokens
    if prompt_tokens is None or completion_tokens is None:
        if prompt_tokens is completion_tokens:
            return None, False
        told.total_tokens = None
    prompt, completion = told.prompt_tokens_details, told.completion_tokens_details
    usage = Usage(
        input_tokens=prompt_tokens or 0,
        output_tokens=completion_tokens or 0,
        cache_read_tokens=(prompt.cached_tokens or 0) if prompt else 0,
        cache_write_tokens=(prompt.cache_write_tokens or 0) if prompt else 0,
        reasoning_tokens=(completion.reasoning_tokens or 0) if completion else 0,
    )
    is_whole = (
        told.total_tokens is not None
        and prompt is not None
        and completion is not None
        and told.cost is told.is_byok is told.cost_details is _ABSENT
        and raw.find(b"null") < 0  # `in` would take it for an integer first, and make an error of that
    )
    return usage, is_whole


def append_cost(raw: bytes, cost: CostFields) -> bytes:
    """A whole `usage` member with the cost behind it."""
    return b"%s,%s}" % (raw[:-1], cost.render())


def render_usage(raw: bytes | None, usage: Usage, cost: CostFields, *, is_embedding: bool = False) -> bytes:
    """The `usage` object for the client: the upstream's own bytes with the cost behind them, or one made of `usage`.

    Numbers are numbers, never null, and the two details objects are there for chat and text.
    """
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
            elif b"null" in details and details.startswith(b"{"):
                within = Members(details)
                nulls = {inner: b"0" for inner in within.values if within.raw_is_missing(inner)}
                replaced[name] = b"".join(within.edit(nulls))
        if "completion_tokens" not in told.values:
            parts.append(b'"completion_tokens":%d' % usage.output_tokens)
        elif told.raw_is_missing("completion_tokens"):
            replaced["completion_tokens"] = b"%d" % usage.output_tokens
    stale = [name for name in _OF_OURS if name in told.values]
    text = b"".join(told.edit(replaced, stale)) if replaced or stale else told.text
    return append_to_object(text, b",".join(parts))
