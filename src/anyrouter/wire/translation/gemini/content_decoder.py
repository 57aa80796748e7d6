"""`contents`, as clients send them, into messages of the form.

Calls need not have ids here, and answers are then matched to them by name and order: ids are made, `call_0` for the first call of the
conversation. What a stream was cut into comes back in pieces, as SDKs collect them: successive contents of the model are one message,
and successive thoughts one reasoning, up to their proof.
"""

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from anyrouter.wire.form.parts import Image, Opaque, Part, Reasoning, Text, ToolCall, ToolResult
from anyrouter.wire.form.reasoning import GEMINI_FORMAT, OPENAI_FORMAT
from anyrouter.wire.form.request import ASSISTANT, SYSTEM, TOOL, USER, Message
from anyrouter.wire.form.text import EMPTY, is_text, join, quote, spell_out
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.request import refused
from anyrouter.wire.translation.carried import Carried, is_string, is_told
from anyrouter.wire.translation.gemini.media import media_of, source_of_data, source_of_uri
from anyrouter.wire.translation.gemini.request_shapes import CallShape, ContentShape, PartShape, ResultShape
from anyrouter.wire.translation.gemini.signatures import read_signature
from anyrouter.wire.translation.gemini.spelling import decode_spelt
from anyrouter.wire.translation.known import invalid

NAME = "gemini"
_CONTENTS = msgspec.json.Decoder(list[ContentShape] | ContentShape)
_CONTENT = msgspec.json.Decoder(ContentShape)
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_ENCODE = msgspec.json.Encoder().encode
_ROLES = frozenset({None, "user", "function", "model"})
_SERVER_MEMBERS = {
    "executable_code": "executableCode",
    "code_execution_result": "codeExecutionResult",
    "tool_call": "toolCall",
    "tool_response": "toolResponse",
}
# What is said about a part and has no counterpart: it changes what the model is given.
_SAID_MEMBERS = {
    "video_metadata": "videoMetadata",
    "media_processing": "mediaProcessing",
    "speech_metadata": "speechMetadata",
    "document_metadata": "documentMetadata",
    "spreadsheet_metadata": "spreadsheetMetadata",
    "audio_metadata": "audioMetadata",
}


def compact(raw: Raw) -> str:
    r"""A JSON value's text without the space around its parts, and in letters: Google indents what it sends, and has `\u003c` for `<`."""
    return spell_out(msgspec.json.format(bytes(raw), indent=-1)).decode()


def decode_contents(raw: Raw, warnings: Warnings) -> list[Message]:
    """All turns; ClientError names the member that cannot be used."""
    shapes = decode_spelt(_CONTENTS, raw, "contents", warnings)
    reader = _ContentReader(warnings)
    for index, shape in enumerate([shapes] if isinstance(shapes, ContentShape) else shapes):
        reader.read(shape, f"contents[{index}]")
    if not reader.messages:
        raise refused("invalid_parameter", "contents", "contents must hold at least one content.")
    return reader.messages


def decode_system(raw: Raw, warnings: Warnings) -> list[Message]:
    """The system instruction as a message, if it says anything."""
    shape = decode_spelt(_CONTENT, raw, "systemInstruction", warnings)
    reader = _ContentReader(warnings)
    parts = reader.read_parts(shape, "systemInstruction")
    return [Message(SYSTEM, parts)] if parts else []


class _ContentReader:
    """Reads one conversation's contents, in order."""

    __slots__ = ("_count", "_waiting", "_warnings", "messages")

    def __init__(self, warnings: Warnings) -> None:
        self.messages: list[Message] = []
        self._warnings = warnings
        self._count = 0  # calls so far
        self._waiting: list[tuple[str, str]] = []  # ids and names of calls that have no answer yet

    def read(self, shape: ContentShape, where: str) -> None:
        if shape.role not in _ROLES:
            raise refused("invalid_parameter", f"{where}.role", f"{where}.role must be user or model.")
        parts = self.read_parts(shape, where)
        if shape.role == "model":
            self._add_answer(parts)
            return
        results: list[Part] = [part for part in parts if isinstance(part, ToolResult)]
        others: list[Part] = [part for part in parts if not isinstance(part, ToolResult)]
        if results and self.messages and self.messages[-1].role == TOOL:
            self.messages[-1].parts.extend(results)
        elif results:
            self.messages.append(Message(TOOL, results))
        if others or not results:
            self.messages.append(Message(USER, others or [Text(EMPTY)]))

    def read_parts(self, shape: ContentShape, where: str) -> list[Part]:
        told = shape.parts
        if not told:
            raise refused("invalid_parameter", f"{where}.parts", f"{where}.parts must hold at least one part.")
        if isinstance(told, PartShape):
            told = [told]
        return [part for at, one in enumerate(told) if (part := self._read_part(one, f"{where}.parts[{at}]")) is not None]

    def _add_answer(self, parts: list[Part]) -> None:
        """The model's parts, behind those of the content before if that was the model's too."""
        if self.messages and self.messages[-1].role == ASSISTANT:
            merged = self.messages[-1].parts
            is_first = True
        else:
            merged = []
            is_first = False
            self.messages.append(Message(ASSISTANT, merged))
        for part in parts:
            last = merged[-1] if merged else None
            if isinstance(part, Reasoning) and isinstance(last, Reasoning) and (whole := _join_thoughts(last, part)) is not None:
                merged[-1] = whole
            elif is_first and type(part) is Text and type(last) is Text and last.signature is None:
                merged[-1] = Text(join([last.text, part.text]), signature=part.signature)
            else:
                merged.append(part)
            is_first = False

    def _read_part(self, shape: PartShape, where: str) -> Part | None:
        for member, name in _SAID_MEMBERS.items():
            if is_told(getattr(shape, member)):
                self._warnings.unsupported(f"{where}.{name}")
        if is_string(shape.text):
            return _text_of(shape.text, shape)
        if is_told(shape.text):
            raise refused("invalid_parameter", f"{where}.text", f"{where}.text must be a string.")
        if shape.function_call is not None:
            return self._read_call(shape.function_call, shape, where)
        if shape.function_response is not None:
            return self._read_result(shape.function_response, f"{where}.functionResponse")
        if shape.inline_data is not None or shape.file_data is not None:
            return _media_part(shape, where)
        return _rest_of(shape, where)

    def _read_call(self, call: CallShape, shape: PartShape, where: str) -> ToolCall:
        arguments = "{}"
        if is_told(call.args):
            arguments = compact(call.args)
            try:
                _MEMBERS.decode(call.args)
            except (ValueError, msgspec.DecodeError) as error:
                raise invalid(error, f"{where}.functionCall.args") from None
        call_id = call.id or f"call_{self._count}"
        self._count += 1
        self._waiting.append((call_id, call.name))
        return ToolCall(call_id, call.name, arguments, signature=_own_proof(shape.thought_signature))

    def _read_result(self, result: ResultShape, where: str) -> ToolResult:
        parts, is_error = _answer_of(result.response, f"{where}.response")
        told = result.parts or []
        for at, part in enumerate([told] if not isinstance(told, list) else told):
            if part.inline_data is not None and is_string(part.inline_data.data):
                blob = part.inline_data
                parts.append(media_of(source_of_data(blob.data, blob.mime_type), blob.display_name))  # type: ignore[arg-type]
            elif part.file_data is not None:
                parts.append(media_of(source_of_uri(part.file_data.file_uri, part.file_data.mime_type), part.file_data.display_name))
            else:
                self._warnings.left_out(f"{where}.parts[{at}]", "an empty part")
        return ToolResult(self._match(result), tuple(parts), is_error, result.name)

    def _match(self, result: ResultShape) -> str:
        """The id of the call that this answers: the one told, else the first that waits and has the name, else the first that waits."""
        waiting = self._waiting
        at = next((at for at, (call_id, _) in enumerate(waiting) if call_id == result.id), None) if result.id else None
        if at is None:
            at = next((at for at, (_, name) in enumerate(waiting) if name == result.name), None)
        if at is None and result.name is None and waiting:
            at = 0
        if at is not None:
            return waiting.pop(at)[0]
        self._count += 0 if result.id else 1
        return result.id or f"call_{self._count - 1}"


def _text_of(text: Raw, shape: PartShape) -> Part | None:
    if shape.thought:
        if shape.thought_signature is None:
            return None if text == EMPTY else Reasoning(text, format=GEMINI_FORMAT)
        sealed = read_signature(shape.thought_signature)
        if sealed.format == OPENAI_FORMAT:
            readable = None if text == EMPTY else text
            return Reasoning(readable, encrypted=sealed.proof, id=sealed.id, is_summary=True, format=sealed.format)
        return Reasoning(text, sealed.proof, id=sealed.id, format=sealed.format)
    proof = _own_proof(shape.thought_signature)
    return None if text == EMPTY and proof is None else Text(text, signature=proof)


def _proof_of(shape: PartShape, signature: str) -> Part:
    """A part that is a proof and nothing else: of plain text, or of a thought that cannot be read."""
    sealed = read_signature(signature)
    if sealed.format == GEMINI_FORMAT and not shape.thought:
        return Text(EMPTY, signature=sealed.proof)
    return Reasoning(encrypted=sealed.proof, id=sealed.id, is_summary=sealed.format == OPENAI_FORMAT, format=sealed.format)


def _join_thoughts(one: Reasoning, other: Reasoning) -> Reasoning | None:
    """Two successive thoughts as one; None when the first has its proof already, or the other is no more of it."""
    if one.signature is not None or one.encrypted is not None or one.text is None:
        return None
    if other.text is None:
        return replace(other, text=one.text) if other.encrypted is not None and other.format == OPENAI_FORMAT else None
    return replace(other, text=join([one.text, other.text]))


def _media_part(shape: PartShape, where: str) -> Part:
    if shape.thought:  # a sketch that the model made on its way: nobody else's thought can be one
        return Opaque(NAME, "inlineData", Raw(_ENCODE(shape)))
    file, name = shape.file_data, ""
    if shape.inline_data is not None:
        blob = shape.inline_data
        if not is_string(blob.data):
            raise refused("missing_parameter", f"{where}.inlineData.data", f"{where}.inlineData.data is missing.")
        source, name = source_of_data(blob.data, blob.mime_type), blob.display_name or ""
    else:
        assert file is not None  # noqa: S101 -- the caller has looked
        source, name = source_of_uri(file.file_uri, file.mime_type), file.display_name or ""
    part = media_of(source, name or None, None if shape.media_resolution is None else shape.media_resolution.level)
    if isinstance(part, Image) and shape.thought_signature:
        return replace(part, signature=_own_proof(shape.thought_signature))
    return part


def _rest_of(shape: PartShape, where: str) -> Part:
    """A part that only Gemini can express, or nothing but a proof."""
    for member, name in _SERVER_MEMBERS.items():
        if is_told(getattr(shape, member)):
            return Opaque(NAME, name, Raw(_ENCODE(shape)))
    if shape.thought_signature is None:
        raise refused("invalid_parameter", where, f"{where} holds nothing: a part is a text, inlineData, fileData or a function's.")
    return _proof_of(shape, shape.thought_signature)


def _own_proof(value: str | None) -> str | None:
    """A proof of Gemini's, on what only Gemini signs."""
    sealed = read_signature(value) if value else None
    return sealed.proof if sealed is not None and sealed.format == GEMINI_FORMAT else None


def _answer_of(response: Carried, where: str) -> tuple[list[Part], bool]:
    """A function's answer as parts, and whether it is an error. `output` and `error` are Google's own names for what an answer is."""
    if not is_told(response):
        return [], False
    try:
        members = _MEMBERS.decode(response)
    except (ValueError, msgspec.DecodeError) as error:
        raise invalid(error, where) from None
    if not members:
        return [], False
    if len(members) == 1:
        ((name, value),) = members.items()
        if name in {"output", "error"}:
            return [Text(value if is_text(value) else quote(compact(value)))], name == "error"
    return [Text(quote(compact(response)))], "error" in members
