"""The requests of a soak, drawn from a seed: who asks whom, how, what goes wrong, and who leaves early.

What an upstream is to do stands in the prompt, which reaches it in any wire format: `soak <number> <which> <kind>.`, `which` being
the attempts that meet it (first, or both), `kind` one of FAULTS, `good` or `slow`.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

CHAT, MESSAGES = "chat/completions", "messages"
ENDPOINTS = (CHAT, MESSAGES)
# By provider; `dead` models' first upstream refuses connections.
VENDORS = ("openai", "anthropic")
MODELS = 40  # of each: what is learned of one target, such as a rest, leaves the others alone
CONVERSATIONS = 10_000  # requests go on with one of these, so that what is remembered of them is all there half way
FAULT_SHARE, BOTH_SHARE, LEAVE_SHARE, STREAM_SHARE = 0.20, 0.25, 0.05, 0.5
FAULTS = {
    "refused": 20,
    "reset": 20,
    "reset-head": 20,
    "garbage": 20,
    "silence": 8,
    "stall": 8,
    "cut": 20,
    "reset-body": 20,
    "no-end": 20,
    "429": 10,
    "429-wait": 10,
    "500": 20,
    "502": 20,
    "503": 20,
    "529": 20,
    "page-200": 20,
    "page-502": 20,
    "bad-json": 20,
    "error-200": 20,
    "error-first": 20,
    "error-later": 20,
    "endless": 0.2,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One request. `leaves_after_s`: the client ends the connection then, whatever has come; None: it reads to the end."""

    number: int
    endpoint: str
    model: str
    kind: str
    which: str
    is_streamed: bool
    leaves_after_s: float | None

    def render(self, key: str) -> bytes:
        """The bytes of the request."""
        order = f"soak {self.number} {self.which} {self.kind}. " + "Tell me more about it. " * (self.number % 40)
        talk = [("user", f"Conversation {self.number % CONVERSATIONS}"), ("assistant", "Go on."), ("user", order)]
        body = json.dumps(
            {
                "model": self.model,
                "max_tokens": 100,
                "stream": self.is_streamed,
                "messages": [{"role": role, "content": text} for role, text in talk],
            }
        ).encode()
        return (
            f"POST /api/v1/{self.endpoint} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nX-AnyRouter-Trace-Id: soak-{self.number}\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body


def draw(seed: int, count: int) -> Iterator[Planned]:
    """The same requests for the same seed; of a longer soak the first ones are those of a shorter."""
    chance = random.Random(seed)  # noqa: S311 -- to be drawn again
    kinds, weights = list(FAULTS), list(FAULTS.values())
    for number in range(count):
        is_faulty = chance.random() < FAULT_SHARE
        is_leaving = chance.random() < LEAVE_SHARE
        kind = chance.choices(kinds, weights)[0] if is_faulty else "slow" if is_leaving else "good"
        which = "both" if chance.random() < BOTH_SHARE else "first"
        family = "dead" if kind == "refused" else "soak"
        place, vendor = divmod(number % CONVERSATIONS, len(VENDORS))
        yield Planned(
            number=number,
            endpoint=chance.choice(ENDPOINTS),
            model=f"{family}/{VENDORS[vendor]}-{place % MODELS}",
            kind=kind,
            which=which,
            is_streamed=chance.random() < STREAM_SHARE,
            leaves_after_s=chance.random() * 0.03 if is_leaving else None,
        )


def list_models(family: str, vendor: str) -> list[str]:
    """The models that a vendor's upstreams serve."""
    return [f"{family}/{vendor}-{number}" for number in range(MODELS)]
