"""The Responses dialect: requests (replies: responses_reply, streams: responses_stream, usage: responses_usage).

The gateway keeps nothing: what refers to something kept is refused, and the upstream is told not to keep it either.

Source: OpenAI's API reference, as the types of openai-python 3.54 have it (read 2026-11-24).
"""

import msgspec

from anyrouter.wire.members import Members
from anyrouter.wire.proofs import ProvenRequest, clean_input, stands_in
from anyrouter.wire.request import OWN_MEMBERS, InferenceRequest, estimate_input, need, read_flag, read_members, read_model, refused

NAME = "responses"
_PROMPT_MEMBERS = ("input", "instructions", "tools", "text")
_REFERENCE = b'"item_reference"'
_STORED = {
    "previous_response_id": "This gateway keeps no responses, so none can be continued. Send the whole conversation in input.",
    "conversation": "This gateway keeps no conversations. Send the whole conversation in input.",
    "prompt": "This gateway keeps no prompts. Send the prompt's text in instructions and input.",
}
_NO_BACKGROUND = "This gateway answers while the client waits, and keeps nothing to be asked for later. Leave background out."
_NO_REFERENCES = "This gateway keeps no items, so none can be referred to. Send the item itself; SDKs do with store set to false."
_JUDGED = OWN_MEMBERS | _STORED.keys() | {"background"}  # a request without any of them is the usual one
_NOTHING: frozenset[str] = frozenset()


class _Kind(msgspec.Struct):
    type: str | None = None


_decode_items = msgspec.json.Decoder(list[_Kind]).decode


def read_request(endpoint: str, body: bytes) -> InferenceRequest:
    """Judge a request's body; nothing of it is changed yet. ClientError says what is wrong with it."""
    members = read_members(body)
    model = read_model(members)
    need(members, "input", endpoint)
    values = members.values
    replace: dict[str, bytes] = {}
    append: dict[str, bytes] = {}
    is_usual = _JUDGED.isdisjoint(values)
    if not is_usual:
        _refuse_stored(members)
    if "store" not in values:
        append["store"] = b"false"
    elif read_flag(members, "store") or members.raw_is_missing("store"):
        replace["store"] = b"false"
    if "model" not in values:  # it came as the first of `models`
        append["model"] = msgspec.json.encode(model)
    if members.starts_with("input", b"[") and stands_in(body, _REFERENCE):
        _refuse_references(members)
    return ProvenRequest(
        members=members,
        model=model,
        is_streamed=read_flag(members, "stream"),
        is_usage_wanted=True,  # the last event always tells it
        estimated_input_tokens=estimate_input(members, _PROMPT_MEMBERS),
        replace=replace,
        remove=_NOTHING if is_usual else frozenset(OWN_MEMBERS & values.keys()),
        append=append,
        clean=clean_input,
    )


def _refuse_stored(members: Members) -> None:
    for name, message in _STORED.items():
        if name in members.values and not members.raw_is_missing(name):
            raise refused("invalid_parameter", name, message)
    if read_flag(members, "background"):
        raise refused("invalid_parameter", "background", _NO_BACKGROUND)


def _refuse_references(members: Members) -> None:
    try:
        items = _decode_items(members.values["input"])
    except (msgspec.DecodeError, RecursionError):
        return  # whatever it is, the upstream will say what it thinks of it
    for at, item in enumerate(items):
        if item.type == "item_reference":
            raise refused("invalid_parameter", f"input[{at}]", _NO_REFERENCES)
