"""Names in snake_case, in camelCase and in both."""

import json

import msgspec

from anyrouter.wire.form.warnings import Warnings
from anyrouter.wire.translation.gemini.request_shapes import ContentShape, GenerationShape, ToolShape
from anyrouter.wire.translation.gemini.spelling import CAMEL_CASE, decode_spelt

CONTENT = msgspec.json.Decoder(ContentShape)
GENERATION = msgspec.json.Decoder(GenerationShape, strict=False)
TOOL = msgspec.json.Decoder(ToolShape)


def test_the_other_spelling_is_made_of_the_shapes() -> None:
    assert CAMEL_CASE["inline_data"] == "inlineData"
    assert CAMEL_CASE["top_p"] == "topP"
    assert CAMEL_CASE["enable_enhanced_civic_answers"] == "enableEnhancedCivicAnswers"
    assert CAMEL_CASE["system_instruction"] == "systemInstruction"
    assert "text" not in CAMEL_CASE


def test_spellings_may_be_mixed_in_one_object() -> None:
    raw = msgspec.Raw(b'{"parts":[{"inlineData":{"mime_type":"image/png","data":"AAAA"}},{"file_data":{"fileUri":"u"}}]}')
    shape = decode_spelt(CONTENT, raw, "contents", Warnings())
    assert isinstance(shape.parts, list)
    assert shape.parts[0].inline_data is not None
    assert shape.parts[0].inline_data.mime_type == "image/png"
    assert shape.parts[1].file_data is not None
    assert shape.parts[1].file_data.file_uri == "u"


def test_what_is_the_clients_own_is_not_respelt() -> None:
    args = {"max_items": 1, "inline_data": {"mime_type": "x"}}
    raw = msgspec.Raw(json.dumps({"parts": [{"function_call": {"name": "f", "args": args}}]}).encode())
    shape = decode_spelt(CONTENT, raw, "contents", Warnings())
    assert isinstance(shape.parts, list)
    assert shape.parts[0].function_call is not None
    assert json.loads(bytes(shape.parts[0].function_call.args)) == args  # type: ignore[arg-type]
    schema = {"type": "OBJECT", "properties": {"top_p": {"type": "STRING"}}}
    tool = decode_spelt(
        TOOL, msgspec.Raw(json.dumps({"function_declarations": {"name": "f", "parameters": schema}}).encode()), "t", Warnings()
    )
    assert not isinstance(tool.function_declarations, list)
    assert tool.function_declarations is not None
    assert json.loads(bytes(tool.function_declarations.parameters)) == schema  # type: ignore[arg-type]


def test_what_is_unknown_in_either_spelling_is_warned_of_by_its_own_name() -> None:
    warnings = Warnings()
    shape = decode_spelt(GENERATION, msgspec.Raw(b'{"max_output_tokens":"5","best_guess":1}'), "generationConfig", warnings)
    assert shape.max_output_tokens == 5
    assert list(warnings.found) == [("unknown_parameter", "generationConfig.best_guess")]
