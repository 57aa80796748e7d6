"""Reading a protocol buffer's JSON as Google's parser does: names in either spelling, no unknown ones, numbers also as strings.

Known are the members that `google-genai` sends to the Gemini API (the converters of its version 3.4, read in November 2026). A single
object stands for a list of one.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from anyrouter.sandbox.fields import FaultKind, Fields

_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])")


def snake_case(name: str) -> str:
    """A name in camelCase as Google writes it elsewhere: max_output_tokens."""
    return _HUMP.sub(r"_\1", name).lower()


@dataclass(frozen=True, slots=True)
class Message:
    """A message's members: their names in camelCase, and what each accepted spelling means."""

    own: frozenset[str]
    spellings: Mapping[str, str]


def _message(text: str, **others: str) -> Message:
    names = text.split()
    return Message(frozenset(names), {snake_case(name): name for name in names} | {name: name for name in names} | others)


REQUEST = _message(
    "model contents systemInstruction tools toolConfig safetySettings generationConfig cachedContent labels serviceTier store "
    "continuationToken"
)
COUNT_REQUEST = _message("model contents generateContentRequest")
EMBED_REQUEST = _message("model content taskType title outputDimensionality embedContentConfig")
BATCH_REQUEST = _message("model requests")
EMBED_CONFIG = _message("taskType title outputDimensionality autoTruncate documentOcr audioTrackExtraction")
CONTENT = _message("role parts")
PART_DATA = (
    "text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult",
    "toolCall", "toolResponse",
)  # fmt: skip
PART = _message(
    " ".join(PART_DATA) + " thought thoughtSignature videoMetadata partMetadata mediaResolution audioTranscription mediaProcessing "
    "speechMetadata documentMetadata spreadsheetMetadata audioMetadata"
)
BLOB = _message("mimeType data displayName")
FILE = _message("mimeType fileUri displayName")
CALL = _message("id name args")
RESPONSE = _message("id name response parts willContinue scheduling")
TOOL = _message(
    "functionDeclarations googleSearch googleSearchRetrieval codeExecution urlContext computerUse fileSearch googleMaps mcpServers"
)
DECLARATION = _message("name description parameters parametersJsonSchema response responseJsonSchema behavior")
TOOL_CONFIG = _message("functionCallingConfig retrievalConfig includeServerSideToolInvocations")
CALLING_CONFIG = _message("mode allowedFunctionNames")
GENERATION_CONFIG = _message(
    "candidateCount stopSequences maxOutputTokens temperature topP topK seed presencePenalty frequencyPenalty responseMimeType "
    "responseSchema responseJsonSchema responseLogprobs logprobs responseModalities mediaResolution speechConfig thinkingConfig "
    "imageConfig enableEnhancedCivicAnswers responseFormat translationConfig audioTranscriptionConfig",
    _responseJsonSchema="responseJsonSchema",
)
THINKING_CONFIG = _message("includeThoughts thinkingBudget thinkingLevel")
SAFETY_SETTING = _message("category threshold method")
SCHEMA = _message(
    "type format title description nullable enum items maxItems minItems properties required minProperties maxProperties minLength "
    "maxLength pattern example anyOf propertyOrdering default minimum maximum"
)


def read(fields: Fields, message: Message) -> Fields:
    """The message with its members in camelCase; a fault for one that it does not have."""
    if fields.members.keys() <= message.own:
        return fields
    members = {}
    for name, value in fields.members.items():
        own = message.spellings.get(name)
        if own is None:
            raise fields.fault(name, FaultKind.UNKNOWN)
        members[own] = value
    return Fields(members, fields.path)


def read_object(fields: Fields, name: str, message: Message) -> Fields | None:
    """A message in a message."""
    found = fields.object(name)
    return None if found is None else read(found, message)


def require_object(fields: Fields, name: str, message: Message) -> Fields:
    """A message in a message, that must be there."""
    found = read_object(fields, name, message)
    if found is None:
        raise fields.fault(name, FaultKind.MISSING)
    return found


def read_objects(fields: Fields, name: str, message: Message, *, maximum: int | None = None) -> list[Fields]:
    """A list of messages, or one that stands for a list."""
    value = fields.members.get(name)
    if isinstance(value, dict):
        return [read(Fields(value, (*fields.path, name, 0)), message)]
    return [read(item, message) for item in fields.objects(name, maximum=maximum)]


def read_texts(fields: Fields, name: str, *, maximum: int | None = None) -> tuple[str, ...]:
    """A list of strings, or one that stands for a list."""
    value = fields.members.get(name)
    return (value,) if isinstance(value, str) else fields.texts(name, maximum=maximum)


def read_number(fields: Fields, name: str, minimum: float | None = None, maximum: float | None = None) -> float | None:
    """A number, also as a string."""
    return _typed(fields, name, float).number(name, minimum, maximum)


def read_integer(fields: Fields, name: str, minimum: int | None = None, maximum: int | None = None) -> int | None:
    """An integer, also as a string or as 1.0."""
    return _typed(fields, name, int).integer(name, minimum, maximum)


def read_enum(fields: Fields, name: str, allowed: Collection[str]) -> str | None:
    """A name of an enum, in capitals whatever the letters' case."""
    value = fields.text(name)
    if value is not None and value.upper() not in allowed:
        raise fields.fault(name, FaultKind.VALUE, allowed, value)
    return None if value is None else value.upper()


def _typed(fields: Fields, name: str, kind: type[int] | type[float]) -> Fields:
    """The member as a number where it says one otherwise, else as it is."""
    value = fields.members.get(name)
    if isinstance(value, str) and len(value) <= 32:  # noqa: PLR2004 -- longer than any number that fits
        try:
            value = kind(value)
        except ValueError:
            return fields
    if kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    return Fields({name: value}, fields.path)
