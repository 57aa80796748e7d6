"""generateContent requests in the form: what the golden files cannot show, since they show what is encoded again."""

import base64
import json
from typing import Any

import msgspec
import pytest

from anyrouter.core.errors import ClientError
from anyrouter.wire.form.parts import Audio, Document, Image, Opaque, Part, Reasoning, Source, Text, ToolCall, ToolResult, Video
from anyrouter.wire.form.reasoning import ANTHROPIC_FORMAT, GEMINI_FORMAT, OPENAI_FORMAT, ReasoningOptions, seal
from anyrouter.wire.form.request import AudioOutput, Message, OutputFormat, Request
from anyrouter.wire.form.text import EMPTY, quote
from anyrouter.wire.form.tools import ChoiceMode, ServerTool, Tool, ToolChoice
from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.translation.codec import ClientRequest
from anyrouter.wire.translation.gemini.request_decoder import decode_request

SIGNATURE = base64.b64encode(b"proof").decode()


def decode(warnings: Warnings | None = None, **body: Any) -> Request:
    text = json.dumps({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], **body}).encode()
    values = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    return decode_request(ClientRequest(values=values, model="vendor/model", is_streamed=True), warnings or Warnings())


def contents(*told: dict[str, Any], warnings: Warnings | None = None) -> list[Message]:
    return decode(warnings, contents=list(told)).messages


def user(*parts: dict[str, Any]) -> list[Part]:
    return contents({"role": "user", "parts": list(parts)})[0].parts


def model(*parts: dict[str, Any]) -> list[Part]:
    return contents({"role": "model", "parts": list(parts)})[0].parts


def sealed(proof: str, whose: str, name: str | None = None) -> str:
    return base64.b64encode(seal(proof, whose, name).encode()).decode()


def refusal(**body: Any) -> str | None:
    with pytest.raises(ClientError) as caught:
        decode(**body)
    return caught.value.denied.param


def test_every_kind_of_part_is_known() -> None:
    assert user(
        {"text": "t"},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"inlineData": {"mimeType": "audio/mpeg", "data": "AAAA"}},
        {"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}},
        {"inlineData": {"data": "AAAA", "displayName": "a.pdf"}},
        {"fileData": {"fileUri": "https://example.com/a.png"}},
        {"fileData": {"fileUri": "gs://bucket/a.pdf"}},
        {"fileData": {"fileUri": "https://youtu.be/abc"}},
        {"fileData": {"fileUri": "https://example.com/what"}},
    ) == [
        Text(quote("t")),
        Image(Source(data=quote("AAAA"), media_type="image/png")),
        Audio(Source(data=quote("AAAA"), media_type="audio/mpeg"), "mp3"),
        Video(Source(data=quote("AAAA"), media_type="video/mp4")),
        Document(Source(data=quote("AAAA"), media_type="application/pdf"), filename="a.pdf"),
        Image(Source(url="https://example.com/a.png", media_type="image/png")),
        Document(Source(file_id="gs://bucket/a.pdf", media_type="application/pdf")),
        Video(Source(url="https://youtu.be/abc", media_type="video/mp4")),
        Document(Source(url="https://example.com/what")),
    ]


def test_answers_without_ids_belong_to_the_first_call_of_their_name_that_waits() -> None:
    found = contents(
        {"role": "model", "parts": [{"functionCall": {"name": name, "args": {"n": 1}}} for name in ("f", "g", "f")]},
        {"parts": [{"functionResponse": {"name": name, "response": {"output": "x"}}} for name in ("f", "f", "g", "h")]},
    )
    assert found[0].parts == [ToolCall(f"call_{at}", name, '{"n":1}') for at, name in enumerate(("f", "g", "f"))]
    ids = [part.call_id for part in found[1].parts if isinstance(part, ToolResult)]
    assert ids == ["call_0", "call_2", "call_1", "call_3"]
    assert found[1].role == "tool"


def test_an_id_wins_over_order_and_what_follows_the_answers_is_the_users() -> None:
    found = contents(
        {"role": "model", "parts": [{"functionCall": {"name": "f", "id": name}} for name in ("a", "b")]},
        {"role": "user", "parts": [{"text": "look"}, {"functionResponse": {"name": "f", "id": "b", "response": {}}}]},
        {"role": "function", "parts": [{"functionResponse": {"name": "f", "response": {"error": {"code": 7}}}}]},
    )
    assert found[1] == Message("tool", [ToolResult("b", name="f")])
    assert found[2] == Message("user", [Text(quote("look"))])
    assert found[3] == Message("tool", [ToolResult("a", (Text(quote('{"code":7}')),), is_error=True, name="f")])


def test_a_functions_answer_may_hold_pictures() -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    parts = user({"functionResponse": {"name": "f", "response": {"a": 1, "b": "x"}, "parts": image}})
    picture = Image(Source(data=quote("AAAA"), media_type="image/png"))
    assert parts == [ToolResult("call_0", (Text(quote('{"a":1,"b":"x"}')), picture), name="f")]


def test_pieces_of_a_stream_are_put_together_again() -> None:
    found = contents(
        {"role": "model", "parts": [{"text": "I ", "thought": True}]},
        {"role": "model", "parts": [{"text": "think", "thought": True}]},
        {"role": "model", "parts": [{"text": "", "thought": True, "thoughtSignature": sealed("sig", ANTHROPIC_FORMAT)}]},
        {"role": "model", "parts": [{"text": "Do"}]},
        {"role": "model", "parts": [{"text": "ne"}]},
        {"role": "model", "parts": [{"text": "", "thoughtSignature": SIGNATURE}]},
    )
    assert found == [
        Message("assistant", [Reasoning(quote("I think"), "sig", format=ANTHROPIC_FORMAT), Text(quote("Done"), signature=SIGNATURE)])
    ]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"text": "t", "thought": True}, Reasoning(quote("t"), format=GEMINI_FORMAT)),
        ({"text": "t", "thought": True, "thoughtSignature": SIGNATURE}, Reasoning(quote("t"), SIGNATURE, format=GEMINI_FORMAT)),
        ({"thoughtSignature": SIGNATURE}, Text(EMPTY, signature=SIGNATURE)),
        ({"thought": True, "thoughtSignature": SIGNATURE}, Reasoning(encrypted=SIGNATURE, format=GEMINI_FORMAT)),
        (
            {"thought": True, "thoughtSignature": sealed("p.q", ANTHROPIC_FORMAT)},
            Reasoning(encrypted="p.q", format=ANTHROPIC_FORMAT),
        ),
        (
            {"text": "", "thought": True, "thoughtSignature": sealed("p", ANTHROPIC_FORMAT)},
            Reasoning(EMPTY, "p", format=ANTHROPIC_FORMAT),
        ),
        (
            {"text": "s", "thought": True, "thoughtSignature": sealed("p", OPENAI_FORMAT, "rs_1")},
            Reasoning(quote("s"), encrypted="p", id="rs_1", is_summary=True, format=OPENAI_FORMAT),
        ),
        (
            {"text": "", "thought": True, "thoughtSignature": sealed("p", OPENAI_FORMAT, "rs_1")},
            Reasoning(encrypted="p", id="rs_1", is_summary=True, format=OPENAI_FORMAT),
        ),
        ({"functionCall": {"name": "f"}, "thoughtSignature": SIGNATURE}, ToolCall("call_0", "f", "{}", signature=SIGNATURE)),
        ({"functionCall": {"name": "f"}, "thoughtSignature": sealed("p", ANTHROPIC_FORMAT)}, ToolCall("call_0", "f", "{}")),
        (
            {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thoughtSignature": SIGNATURE},
            Image(Source(data=quote("AAAA"), media_type="image/png"), signature=SIGNATURE),
        ),
    ],
)
def test_proofs_stay_on_what_they_prove_and_foreign_ones_are_unsealed(part: dict[str, Any], expected: Part) -> None:
    assert model(part) == [expected]


def test_a_proof_is_read_in_either_alphabet_and_without_padding() -> None:
    proof = sealed("p>?>?", ANTHROPIC_FORMAT).replace("+", "-").replace("/", "_").rstrip("=")
    assert model({"text": "t", "thought": True, "thoughtSignature": proof}) == [Reasoning(quote("t"), "p>?>?", format=ANTHROPIC_FORMAT)]


def test_what_only_gemini_can_express_is_kept_as_it_came() -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": SIGNATURE}
    (found,) = model(code)
    assert isinstance(found, Opaque)
    assert (found.dialect, found.type, json.loads(bytes(found.raw))) == ("gemini", "executableCode", code)


def test_tools_are_functions_and_googles_own() -> None:
    schema = {"type": "object", "properties": {"x": {"$ref": "#/$defs/y"}}}
    found = decode(
        tools=[
            {"functionDeclarations": [{"name": "f", "description": "F", "parametersJsonSchema": schema}, {"name": "g"}]},
            {"googleSearch": {}, "urlContext": {}},
            {"functionDeclarations": {"name": "h", "parameters": {"type": "OBJECT", "nullable": True}}},
        ]
    ).tools
    assert [type(tool) for tool in found] == [Tool, Tool, ServerTool, ServerTool, Tool]
    first, second, search, pages, last = found
    assert isinstance(first, Tool)
    assert first.schema is not None
    assert (first.name, first.description, json.loads(bytes(first.schema))) == ("f", quote("F"), schema)
    assert second == Tool("g")
    assert isinstance(search, ServerTool)
    assert (search.type, search.kind, bytes(search.raw)) == ("googleSearch", "web_search", b'{"googleSearch":{}}')
    assert isinstance(pages, ServerTool)
    assert pages.kind == "url_context"
    assert isinstance(last, Tool)
    assert last.schema is not None
    assert json.loads(bytes(last.schema)) == {"type": ["object", "null"]}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, None),
        ({"functionCallingConfig": {}}, None),
        ({"functionCallingConfig": {"mode": "auto"}}, ToolChoice(ChoiceMode.AUTO)),
        ({"functionCallingConfig": {"mode": "NONE", "allowedFunctionNames": ["f"]}}, ToolChoice(ChoiceMode.NONE)),
        ({"functionCallingConfig": {"mode": "ANY"}}, ToolChoice(ChoiceMode.REQUIRED)),
        ({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": "f"}}, ToolChoice(ChoiceMode.NAMED, ("f",))),
        ({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f", "g"]}}, ToolChoice(ChoiceMode.REQUIRED, ("f", "g"))),
        ({"functionCallingConfig": {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}}, ToolChoice(ChoiceMode.AUTO, ("f",))),
    ],
)
def test_modes_of_calling(config: dict[str, Any], expected: ToolChoice | None) -> None:
    assert decode(toolConfig=config).tool_choice == expected


@pytest.mark.parametrize(
    ("told", "usual"), [("-_8=", "+/8="), ("-_8", "+/8="), ("__", "//=="), ("+/8=", "+/8="), ("YWJj", "YWJj"), ("", "")]
)
def test_base64_of_addresses_becomes_the_usual_one(told: str, usual: str) -> None:
    part = decode(contents=[{"parts": [{"inlineData": {"mimeType": "image/png", "data": told}}]}]).messages[0].parts[0]
    assert isinstance(part, Image)
    assert part.source is not None
    assert bytes(part.source.data or b"") == f'"{usual}"'.encode()


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, ReasoningOptions(is_hidden=True)),
        ({"includeThoughts": True}, ReasoningOptions(is_enabled=True)),
        ({"thinkingBudget": 0}, ReasoningOptions(is_enabled=False, is_hidden=True)),
        ({"thinkingBudget": -1, "includeThoughts": True}, ReasoningOptions(is_enabled=True, is_adaptive=True)),
        ({"thinkingBudget": "512"}, ReasoningOptions(budget_tokens=512, is_hidden=True)),
        ({"thinkingLevel": "HIGH"}, ReasoningOptions(effort="high", is_hidden=True)),
        ({"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}, ReasoningOptions(is_hidden=True)),
    ],
)
def test_thinking(config: dict[str, Any], expected: ReasoningOptions) -> None:
    assert decode(generationConfig={"thinkingConfig": config}).reasoning == expected


def test_thoughts_are_hidden_from_those_who_do_not_ask_for_them() -> None:
    assert decode().reasoning == ReasoningOptions(is_hidden=True)


def test_the_generation_config_in_the_forms_words() -> None:
    found = decode(
        generationConfig={
            "temperature": "0.5", "topP": 0.9, "topK": 40.0, "candidateCount": 2, "maxOutputTokens": "99", "stopSequences": ["a", "b"],
            "seed": 7, "presencePenalty": 1, "frequencyPenalty": -1, "responseLogprobs": True, "logprobs": 3,
            "responseModalities": ["TEXT", "AUDIO"], "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
        }
    )  # fmt: skip
    assert (found.temperature, found.top_p, found.top_k, found.candidates, found.max_tokens) == (0.5, 0.9, 40, 2, 99)
    assert (found.stop, found.seed, found.presence_penalty, found.frequency_penalty) == (("a", "b"), 7, 1, -1)
    assert (found.has_logprobs, found.top_logprobs, found.modalities) == (True, 3, ("text", "audio"))
    assert found.audio == AudioOutput(voice=quote("Kore"), format="pcm16")


def test_what_the_answer_looks_like() -> None:
    assert decode(generationConfig={"responseMimeType": "text/plain"}).output is None
    assert decode(generationConfig={"responseMimeType": "application/json"}).output == OutputFormat(kind="json")
    output = decode(generationConfig={"responseMimeType": "application/json", "responseSchema": {"type": "STRING"}}).output
    assert output == OutputFormat(kind="schema", schema=msgspec.Raw(b'{"type":"string"}'))
    released = decode(generationConfig={"responseMimeType": "application/json", "_responseJsonSchema": {"type": "string"}}).output
    assert released is not None
    assert released.kind == "schema"


def test_the_rest_of_the_request() -> None:
    found = decode(serviceTier="PRIORITY", labels={"a": "b"}, store=True, safetySettings=[{}], session_id="s", model="x", toolConfig=None)
    assert (found.service_tier, found.is_stored, found.is_streamed, found.model) == ("priority", True, True, "vendor/model")
    assert found.metadata is not None
    assert json.loads(bytes(found.metadata)) == {"a": "b"}
    assert found.safety_settings == msgspec.Raw(b"[{}]")
    assert set(found.extra) == {"session_id"}
    assert decode(safetySettings=[]).safety_settings is None, "settings that say nothing are no loss elsewhere"
    assert decode(service_tier="standard").service_tier == "default"


def test_what_is_said_of_a_part_and_has_no_counterpart_is_warned_of() -> None:
    warnings = Warnings()
    part = {"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}, "videoMetadata": {"fps": 2}, "partMetadata": {"mine": 1}}
    contents({"parts": [part]}, warnings=warnings)
    assert [param for _, param in warnings.found] == ["contents[0].parts[0].videoMetadata"]


def test_a_system_instruction_comes_first_and_an_empty_one_is_none() -> None:
    assert decode(systemInstruction={"parts": [{"text": "s"}]}).messages[0] == Message("system", [Text(quote("s"))])
    assert [message.role for message in decode(systemInstruction={"parts": [{"text": ""}]}).messages] == ["user"]


def test_an_empty_text_of_the_users_is_still_a_turn() -> None:
    assert user({"text": ""}) == [Text(EMPTY)]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"contents": None}, "contents"),
        ({"contents": []}, "contents"),
        ({"contents": "Hi"}, "contents"),
        ({"contents": [{"parts": []}]}, "contents[0].parts"),
        ({"contents": [{"parts": [{}]}]}, "contents[0].parts[0]"),
        ({"contents": [{"parts": [{"text": 1}]}]}, "contents[0].parts[0].text"),
        ({"contents": [{"role": "system", "parts": [{"text": "x"}]}]}, "contents[0].role"),
        ({"contents": [{"parts": [{"inlineData": {"mimeType": "image/png"}}]}]}, "contents[0].parts[0].inlineData.data"),
        ({"contents": [{"parts": [{"functionCall": {"name": "f", "args": [1]}}]}]}, "contents[0].parts[0].functionCall.args"),
        (
            {"contents": [{"parts": [{"functionResponse": {"name": "f", "response": "x"}}]}]},
            "contents[0].parts[0].functionResponse.response",
        ),
        ({"generationConfig": {"maxOutputTokens": "many"}}, "generationConfig.maxOutputTokens"),
        ({"generationConfig": {"responseMimeType": "text/html"}}, "generationConfig.responseMimeType"),
        ({"generationConfig": {"responseMimeType": "application/json", "responseSchema": []}}, "generationConfig.responseSchema"),
        ({"tools": [{"functionDeclarations": [{"description": "no name"}]}]}, "tools[0].functionDeclarations[0]"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "MAYBE"}}}, "toolConfig.functionCallingConfig.mode"),
        ({"cachedContent": "cachedContents/1"}, "cachedContent"),
        ({"continuation_token": "AAAA"}, "continuationToken"),
        ({"labels": []}, "labels"),
    ],
)
def test_a_refusal_names_what_is_wrong(body: dict[str, Any], param: str) -> None:
    assert refusal(**body) == param
