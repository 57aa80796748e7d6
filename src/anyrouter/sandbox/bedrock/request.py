"""Reading a Converse request: what it asks for, and this service's objections to it."""

from dataclasses import dataclass
from typing import Any

import msgspec

from anyrouter.core.usage import estimate_tokens
from anyrouter.sandbox.answer import Prompt, Tool
from anyrouter.sandbox.bedrock.content import TOOL_NAME, read_kind, read_messages
from anyrouter.sandbox.bedrock.envelope import place_of, refusal
from anyrouter.sandbox.fields import FaultKind, FieldFault, Fields
from anyrouter.sandbox.reply import ApiError
from anyrouter.sandbox.scenario import scenario_of
from anyrouter.sandbox.text import byte_count

MAX_MODEL_LENGTH = 2_048
MAX_TOOLS = 512
MAX_STOPS = 2_500
MAX_POINTERS = 10
STOP_POINTER = "/stop_sequence"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConverseRequest:
    """A Converse request. `shows_stop` asks for the stop sequence among the model's own fields, the only one that is simulated."""

    prompt: Prompt
    shows_stop: bool


def read_request(fields: Fields, model: str) -> ConverseRequest:
    """The request's meaning; FieldFault or ApiError for what this service refuses. Unknown members are passed over."""
    if len(model) > MAX_MODEL_LENGTH:
        raise refusal("The provided model identifier is invalid.")
    messages = read_messages(fields)
    tools, forced = _read_tools(fields)
    if messages.has_tool_blocks and not fields.has("toolConfig"):
        raise refusal("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
    config = fields.object("inferenceConfig") or Fields({})
    config.number("temperature", 0.0, 1.0)
    config.number("topP", 0.0, 1.0)
    output = fields.object("outputConfig")
    schema, has_schema = _read_format(output)
    pointers = fields.texts("additionalModelResponseFieldPaths", maximum=MAX_POINTERS)
    if any(not pointer.startswith("/") for pointer in pointers):
        raise refusal("A path in additionalModelResponseFieldPaths is not a JSON Pointer.")
    is_reasoning = _is_reasoning(fields)
    if is_reasoning and forced is not None:
        raise refusal("Thinking may not be enabled when tool_choice forces tool use.")
    prompt = Prompt(
        model=model,
        scenario=scenario_of(model),
        last_user_text=messages.last_user_text,
        input_tokens=estimate_tokens(messages.size + _read_system(fields)),
        is_after_tool=messages.is_after_tool,
        tools=tools,
        forced=forced,
        schema=schema,
        has_schema=has_schema,
        schema_place="outputConfig.textFormat",
        stop=config.texts("stopSequences", maximum=MAX_STOPS),
        max_tokens=config.integer("maxTokens", 1),
        is_reasoning=is_reasoning,
    )
    return ConverseRequest(prompt=prompt, shows_stop=STOP_POINTER in pointers)


def _read_system(fields: Fields) -> int:
    """The bytes of the system prompt."""
    size = 0
    for block in fields.objects("system"):
        kind = read_kind(block, ("text", "guardContent", "cachePoint"))
        if kind == "text":
            text = block.required_text("text")
            if not text:
                raise FieldFault((*block.path, "text"), FaultKind.EMPTY, None, text)
            size += byte_count(text)
        elif kind == "guardContent" and (guard := block.object(kind)) is not None and (guarded := guard.object("text")) is not None:
            size += byte_count(guarded.required_text("text"))
    return size


def _read_tools(fields: Fields) -> tuple[tuple[Tool, ...], Tool | None]:
    """The caller's own tools, and the one that must be called."""
    config = fields.object("toolConfig")
    if config is None:
        return (), None
    config.require("tools")
    tools = config.objects("tools", maximum=MAX_TOOLS)
    if not tools:
        raise config.fault("tools", FaultKind.EMPTY, None, [])
    found: dict[str, Tool] = {}
    for tool in tools:
        if read_kind(tool, ("toolSpec", "systemTool", "cachePoint")) == "toolSpec" and (spec := tool.object("toolSpec")) is not None:
            one = _read_tool(spec)
            found[one.name] = one
    return tuple(found.values()), _read_choice(config, found)


def _read_tool(spec: Fields) -> Tool:
    name = spec.required_text("name")
    if not TOOL_NAME.fullmatch(name):
        raise FieldFault((*spec.path, "name"), FaultKind.VALUE, ("[a-zA-Z0-9_-]+",), name)
    if spec.text("description") == "":
        raise spec.fault("description", FaultKind.EMPTY, None, "")
    wanted = spec.object("inputSchema")
    if wanted is None:
        raise spec.fault("inputSchema", FaultKind.MISSING)
    read_kind(wanted, ("json",))
    schema, place = wanted.members["json"], f"{place_of(wanted.path)}.json"
    if not isinstance(schema, dict):
        raise refusal(f"The format of the value at {place} is invalid. Provide a json object for the field and try again.")
    if schema.get("type") != "object":
        raise refusal(f"The value at {place}.type must be one of the following: object.")
    return Tool(name=name, schema=schema, place=place)


def _read_choice(config: Fields, tools: dict[str, Tool]) -> Tool | None:
    choice = config.object("toolChoice")
    if choice is None:
        return None
    kind = read_kind(choice, ("auto", "any", "tool"))
    value = choice.object(kind)
    if kind == "auto" or value is None:
        return None
    if kind == "any":
        return next(iter(tools.values()), None)
    name = value.required_text("name")
    if name not in tools:
        raise refusal(f"The tool that toolConfig.toolChoice names is not among toolConfig.tools: {name[:64]}")
    return tools[name]


def _read_format(output: Fields | None) -> tuple[Any, bool]:
    """The schema that the text must satisfy, and whether there is one; it comes as a string."""
    wanted = output.object("textFormat") if output is not None else None
    if wanted is None:
        return None, False
    if wanted.choice("type", ("json_schema",)) is None:
        raise wanted.fault("type", FaultKind.MISSING)
    structure = wanted.object("structure")
    definition = structure.object("jsonSchema") if structure is not None else None
    if definition is None:
        raise wanted.fault("structure", FaultKind.MISSING)
    try:
        schema = msgspec.json.decode(definition.required_text("schema"))
    except (msgspec.MsgspecError, ValueError):
        schema = None
    if not isinstance(schema, dict):
        raise ApiError(400, f"The value at {place_of(definition.path)}.schema is not the JSON of a schema.")
    return schema, True


def _is_reasoning(fields: Fields) -> bool:
    """Whether the model's own fields ask for thinking, in the words of the models that think."""
    extra = fields.object("additionalModelRequestFields")
    if extra is None:
        return False
    for name in ("thinking", "reasoning_config", "reasoningConfig"):
        value = extra.members.get(name)
        if isinstance(value, dict) and value.get("type") in {"enabled", "adaptive"}:
            return True
    return False
