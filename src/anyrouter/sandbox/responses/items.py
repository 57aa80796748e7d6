"""Reading the input of a Responses request: a string, or items, counted by the documented rule (docs/sandbox.md).

Nothing is stored here, so what refers to something stored is refused as the provider refuses what it does not find.
"""

from dataclasses import dataclass, field

from anyrouter.core.usage import estimate_tokens
from anyrouter.sandbox.fields import FaultKind, Fields
from anyrouter.sandbox.reply import ApiError
from anyrouter.sandbox.text import byte_count

MAX_ITEMS = 100_000
_ROLES = ("user", "assistant", "system", "developer")
_SPOKEN_PARTS = ("output_text", "refusal")
_GIVEN_PARTS = ("input_text", "input_image", "input_file", "input_audio")
_OUTPUT_PARTS = ("input_text", "input_image", "input_file")
_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
_OUTPUTS = {"function_call_output": "function", "custom_tool_call_output": "custom tool"}
_EXPECTED = "one of a string or array of objects"


@dataclass(slots=True, kw_only=True)
class Items:
    """What the input says: the last text of the user (its parts joined by newlines), and the bytes of everything in it that is text."""

    last_user_text: str = ""
    size: int = 0
    is_after_tool: bool = False
    open_calls: dict[str, None] = field(default_factory=dict)  # the ids of calls without an output yet, in their order
    calls: set[str] = field(default_factory=set)

    @property
    def tokens(self) -> int:
        """The tokens of the input, by the rule."""
        return estimate_tokens(self.size)


def read_input(fields: Fields) -> Items:
    """The meaning of `input`; FieldFault or ApiError for what this provider refuses. Items of hosted tools are passed over."""
    value = fields.require("input")
    if isinstance(value, str):
        return Items(last_user_text=value, size=byte_count(value))
    if not isinstance(value, list):
        raise fields.fault("input", FaultKind.TYPE, _EXPECTED, value)
    found = Items()
    for item in fields.objects("input", maximum=MAX_ITEMS):
        kind = item.text("type") or "message"
        found.is_after_tool = kind in _OUTPUTS
        if kind == "message":
            _read_message(item, found)
        elif kind in _CALLS:
            _read_call(item, kind, found)
        elif kind in _OUTPUTS:
            _read_output(item, kind, found)
        elif kind == "reasoning":
            _read_reasoning(item, found)
        elif kind == "item_reference":
            raise _not_stored(item.required_text("id"))
    for identity in found.open_calls:
        raise ApiError(400, f"No tool output found for function call {identity[:64]}.", param="input")
    return found


def _read_message(item: Fields, found: Items) -> None:
    role = item.choice("role", _ROLES)
    if role is None:
        raise item.fault("role", FaultKind.MISSING)
    texts = _read_texts(item, "content", _SPOKEN_PARTS if role == "assistant" else _GIVEN_PARTS)
    found.size += sum(map(byte_count, texts))
    if role == "user" and texts:
        found.last_user_text = "\n".join(texts)


def _read_call(item: Fields, kind: str, found: Items) -> None:
    identity = item.required_text("call_id")
    item.required_text("name")
    found.size += byte_count(item.required_text(_CALLS[kind]))
    found.open_calls[identity] = None
    found.calls.add(identity)


def _read_output(item: Fields, kind: str, found: Items) -> None:
    identity = item.required_text("call_id")
    if identity not in found.calls:
        raise ApiError(400, f"No tool call found for {_OUTPUTS[kind]} call output with call_id {identity[:64]}.", param="input")
    found.size += sum(map(byte_count, _read_texts(item, "output", _OUTPUT_PARTS)))
    found.open_calls.pop(identity, None)


def _read_reasoning(item: Fields, found: Items) -> None:
    """A thought on its way back: it must bring its encrypted content, since nothing else is left of it."""
    identity = item.text("id")
    if identity and not item.text("encrypted_content"):
        raise _not_stored(identity)
    if item.members.get("summary") is None:
        raise item.fault("summary", FaultKind.MISSING)
    for name in ("summary", "content"):
        found.size += sum(byte_count(part.required_text("text")) for part in item.objects(name))


def _read_texts(item: Fields, name: str, kinds: tuple[str, ...]) -> list[str]:
    value = item.require(name)
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise item.fault(name, FaultKind.TYPE, _EXPECTED, value)
    texts = []
    for part in item.objects(name):
        kind = part.choice("type", kinds)
        if kind is None:
            raise part.fault("type", FaultKind.MISSING)
        if kind in {"input_text", "output_text"}:
            texts.append(part.required_text("text"))
        elif kind == "refusal":
            texts.append(part.required_text("refusal"))
    return texts


def _not_stored(identity: str) -> ApiError:
    note = "Items are not persisted when `store` is set to false. Try again with `store` set to true, or remove this item from your input."
    return ApiError(404, f"Item with id '{identity[:64]}' not found. {note}", param="input")
