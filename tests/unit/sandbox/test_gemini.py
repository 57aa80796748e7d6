"""Gemini's generateContent and its streams: what is said, how it is framed, and what is refused."""

from typing import Any

import pytest

CITY = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}
WEATHER = {"functionDeclarations": [{"name": "weather", "description": "d", "parameters": CITY}, {"name": "clock"}]}
CALL = {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {"a": 1}}}]}
RESULT = {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"r": 1}}}]}


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


def test_a_reply_has_the_providers_members_and_layout(generate: Any) -> None:
    reply = generate(model="sandbox/echo", contents=[user({"text": "a <b> é"})])
    assert reply.headers["content-type"] == "application/json; charset=UTF-8"
    assert reply.body.startswith(b'{\n  "candidates": [\n    {\n      "content": {\n        "parts": [\n          {\n            "text": ')
    assert b'"a \\u003cb\\u003e \xc3\xa9"' in reply.body
    told = reply.json
    assert list(told) == ["candidates", "usageMetadata", "modelVersion", "responseId"]
    content = {"parts": [{"text": "a <b> é"}], "role": "model"}
    assert told["candidates"] == [{"content": content, "finishReason": "STOP", "index": 0}]
    details = [{"modality": "TEXT", "tokenCount": 2}]
    assert told["usageMetadata"] == {
        "promptTokenCount": 2, "candidatesTokenCount": 2, "totalTokenCount": 4, "promptTokensDetails": details,
    }  # fmt: skip
    assert told["modelVersion"] == "sandbox/echo"


def test_a_stream_is_server_sent_events_or_one_array(generate: Any) -> None:
    events = generate(model="echo", method="streamGenerateContent?alt=sse")
    assert events.headers["content-type"] == "text/event-stream"
    assert all(part.startswith(b"data: {") and part.endswith(b"}\r\n\r\n") and b"\n" not in part[:-4] for part in events.parts)
    array = generate(model="echo", method="streamGenerateContent")
    assert array.headers["content-type"] == "application/json; charset=UTF-8"
    assert array.body.startswith(b"[{\n")
    assert array.body.endswith(b"}\n]\n")
    assert b"}\n,\r\n{\n" in array.body
    assert array.json == events.data
    first, second = events.data
    assert first["candidates"] == [{"content": {"parts": [{"text": "Hello"}], "role": "model"}, "index": 0}]
    assert second["candidates"][0]["finishReason"] == "STOP"
    assert [chunk["usageMetadata"]["candidatesTokenCount"] for chunk in (first, second)] == [1, 2]
    assert first["responseId"] == second["responseId"]


def test_a_stream_that_is_refused_is_refused_in_its_framing(generate: Any) -> None:
    whole = generate(model="server-error").json
    assert generate(model="server-error", method="streamGenerateContent?alt=sse").json == whole
    assert generate(model="server-error", method="streamGenerateContent").json == [whole]
    assert generate(model="server-error", method="streamGenerateContent", headers={}).json[0]["error"]["code"] == 403


def test_a_query_may_bring_the_key(ask: Any) -> None:
    body = {"contents": [user({"text": "x"})]}
    assert ask("/v1beta/models/m:generateContent?key=MARKER", headers={}, **body).status == 200
    assert ask("/v1beta/models/m:generateContent", headers={"x-goog-api-key": "MARKER"}, **body).status == 200
    assert ask("/v1beta/models/m:generateContent", headers={"x-api-key": "MARKER"}, **body).status == 403


def test_both_spellings_and_lists_of_one_mean_the_same(generate: Any) -> None:
    camel = {
        "contents": [user({"text": "12345678"})],
        "systemInstruction": {"parts": [{"text": "1234"}]},
        "generationConfig": {"maxOutputTokens": 3, "stopSequences": ["zz"], "candidateCount": 2},
        "tools": [WEATHER],
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
    }
    snake = {
        "contents": {"parts": {"text": "12345678"}},
        "system_instruction": {"parts": {"text": "1234"}},
        "generation_config": {"max_output_tokens": "3", "stop_sequences": "zz", "candidate_count": 2.0},
        "tools": {"function_declarations": WEATHER["functionDeclarations"]},
        "tool_config": {"function_calling_config": {"mode": "auto"}},
    }
    assert generate(**camel).body == generate(**snake).body
    told = generate(**camel).json
    assert [candidate["index"] for candidate in told["candidates"]] == [0, 1]
    assert told["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert (told["usageMetadata"]["promptTokenCount"], told["usageMetadata"]["candidatesTokenCount"]) == (3, 6)


def test_a_stop_sequence_ends_the_answer(generate: Any) -> None:
    (candidate,) = generate(model="echo", generationConfig={"stopSequences": [" there"]}).json["candidates"]
    assert (candidate["content"]["parts"], candidate["finishReason"]) == ([{"text": "Hello"}], "STOP")


def test_all_text_is_counted_and_countTokens_says_the_same(generate: Any) -> None:  # noqa: N802 -- the method's name
    contents = [
        user({"text": "1234"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}, {"fileData": {"fileUri": "gs://x/y"}}),
        CALL,
        RESULT,
        {"role": "model", "parts": [{"text": "12", "thought": True, "thoughtSignature": "AAA-_w"}, {"text": "34"}]},
        user({"text": "éé"}),
    ]
    reply = generate(model="echo", contents=contents).json
    assert reply["usageMetadata"]["promptTokenCount"] == (4 + 7 + 7 + 4 + 4) // 4
    assert reply["candidates"][0]["content"]["parts"] == [{"text": "éé"}]
    counted = generate(method="countTokens", contents=contents).json
    assert counted == {"totalTokens": 6, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 6}]}
    inner = {"model": "models/m", "contents": contents, "systemInstruction": {"parts": [{"text": "12345678"}]}}
    assert generate(method="countTokens", contents=None, generateContentRequest=inner).json["totalTokens"] == 8


@pytest.mark.parametrize(
    ("config", "call"),
    [
        ({"mode": "AUTO"}, None),
        ({"mode": "NONE"}, None),
        ({"mode": "VALIDATED"}, None),
        ({"mode": "ANY"}, ("weather", {"city": ""})),
        ({"mode": "any", "allowed_function_names": ["clock"]}, ("clock", {})),
    ],
)
def test_a_function_is_called_as_the_mode_says(generate: Any, config: dict[str, Any], call: Any) -> None:
    members = {"tools": [WEATHER], "toolConfig": {"functionCallingConfig": config}}
    (candidate,) = generate(**members).json["candidates"]
    (part,) = candidate["content"]["parts"]
    assert candidate["finishReason"] == "STOP"
    if call is None:
        assert list(part) == ["text"]
    else:
        assert (part["functionCall"]["name"], part["functionCall"]["args"]) == call
        assert generate(**members, method="streamGenerateContent?alt=sse").data[-1]["candidates"] == [candidate]


def test_the_tool_call_model_calls_once_and_then_speaks(generate: Any) -> None:
    (part,) = generate(model="tool-call", tools=[{"googleSearch": {}}, WEATHER]).json["candidates"][0]["content"]["parts"]
    assert part["functionCall"]["name"] == "weather"
    after = generate(model="tool-call", contents=[user({"text": "Hi"}), CALL, RESULT], tools=[WEATHER]).json
    assert "text" in after["candidates"][0]["content"]["parts"][0]
    none = {"functionCallingConfig": {"mode": "NONE"}}
    assert "text" in generate(model="tool-call", tools=[WEATHER], toolConfig=none).json["candidates"][0]["content"]["parts"][0]


def test_a_call_cut_short_is_no_call(generate: Any) -> None:
    limits = {"generationConfig": {"maxOutputTokens": 1}, "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}
    (candidate,) = generate(tools=[WEATHER], **limits).json["candidates"]
    assert candidate == {"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"responseMimeType": "application/json"}, "{}"),
        ({"responseMimeType": "application/json", "responseSchema": CITY}, '{"city":""}'),
        ({"response_mime_type": "application/json", "response_schema": {"type": "array", "items": {"type": "integer"}}}, "[]"),
        ({"responseMimeType": "application/json", "responseJsonSchema": {"const": 7}}, "7"),
        ({"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["warm", "hot"]}}, "hot"),
    ],
)
def test_a_structured_output_is_the_smallest_instance(generate: Any, config: dict[str, Any], text: str) -> None:
    assert generate(generationConfig=config).json["candidates"][0]["content"]["parts"] == [{"text": text}]


def test_log_probabilities_come_where_they_are_asked_for(generate: Any) -> None:
    (candidate,) = generate(model="echo", generationConfig={"responseLogprobs": True, "logprobs": 1}).json["candidates"]
    chosen = candidate["logprobsResult"]["chosenCandidates"]
    assert [entry["token"] for entry in chosen] == ["Hello", " there"]
    assert candidate["logprobsResult"]["topCandidates"][0] == {"candidates": [chosen[0]]}
    assert candidate["avgLogprobs"] < 0


def test_a_blocked_prompt_has_no_candidate(generate: Any) -> None:
    reply = generate(model="refusal").json
    assert list(reply) == ["promptFeedback", "usageMetadata", "modelVersion", "responseId"]
    assert reply["promptFeedback"]["blockReason"] == "SAFETY"
    assert generate(model="refusal", method="streamGenerateContent?alt=sse").data == [reply]
    (candidate,) = generate(model="content-filter").json["candidates"]
    assert (candidate["finishReason"], candidate["safetyRatings"][0]["blocked"]) == ("SAFETY", True)


def test_a_thought_comes_before_the_answer_and_is_signed(generate: Any) -> None:
    config = {"thinkingConfig": {"includeThoughts": True, "thinkingLevel": "high"}}
    chunks = generate(model="echo", generationConfig=config, method="streamGenerateContent?alt=sse").data
    parts = [part for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"]]
    thought, said = generate(model="echo", generationConfig=config).json["candidates"][0]["content"]["parts"]
    assert "".join(part["text"] for part in parts if part.get("thought")) == thought["text"]
    assert "".join(part["text"] for part in parts if not part.get("thought")) == "Hello there"
    assert parts[-1]["thoughtSignature"] == said["thoughtSignature"]
    called = generate(
        generationConfig=config, tools=[WEATHER], toolConfig={"functionCallingConfig": {"mode": "ANY"}}
    ).json["candidates"][0]["content"]["parts"]  # fmt: skip
    assert [list(part) for part in called] == [["text", "thought"], ["functionCall", "thoughtSignature"]]


def declared(**members: Any) -> dict[str, Any]:
    return {"tools": [{"functionDeclarations": [{"name": "f", **members}]}]}


def parameters(**properties: Any) -> dict[str, Any]:
    return declared(parameters={"type": "OBJECT", "properties": properties})


AT = "tools[0].function_declarations[0].parameters"
ANY = {"functionCallingConfig": {"mode": "ANY"}}


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"contents": None}, "* GenerateContentRequest.contents: contents is not specified\n"),
        ({"contents": "x"}, "Invalid value at 'contents' (type.googleapis.com/google.ai.generativelanguage.v1beta.Content), \"x\""),
        ({"contents": [{"role": "user"}]}, "* GenerateContentRequest.contents[0].parts: contents.parts must not be empty.\n"),
        ({"contents": [{"role": "system", "parts": [{"text": "x"}]}]}, "Please use a valid role: user, model."),
        ({"contents": [user({})]}, "* GenerateContentRequest.contents[0].parts[0].data: required oneof field 'data' must have one"),
        ({"contents": [user({"text": "x", "inlineData": {}})]}, "Invalid value at 'contents[0].parts[0]' (oneof), oneof field 'data'"),
        ({"contents": [user({"text": 7})]}, "Invalid value at 'contents[0].parts[0].text' (TYPE_STRING), 7"),
        (
            {"contents": [user({"inline_data": {"mime_type": "image/png", "data": "?"}})]},
            "Invalid value at 'contents[0].parts[0].inline_data.data' (TYPE_BYTES), Base64 decoding failed",
        ),
        ({"contents": [user({"text": "x"}), CALL, user({"text": "y"})]}, "Please ensure that the number of function response parts"),
        ({"contents": [user({"text": "x"}), RESULT]}, "Please ensure that function response turn comes immediately after"),
        ({"messages": []}, 'Invalid JSON payload received. Unknown name "messages": Cannot find field.'),
        ({"contents": [user({"txt": "x"})]}, "Invalid JSON payload received. Unknown name \"txt\" at 'contents[0].parts[0]'"),
        ({"generationConfig": {"max_tokens": 5}}, "Invalid JSON payload received. Unknown name \"max_tokens\" at 'generation_config'"),
        ({"generationConfig": {"temperature": "hot"}}, "Invalid value at 'generation_config.temperature' (TYPE_FLOAT), \"hot\""),
        ({"generationConfig": {"temperature": [1]}}, "Invalid JSON payload received. Unknown name \"temperature\" at 'generation_config'"),
        ({"generationConfig": {"temperature": 2.5}}, "* GenerateContentRequest.generation_config.temperature: must be at most 2"),
        ({"generationConfig": {"maxOutputTokens": -1}}, "* GenerateContentRequest.generation_config.max_output_tokens"),
        ({"generationConfig": {"responseMimeType": "image/png"}}, "* GenerateContentRequest.generation_config.response_mime_type: allowed"),
        ({"generationConfig": {"responseSchema": CITY}}, "* GenerateContentRequest.generation_config.response_schema: only allowed"),
        ({"cachedContent": "cachedContents/x"}, "CachedContent not found (or permission denied)"),
        (declared(name="a b"), "* GenerateContentRequest.tools[0].function_declarations[0].name: Invalid function name."),
        ({"tools": [WEATHER, WEATHER]}, "Duplicate function declaration found: weather"),
        (declared(parameters=CITY, parametersJsonSchema={}), "* GenerateContentRequest.tools[0].function_declarations[0]: parameters"),
        (declared(parameters={"type": "OBJECT"}), f"* GenerateContentRequest.{AT}.properties: should be non-empty for OBJECT type\n"),
        (parameters(x={"type": "ARRAY"}), f"* GenerateContentRequest.{AT}.properties[x].items: missing field.\n"),
        (parameters(x={"type": "INTEGER", "enum": ["1"]}), f"* GenerateContentRequest.{AT}.properties[x].enum: only allowed for STRING"),
        (parameters(x={"type": "STRING", "format": "uri"}), f"* GenerateContentRequest.{AT}.properties[x].format: only 'enum' and"),
        (parameters(x={"type": ["string", "null"]}), f"Invalid JSON payload received. Unknown name \"type\" at '{AT}.properties[0].value'"),
        (parameters(x={"type": "thing"}), f"Invalid value at '{AT}.properties[0].value.type' (type.googleapis.com/google.ai."),
        (declared(parameters={**CITY, "required": ["town"]}), f"* GenerateContentRequest.{AT}.required[0]: property is not defined\n"),
        (
            declared(parameters={**CITY, "additionalProperties": False}),
            f"Invalid JSON payload received. Unknown name \"additionalProperties\" at '{AT}': Cannot find field.",
        ),
        ({"toolConfig": ANY}, "Function calling config is set without function_declarations."),
        (
            {"tools": [WEATHER], "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["x"]}}},
            "allowed_function_names contains a function that is not declared: x",
        ),
    ],
)
def test_what_the_provider_refuses_is_refused_in_its_words(generate: Any, members: dict[str, Any], text: str) -> None:
    reply = generate(**members)
    error = reply.json["error"]
    assert error["message"].startswith(text), error["message"]
    status = 403 if "permission" in text else 400
    assert (reply.status, error["code"], error["status"]) == (
        status,
        status,
        "INVALID_ARGUMENT" if status == 400 else "PERMISSION_DENIED",
    )


def test_what_the_parser_refuses_names_the_field(generate: Any) -> None:
    error = generate(contents=[user({"txt": "x"})]).json["error"]
    (detail,) = error["details"]
    assert detail["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    assert detail["fieldViolations"] == [{"field": "contents[0].parts[0]", "description": error["message"]}]


def test_any_json_schema_is_taken_where_one_is_promised(generate: Any) -> None:
    schema = {"type": "object", "properties": {"x": {"type": ["integer", "null"]}}, "required": ["x"], "additionalProperties": False}
    reply = generate(**declared(parametersJsonSchema=schema), toolConfig=ANY)
    assert reply.json["candidates"][0]["content"]["parts"][0]["functionCall"]["args"] == {"x": 0}


def test_models_are_listed_page_by_page_and_looked_up(ask: Any) -> None:
    headers = {"x-goog-api-key": "MARKER"}
    page = ask("/v1beta/models?pageSize=3", method="GET", headers=headers).json
    assert len(page["models"]) == 3
    rest = ask(f"/v1beta/models?pageToken={page['nextPageToken']}", method="GET", headers=headers).json
    assert "nextPageToken" not in rest
    names = [model["name"] for model in page["models"] + rest["models"]]
    assert len(names) == len(set(names)) > 12
    assert "models/sandbox/echo" in names
    for path in ("/v1beta/models/sandbox/echo", "/v1beta/models/sandbox%2Fecho", "/v1/models/sandbox/echo"):
        model = ask(path, method="GET", headers=headers).json
        assert (model["name"], "generateContent" in model["supportedGenerationMethods"]) == ("models/sandbox/echo", True)
    assert ask("/v1/models", method="GET", headers=headers).json == ask("/v1beta/models", method="GET", headers=headers).json
    assert ask("/v1beta/models?pageSize=x", method="GET", headers=headers).status == 400
    assert ask(f"/v1beta/models/{'x' * 300}", method="GET", headers=headers).json["error"]["status"] == "NOT_FOUND"


def test_a_vector_is_the_same_alone_and_in_a_batch(ask: Any) -> None:
    def request(text: str, **members: Any) -> dict[str, Any]:
        return {"model": "models/m", "content": {"parts": [{"text": text}]}, "outputDimensionality": 8, **members}

    batch = ask("/v1beta/models/m:batchEmbedContents", requests=[request("hello"), request("other"), request("hello")]).json
    first, second, third = [embedding["values"] for embedding in batch["embeddings"]]
    assert first == third != second
    assert len(first) == 8
    assert sum(x * x for x in first) == pytest.approx(1)
    assert batch["usageMetadata"] == {"promptTokenCount": 3}
    openai = ask("/v1/embeddings", model="m", input="hello", dimensions=8).json
    assert openai["data"][0]["embedding"] == first


@pytest.mark.parametrize(
    ("requests", "text"),
    [
        ([], "* BatchEmbedContentsRequest.requests: requests is not specified\n"),
        ([{"content": {"parts": [{"text": "x"}]}}], "* BatchEmbedContentsRequest.requests[0].model: must be models/m\n"),
        ([{"model": "models/other", "content": {}}], "* BatchEmbedContentsRequest.requests[0].model: must be models/m\n"),
        ([{"model": "models/m"}], "* BatchEmbedContentsRequest.requests[0].content: content is not specified\n"),
        ([{"model": "models/m", "content": {"parts": []}}], "* BatchEmbedContentsRequest.requests[0].content.parts: contents.parts must"),
        ([{"model": "models/m", "input": "x"}], "Invalid JSON payload received. Unknown name \"input\" at 'requests[0]'"),
        ([{"model": "models/m", "content": {"parts": [{"text": "x"}]}}] * 101, "* BatchEmbedContentsRequest.requests: at most 100"),
    ],
)
def test_what_an_embedding_lacks_is_said(ask: Any, requests: list[Any], text: str) -> None:
    reply = ask("/v1beta/models/m:batchEmbedContents", requests=requests)
    assert (reply.status, reply.json["error"]["message"][: len(text)]) == (400, text)
