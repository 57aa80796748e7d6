"""Reading the contents of a Gemini request: turns of typed parts, counted by the documented rule (docs/sandbox.md)."""

import base64
import binascii
from dataclasses import dataclass

import msgspec

from anyrouter.core.usage import estimate_tokens
from anyrouter.sandbox.fields import Fields
from anyrouter.sandbox.gemini.envelope import place_of, refusal
from anyrouter.sandbox.gemini.members import (
    BLOB,
    CALL,
    CONTENT,
    FILE,
    PART,
    PART_DATA,
    RESPONSE,
    read,
    read_objects,
    require_object,
    snake_case,
)
from anyrouter.sandbox.reply import ApiError
from anyrouter.sandbox.text import byte_count

MAX_CONTENTS = 100_000
_ROLES = ("user", "model", "function")


@dataclass(slots=True, kw_only=True)
class Turn:
    """What one content holds: its own texts (thoughts are none), the bytes of everything in it that is text, and its calls."""

    texts: list[str]
    size: int = 0
    calls: int = 0
    responses: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What the contents say: the last text of the user (its parts joined by newlines), and how much there is of everything."""

    last_user_text: str
    size: int
    is_after_tool: bool

    @property
    def tokens(self) -> int:
        """The tokens of the contents, by the rule."""
        return estimate_tokens(self.size)


def read_contents(fields: Fields, request: str = "GenerateContentRequest") -> Contents:
    """The meaning of `contents`; FieldFault or ApiError for what this provider refuses. `request` is the message's name in errors."""
    contents = read_objects(fields, "contents", CONTENT, maximum=MAX_CONTENTS)
    if not contents:
        raise refusal(f"* {request}.contents: contents is not specified\n")
    last_user_text, size = "", 0
    before = Turn(texts=[])
    for content in contents:
        role = content.text("role") or "user"
        if role not in _ROLES:
            raise refusal("Please use a valid role: user, model.")
        turn = read_turn(content, request)
        _check_calls(before, turn)
        size += turn.size
        if role == "user" and turn.texts:
            last_user_text = "\n".join(turn.texts)
        before = turn
    return Contents(last_user_text=last_user_text, size=size, is_after_tool=before.responses > 0)


def read_turn(content: Fields, request: str = "GenerateContentRequest") -> Turn:
    """One content, whose members are already known ones."""
    parts = read_objects(content, "parts", PART)
    if not parts:
        raise refusal(f"* {request}.{place_of(content.path)}.parts: contents.parts must not be empty.\n")
    turn = Turn(texts=[])
    for part in parts:
        _read_part(part, turn, request)
    return turn


def read_system(fields: Fields) -> int:
    """The bytes of the system instruction."""
    content = fields.object("systemInstruction")
    return read_turn(read(content, CONTENT)).size if content is not None else 0


def _read_part(part: Fields, turn: Turn, request: str) -> None:
    kinds = [name for name in part.members if name in PART_DATA and part.has(name)]
    if not kinds:
        raise refusal(f"* {request}.{place_of(part.path)}.data: required oneof field 'data' must have one initialized field\n")
    if len(kinds) > 1:
        note = f"oneof field 'data' is already set. Cannot set '{snake_case(kinds[1])}'"
        raise refusal(f"Invalid value at '{place_of(part.path)}' (oneof), {note}")
    is_thought = part.flag("thought")
    _check_base64(part, "thoughtSignature")
    if kinds == ["text"]:
        text = part.required_text("text")
        turn.size += byte_count(text)
        if not is_thought:
            turn.texts.append(text)
    elif kinds == ["inlineData"]:
        _read_media(part, "inlineData")
    elif kinds == ["fileData"]:
        file = require_object(part, "fileData", FILE)
        file.text("mimeType")
        file.required_text("fileUri")
    elif kinds == ["functionCall"]:
        _read_call(require_object(part, "functionCall", CALL), turn, request)
    elif kinds == ["functionResponse"]:
        _read_response(require_object(part, "functionResponse", RESPONSE), turn, request)
    else:
        part.object(kinds[0])


def _read_media(part: Fields, name: str) -> None:
    blob = require_object(part, name, BLOB)
    blob.text("mimeType")
    blob.required_text("data")
    _check_base64(blob, "data")


def _read_call(call: Fields, turn: Turn, request: str) -> None:
    if not call.text("name"):
        raise refusal(f"* {request}.{place_of(call.path)}.name: Name cannot be empty.\n")
    call.text("id")
    arguments = call.object("args")
    turn.size += len(msgspec.json.encode(arguments.members)) if arguments is not None else 0
    turn.calls += 1


def _read_response(response: Fields, turn: Turn, request: str) -> None:
    if not response.text("name"):
        raise refusal(f"* {request}.{place_of(response.path)}.name: Name cannot be empty.\n")
    response.text("id")
    result = response.object("response")
    turn.size += len(msgspec.json.encode(result.members)) if result is not None else 0
    for media in response.objects("parts"):
        if media.has("inlineData"):
            _read_media(media, "inlineData")
    turn.responses += 1


def _check_calls(before: Turn, turn: Turn) -> None:
    """Every call is answered in the next turn, and nothing else is."""
    if turn.responses and not before.calls:
        raise refusal("Please ensure that function response turn comes immediately after a function call turn.")
    if before.calls and before.calls != turn.responses:
        note = "the number of function response parts is equal to the number of function call parts of the function call turn."
        raise refusal(f"Please ensure that {note}")


def _check_base64(fields: Fields, name: str) -> None:
    """Bytes come as base64, in either alphabet, padded or not."""
    value = fields.text(name)
    if value is None:
        return
    try:
        base64.b64decode(value.translate(_URL_SAFE).rstrip("=") + "=" * (-len(value.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError):
        place = place_of((*fields.path, name))
        shown = value if len(value) <= 64 else f"{value[:64]}…"  # noqa: PLR2004 -- as much as a reader needs
        note = f'Base64 decoding failed for "{shown}"'
        raise ApiError(400, f"Invalid value at '{place}' (TYPE_BYTES), {note}") from None


_URL_SAFE = str.maketrans("-_", "+/")
