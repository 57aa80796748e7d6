"""A request's body and head for one target: the client's own bytes where both speak one dialect, else a translation of them.

What the gateway writes itself is adapted to what the provider takes of the dialect; what the client wrote is not, but for reasoning in
its earlier messages that the provider would refuse them for.
"""

import time
from datetime import UTC, datetime

from msgspec.structs import replace

from anyrouter.core.errors import ClientError, Denied, StorageUnavailable, UpstreamError, UpstreamTimeout
from anyrouter.core.usage import NO_USAGE, Usage, UsageSource
from anyrouter.providers.adaptation import adapt
from anyrouter.providers.address import name_model
from anyrouter.relay.generation import Generation
from anyrouter.wire.form.warnings import Warnings, warnings_shown
from anyrouter.wire.history import leave_out
from anyrouter.wire.members import Members
from anyrouter.wire.translation.codec import UpstreamModel
from anyrouter.wire.translation.translation import Translation, decode_request

Parts = list[bytes | memoryview]


_NOTHING_USED = Usage(source=UsageSource.ESTIMATED)


def encode(generation: Generation) -> tuple[Parts, bytes, int]:
    """The body for the generation's target in parts, the head's lines, and the body's size. ClientError as `_translate`.

    The lines are empty where the target's authorization has to be prepared first, by `encode_head`.
    """
    stop, request = generation.stop, generation.request
    target = stop.target
    if target.way.is_translated:
        parts = _translate(generation)
    else:
        generation.dialect = generation.lane.dialect
        if stop.refused and (messages := leave_out(request.members, stop.refused)) is not None:
            request = replace(request, replace={**request.replace, "messages": messages})
        form, is_asking_usage = target.way.form, target.upstream.provider.is_asking_usage
        if form is None or not (form.members or form.removed):
            parts = request.encode(target.upstream_model_json, is_asking_usage=is_asking_usage)
        else:
            parts = request.encode(target.upstream_model_json, is_asking_usage=is_asking_usage, added=form.members, removed=form.removed)
    size = sum(map(len, parts))
    lines = stop.head.render(generation.head.headers, size, is_streamed=request.is_streamed)
    return parts, lines if stop.head.authorization is None else _authorize(generation, lines, parts), size


async def encode_head(generation: Generation, parts: Parts, size: int) -> bytes:
    """The head's lines for a target whose authorization has to be prepared first; UpstreamError or StorageUnavailable when it cannot be.

    A client that leaves meanwhile has used nothing.
    """
    head, request = generation.stop.head, generation.request
    assert head.authorization is not None  # noqa: S101 -- the lines were empty
    generation.partial = _NOTHING_USED
    try:
        await head.authorization.prepare(head.timeouts.connect_s)
    except (UpstreamError, StorageUnavailable):
        generation.partial = NO_USAGE
        raise
    generation.partial = NO_USAGE
    lines = _authorize(generation, head.render(generation.head.headers, size, is_streamed=request.is_streamed), parts)
    if not lines:
        raise UpstreamTimeout("its token ended before it could be used", phase="connect")
    return lines


def _authorize(generation: Generation, lines: bytes, parts: Parts) -> bytes:
    head = generation.head
    now = datetime.fromtimestamp(head.now_ms / 1000 + time.monotonic() - head.started_s, UTC)  # after other attempts it is later
    added = generation.stop.head.authorize(parts, now, is_streamed=generation.request.is_streamed)
    return lines + added if added else b""


def _translate(generation: Generation) -> Parts:
    """The body in the target's dialect. The generation's `dialect` reads its reply from now on.

    ClientError when the client's request cannot be read, or cannot be said to this target.
    """
    stop, own = generation.stop, generation.lane.dialect
    target, provider = stop.target, stop.target.upstream.provider
    decoded = generation.decoded
    if decoded is None:
        decoded = generation.decoded = decode_request(own.name, generation.request)
    is_strict = generation.is_requiring_parameters
    model = _describe(generation)
    created_s = generation.head.now_ms // 1000
    translation = decoded.encode_for(target.way.dialect, model, created_s=created_s, is_requiring_parameters=is_strict)
    body = translation.encoded.body
    form = target.way.form
    if form is not None and (stop.quirks or form.members or form.removed):
        members, warnings = Members(body), Warnings()
        edits = adapt(members.values, stop.quirks, form, warnings, is_asking_usage=provider.is_asking_usage)
        _warn(translation, warnings, is_strict=is_strict)
        if edits:
            body = b"".join(members.edit(edits.replace, edits.remove, edits.append))
    generation.dialect = translation
    return [body]


def _describe(generation: Generation) -> UpstreamModel:
    target = generation.stop.target
    known, provider = target.known, target.upstream.provider
    abilities = None if known is None else known.supported_parameters
    return UpstreamModel(
        name=name_model(provider, target.upstream_model),
        max_output_tokens=None if known is None else known.max_output_tokens,
        is_reasoning=None if abilities is None else "reasoning" in abilities,
        is_asking_usage=provider.is_asking_usage,
        traits=provider.traits,
    )


def _warn(translation: Translation, warnings: Warnings, *, is_strict: bool) -> None:
    found = tuple(warnings.found.values())
    if not found:
        return
    if is_strict:
        message = f"require_parameters is set, and the model's provider cannot take the request as it is: {found[0].message}"
        raise ClientError(Denied(code="no_route", param=found[0].param, message=message, metadata={"warnings": warnings_shown(found)}))
    translation.warnings = (*translation.warnings, *found)
