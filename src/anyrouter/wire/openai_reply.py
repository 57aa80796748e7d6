"""Whole replies of the OpenAI dialect, read and given to the client.

What the gateway changes is the contract's section 5: `id`, `model`, `provider` and the cost fields of `usage`; everything else
reaches the client as it came.
"""

import msgspec

from anyrouter.core.usage import Usage
from anyrouter.wire.measure import measure
from anyrouter.wire.members import Members
from anyrouter.wire.openai_usage import append_cost, read_told_usage, render_usage
from anyrouter.wire.reply import CostFields, InvalidReply, Naming, ReplyFacts
from anyrouter.wire.utf8 import check_utf8

_REPLY_MEMBER = {"chat/completions": "choices", "completions": "choices", "embeddings": "data"}
_SHORT_REPLY = 32_768
_TOLD_APART = 40  # bytes of a usage member: its first counts
_ABSENT = msgspec.Raw(b"")


class _Choice(msgspec.Struct):
    finish_reason: str | None = None


class _Told(msgspec.Struct):
    """What a reply tells, each value as it stands in the text."""

    id: msgspec.Raw = _ABSENT
    model: msgspec.Raw = _ABSENT
    provider: msgspec.Raw = _ABSENT
    usage: msgspec.Raw = _ABSENT
    system_fingerprint: msgspec.Raw = _ABSENT
    data: list[msgspec.Raw] | None = None
    choices: list[_Choice] | None = None


class OpenAIReply(msgspec.Struct):
    """A reply that was read and found to be one."""

    text: bytes
    told: _Told
    usage: bytes | None
    is_usage_whole: bool


_decode_told = msgspec.json.Decoder(_Told).decode
_decode_text = msgspec.json.Decoder(str).decode


def read_reply(endpoint: str, body: bytes) -> tuple[OpenAIReply, ReplyFacts]:
    """The reply and its facts; InvalidReply when it is not one of this endpoint."""
    needed = _REPLY_MEMBER[endpoint]
    try:
        if not body.isascii():
            check_utf8(body)
        told = _decode_told(body)
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise InvalidReply(f"the body is not a reply: {str(error)[:120]}") from None
    choices = told.choices
    if (choices if needed == "choices" else told.data) is None:
        raise InvalidReply(f"the reply has no {needed}")
    reason = choices[0].finish_reason if choices else None
    raw_usage = bytes(told.usage) or None
    usage, is_whole = read_told_usage(raw_usage)
    facts = ReplyFacts(
        usage=usage,
        upstream_id=_text(told.id),
        finish_reason=reason,
        native_finish_reason=reason,
        output_bytes=measure(body) if usage is None else 0,
    )
    return OpenAIReply(body, told, raw_usage, is_whole), facts


def render_reply(endpoint: str, reply: OpenAIReply, naming: Naming, usage: Usage, cost: CostFields) -> list[bytes | memoryview]:
    """The reply for the client: id, model, provider and cost spliced in."""
    if reply.is_usage_whole and reply.usage is not None:
        block = append_cost(reply.usage, cost)
    else:
        block = render_usage(reply.usage, usage, cost, is_embedding=endpoint == "embeddings")
    if reply.is_usage_whole and reply.usage is not None and len(reply.text) <= _SHORT_REPLY:
        spliced = _splice(endpoint, reply.text, reply.told, naming, reply.usage, block)
        if spliced is not None:
            return [spliced]
    members = Members(reply.text)
    values = {"id": naming.generation_id, "model": naming.model, "usage": block, "provider": naming.provider}
    if endpoint == "chat/completions" and "system_fingerprint" not in members.values:
        values["system_fingerprint"] = b"null"
    present = {name: value for name, value in values.items() if name in members.values}
    return members.edit(present, (), {name: value for name, value in values.items() if name not in present})


def _splice(endpoint: str, text: bytes, told: _Told, naming: Naming, usage: bytes, block: bytes) -> bytes | None:  # noqa: PLR0917 -- one caller
    """The usual reply, short and whole, edited by looking for the values. None where that is not certain.

    A value that stands in the text but once is the member's, wherever and however spaced it is; so is one whose beginning does.
    Found from both ends, because two places may overlap: `":"` stands in `"id":":"` twice.
    """
    old_id, old_model, start = bytes(told.id), bytes(told.model), usage[:_TOLD_APART]
    id_at, usage_at = text.find(old_id), text.rfind(start)
    model_at = text.find(old_model)
    id_end, model_end, usage_end = id_at + len(old_id), model_at + len(old_model), usage_at + len(usage)
    if (
        not old_id
        or not old_model
        or told.provider is not _ABSENT
        or not id_end < model_at < usage_at
        or text.rfind(old_id) != id_at
        or text.rfind(old_model) != model_at
        or text.find(start) != usage_at
        or not text.endswith(b"}")
    ):
        return None
    lacks = endpoint == "chat/completions" and told.system_fingerprint is _ABSENT
    return b"".join(
        (
            text[:id_at],
            naming.generation_id,
            text[id_end:model_at],
            naming.model,
            text[model_end:usage_at],
            block,
            text[usage_end:-1],
            b',"provider":',
            naming.provider,
            b',"system_fingerprint":null}' if lacks else b"}",
        )
    )


def _text(raw: msgspec.Raw) -> str | None:
    try:
        text = bytes(raw)
        return _decode_text(text) if text else None
    except (ValueError, msgspec.DecodeError):
        return None
