"""A request of the form as Gemini takes it."""

from typing import Any

import msgspec
from msgspec import Raw

from anyrouter.wire.form.request import AudioOutput, OutputFormat, Request
from anyrouter.wire.form.tools import ChoiceMode, CustomTool, ServerTool, Tool, ToolChoice
from anyrouter.wire.form.warnings import WarningCode, Warnings
from anyrouter.wire.translation.codec import EncodedRequest, UpstreamModel
from anyrouter.wire.translation.gemini.content_decoder import NAME
from anyrouter.wire.translation.gemini.content_encoder import ContentEncoder
from anyrouter.wire.translation.gemini.schema import to_gemini_schema
from anyrouter.wire.translation.gemini.thinking import Generation, thinking_config

Wire = dict[str, Any]
GENERATE, STREAM = ":generateContent", ":streamGenerateContent?alt=sse"
MAX_STOP_SEQUENCES = 5
_INT32 = 0x7FFF_FFFF
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_CUSTOM_SCHEMA = Raw(b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}')
# The form's members that stand in generationConfig as they are.
_SIMPLE = (
    ("temperature", "temperature"),
    ("top_p", "topP"),
    ("top_k", "topK"),
    ("candidates", "candidateCount"),
    ("max_tokens", "maxOutputTokens"),
    ("presence_penalty", "presencePenalty"),
    ("frequency_penalty", "frequencyPenalty"),
    ("has_logprobs", "responseLogprobs"),
)
_UNMATCHED = (
    "min_p",
    "top_a",
    "repetition_penalty",
    "logit_bias",
    "verbosity",
    "prediction",
    "user",
    "safety_identifier",
    "metadata",
)
_TIERS = {"default": "standard", "standard": "standard", "flex": "flex", "priority": "priority", "auto": None}
_SERVER_TOOLS = {"web_search": "googleSearch", "code_execution": "codeExecution", "url_context": "urlContext"}
_NAMING_MEMBERS = frozenset({"type", "name"})


def encode_request(request: Request, model: UpstreamModel, warnings: Warnings) -> EncodedRequest:
    """The body, and what the path ends in. What Gemini has nothing for is left out with a warning."""
    generation = Generation(model.name)
    encoder = ContentEncoder(request, needs_signatures=generation.needs_signatures, warnings=warnings)
    system, contents = encoder.encode(request.messages)
    wire: Wire = {"contents": contents}
    if system is not None:
        wire["systemInstruction"] = system
    if request.tools:
        _encode_tools(request, wire, warnings)
    if request.safety_settings is not None:
        wire["safetySettings"] = request.safety_settings
    config = _encode_generation(request, warnings)
    thinking = thinking_config(request, model, generation, warnings)
    if thinking is not None:
        config["thinkingConfig"] = thinking
    if config:
        wire["generationConfig"] = config
    _encode_service(request, wire, warnings)
    for name in _UNMATCHED:
        if getattr(request, name) is not None and not (name == "metadata" and request.dialect == NAME):
            warnings.unsupported(name)
    if request.dialect == NAME and request.metadata is not None:
        wire["labels"] = request.metadata
    return EncodedRequest(_encode(wire), STREAM if request.is_streamed else GENERATE)


def _encode_generation(request: Request, warnings: Warnings) -> Wire:
    config: Wire = {}
    for field, name in _SIMPLE:
        value = getattr(request, field)
        if value is not None:
            config[name] = value
    if request.stop:
        config["stopSequences"] = request.stop[:MAX_STOP_SEQUENCES]
        if len(request.stop) > MAX_STOP_SEQUENCES:
            warnings.add(
                WarningCode.CHANGED_VALUE, "stop", f"The model's provider takes {MAX_STOP_SEQUENCES} stop sequences; more were sent."
            )
    if request.seed is not None:
        config["seed"] = request.seed if -_INT32 <= request.seed <= _INT32 else request.seed & _INT32
    if request.top_logprobs:
        config["logprobs"] = request.top_logprobs
    if request.output is not None and request.output.kind != "text":
        _encode_output(request.output, config)
    if request.modalities and request.modalities != ("text",):
        config["responseModalities"] = [word.upper() for word in request.modalities]
    if request.audio is not None:
        _encode_audio(request.audio, config, warnings)
    return config


def _encode_output(output: OutputFormat, config: Wire) -> None:
    config["responseMimeType"] = "application/json"
    if output.schema is not None:
        config["responseJsonSchema"] = to_gemini_schema(output.schema)


def _encode_audio(audio: AudioOutput, config: Wire, warnings: Warnings) -> None:
    if audio.format not in {None, "pcm16"}:
        warnings.add(WarningCode.CHANGED_VALUE, "audio.format", "The model's provider speaks in 16-bit PCM only.")
    voice = None if audio.voice is None else _decode(audio.voice)
    if isinstance(voice, str):
        config["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}}
    elif voice is not None:
        warnings.unsupported("audio.voice")


def _encode_service(request: Request, wire: Wire, warnings: Warnings) -> None:
    if request.service_tier is not None:
        tier = _TIERS.get(request.service_tier, "")
        if tier:
            wire["serviceTier"] = tier
        elif tier is not None:
            warnings.unsupported("service_tier")
    if request.is_stored is not None and request.dialect == NAME:
        wire["store"] = request.is_stored
    elif request.is_stored:
        warnings.unsupported("store")


def _encode_tools(request: Request, wire: Wire, warnings: Warnings) -> None:
    functions: list[Wire] = []
    tools: list[Wire | Raw] = []
    for at, tool in enumerate(request.tools):
        if isinstance(tool, ServerTool):
            encoded = _encode_server_tool(tool, f"tools[{at}]", warnings)
            if encoded is not None and encoded not in tools:
                tools.append(encoded)
        else:
            functions.append(_encode_function(tool, f"tools[{at}]", warnings))
    if functions:
        tools.insert(0, {"functionDeclarations": functions})
    choice = request.tool_choice
    if not functions:
        if choice is not None and choice.mode in {ChoiceMode.REQUIRED, ChoiceMode.NAMED}:
            warnings.unsupported("tool_choice", "The tool that must be called is one that the model's provider does not have.")
    elif choice is not None:
        wire["toolConfig"] = {"functionCallingConfig": _encode_choice(choice)}
    if tools:
        wire["tools"] = tools
    if request.is_parallel is False and functions:
        warnings.unsupported("parallel_tool_calls")


def _encode_function(tool: Tool | CustomTool, where: str, warnings: Warnings) -> Wire:
    wire: Wire = {"name": tool.name}
    description = tool.description
    if isinstance(tool, CustomTool):
        message = "The model's provider has no tools that take free text; this one takes an object with the text as its input."
        warnings.add(WarningCode.CHANGED_VALUE, where, message)
        schema: Raw | None = _CUSTOM_SCHEMA
    else:
        schema = None if tool.schema is None else to_gemini_schema(tool.schema)
    if description is not None:
        wire["description"] = description
    if schema is not None:
        wire["parametersJsonSchema"] = schema
    return wire


def _encode_server_tool(tool: ServerTool, where: str, warnings: Warnings) -> Wire | Raw | None:
    if tool.dialect == NAME:
        return tool.raw
    name = _SERVER_TOOLS.get(tool.kind or "")
    if name is None:
        message = f"The model's provider has no tool {tool.type} of its own; it was left out."
        warnings.add(WarningCode.UNSUPPORTED_TOOL, where, message)
        return None
    told = _decode(tool.raw)
    if isinstance(told, dict) and told.keys() - _NAMING_MEMBERS:
        message = f"The options of {tool.type} were left out; the model's provider searches and runs in its own way."
        warnings.add(WarningCode.CHANGED_VALUE, where, message)
    return {name: {}}


def _encode_choice(choice: ToolChoice) -> Wire:
    names = list(choice.names)
    if choice.mode is ChoiceMode.NONE:
        return {"mode": "NONE"}
    if choice.mode is ChoiceMode.AUTO:
        return {"mode": "VALIDATED", "allowedFunctionNames": names} if names else {"mode": "AUTO"}
    return {"mode": "ANY", "allowedFunctionNames": names} if names else {"mode": "ANY"}
