import json
from typing import Any

import anthropic
import pydantic
import pytest
from msgspec import Raw

from anyrouter.core.errors import Denied
from anyrouter.core.usage import NO_USAGE, Usage
from anyrouter.wire.form.parts import Audio, Citation, Image, Opaque, Part, Reasoning, Refusal, Source, Text, ToolCall
from anyrouter.wire.form.reasoning import ANTHROPIC_FORMAT, GEMINI_FORMAT, OPENAI_FORMAT, ReasoningOptions, unseal
from anyrouter.wire.form.reply import Candidate, FinishReason, Reply, UsageDetails
from anyrouter.wire.form.text import quote
from anyrouter.wire.form.warnings import TranslationWarning
from anyrouter.wire.reply import CostFields, InvalidReply
from anyrouter.wire.translation.anthropic.codec import CODEC, render_error
from anyrouter.wire.translation.anthropic.reply_decoder import decode_response
from anyrouter.wire.translation.anthropic.reply_encoder import encode_response
from anyrouter.wire.translation.codec import ReplyContext

COST = CostFields(cost=b"0.1")
HI: Any = [{"role": "user", "content": "Hi"}]


@pytest.fixture
def answer(context, sdk):
    """A reply of these parts, as the SDK reads it."""

    def run(*parts: Part, asked: ReplyContext | None = None, usage: Usage = NO_USAGE, **members: Any) -> anthropic.types.Message:
        details, tier = members.pop("details", None), members.pop("service_tier", None)
        candidate = Candidate(parts=list(parts), **{"finish": FinishReason.STOP, **members})
        body = encode_response(Reply(candidates=[candidate], details=details, service_tier=tier), asked or context(), usage, COST)
        anthropic.types.Message.model_validate(json.loads(body))
        return sdk(body).messages.create(model="m", max_tokens=9, messages=HI)

    return run


def test_the_sdk_reads_a_reply_with_everything(answer) -> None:
    message = answer(
        Reasoning(text=quote("Hm"), signature="sig", format=ANTHROPIC_FORMAT),
        Text(quote("Hello"), citations=(Citation(kind="url", url="https://e.com", title="E", cited_text="x"),)),
        ToolCall("t1", "f", '{"a":[1]}'),
        ToolCall("", "g"),
        finish=FinishReason.TOOL_CALLS,
    )
    assert (message.id, message.model, message.stop_reason) == ("gen-0123456789ab0123456789abcdef0123", "vendor/model", "tool_use")
    thinking, text, one, other = message.content
    assert (thinking.type, thinking.thinking, thinking.signature) == ("thinking", "Hm", "sig")
    assert text.type == "text"
    assert text.citations is not None
    assert text.citations[0].type == "web_search_result_location"
    assert (one.type, one.input) == ("tool_use", {"a": [1]})
    assert (other.type, other.input) == ("tool_use", {})
    assert other.id.startswith("call_")


def test_the_sdk_parses_an_answer_that_holds_to_a_schema(context, sdk) -> None:
    class Person(pydantic.BaseModel):
        name: str

    parts: list[Part] = [Reasoning(text=quote("Hm")), Text(quote('{"name":"Jane"}'))]
    body = encode_response(Reply(candidates=[Candidate(parts=parts, finish=FinishReason.STOP)]), context(), NO_USAGE, COST)
    assert sdk(body).messages.parse(model="m", max_tokens=9, messages=HI, output_format=Person).parsed_output == Person(name="Jane")


def test_usage_is_told_in_the_dialects_meaning_of_input(answer) -> None:
    usage = Usage(input_tokens=100, output_tokens=50, cache_read_tokens=30, cache_write_tokens=20, reasoning_tokens=40)
    details = UsageDetails(cache_write_1h_tokens=15, cache_write_5m_tokens=5, web_searches=2)
    told = answer(Text(quote("Hi")), usage=usage, details=details, service_tier="default").usage
    assert (told.input_tokens, told.cache_read_input_tokens, told.cache_creation_input_tokens, told.output_tokens) == (50, 30, 20, 50)
    assert (told.cache_creation.ephemeral_1h_input_tokens, told.cache_creation.ephemeral_5m_input_tokens) == (15, 5)
    assert (told.output_tokens_details.thinking_tokens, told.server_tool_use.web_search_requests, told.service_tier) == (40, 2, "standard")


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"finish": FinishReason.STOP}, "end_turn"),
        ({"finish": None}, "end_turn"),
        ({"finish": FinishReason.STOP, "stop_sequence": "END"}, "stop_sequence"),
        ({"finish": FinishReason.LENGTH, "native_finish": "MAX_TOKENS"}, "max_tokens"),
        ({"finish": FinishReason.LENGTH, "native_finish": "model_context_window_exceeded"}, "model_context_window_exceeded"),
        ({"finish": FinishReason.STOP, "native_finish": "pause_turn"}, "pause_turn"),
        ({"finish": FinishReason.TOOL_CALLS, "native_finish": "stop"}, "tool_use"),
        ({"finish": FinishReason.CONTENT_FILTER}, "refusal"),
        ({"finish": FinishReason.ERROR}, "max_tokens"),
    ],
)
def test_why_it_ended_is_said_in_the_dialects_words(answer, members: dict[str, Any], expected: str) -> None:
    message = answer(Text(quote("Hi")), **members)
    assert (message.stop_reason, message.stop_sequence) == (expected, members.get("stop_sequence"))


def test_a_refusal_in_words_is_a_refusal(answer) -> None:
    message = answer(Refusal(quote("I cannot.")))
    assert (message.stop_reason, message.content[0].text) == ("refusal", "I cannot.")


def test_foreign_proofs_are_sealed(answer) -> None:
    summary, hidden, proof, call = answer(
        Reasoning(text=quote("Hm"), encrypted="enc", id="rs_1", is_summary=True, format=OPENAI_FORMAT),
        Reasoning(encrypted="enc2", id="rs.2", format=OPENAI_FORMAT),
        ToolCall("t1", "f", "{}", signature="gem"),
        finish=FinishReason.TOOL_CALLS,
    ).content
    assert unseal(summary.signature) == (OPENAI_FORMAT, "enc", "rs_1")
    assert unseal(hidden.data) == (OPENAI_FORMAT, "enc2", "rs.2")
    assert unseal(proof.data) == (GEMINI_FORMAT, "gem", "t1")
    assert call.type == "tool_use"


def test_thinking_that_nothing_proves_has_the_seal_of_nobody_because_an_empty_signature_is_refused(answer) -> None:
    unproved, unfinished, text = answer(
        Reasoning(text=quote("Hm")), Reasoning(text=quote("Hm"), format=OPENAI_FORMAT), Text(quote("Hi"))
    ).content
    assert unseal(unproved.signature) == unseal(unfinished.signature) == (None, "", None)
    assert unproved.signature == "anyrouter..."
    assert text.type == "text"


@pytest.mark.parametrize("told", [ReasoningOptions(is_enabled=True, is_hidden=True), ReasoningOptions(is_enabled=False)])
def test_hidden_thinking_is_told_by_its_proof_alone(answer, context, told: ReasoningOptions) -> None:
    own = Reasoning(text=quote("Hm"), signature="sig", format=ANTHROPIC_FORMAT)
    message = answer(own, Reasoning(text=quote("Unproved")), Text(quote("Hi")), asked=context(reasoning=told))
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert (message.content[0].thinking, message.content[0].signature) == ("", "sig")


def test_what_has_no_block_is_left_out_and_speech_is_its_transcript(answer) -> None:
    opaque = Opaque("anthropic", "server_tool_use", Raw(b'{"type":"server_tool_use","id":"s","name":"web_search","input":{}}'))
    message = answer(
        Image(Source(data=quote("AAAA"))), Audio(transcript=quote("Aloud")), Opaque("gemini", "x", Raw(b"{}")), opaque, Text(quote(""))
    )
    assert [block.type for block in message.content] == ["text", "server_tool_use"]


def test_arguments_that_are_no_json_are_wrapped(answer) -> None:
    broken, custom = answer(ToolCall("a", "f", '{"a":'), ToolCall("b", "sh", "ls", "custom"), finish=FinishReason.LENGTH).content
    assert broken.input == {"INVALID_JSON": '{"a":'}
    assert custom.input == {"input": "ls"}


def test_what_was_left_out_of_the_request_is_told(context) -> None:
    asked = context()
    asked = ReplyContext(naming=asked.naming, created_s=1, request=asked.request, warnings=(TranslationWarning("c", "seed", "M"),))
    told = json.loads(encode_response(Reply(candidates=[]), asked, NO_USAGE, COST))
    assert told["metadata"] == {"warnings": [{"code": "c", "param": "seed", "message": "M"}]}
    assert told["provider"] == "Provider"


@pytest.mark.parametrize(
    "citation",
    [
        {
            "type": "char_location",
            "cited_text": "x",
            "document_index": 0,
            "document_title": None,
            "start_char_index": 0,
            "end_char_index": 1,
        },
        {
            "type": "page_location",
            "cited_text": "x",
            "document_index": 1,
            "document_title": "T",
            "start_page_number": 1,
            "end_page_number": 2,
        },
        {
            "type": "content_block_location",
            "cited_text": "x",
            "document_index": 1,
            "document_title": "T",
            "start_block_index": 1,
            "end_block_index": 2,
        },
        {
            "type": "search_result_location",
            "cited_text": "x",
            "search_result_index": 3,
            "source": "s",
            "title": "T",
            "start_block_index": 1,
            "end_block_index": 2,
        },
        {"type": "web_search_result_location", "cited_text": "x", "encrypted_index": "", "title": "T", "url": "https://e.com"},
    ],
    ids=lambda citation: citation["type"],
)
def test_every_kind_of_citation_is_read_and_can_be_written_anew(answer, citation: dict[str, Any]) -> None:
    body = {"type": "message", "content": [{"type": "text", "text": "A", "citations": [citation]}], "stop_reason": "end_turn"}
    (part,) = decode_response(json.dumps(body).encode()).candidates[0].parts
    assert isinstance(part, Text)
    (found,) = part.citations
    assert json.loads(bytes(found.raw or b"")) == citation
    fields = {name: getattr(found, name) for name in Citation.__struct_fields__ if name not in {"raw", "dialect"}}
    again = answer(Text(quote("A"), citations=(Citation(**fields),))).content[0].citations[0].to_dict()
    assert again == citation


def test_a_citation_of_a_file_or_of_an_unknown_kind_does_not_break_the_reply(answer) -> None:
    citations = (Citation(kind="file", file_id="file-1", title="a.txt"), Citation(kind="something"))
    (told,) = answer(Text(quote("A"), citations=citations)).content[0].citations
    assert (told.type, told.file_id, told.document_title) == ("char_location", "file-1", "a.txt")


@pytest.mark.parametrize("native", ["end_turn", "stop_sequence", "pause_turn", "compaction", "on_a_whim", None])
def test_an_end_is_a_stop(native: str | None) -> None:
    body = json.dumps({"content": [], "stop_reason": native, "stop_sequence": "X"}).encode()
    (candidate,) = decode_response(body).candidates
    assert (candidate.finish, candidate.native_finish, candidate.stop_sequence) == (FinishReason.STOP, native, "X")


@pytest.mark.parametrize(
    "body",
    [
        b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
        b'{"error":"x"}',
        b'{"content":"x"}',
        b"{}",
        b'{"content":[{"type":"tool_use","id":"a"}]}',
    ],
)
def test_what_is_no_reply_is_told_as_that(body: bytes) -> None:
    with pytest.raises(InvalidReply):
        decode_response(body)


def test_the_sdk_reads_errors(sdk) -> None:
    denied = Denied(code="rate_limited", message="Slow down.")
    with pytest.raises(anthropic.RateLimitError) as caught:
        sdk(render_error(denied, "req-1"), 429).messages.create(model="m", max_tokens=9, messages=HI)
    assert caught.value.body["error"]["message"] == "Slow down."
    assert caught.value.body["request_id"] == "req-1"


def test_the_codec_has_both_sides() -> None:
    assert CODEC is not None
    assert all((CODEC.decode_request, CODEC.encode_request, CODEC.decode_response, CODEC.encode_response, CODEC.stream_decoder))
