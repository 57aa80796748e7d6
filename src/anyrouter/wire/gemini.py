"""The Gemini dialect: generateContent and streamGenerateContent; requests and whole replies (streams: gemini_stream).

The model and whether a stream is wanted are in the path, and so is nothing of it in the body. A reply reaches the client as it came.

Source: ai.google.dev/api/generate-content and the SDK google-genai 3.4 (read 2026-11-24). Members have two spellings in requests,
camelCase and snake_case.
"""

import msgspec

from anyrouter.core.usage import Usage
from anyrouter.wire.measure import measure
from anyrouter.wire.members import Members
from anyrouter.wire.proofs import ProvenRequest, clean_contents
from anyrouter.wire.reply import CostFields, InvalidReply, Naming, ReplyFacts
from anyrouter.wire.request import MAX_MODEL_LENGTH, OWN_MEMBERS, InferenceRequest, estimate_input, need, read_members, read_model, refused
from anyrouter.wire.translation.gemini.reply_decoder import finish_of, usage_of
from anyrouter.wire.translation.gemini.reply_shapes import UsageShape
from anyrouter.wire.utf8 import check_utf8

NAME = "gemini"
STREAM_ENDPOINT = "streamGenerateContent"
_PROMPT_MEMBERS = ("contents", "systemInstruction", "system_instruction", "tools")
_CONFIGS = ("generationConfig", "generation_config")
_CUT_MEMBERS = OWN_MEMBERS | {"model"}
_NOTHING: frozenset[str] = frozenset()
ABSENT = msgspec.Raw(b"")
_MAX_COUNT = 2**40


class _Told(msgspec.Struct, rename="camel"):
    """What all of them have in common."""


class _Part(_Told):
    function_call: msgspec.Raw = ABSENT


class _Content(_Told):
    parts: list[_Part] | None = None


class Candidate(_Told):
    """A candidate, or a piece of one."""

    finish_reason: str | None = None
    index: int = 0
    content: _Content | None = None

    @property
    def has_calls(self) -> bool:
        """Whether it calls a function."""
        parts = self.content.parts if self.content is not None else None
        return any(part.function_call is not ABSENT for part in parts or ())


class _Feedback(_Told):
    block_reason: str | None = None


class Told(_Told):
    """What is read of a GenerateContentResponse, whole or a piece of a stream."""

    candidates: list[Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: msgspec.Raw = ABSENT
    response_id: str | None = None
    error: msgspec.Raw = ABSENT

    @property
    def blocked(self) -> str | None:
        """Why the prompt was refused an answer."""
        return self.prompt_feedback.block_reason if self.prompt_feedback is not None else None


class _Config(msgspec.Struct, rename="camel"):
    candidate_count: int | None = None


class _SnakeConfig(msgspec.Struct):
    candidate_count: int | None = None


decode_told = msgspec.json.Decoder(Told).decode
_decode_usage = msgspec.json.Decoder(UsageShape).decode
_CONFIG_DECODERS = (msgspec.json.Decoder(_Config, strict=False).decode, msgspec.json.Decoder(_SnakeConfig, strict=False).decode)


def read_request(endpoint: str, body: bytes) -> InferenceRequest:
    """As `read_named_request`, of a body that names the model itself."""
    members = read_members(body)
    return _read(endpoint, members, read_model(members))


def read_named_request(endpoint: str, body: bytes, model: str) -> InferenceRequest:
    """Judge a request's body; `model` is the one that its path names. ClientError says what is wrong with either."""
    if not model or len(model) > MAX_MODEL_LENGTH or not model.isprintable():
        message = f"The model in the path must have 1 to {MAX_MODEL_LENGTH} printable characters."
        raise refused("invalid_parameter", "model", message)
    return _read(endpoint, read_members(body), model)


def _read(endpoint: str, members: Members, model: str) -> InferenceRequest:
    need(members, "contents", endpoint)
    values = members.values
    return ProvenRequest(
        members=members,
        model=model,
        is_streamed=endpoint == STREAM_ENDPOINT,
        is_usage_wanted=True,
        estimated_input_tokens=estimate_input(members, _PROMPT_MEMBERS),
        replace={},
        remove=_NOTHING if _CUT_MEMBERS.isdisjoint(values) else frozenset(_CUT_MEMBERS & values.keys()),
        append={},
        clean=clean_contents,
    )


def count_candidates(members: Members) -> int:
    """How many answers a request asks for."""
    for name in _CONFIGS:
        raw = members.raw(name)
        if raw is None or b"andidate" not in raw:
            continue
        for decode in _CONFIG_DECODERS:
            try:
                count = decode(raw).candidate_count
            except (ValueError, msgspec.DecodeError, RecursionError):
                continue
            if count is not None:
                return count
    return 1


def read_reply(_endpoint: str, body: bytes) -> tuple[bytes, ReplyFacts]:
    """The reply and its facts; InvalidReply when it is none. A prompt that was blocked is an empty answer that a filter ended."""
    try:
        check_utf8(body)
        told = decode_told(body)
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise InvalidReply(f"the body is not a reply: {str(error)[:120]}") from None
    if told.error is not ABSENT:
        raise InvalidReply("the reply is an error with a status of success")
    if not told.candidates and told.blocked is None:
        raise InvalidReply("the reply has no candidates")
    usage = read_usage(told.usage_metadata)
    facts = ReplyFacts(usage=usage, upstream_id=told.response_id, output_bytes=measure(body) if usage is None else 0)
    if told.candidates:
        first = told.candidates[0]
        take_finish(facts, first.finish_reason, has_calls=first.has_calls)
    else:
        facts.finish_reason, facts.native_finish_reason = "content_filter", told.blocked
    return body, facts


def render_reply(_endpoint: str, reply: bytes, _naming: Naming, _usage: Usage, _cost: CostFields) -> list[bytes | memoryview]:
    """The reply for the client: as it came."""
    return [reply]


def take_finish(facts: ReplyFacts, native: str | None, *, has_calls: bool) -> None:
    """Note why an answer ended; Gemini says STOP of calls, too."""
    if native:
        facts.finish_reason, facts.native_finish_reason = finish_of(native, has_calls=has_calls).value, native


def read_usage(raw: msgspec.Raw | bytes) -> Usage | None:
    """The usage that a `usageMetadata` tells; None when it is absent (empty), null, not usable or beyond reason."""
    text = bytes(raw)
    if not text.startswith(b"{"):
        return None
    try:
        told = _decode_usage(text)
    except (ValueError, msgspec.DecodeError, RecursionError):
        return None
    if told.prompt_token_count is None and told.candidates_token_count is None:
        return None
    usage = usage_of(told)
    return usage if max(usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) <= _MAX_COUNT else None
