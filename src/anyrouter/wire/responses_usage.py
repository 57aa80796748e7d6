"""The `usage` object of the Responses dialect: read, and shown to the client with what it cost."""

from typing import Annotated

import msgspec

from anyrouter.core.usage import Usage, UsageSource
from anyrouter.wire.members import Members, append_to_object
from anyrouter.wire.reply import CostFields

# A count below nothing or beyond reason is no count: the usage is then estimated.
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**40)]
_OF_OURS = (b'"cost"', b'"is_byok"', b'"cost_details"', b'"shadow_cost"')


class _InputDetails(msgspec.Struct):
    cached_tokens: _Count | None = None
    cache_write_tokens: _Count | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: _Count | None = None


class UsageMember(msgspec.Struct):
    """The `usage` object."""

    input_tokens: _Count | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens: _Count | None = None
    output_tokens_details: _OutputDetails | None = None
    total_tokens: _Count | None = None


_decode_usage = msgspec.json.Decoder(UsageMember).decode
_NO_INPUT, _NO_OUTPUT = _InputDetails(), _OutputDetails()


def read_usage(raw: bytes) -> Usage | None:
    """The usage that a `usage` member tells; None when it is absent (empty), null or not usable."""
    told = _read(raw)
    if told is None:
        return None
    source, out = told.input_tokens_details or _NO_INPUT, told.output_tokens_details or _NO_OUTPUT
    return Usage(
        input_tokens=told.input_tokens or 0,
        output_tokens=told.output_tokens or 0,
        cache_read_tokens=source.cached_tokens or 0,
        cache_write_tokens=source.cache_write_tokens or 0,
        reasoning_tokens=out.reasoning_tokens or 0,
    )


def _read(raw: bytes) -> UsageMember | None:
    if not raw.startswith(b"{"):
        return None
    try:
        told = _decode_usage(raw)
    except (ValueError, msgspec.DecodeError, RecursionError):
        return None
    return None if told.input_tokens is None and told.output_tokens is None else told


def render_usage(raw: bytes, usage: Usage, cost: CostFields) -> bytes:
    """The `usage` object for the client: the upstream's own bytes with the cost behind them, or one made of `usage`.

    Numbers are numbers, never null, and every count and both details objects are there.
    """
    told = _read(raw) if usage.source is UsageSource.EXACT else None
    is_whole = (
        told is not None
        and None not in (told.input_tokens, told.output_tokens, told.total_tokens)
        and None not in (told.input_tokens_details, told.output_tokens_details)
        and b"null" not in raw
        and not any(name in raw for name in _OF_OURS)
    )
    if is_whole:
        return b"%s,%s}" % (raw[:-1], cost.render())
    return _complete(b"{}" if told is None else raw, usage, cost)


def _complete(raw: bytes, usage: Usage, cost: CostFields) -> bytes:
    """What is missing added, what is null replaced, a cost of somebody else's taken out."""
    members = Members(raw)
    wanted = {
        "input_tokens": b"%d" % usage.input_tokens,
        "input_tokens_details": b'{"cached_tokens":%d}' % usage.cache_read_tokens,
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
    stale = [name for name in members.values if b'"%s"' % name.encode() in _OF_OURS]
    text = b"".join(members.edit(replaced, stale)) if replaced or stale else raw
    return append_to_object(text, b",".join([*parts, cost.render()]))
