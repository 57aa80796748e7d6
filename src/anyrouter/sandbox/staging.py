"""Making an honest reply misbehave on the way: late, slow, cut, malformed, or never."""

from collections.abc import Iterator
from dataclasses import replace

from anyrouter.sandbox.reply import Reply
from anyrouter.sandbox.scenario import Scenario

FIRST_BYTE_DELAY_S = 2.0
PART_DELAY_S = 0.25
SILENCE_S = 600.0
EVENTS_BEFORE_CUT = 4


def stage(reply: Reply, scenario: Scenario | None) -> Reply:
    """The reply as the scenario wants it to be delivered; the same reply for every other."""
    if scenario is Scenario.SLOW:
        return replace(reply, delay_s=FIRST_BYTE_DELAY_S, part_delay_s=PART_DELAY_S)
    if scenario is Scenario.TIMEOUT:
        return replace(reply, delay_s=SILENCE_S, is_silent=True)
    if scenario is Scenario.CUT_STREAM:
        return replace(reply, body=reply.body if isinstance(reply.body, bytes) else _cut(reply.body), is_cut=True)
    if scenario is Scenario.MALFORMED:
        return replace(reply, body=_broken(reply.body) if isinstance(reply.body, bytes) else _garbled(reply.body))
    return reply


def _cut(events: Iterator[bytes]) -> Iterator[bytes]:
    """A few whole events (all but the last of a shorter stream) and the first half of the next."""
    held = next(events, b"")
    for count, event in enumerate(events, start=1):
        yield held
        held = event
        if count == EVENTS_BEFORE_CUT:
            break
    yield held[: len(held) // 2]


def _broken(body: bytes) -> bytes:
    """The first half of a JSON text, which is none."""
    return body[: len(body) // 2]


def _garbled(events: Iterator[bytes]) -> Iterator[bytes]:
    """The first event as it should be, the next two without the end of their JSON, and then the stream's end, without its mark."""
    yield next(events, b"")
    for event, _ in zip(events, range(2), strict=False):
        yield event[: len(event) * 2 // 3] + b"\n\n"
