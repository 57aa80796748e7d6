"""Reading a protocol buffer's JSON as Google's parser does: names in either spelling, no unknown ones, numbers also as strings.

Known are the members that `google-genai` sends to the Gemini API (its converters, version 3.4, read in November 2026), and
those that its server added before. A single object stands for a list of one.
"""

import re
from collections.abc import Collection, Mapping

from anyrouter.sandbox.fields import FaultKind, Fields

Names = Mapping[str, str]  # each accepted spelling → the name in camelCase

_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])")


def snake_case(name: str) -> str:
    """A name in camelCase as Google writes it elsewhere: max_output_tokens."""
    return _HUMP.sub(r"_\1", name).lower()


def _names(text: str) -> Names:
    return {spelling: name for name in text.split() for spelling in (snake_case(name), name)}


REQUEST = _names(
    "model contents systemInstruction tools toolConfig safetySettings generationConfig cachedContent labels serviceTier store "
    "continuationToken"
)
COUNT_REQUEST = _names("model contents generateContentRequest")
EMBED_REQUEST = _names("model content taskType title outputDimensionality embedContentConfig")
BATCH_REQUEST = _names("model requests")
EMBED_CONFIG = _names("taskType title outputDimensionality autoTruncate documentOcr audioTrackExtraction")
CONTENT = _names("role parts")
PART_DATA = (
    "text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult",
    "toolCall", "toolResponse",
)  # fmt: skip
PART = _names(
    " ".join(PART_DATA) + " thought thoughtSignature videoMetadata partMetadata mediaResolution audioTranscription mediaProcessing "
    "speechMetadata documentMetadata spreadsheetMetadata audioMetadata"
)
BLOB = _names("mimeType data displayName")
FILE = _names("mimeType fileUri displayName")
CALL = _names("id name args")
RESPONSE = _names("id name response parts willContinue scheduling")
TOOL = _names(
    "functionDeclarations googleSearch googleSearchRetrieval codeExecution urlContext computerUse fileSearch googleMaps mcpServers"
)
DECLARATION = _names("name description parameters parametersJsonSchema response responseJsonSchema behavior")
TOOL_CONFIG = _names("functionCallingConfig retrievalConfig includeServerSideToolInvocations")
CALLING_CONFIG = _names("mode allowedFunctionNames")
GENERATION_CONFIG = {
    **_names(
        "candidateCount stopSequences maxOutputTokens temperature topP topK seed presencePenalty frequencyPenalty responseMimeType "
        "responseSchema responseJsonSchema responseLogprobs logprobs responseModalities mediaResolution speechConfig thinkingConfig "
        "imageConfig enableEnhancedCivicAnswers responseFormat translationConfig audioTranscriptionConfig"
    ),
    "_responseJsonSchema": "responseJsonSchema",
}
THINKING_CONFIG = _names("includeThoughts thinkingBudget thinkingLevel")
SAFETY_SETTING = _names("category threshold method")
SCHEMA = _names(
    "type format title description nullable enum items maxItems minItems properties required minProperties maxProperties minLength "
    "maxLength pattern example anyOf propertyOrdering default minimum maximum"
)


def read(fields: Fields, names: Names) -> Fields:
    """The message with its members in camelCase; a fault for one that it does not have."""
    members = {}
    for name, value in fields.members.items():
        known = names.get(name)
        if known is None:
            raise fields.fault(name, FaultKind.UNKNOWN)
        members[known] = value
    return Fields(members, fields.path)


def read_object(fields: Fields, name: str, names: Names) -> Fields | None:
    """A message in a message."""
    found = fields.object(name)
    return None if found is None else read(found, names)


def require_object(fields: Fields, name: str, names: Names) -> Fields:
    """A message in a message, that must be there."""
    found = read_object(fields, name, names)
    if found is None:
        raise fields.fault(name, FaultKind.MISSING)
    return found


def read_objects(fields: Fields, name: str, names: Names, *, maximum: int | None = None) -> list[Fields]:
    """A list of messages, or one that stands for a list."""
    value = fields.members.get(name)
    if isinstance(value, dict):
        return [read(Fields(value, (*fields.path, name, 0)), names)]
    return [read(item, names) for item in fields.objects(name, maximum=maximum)]


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
