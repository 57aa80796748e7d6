"""A reply of the form as a GenerateContentResponse, with what the contract adds: provider, warnings and cost."""

from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from anyrouter.core.usage import Usage
from anyrouter.wire.form.parts import Audio, Document, Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall, Video, make_call_id
from anyrouter.wire.form.reply import Candidate, FinishReason, Reply, TokenLogprob, UsageDetails
from anyrouter.wire.form.text import EMPTY, unquote
from anyrouter.wire.form.warnings import warnings_shown
from anyrouter.wire.reply import CostFields
from anyrouter.wire.translation.codec import ReplyContext
from anyrouter.wire.translation.gemini.citations import grounding_of
from anyrouter.wire.translation.gemini.content_decoder import NAME
from anyrouter.wire.translation.gemini.content_encoder import args_of
from anyrouter.wire.translation.gemini.media import encode_media
from anyrouter.wire.translation.gemini.reply_decoder import FINISH_REASONS
from anyrouter.wire.translation.gemini.signatures import write_signature

Wire = dict[str, Any]
_encode = msgspec.json.Encoder().encode
_WORDS = {
    FinishReason.STOP: "STOP",
    FinishReason.TOOL_CALLS: "STOP",
    FinishReason.LENGTH: "MAX_TOKENS",
    FinishReason.CONTENT_FILTER: "SAFETY",
    FinishReason.ERROR: "OTHER",
}
_NO_DETAILS = UsageDetails()


def encode_response(reply: Reply, context: ReplyContext, usage: Usage, cost: CostFields) -> bytes:
    """The body for the client."""
    calls = CallIds(context)
    wire: Wire = {
        "candidates": [_encode_candidate(candidate, calls, context) for candidate in reply.candidates],
        "usageMetadata": Raw(encode_usage(usage, reply.details, cost)),
        "modelVersion": Raw(context.naming.model),
        "responseId": Raw(context.naming.generation_id),
        "provider": Raw(context.naming.provider),
    }
    if context.warnings:
        wire["metadata"] = {"warnings": warnings_shown(context.warnings)}
    return _encode(wire)


class CallIds:
    """Ids for function calls whose upstream gave none, numbered over the whole reply."""

    __slots__ = ("_count", "_seed")

    def __init__(self, context: ReplyContext) -> None:
        self._seed, self._count = context.naming.generation_id.decode(), 0

    def of(self, call: ToolCall) -> str:
        """The id of the next call."""
        self._count += 1
        return call.id or make_call_id(self._seed, self._count - 1)


def is_hidden(context: ReplyContext) -> bool:
    """Whether the client wants thinking without seeing it."""
    return context.request.reasoning is not None and context.request.reasoning.is_hidden


def encode_usage(usage: Usage, details: UsageDetails | None, cost: CostFields) -> bytes:
    """The `usageMetadata` object: thoughts and the results of the provider's own tools apart, as Google counts."""
    told = details or _NO_DETAILS
    tools = min(told.tool_input_tokens or 0, usage.input_tokens)
    thoughts = min(usage.reasoning_tokens, usage.output_tokens)
    counts = [("promptTokenCount", usage.input_tokens - tools), ("candidatesTokenCount", usage.output_tokens - thoughts)]
    counts.append(("totalTokenCount", usage.input_tokens + usage.output_tokens))
    optional = (("cachedContentTokenCount", usage.cache_read_tokens), ("toolUsePromptTokenCount", tools), ("thoughtsTokenCount", thoughts))
    counts += [(name, count) for name, count in optional if count]
    members = b",".join(b'"%s":%d' % (name.encode(), count) for name, count in counts)
    kinds = _modalities("promptTokensDetails", counts[0][1], {"AUDIO": told.audio_input_tokens})
    kinds += _modalities("candidatesTokensDetails", counts[1][1], {"AUDIO": told.audio_output_tokens, "IMAGE": told.image_output_tokens})
    return b"{%s%s,%s}" % (members, kinds, cost.render())


def _modalities(name: str, total: int, told: dict[str, int | None]) -> bytes:
    """The tokens of each kind, if there is any beside text."""
    counts = {modality: count for modality, count in told.items() if count}
    if not counts:
        return b""
    counts = {"TEXT": max(0, total - sum(counts.values())), **counts}
    return b',"%s":%s' % (name.encode(), _encode([{"modality": kind, "tokenCount": count} for kind, count in counts.items()]))


def finish_word(reason: FinishReason, native: str | None) -> str:
    """Google's word for it: the upstream's own, if it is one of Google's."""
    return native if native in FINISH_REASONS else _WORDS[reason]


def encode_logprobs(logprobs: list[TokenLogprob]) -> Wire:
    """`logprobsResult`."""
    tops = [{"candidates": [{"token": top.token, "logProbability": top.logprob} for top in one.top]} for one in logprobs]
    wire: Wire = {"topCandidates": tops} if any(one.top for one in logprobs) else {}
    return {**wire, "chosenCandidates": [{"token": one.token, "logProbability": one.logprob} for one in logprobs]}


def encode_reasoning(part: Reasoning, *, is_hidden: bool) -> Wire | None:
    """A thought. Proofs are always given, so that they can be given back; None when nothing is left to tell."""
    proof = part.encrypted or part.signature
    text = EMPTY if is_hidden and part.text is not None else part.text
    if proof is None and (text is None or text == EMPTY):
        return None
    wire: Wire = {"thought": True} if text is None else {"text": text, "thought": True}
    return wire if proof is None else {**wire, "thoughtSignature": write_signature(proof, part.format, part.id)}


def encode_call(call: ToolCall, call_id: str) -> Wire:
    """A function call; its arguments are an object, whatever the model wrote."""
    wire: Wire = {"functionCall": {"id": call_id, "name": call.name, "args": args_of(call)[0]}}
    return wire if call.signature is None else {**wire, "thoughtSignature": call.signature}


def encode_whole(part: Part) -> Wire | Raw | None:
    """A part that is neither a thought nor a call; None for what Gemini's clients have no place for."""
    if isinstance(part, Text):
        return {"text": part.text} if part.signature is None else {"text": part.text, "thoughtSignature": part.signature}
    if isinstance(part, Refusal):
        return {"text": part.text}
    if isinstance(part, Opaque) and part.dialect == NAME:
        return Raw(msgspec.json.format(bytes(part.raw), indent=-1))  # on one line, as an event has to be
    if not isinstance(part, Image | Document | Audio | Video):
        return None
    wire = encode_media(part)
    if wire is not None and isinstance(part, Image) and part.signature is not None:
        wire["thoughtSignature"] = part.signature
    if isinstance(part, Audio) and part.transcript is not None:
        wire = {**(wire or {}), "audioTranscription": {"text": part.transcript}}
    return wire


def with_format(part: Audio, context: ReplyContext) -> Audio:
    """Sound of which the upstream does not say what it is: what was asked for, which where nothing was is 16-bit PCM."""
    if part.format is not None or (part.source is not None and part.source.media_type is not None):
        return part
    wanted = context.request.audio
    return replace(part, format=(None if wanted is None else wanted.format) or "pcm16")


def _encode_candidate(candidate: Candidate, calls: CallIds, context: ReplyContext) -> Wire:
    parts: list[Wire | Raw] = []
    cited = []
    for part in candidate.parts:
        if isinstance(part, ToolCall):
            wire: Wire | Raw | None = encode_call(part, calls.of(part))
        elif isinstance(part, Reasoning):
            wire = encode_reasoning(part, is_hidden=is_hidden(context))
        else:
            wire = encode_whole(with_format(part, context) if isinstance(part, Audio) else part)
            if isinstance(part, Text) and part.citations:
                cited.append((len(parts), unquote(part.text), list(part.citations)))
        if wire is not None:
            parts.append(wire)
    encoded: Wire = {
        "content": {"parts": parts, "role": "model"},
        "finishReason": finish_word(candidate.finish or FinishReason.STOP, candidate.native_finish),
        "index": candidate.index,
    }
    grounding = grounding_of(cited)
    if grounding is not None:
        encoded["groundingMetadata"] = grounding
    if candidate.logprobs:
        encoded["logprobsResult"] = encode_logprobs(candidate.logprobs)
    return encoded
