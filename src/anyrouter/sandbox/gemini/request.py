"""Reading a Gemini generateContent request: what it asks for, and this provider's objections to it."""

import re
from dataclasses import dataclass
from typing import Any

from anyrouter.core.usage import estimate_tokens
from anyrouter.sandbox.answer import Prompt, Tool
from anyrouter.sandbox.fields import Fields
from anyrouter.sandbox.gemini.content import read_contents, read_system
from anyrouter.sandbox.gemini.envelope import place_of, refusal
from anyrouter.sandbox.gemini.members import (
    CALLING_CONFIG,
    DECLARATION,
    GENERATION_CONFIG,
    REQUEST,
    SAFETY_SETTING,
    THINKING_CONFIG,
    TOOL,
    TOOL_CONFIG,
    read,
    read_enum,
    read_integer,
    read_number,
    read_object,
    read_objects,
    read_texts,
)
from anyrouter.sandbox.gemini.schema import read_schema
from anyrouter.sandbox.reply import ApiError
from anyrouter.sandbox.scenario import scenario_of

MAX_MODEL_LENGTH = 256
MAX_CANDIDATES = 8
MAX_TOOLS = 512
MAX_STOPS = 5
MAX_LOGPROBS = 20

_TOOL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}", re.ASCII)
_MIME_TYPES = ("text/plain", "application/json", "text/x.enum")
_ROOT = "* GenerateContentRequest"


@dataclass(frozen=True, slots=True, kw_only=True)
class GeminiRequest:
    """A generateContent request. `top_logprobs` is None when none are asked for."""

    prompt: Prompt
    shows_thoughts: bool
    top_logprobs: int | None


def read_model(model: str, method: str) -> str:
    """The model that the path names; it is answered whatever it is, unless nothing could be called so."""
    if len(model) > MAX_MODEL_LENGTH:
        note = "Call ListModels to see the list of available models and their supported methods."
        raise ApiError(404, f"models/{model[:64]}… is not found for API version v1beta, or is not supported for {method}. {note}")
    return model


def read_request(fields: Fields, model: str) -> GeminiRequest:
    """The request's meaning; FieldFault or ApiError for what this provider refuses."""
    request = read(fields, REQUEST)
    contents = read_contents(request)
    system = read_system(request)
    if request.text("cachedContent"):
        raise ApiError(403, "CachedContent not found (or permission denied)")
    for setting in read_objects(request, "safetySettings", SAFETY_SETTING):
        setting.text("category")
        setting.text("threshold")
    tools = _read_tools(request)
    forced, is_allowed = _read_tool_config(request, tools)
    config = read_object(request, "generationConfig", GENERATION_CONFIG) or Fields({})
    schema, has_schema = _read_format(config)
    _read_sampling(config)
    thinking = read_object(config, "thinkingConfig", THINKING_CONFIG) or Fields({})
    shows_thoughts = thinking.flag("includeThoughts")
    budget, level = read_integer(thinking, "thinkingBudget", -1), thinking.text("thinkingLevel")
    prompt = Prompt(
        model=model,
        scenario=scenario_of(model),
        last_user_text=contents.last_user_text,
        input_tokens=estimate_tokens(contents.size + system),
        is_after_tool=contents.is_after_tool,
        tools=tools,
        is_tool_allowed=is_allowed,
        forced=forced,
        schema=schema,
        has_schema=has_schema,
        schema_place="generation_config.response_schema",
        is_unquoted=config.text("responseMimeType") == "text/x.enum",
        stop=read_texts(config, "stopSequences", maximum=MAX_STOPS),
        max_tokens=_read_max_tokens(config),
        choices=read_integer(config, "candidateCount", 1, MAX_CANDIDATES) or 1,
        is_reasoning=shows_thoughts or bool(level) or budget not in {None, 0},
    )
    return GeminiRequest(prompt=prompt, shows_thoughts=shows_thoughts, top_logprobs=_read_logprobs(config))


def _read_max_tokens(config: Fields) -> int | None:
    limit = read_integer(config, "maxOutputTokens")
    if limit is not None and limit < 0:
        raise refusal(f"{_ROOT}.generation_config.max_output_tokens: max_output_tokens must be positive.\n")
    return limit or None


def _read_sampling(config: Fields) -> None:
    """Check the members that steer sampling, of which nothing is simulated."""
    read_number(config, "temperature", 0.0, 2.0)
    read_number(config, "topP", 0.0, 1.0)
    read_number(config, "topK", 0.0)
    read_integer(config, "seed")
    read_number(config, "presencePenalty", -2.0, 2.0)
    read_number(config, "frequencyPenalty", -2.0, 2.0)
    read_texts(config, "responseModalities")
    for name in ("speechConfig", "imageConfig"):
        config.object(name)


def _read_logprobs(config: Fields) -> int | None:
    top = read_integer(config, "logprobs", 0, MAX_LOGPROBS)
    if config.flag("responseLogprobs"):
        return top or 0
    if top is not None:
        raise refusal(f"{_ROOT}.generation_config.logprobs: logprobs is only allowed when response_logprobs is true.\n")
    return None


def _read_tools(request: Fields) -> tuple[Tool, ...]:
    """The functions that are declared. Tools that run at the provider run here not at all."""
    tools = read_objects(request, "tools", TOOL, maximum=MAX_TOOLS)
    found: dict[str, Tool] = {}
    for tool in tools:
        for declaration in read_objects(tool, "functionDeclarations", DECLARATION, maximum=MAX_TOOLS):
            function = _read_declaration(declaration)
            if function.name in found:
                raise refusal(f"Duplicate function declaration found: {function.name}")
            found[function.name] = function
    return tuple(found.values())


def _read_declaration(declaration: Fields) -> Tool:
    name, place = declaration.text("name") or "", place_of(declaration.path)
    if not _TOOL_NAME.fullmatch(name):
        rule = (
            "Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), "
            "or dashes (-), with a maximum length of 128."
        )
        raise refusal(f"{_ROOT}.{place}.name: Invalid function name. {rule}\n")
    declaration.text("description")
    own, free = declaration.object("parameters"), declaration.object("parametersJsonSchema")
    if own is not None and free is not None:
        raise refusal(f"{_ROOT}.{place}: parameters and parameters_json_schema are mutually exclusive.\n")
    if own is not None:
        return Tool(name=name, schema=read_schema(own) | {"type": "object"}, place=f"{place}.parameters")
    if free is not None:
        return Tool(name=name, schema=free.members | {"type": "object"}, place=f"{place}.parameters_json_schema")
    return Tool(name=name, schema={"type": "object"}, place=place)


def _read_tool_config(request: Fields, tools: tuple[Tool, ...]) -> tuple[Tool | None, bool]:
    """The function that must be called, and whether one may be called at all."""
    config = read_object(request, "toolConfig", TOOL_CONFIG)
    calling = read_object(config, "functionCallingConfig", CALLING_CONFIG) if config is not None else None
    if calling is None:
        return None, True
    mode = read_enum(calling, "mode", ("MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED")) or "AUTO"
    names = read_texts(calling, "allowedFunctionNames", maximum=MAX_TOOLS)
    if not tools and mode in {"ANY", "VALIDATED"}:
        raise refusal("Function calling config is set without function_declarations.")
    if names and mode not in {"ANY", "VALIDATED"}:
        raise refusal("Allowed function names should only be set when function calling mode is ANY or VALIDATED.")
    known = {tool.name: tool for tool in tools}
    for name in names:
        if name not in known:
            raise refusal(f"allowed_function_names contains a function that is not declared: {name[:64]}")
    if mode != "ANY":
        return None, mode != "NONE"
    return (known[names[0]] if names else tools[0]), True


def _read_format(config: Fields) -> tuple[Any, bool]:
    """The schema that the text must satisfy, and whether there is one."""
    kind = config.text("responseMimeType") or "text/plain"
    if kind not in _MIME_TYPES:
        shown = ", ".join(f"`{name}`" for name in _MIME_TYPES)
        raise refusal(f"{_ROOT}.generation_config.response_mime_type: allowed mimetypes are {shown}.\n")
    own, free = config.object("responseSchema"), config.object("responseJsonSchema")
    if own is not None and free is not None:
        raise refusal(f"{_ROOT}.generation_config: response_schema and response_json_schema are mutually exclusive.\n")
    if kind == "text/plain":
        if own is not None or free is not None:
            note = "only allowed when response_mime_type is application/json or text/x.enum."
            raise refusal(f"{_ROOT}.generation_config.response_schema: {note}\n")
        return None, False
    if own is not None:
        return read_schema(own), True
    return (free.members if free is not None else {"type": "object"}), True
