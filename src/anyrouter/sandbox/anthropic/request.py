"""Reading an Anthropic Messages request: what it asks for, and this provider's objections to it."""

import re
from dataclasses import dataclass
from typing import Any

from anyrouter.core.usage import estimate_tokens
from anyrouter.sandbox.answer import Prompt, Tool
from anyrouter.sandbox.anthropic.content import read_content
from anyrouter.sandbox.fields import FaultKind, Fields
from anyrouter.sandbox.reply import ApiError
from anyrouter.sandbox.scenario import scenario_of
from anyrouter.sandbox.text import byte_count

MAX_MODEL_LENGTH = 256
MAX_MESSAGES = 100_000
MAX_TOOLS = 512
MAX_STOPS = 64
MIN_THINKING_BUDGET = 1_024

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesRequest:
    """A Messages request."""

    prompt: Prompt
    is_streamed: bool


def read_request(fields: Fields, *, is_counted_only: bool = False) -> MessagesRequest:
    """The request's meaning; FieldFault or ApiError for what this provider refuses. Unknown members are passed over."""
    model = _read_model(fields)
    max_tokens = fields.integer("max_tokens", 1)
    if max_tokens is None and not is_counted_only:
        raise fields.fault("max_tokens", FaultKind.MISSING)
    last_user_text, size, is_after_tool = _read_messages(fields)
    _read_sampling(fields)
    is_reasoning = _read_thinking(fields, max_tokens, is_after_tool=is_after_tool)
    tools = tuple(_read_tool(tool, place) for place, tool in enumerate(fields.objects("tools", maximum=MAX_TOOLS)))
    forced, is_allowed = _read_tool_choice(fields, tools)
    if is_reasoning and forced is not None:
        raise ApiError(400, "Thinking may not be enabled when tool_choice forces tool use.")
    schema, has_schema = _read_output_format(fields)
    prompt = Prompt(
        model=model,
        scenario=scenario_of(model),
        last_user_text=last_user_text,
        input_tokens=estimate_tokens(size + _read_system(fields)),
        is_after_tool=is_after_tool,
        tools=tuple(tool for tool in tools if tool.schema is not None),
        is_tool_allowed=is_allowed,
        forced=forced,
        schema=schema,
        has_schema=has_schema,
        stop=fields.texts("stop_sequences", maximum=MAX_STOPS),
        max_tokens=max_tokens,
        is_reasoning=is_reasoning,
    )
    return MessagesRequest(prompt=prompt, is_streamed=fields.flag("stream"))


def _read_model(fields: Fields) -> str:
    model = fields.required_text("model")
    if not model:
        raise ApiError(400, "model: String should have at least 1 character")
    if len(model) > MAX_MODEL_LENGTH:
        raise ApiError(404, f"model: {model[:64]}…", type="not_found_error")
    return model


def _read_messages(fields: Fields) -> tuple[str, int, bool]:
    """The last text of the user, the bytes of all texts, and whether the last message brings a tool's result."""
    fields.require("messages")
    messages = fields.objects("messages", maximum=MAX_MESSAGES)
    if not messages:
        raise fields.fault("messages", FaultKind.EMPTY)
    last_user_text, size, is_after_tool = "", 0, False
    for message in messages:
        role = message.required_text("role")
        if role == "system":
            note = 'The Messages API accepts a top-level `system` parameter, not "system" as an input message role.'
            raise ApiError(400, f'messages: Unexpected role "system". {note}')
        message.choice("role", ("user", "assistant"))
        content = read_content(message)
        if not content.is_present and (role == "user" or message is not messages[-1]):
            note = "all messages must have non-empty content except for the optional final assistant message"
            raise ApiError(400, f"{'.'.join(map(str, message.path))}: {note}")
        size += content.size
        is_after_tool = content.has_tool_result
        if role == "user" and content.texts:
            last_user_text = "\n".join(content.texts)
    return last_user_text, size, is_after_tool


def _read_system(fields: Fields) -> int:
    """The bytes of the system prompt."""
    system = fields.members.get("system")
    if system is None:
        return 0
    if isinstance(system, str):
        return byte_count(system)
    if not isinstance(system, list):
        raise fields.fault("system", FaultKind.TYPE, "one of a string or array of objects", system)
    size = 0
    for block in fields.objects("system"):
        if block.choice("type", ("text",)) is None:
            raise block.fault("type", FaultKind.MISSING)
        size += byte_count(block.required_text("text"))
    return size


def _read_sampling(fields: Fields) -> None:
    fields.number("temperature", 0.0, 1.0)
    fields.number("top_p", 0.0, 1.0)
    fields.integer("top_k", 0)
    fields.object("metadata")


def _read_thinking(fields: Fields, max_tokens: int | None, *, is_after_tool: bool) -> bool:
    """Whether thinking is asked for: here, or behind a tool's result alone."""
    thinking = fields.object("thinking")
    if thinking is None:
        return False
    kind = thinking.choice("type", ("enabled", "disabled", "adaptive", "between_tools"))
    if kind is None:
        raise thinking.fault("type", FaultKind.MISSING)
    if kind == "enabled":
        budget = thinking.integer("budget_tokens", MIN_THINKING_BUDGET)
        if budget is None:
            raise ApiError(400, "thinking.enabled.budget_tokens: Field required")
        if max_tokens is not None and budget >= max_tokens:
            raise ApiError(400, "`max_tokens` must be greater than `thinking.budget_tokens`.")
    return kind in {"enabled", "adaptive"} or (kind == "between_tools" and is_after_tool)


def _read_tool(tool: Fields, place: int) -> Tool:
    name = tool.required_text("name")
    if not _TOOL_NAME.fullmatch(name):
        raise ApiError(400, f"tools.{place}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
    if tool.text("type") not in {None, "custom"}:  # one of the provider's own tools: it runs there, and here not at all
        return Tool(name=name)
    schema = tool.object("input_schema")
    if schema is None:
        raise ApiError(400, f"tools.{place}.custom.input_schema: Field required")
    if schema.members.get("type") != "object":
        raise ApiError(400, f"tools.{place}.custom.input_schema.type: Input should be 'object'")
    return Tool(name=name, schema=schema.members, place=f"tools.{place}.custom.input_schema")


def _read_tool_choice(fields: Fields, tools: tuple[Tool, ...]) -> tuple[Tool | None, bool]:
    """The tool that must be called, and whether one may be called at all."""
    choice = fields.object("tool_choice")
    if choice is None:
        return None, True
    kind = choice.choice("type", ("auto", "any", "tool", "none"))
    if kind is None:
        raise choice.fault("type", FaultKind.MISSING)
    if kind == "none":
        return None, False
    if kind == "auto":
        return None, True
    if not tools:
        raise ApiError(400, "tool_choice: tool_choice may only be specified while providing tools.")
    callable_tools = {tool.name: tool for tool in tools if tool.schema is not None}
    if kind == "any":
        return next(iter(callable_tools.values()), None), True
    name = choice.required_text("name")
    if not any(tool.name == name for tool in tools):
        raise ApiError(400, f"Tool '{name[:64]}' not found in provided tools")
    return callable_tools.get(name), True


def _read_output_format(fields: Fields) -> tuple[Any, bool]:
    """The schema that the text must satisfy, and whether there is one: `output_config.format`, or the older `output_format`."""
    config = fields.object("output_config")
    wanted = config.object("format") if config is not None and config.has("format") else fields.object("output_format")
    if wanted is None:
        return None, False
    if wanted.choice("type", ("json_schema",)) is None:
        raise wanted.fault("type", FaultKind.MISSING)
    schema = wanted.object("schema")
    if schema is None:
        raise wanted.fault("schema", FaultKind.MISSING)
    return schema.members, True
