"""Making an honest reply misbehave on the way: late, slow, cut, malformed, failing, or never."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from anyrouter.sandbox.dialect import Dialect
from anyrouter.sandbox.reply import Reply, Stamp
from anyrouter.sandbox.scenario import Scenario

FIRST_BYTE_DELAY_S = 2.0
PART_DELAY_S = 0.25
SILENCE_S = 600.0
EVENTS_BEFORE_CUT = 4


def stage(reply: Reply, scenario: Scenario | None, dialect: Dialect, stamp: Stamp) -> Reply:
    """The reply as the scenario wants it to be delivered; the same reply for every other."""
    if scenario is Scenario.SLOW:
        return replace(reply, delay_s=FIRST_BYTE_DELAY_S, part_delay_s=PART_DELAY_S)
    if scenario is Scenario.TIMEOUT:
        return replace(reply, delay_s=SILENCE_S, is_silent=True)
    if scenario is Scenario.CUT_STREAM:
        return replace(reply, body=reply.body if isinstance(reply.body, bytes) else _cut(reply.body), is_cut=True)
    if scenario is Scenario.MALFORMED:
        return replace(reply, body=_broken(reply.body) if isinstance(reply.body, bytes) else _garbled(reply.body, dialect.garble))
    if scenario is Scenario.STREAM_ERROR and dialect.failure_event and not isinstance(reply.body, bytes):
        return replace(reply, body=_failing(reply.body, dialect.failure_event(stamp)))
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


def _failing(events: Iterator[bytes], failure: bytes) -> Iterator[bytes]:
    """A few whole events (all but the last of a shorter stream), the event that tells of the failure, and no more."""
    held = next(events, b"")
    for _, event in zip(range(EVENTS_BEFORE_CUT), events, strict=False):
        yield held
        held = event
    yield failure


def _broken(body: bytes) -> bytes:
    """The first half of a JSON text, which is none."""
    return body[: len(body) // 2]


def _garbled(events: Iterator[bytes], garble: Callable[[bytes], bytes]) -> Iterator[bytes]:
    """The first event as it should be, the next two without the end of their JSON, and then the stream's end, without its mark."""
    yield next(events, b"")
    for _, event in zip(range(2), events, strict=False):
        yield garble(event)
