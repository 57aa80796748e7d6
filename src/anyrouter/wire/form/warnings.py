"""What a target could not be told. Never silently wrong: whatever an encoder leaves out or changes in meaning, it warns of."""

from enum import StrEnum
from typing import Any

import msgspec

MAX_WARNINGS = 64
MAX_PARAM_LENGTH = 120  # a client may name its members at any length


class WarningCode(StrEnum):
    """Stable strings, seen by clients."""

    UNKNOWN_PARAMETER = "unknown_parameter"  # a member that the client's own dialect does not have
    UNSUPPORTED_PARAMETER = "unsupported_parameter"  # the target has nothing like it
    UNSUPPORTED_CONTENT = "unsupported_content"  # a part of a message was left out
    UNSUPPORTED_TOOL = "unsupported_tool"  # a tool was left out
    CHANGED_VALUE = "changed_value"  # sent, but not as it was: clamped, rounded, or said in other words with another meaning
    CHANGED_ROLE = "changed_role"  # a message was given to the model as another role's, or in another place


class TranslationWarning(msgspec.Struct, frozen=True):
    """One of them. `param` is the client's name of it, such as `logit_bias` or `messages[2].content[0]`."""

    code: str
    param: str | None
    message: str


class Warnings:
    """Collects them, each code and param once, `MAX_WARNINGS` at most."""

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found: dict[tuple[str, str | None], TranslationWarning] = {}

    def add(self, code: WarningCode, param: str | None, message: str) -> None:
        """Another one, a whole sentence for the client's developer, without anything of the prompt in it."""
        param = param if param is None else param[:MAX_PARAM_LENGTH]
        if len(self.found) < MAX_WARNINGS:
            self.found.setdefault((code, param), TranslationWarning(code.value, param, message))

    def unsupported(self, param: str, message: str | None = None) -> None:
        """A parameter that the target has nothing for."""
        self.add(WarningCode.UNSUPPORTED_PARAMETER, param, message or f"The model's provider has no {param}; it was left out.")

    def left_out(self, param: str, what: str) -> None:
        """A part of a message that the target cannot take. `what` names its kind: an audio part, a video."""
        self.add(WarningCode.UNSUPPORTED_CONTENT, param, f"The model's provider cannot take {what} here; it was left out.")


def warnings_shown(warnings: tuple[TranslationWarning, ...]) -> list[dict[str, Any]]:
    """The `warnings` entry of the metadata that a client sees."""
    return [{"code": warning.code, "param": warning.param, "message": warning.message} for warning in warnings]
