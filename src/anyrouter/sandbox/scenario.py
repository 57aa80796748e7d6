"""The model ids that misbehave on demand, like a payment provider's test cards.

Compatibility law: test suites of other people name these ids. One is never removed or given another meaning.
"""

from enum import StrEnum

PREFIX = "sandbox/"


class Scenario(StrEnum):
    """One id under `sandbox/`. The value is what follows the slash; docs/sandbox.md says what each does."""

    ECHO = "echo"
    SLOW = "slow"
    RATE_LIMITED = "rate-limited"
    SERVER_ERROR = "server-error"
    TIMEOUT = "timeout"
    CUT_STREAM = "cut-stream"
    MALFORMED = "malformed"
    TOOL_CALL = "tool-call"
    LONG = "long"
    NO_USAGE = "no-usage"
    CONTENT_FILTER = "content-filter"
    REFUSAL = "refusal"
    CONTEXT_LENGTH = "context-length"
    STREAM_ERROR = "stream-error"


_BY_NAME = {member.value: member for member in Scenario}


def scenario_of(model: str) -> Scenario | None:
    """The scenario that a model id asks for, with or without its vendor; None for every other model."""
    return _BY_NAME.get(model.removeprefix(PREFIX))
