"""The `usage` object of the Responses dialect: read, and shown to the client with what it cost."""

from typing import Annotated

import msgspec

from anyrouter.core.usage import Usage, UsageSource
from anyrouter.wire.members import Members, NotJson, append_to_object
from anyrouter.wire.reply import CostFields

# A count below nothing or beyond reason is no count: the usage is then estimated.
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**40)]
_OF_OURS = frozenset({"cost", "is_byok", "cost_details", "shadow_cost"})
_ABSENT = msgspec.Raw(b"")


class _InputDetails(msgspec.Struct):
    cached_tokens: _Count | None = None
    cache_write_tokens: _Count | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: _Count | None = None


class UsageMember(msgspec.Struct):
    """The `usage` object. The last four are members that some upstreams add and this gateway writes itself."""

    input_tokens: _Count | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens: _Count | None = None
    output_tokens_details: _OutputDetails | None = None
    total_tokens: _Count | None = None
    cost: msgspec.Raw = _ABSENT
    is_byok: msgspec.Raw = _ABSENT
    cost_details: msgspec.Raw = _ABSENT
    shadow_cost: msgspec.Raw = _ABSENT


_decode_usage = msgspec.json.Decoder(UsageMember).decode


def read_told_usage(raw: bytes) -> tuple[Usage | None, bool]:
    """The usage that a `usage` member tells, None when it is absent (empty), null or not usable; and whether the member is whole.

    It is when every count and both details objects are there, no nulls, and no cost of the upstream's own.
    """
    if not raw.startswith(b"{"):
        return None, False
    try:
        told = _decode_usage(raw)
    except (ValueError, msgspec.DecodeError, RecursionError):
        return None, False
    input_tokens, output_tokens = told.input_tokens, told.output_tokens
    if input_tokens is None and output_tokens is None:
        return None, False
    source, out = told.input_tokens_details, told.output_tokens_details
    usage = Usage(
        input_tokens=input_tokens or 0,
        output_tokens=output_tokens or 0,
        cache_read_tokens=(source.cached_tokens or 0) if source else 0,
        cache_write_tokens=(source.cache_write_tokens or 0) if source else 0,
        reasoning_tokens=(out.reasoning_tokens or 0) if out else 0,
    )
    is_whole = (
        source is not None
        and out is not None
        and None not in (input_tokens, output_tokens, told.total_tokens)
        and told.cost is told.is_byok is told.cost_details is told.shadow_cost is _ABSENT
        and raw.find(b"null") < 0  # quicker than `in`, which tries an integer first
    )
    return usage, is_whole


def render_usage(raw: bytes, usage: Usage, cost: CostFields, *, is_whole: bool) -> bytes:
    """The `usage` object for the client: the upstream's own bytes with the cost behind them, or one made of `usage`.

    Numbers are numbers, never null, and every count and both details objects are there.
    """
    if is_whole:
        return b"%s,%s}" % (raw[:-1], cost.render())
    try:
        return _complete(raw if usage.source is UsageSource.EXACT and raw.startswith(b"{") else b"{}", usage, cost)
    except NotJson:  # it is, but with members in the thousands
        return _complete(b"{}", usage, cost)


def _complete(raw: bytes, usage: Usage, cost: CostFields) -> bytes:
    """What is missing added, what is null replaced, a cost of somebody else's taken out."""
    members = Members(raw)
    wanted = {
        "input_tokens": b"%d" % usage.input_tokens,
        "input_tokens_details": b'{"cache_write_tokens":%d,"cached_tokens":%d}' % (usage.cache_write_tokens, usage.cache_read_tokens),
        "output_tokens": b"%d" % usage.output_tokens,
        "output_tokens_details": b'{"reasoning_tokens":%d}' % usage.reasoning_tokens,
        "total_tokens": b"%d" % (usage.input_tokens + usage.output_tokens),
    }
    parts: list[bytes] = []
    replaced: dict[str, bytes] = {}
    for name, value in wanted.items():
        own = members.raw(name)
        if own is None:
            parts.append(b'"%s":%s' % (name.encode(), value))
        elif own == b"null":
            replaced[name] = value
        elif b"null" in own:
            within = Members(own)
            replaced[name] = b"".join(within.edit({inner: b"0" for inner in within.values if within.raw_is_missing(inner)}))
    stale = _OF_OURS & members.values.keys()
    text = b"".join(members.edit(replaced, stale)) if replaced or stale else raw
    return append_to_object(text, b",".join([*parts, cost.render()]))
