"""What the playground's form says, as a request and as a link. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlencode

from anyrouter.core.errors import ClientError, Denied
from anyrouter.web.pages.forms import Fields
from anyrouter.web.pages.request_code import SAMPLE_MESSAGES, make_body

PATH = "/dashboard/playground"
MAX_TEMPERATURE = 2
MAX_MESSAGES = 200
MAX_NAME = 256
_IN_LINKS = ("environment", "model", "beside", "system", "temperature", "max_tokens")
_LONGEST_LINK = 4000

Messages = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaygroundForm:
    """The fields as they were typed; `talks` are the conversations so far, of the first model and of the one beside it, as JSON."""

    environment: str = ""
    model: str = ""
    beside: str = ""
    system: str = ""
    temperature: str = ""
    max_tokens: str = ""
    message: str = ""
    talks: tuple[str, str] = ("", "")

    @property
    def models(self) -> tuple[str, ...]:
        """The models that are asked: one or two."""
        return (self.model, self.beside) if self.beside else (self.model,)

    @property
    def link(self) -> str:
        """The address of the playground with the same settings, without what was said."""
        pairs = [(name, value) for name in _IN_LINKS if (value := getattr(self, name))]
        link = f"{PATH}?{urlencode(pairs)}" if pairs else PATH
        return link if len(link) <= _LONGEST_LINK else PATH

    def with_choice(self, *, environment: str, model: str, beside: str) -> "PlaygroundForm":
        """The same with an environment and models that were chosen for it."""
        return replace(self, environment=environment, model=model, beside=beside)

    def list_messages(self, column: int) -> list[dict[str, str]]:
        """What one of the models is sent: the system's text, what was said before, the message. ClientError for what cannot be sent."""
        if not self.models[column]:
            raise _refusal("model", "Choose a model, such as openai/gpt-4o.")
        if not self.message.strip():
            raise _refusal("message", "Write a message first.")
        opening = [{"role": "system", "content": self.system}] if self.system.strip() else []
        return [*opening, *read_talk(self.talks[column]), {"role": "user", "content": self.message}]

    def make_body(self, column: int, *, is_streamed: bool) -> dict[str, Any]:
        """The request's body."""
        return self._make(column, self.list_messages(column), is_streamed=is_streamed)

    def make_sample(self, column: int) -> dict[str, Any]:
        """The body that the code shows: with something said where nothing was typed yet."""
        if not self.message.strip():
            opening = [{"role": "system", "content": self.system}] if self.system.strip() else []
            talk = read_talk(self.talks[column])
            messages: Messages = [*opening, *(talk[:-1] if talk and talk[-1]["role"] == "assistant" else talk or SAMPLE_MESSAGES)]
        else:
            messages = self.list_messages(column)
        return self._make(column, messages, is_streamed=True)

    def _make(self, column: int, messages: Messages, *, is_streamed: bool) -> dict[str, Any]:
        return make_body(
            self.models[column] or "openai/gpt-4o",
            messages,
            temperature=_read_temperature(self.temperature),
            max_tokens=_read_max_tokens(self.max_tokens),
            is_streamed=is_streamed,
        )


def read_playground(fields: Fields) -> PlaygroundForm:
    """The form as it was sent, or what a link says. Nothing is judged yet."""
    return PlaygroundForm(
        environment=fields.text("environment")[:MAX_NAME],
        model=fields.text("model")[:MAX_NAME],
        beside=fields.text("beside")[:MAX_NAME],
        system=fields.raw("system"),
        temperature=fields.text("temperature"),
        max_tokens=fields.text("max_tokens"),
        message=fields.raw("message"),
        talks=(fields.raw("talk-0"), fields.raw("talk-1")),
    )


def read_talk(text: str) -> list[dict[str, str]]:
    """A conversation so far; ClientError for what is none."""
    if not text:
        return []
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise _refusal("talk", "The conversation cannot be read any more. Begin a new one.") from None
    if not isinstance(said, list) or len(said) > MAX_MESSAGES or not all(map(_is_message, said)):
        raise _refusal("talk", f"The conversation cannot go on: it has at most {MAX_MESSAGES} messages. Begin a new one.")
    return [{"role": one["role"], "content": one["content"]} for one in said]


def write_talk(said: Messages) -> str:
    """A conversation as the form keeps it."""
    return json.dumps(list(said), ensure_ascii=False) if said else ""


def _is_message(one: object) -> bool:
    return (
        isinstance(one, dict)
        and one.get("role") in ("user", "assistant")
        and isinstance(one.get("content"), str)
        and _is_text(one["content"])
    )


def _is_text(text: str) -> bool:
    """Whether it can be sent: half of a surrogate pair, which JSON's escapes can spell, cannot."""
    return text == text.encode("utf-8", "replace").decode()


def _read_temperature(text: str) -> float | None:
    if not text:
        return None
    try:
        value = Decimal(text.replace(",", "."))
    except InvalidOperation:
        value = Decimal(-1)
    if not (value.is_finite() and 0 <= value <= MAX_TEMPERATURE):
        raise _refusal("temperature", f"A number from 0 to {MAX_TEMPERATURE} is needed, such as 0.7.")
    return float(value)


def _read_max_tokens(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) > 0):  # noqa: PLR2004 -- more than any model answers
        raise _refusal("max_tokens", "A whole number of tokens is needed, such as 500.")
    return int(text)


def _refusal(param: str, message: str) -> ClientError:
    return ClientError(Denied(code="invalid_parameter", param=param, message=message))
