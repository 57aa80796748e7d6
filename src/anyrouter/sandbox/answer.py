"""What the sandbox says to a prompt, whatever the dialect: one decision, made here, worded by the dialects."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import msgspec

from anyrouter.sandbox.reply import ApiError
from anyrouter.sandbox.scenario import Scenario
from anyrouter.sandbox.schema import SchemaRefused, smallest_instance
from anyrouter.sandbox.text import (
    REFUSAL,
    count_tokens,
    cut_at_stop,
    cut_to_tokens,
    long_answer,
    pieces,
    simulated_answer,
    simulated_reasoning,
)

WINDOW_TOKENS = 2_000_000  # of every ordinary model
SMALL_WINDOW_TOKENS = 8_192  # of sandbox/context-length, which finds every prompt longer
MAX_OUTPUT_BYTES = 1024 * 1024  # of all choices together, so that no request makes a reply out of proportion
_FILTERED_PIECES = 4


class Ending(StrEnum):
    """Why an answer ends."""

    COMPLETE = "complete"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"
    TOOL = "tool"
    FILTERED = "filtered"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool of the request. `schema` None: it takes free text (a custom tool). `place` is where a fault of its schema is reported."""

    name: str
    schema: Any = None
    place: str = ""


WEATHER_TOOL = Tool(
    name="get_weather",
    schema={"type": "object", "properties": {"city": {"type": "string", "const": "Paris"}}, "required": ["city"]},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What the sandbox needs to know of a request.

    `forced` is the tool that must be called, `schema` what the text must satisfy (a string without its quotes when `is_unquoted`);
    `is_reasoning` asks for thinking before the answer.
    """

    model: str
    scenario: Scenario | None
    last_user_text: str
    input_tokens: int
    is_after_tool: bool = False
    tools: tuple[Tool, ...] = ()
    is_tool_allowed: bool = True
    forced: Tool | None = None
    schema: Any = None
    has_schema: bool = False
    schema_place: str = "response_format"
    is_unquoted: bool = False
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None
    choices: int = 1
    is_reasoning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What every choice of the reply says: the text, or the arguments of a call of `tool`. `arguments` is None when they were cut short.

    `tokens` counts that; what was thought before is counted in `reasoning_tokens`, and spoken or not as the dialect has it.
    """

    text: str
    ending: Ending
    tokens: int
    tool: Tool | None = None
    arguments: Any = None
    stop_sequence: str | None = None
    reasoning: str = ""
    reasoning_tokens: int = 0


_OWN_ENDINGS: dict[Scenario | None, Ending] = {Scenario.CONTENT_FILTER: Ending.FILTERED, Scenario.REFUSAL: Ending.REFUSED}


class WindowExceeded(Exception):
    """The prompt is longer than the model's context window; both in tokens."""

    def __init__(self, window: int, tokens: int) -> None:
        super().__init__("the prompt is longer than the context window")
        self.window, self.tokens = window, tokens


def check_window(scenario: Scenario | None, input_tokens: int) -> None:
    """Raise WindowExceeded for a prompt that does not fit; under sandbox/context-length none does."""
    if scenario is Scenario.CONTEXT_LENGTH:
        raise WindowExceeded(SMALL_WINDOW_TOKENS, SMALL_WINDOW_TOKENS + input_tokens)
    if input_tokens > WINDOW_TOKENS:
        raise WindowExceeded(WINDOW_TOKENS, input_tokens)


def compose(prompt: Prompt) -> Answer:
    """The answer: a forced call, else an instance of the schema, else text. ApiError for a schema that has no reasonable instance.

    What is thought counts against the limit of tokens, and may leave nothing of it.
    """
    if not prompt.is_reasoning:
        return _answer(prompt)
    thought = simulated_reasoning(prompt.last_user_text)
    reasoning = thought if prompt.max_tokens is None else cut_to_tokens(thought, prompt.max_tokens)
    spent = count_tokens(reasoning)
    if prompt.max_tokens is not None and spent >= prompt.max_tokens:
        return Answer(text="", ending=Ending.LENGTH, tokens=0, reasoning=reasoning, reasoning_tokens=spent)
    rest = None if prompt.max_tokens is None else prompt.max_tokens - spent
    return replace(_answer(replace(prompt, max_tokens=rest)), reasoning=reasoning, reasoning_tokens=spent)


def _answer(prompt: Prompt) -> Answer:
    tool = None if prompt.scenario is Scenario.REFUSAL else prompt.forced or _unforced_tool(prompt)
    if tool is not None:
        return _call(prompt, tool)
    whole = _text(prompt)
    text, stop_sequence = cut_at_stop(bound(whole, prompt.choices), prompt.stop)
    ending = Ending.STOP_SEQUENCE if stop_sequence is not None else Ending.COMPLETE
    if len(text) < len(whole) and stop_sequence is None:
        ending = Ending.LENGTH
    if prompt.max_tokens is not None:
        cut = cut_to_tokens(text, prompt.max_tokens)
        if len(cut) < len(text):
            text, ending, stop_sequence = cut, Ending.LENGTH, None
    if prompt.scenario in _OWN_ENDINGS:
        ending, stop_sequence = _OWN_ENDINGS[prompt.scenario], None
    return Answer(text=text, ending=ending, tokens=count_tokens(text), stop_sequence=stop_sequence)


def bound(text: str, choices: int) -> str:
    """The beginning of the text that is one choice's share of `MAX_OUTPUT_BYTES`."""
    share = MAX_OUTPUT_BYTES // max(1, choices)
    return text if len(text) * 4 <= share else text.encode()[:share].decode(errors="ignore")


def _unforced_tool(prompt: Prompt) -> Tool | None:
    if prompt.scenario is not Scenario.TOOL_CALL or prompt.is_after_tool or not prompt.is_tool_allowed:
        return None
    return prompt.tools[0] if prompt.tools else WEATHER_TOOL


def _call(prompt: Prompt, tool: Tool) -> Answer:
    if tool.schema is None:
        arguments: Any = simulated_answer(prompt.model, prompt.last_user_text)
        text = arguments
    else:
        arguments = _instance(tool.schema, f"function '{tool.name}'", tool.place)
        text = _encode(arguments)
    cut = bound(text, prompt.choices)
    if prompt.max_tokens is not None:
        cut = cut_to_tokens(cut, prompt.max_tokens)
    is_cut = len(cut) < len(text)
    return Answer(
        text=cut,
        ending=Ending.LENGTH if is_cut else Ending.TOOL,
        tokens=count_tokens(cut),
        tool=tool,
        arguments=None if is_cut else arguments,
    )


def _text(prompt: Prompt) -> str:
    if prompt.scenario is Scenario.REFUSAL:
        return REFUSAL
    if prompt.has_schema:
        instance = _instance(prompt.schema, "response_format", prompt.schema_place)
        return instance if prompt.is_unquoted and isinstance(instance, str) else _encode(instance)
    if prompt.scenario is Scenario.ECHO:
        return prompt.last_user_text
    if prompt.scenario is Scenario.LONG:
        return long_answer()
    text = simulated_answer(prompt.model, prompt.last_user_text)
    if prompt.scenario is Scenario.CONTENT_FILTER:
        return "".join(list(pieces(text))[:_FILTERED_PIECES])
    return text


def _instance(schema: Any, owner: str, place: str) -> Any:
    try:
        return smallest_instance(schema)
    except SchemaRefused as error:
        raise ApiError(400, f"Invalid schema for {owner}: {error}.", param=place or None, code="invalid_function_parameters") from None


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()
