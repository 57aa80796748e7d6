"""A question and an answer, whatever the SDK: what a test compares between pairs of dialects."""

import base64
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from pydantic import BaseModel

PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n not really a picture \xff\xfe").decode()
PICTURE_URL = "https://pictures.test/cat.png"


class Ending(Enum):
    """Why an answer ended; each client has its own word for it."""

    STOP = "stop"
    STOP_SEQUENCE = "stop sequence"
    LENGTH = "length"
    TOOL = "tool"
    FILTER = "filter"


@dataclass(frozen=True, kw_only=True)
class Function:
    """A tool. `schema` is that of its arguments."""

    name: str
    schema: dict[str, Any]
    description: str = "What it does."


WEATHER = Function(
    name="weather",
    schema={
        "type": "object",
        "properties": {"city": {"type": "string", "enum": ["Zürich", "Oslo"]}, "days": {"type": "integer", "enum": [14, 3]}},
        "required": ["city", "days"],
        "additionalProperties": False,
    },
)
IMPOSSIBLE = Function(
    name="impossible",
    schema={
        "type": "object",
        "properties": {"word": {"type": "string", "enum": []}},
        "required": ["word"],
        "additionalProperties": False,
    },
)
CLOCK = Function(name="clock", schema={"type": "object", "properties": {}, "required": [], "additionalProperties": False})


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked. `before` are the turns that an earlier answer gave; `text` None adds none to them, as behind a tool's result.

    `must_call` is a tool's name, or "any"; `is_one_call` forbids parallel calls. `own` are members in the SDK's own words, in its call;
    `members` are members of the body that it has no words for. `has_picture` and `has_picture_url` add one each.
    """

    text: str | None = "Hello there"
    system: str | None = None
    before: tuple[Any, ...] = ()
    has_picture: bool = False
    has_picture_url: bool = False
    tools: tuple[Function, ...] = ()
    must_call: str | None = None
    is_one_call: bool = False
    stop: tuple[str, ...] = ()
    max_tokens: int = 2000
    thinks: bool = False
    own: dict[str, Any] = field(default_factory=dict)
    members: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Call:
    """A tool's call."""

    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Said:
    """An answer. `ending`, `id` and `model` are the client's own words; `turns` are the question's and the answer, for the next question.

    `input_tokens` counts the whole prompt and `output_tokens` all that was made, thoughts too, whichever way the dialect counts.
    """

    text: str
    ending: str | None
    id: str
    model: str
    generation_id: str
    input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    calls: tuple[Call, ...]
    thoughts: str
    proofs: tuple[str, ...]
    refusal: str | None
    warnings: list[dict[str, Any]]
    turns: tuple[Any, ...]
    pieces: int = 1
    parsed: BaseModel | None = None


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A failure as the SDK raised it. `kind` is the exception's class, `status` None for one that no status told."""

    kind: type[Exception]
    status: int | None
    code: str | None
    message: str
    retry_after: str | None
    param: str | None = None
    generation_id: str | None = None


class Client(Protocol):
    """One SDK. `words` has its word for each ending, `errors` its class for each kind of failure.

    `shows_stream_warnings`: what could not be translated can be read of a stream, too.
    """

    dialect: str
    shows_stream_warnings: bool
    words: dict[Ending, str]
    errors: dict[str, type[Exception]]

    def ask(self, model: str, question: Question) -> Said:
        """A whole reply."""

    def stream(self, model: str, question: Question) -> Said:
        """A stream, collected by the SDK's own means as far as it has any."""

    def parse(self, model: str, question: Question, into: type[BaseModel]) -> Said:
        """A whole reply, parsed by the SDK."""

    def parse_stream(self, model: str, question: Question, into: type[BaseModel]) -> Said:
        """A stream, parsed by the SDK."""

    def results(self, said: Said, texts: dict[str, str]) -> tuple[Any, ...]:
        """Turns that answer the calls, by the tool's name."""

    def failure(self, error: Exception) -> Failed:
        """What the SDK's exception tells."""

    def close(self) -> None:
        """Let go of its connections."""
