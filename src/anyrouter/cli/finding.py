"""What a check of `anyrouter doctor` found."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a part is. A warning does not make the command fail."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One part, how it is, and what to do about it."""

    check: str
    state: State
    text: str
    cure: str | None = None


def found_well(check: str, text: str) -> Finding:
    """It is as it should be."""
    return Finding(check=check, state=State.OK, text=text)


def found_doubtful(check: str, text: str, cure: str | None = None) -> Finding:
    """It works, and somebody should look at it."""
    return Finding(check=check, state=State.WARNING, text=text, cure=cure)


def found_failing(check: str, text: str, cure: str | None = None) -> Finding:
    """It does not work."""
    return Finding(check=check, state=State.FAILED, text=text, cure=cure)
