"""Responses and Gemini, passed through: neither how a stream was cut nor what stands in a text changes what becomes of it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyrouter.core.errors import ClientError
from anyrouter.wire.dialect import DIALECTS
from anyrouter.wire.failure import read_failure
from anyrouter.wire.reply import CostFields, InvalidReply, Naming
from support.passthrough import (
    COMPLETED,
    CREATED,
    GEMINI_STREAMS,
    RESPONSE,
    RESPONSE_STREAMS,
    USAGE,
    chunk,
    encode,
    named,
    open_array,
    open_candidates,
    open_gemini,
    open_responses,
    recorded,
    sse,
    tokens,
)
from support.streams import HOSTILE, MODEL, PROVIDER, cut, outcome, read_events, run

STREAMS = {
    **{f"responses: {name}": (open_responses, stream) for name, stream in RESPONSE_STREAMS.items()},
    **{f"responses, broken: {name}": (open_responses, stream) for name, stream in recorded("responses", is_whole=False).items()},
    **{f"gemini: {name}": (open_gemini, stream) for name, stream in GEMINI_STREAMS.items()},
    **{f"gemini, broken: {name}": (open_gemini, stream) for name, stream in recorded("gemini", is_whole=False).items()},
    **{f"gemini, two answers: {name}": (open_candidates, stream) for name, stream in GEMINI_STREAMS.items()},
    **{f"gemini, array: {name}": (open_array, stream) for name, stream in GEMINI_STREAMS.items()},
}
SHORT = {name: row for name, row in STREAMS.items() if len(row[1]) < 1800}


@pytest.mark.parametrize(("make", "stream"), SHORT.values(), ids=SHORT)
def test_a_stream_cut_in_two_at_any_byte_comes_out_the_same(make, stream: bytes) -> None:
    whole = outcome(make, [stream])
    for at in range(1, len(stream)):
        assert outcome(make, [stream[:at], stream[at:]]) == whole, at


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(sorted(STREAMS)), st.data())
def test_a_stream_cut_into_any_pieces_comes_out_the_same(name: str, data: st.DataObject) -> None:
    make, stream = STREAMS[name]
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))
    assert outcome(make, cut(stream, places)) == outcome(make, [stream])


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20) | st.sampled_from(
    [HOSTILE, "response", "error", "[DONE]", '"response":{', "finishReason", '"functionCall":{"', "usageMetadata", "blockReason", "\\"]
)
spellings = st.tuples(st.sampled_from([(",", ":"), (", ", ": ")]), st.sampled_from(["\n", "\r\n"]))
deltas = st.builds(
    lambda kind, text, extra: {"type": f"response.{kind}.delta", "delta": text, **extra},
    st.sampled_from(["output_text", "refusal", "function_call_arguments", "reasoning_summary_text", "new"]),
    texts,
    st.dictionaries(st.sampled_from(["item_id", "obfuscation", "logprobs", "x"]), texts, max_size=2),
)


@settings(deadline=None, max_examples=150)
@given(st.lists(deltas, max_size=6), spellings, texts, st.data())
def test_any_response_reaches_the_client_with_our_names_alone(told, spelling, text: str, data: st.DataObject) -> None:
    last = {**COMPLETED, "response": {**COMPLETED["response"], "instructions": text}}
    stream = b"".join(named(event, *spelling) for event in [CREATED, *told, last])
    out, rewriter = run(open_responses, cut(stream, data.draw(st.lists(st.integers(0, len(stream)), max_size=8))))
    first, *middle, end = read_events(out)
    assert rewriter.is_done
    assert middle == told
    assert first == {**CREATED, "response": {**RESPONSE, "model": MODEL, "provider": PROVIDER}}
    usage = end["response"].pop("usage")
    assert end["response"] == {name: value for name, value in last["response"].items() if name != "usage"} | {
        "model": MODEL,
        "provider": PROVIDER,
    }
    assert {name: usage[name] for name in USAGE} == USAGE
    assert usage["cost"] == 100 * 1000 + 10


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(texts, st.none() | st.integers(0, 50)), max_size=6), spellings, st.booleans(), st.data())
def test_any_answer_of_geminis_passes_as_it_came(told, spelling, is_array, data: st.DataObject) -> None:
    separators, border = spelling
    chunks = [chunk(text, **({} if count is None else {"usageMetadata": tokens(count)})) for text, count in told]
    chunks.append(chunk("", finish="STOP", usageMetadata=tokens(60)))
    stream = b"".join(sse(one, border * 2, separators) for one in chunks)
    make = open_array if is_array else open_gemini
    out, rewriter = run(make, cut(stream, data.draw(st.lists(st.integers(0, len(stream)), max_size=8))))
    assert rewriter.is_done
    assert (json.loads(out) == chunks) if is_array else (out == stream)
    assert (rewriter.usage().input_tokens, rewriter.usage().output_tokens, rewriter.facts.finish_reason) == (100, 60, "stop")


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.binary(max_size=30)
        | st.sampled_from(
            [b"data: ", b"event: error\n", b"\n\n", b"\r\n\r\n", b"{", b"}", b'"response":', b'"error":', b"[", b"]", b"\xff", b"null"]
        )
        | st.sampled_from(
            [named(CREATED), b'data: {"type":"response.completed","response":{}}\n\n', b'{"type":"', b'"', b"9" * 400, b"1e999"]
        )
        | st.sampled_from([sse(chunk()), sse(chunk(finish="STOP")), b'data: {"candidates":[{"finishReason":5}]}\n\n', b'{"error":{}}']),
        max_size=12,
    ),
    st.sampled_from([open_responses, open_gemini, open_candidates, open_array]),
)
def test_garbage_is_an_invalid_reply_and_never_anything_else(pieces: list[bytes], make) -> None:
    try:
        run(make, pieces)[1].usage()
    except InvalidReply:
        return


values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
REPLIES = {
    "responses": {"id": "resp_1", "status": "completed", "model": "gpt-x", "output": [], "usage": USAGE, "error": None},
    "gemini": {"candidates": [{"finishReason": "STOP"}], "usageMetadata": tokens(4), "responseId": "r", "promptFeedback": None},
}


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(sorted(REPLIES)), st.data())
def test_any_json_is_a_reply_or_an_invalid_one_and_keeps_what_is_not_ours(dialect: str, data: st.DataObject) -> None:
    names = st.sampled_from([*sorted(REPLIES[dialect]), "provider", "x"])
    told = {**REPLIES[dialect], **data.draw(st.dictionaries(names, values, max_size=2))}
    text = json.dumps(told, indent=data.draw(st.sampled_from([None, 1]))).encode()
    try:
        reply, facts = DIALECTS[dialect].read_reply(dialect, text)
    except InvalidReply:
        return
    naming = Naming(b'"gen-1"', encode(MODEL), encode(PROVIDER))
    usage = facts.usage or open_gemini().usage()
    out = json.loads(b"".join(bytes(part) for part in DIALECTS[dialect].render_reply(dialect, reply, naming, usage, CostFields(cost=b"7"))))
    if dialect == "gemini":
        assert out == told
        return
    assert (out["model"], out["provider"], out["usage"]["cost"]) == (MODEL, PROVIDER, 7)
    assert all(isinstance(out["usage"][name], int) for name in ("input_tokens", "output_tokens", "total_tokens"))
    ours = {"model", "provider", "usage"}
    assert {name: value for name, value in out.items() if name not in ours} == {
        name: value for name, value in told.items() if name not in ours
    }


seals = st.sampled_from(
    ["anyrouter.google-gemini-v1..c2ln", "anyrouter.openai-responses-v1.rs_1.c2ln", "anyrouter...", "c2ln", "", "anyrouter."]
)
blocks = st.fixed_dictionaries(
    {"type": st.sampled_from(["thinking", "redacted_thinking", "text", "reasoning"])},
    optional={
        "signature": seals | values,
        "data": seals,
        "thinking": texts,
        "text": texts | seals,
        "encrypted_content": seals | st.none(),
        "id": st.just("rs_1"),
        "content": values,
        "thought": st.booleans(),
        "thoughtSignature": seals
        | st.sampled_from(["YW55cm91dGVyLmFudGhyb3BpYy1jbGF1ZGUtdjEuLng=", "YW55cm91dGVy", "YW55cm91dGVyLi4u", "YW55cm91dGVy=="]),
    },
)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(["anthropic", "responses", "gemini"]), st.lists(blocks | values, max_size=4), st.sampled_from([None, 2]))
def test_what_is_kept_of_any_conversation_is_what_came_without_its_sealed_proofs(
    dialect: str, told: list[object], indent: int | None
) -> None:
    shaped: dict[str, object] = {
        "anthropic": {"messages": [{"role": "assistant", "content": told}, {"role": "user", "content": "hi"}]},
        "responses": {"input": [*told, {"role": "user", "content": "hi"}], "store": False},
        "gemini": {"contents": [{"role": "model", "parts": told}, {"parts": [{"text": "hi"}]}]},
    }[dialect]
    body = json.dumps({"model": "m", **shaped}, indent=indent).encode()
    endpoint = {"anthropic": "messages", "gemini": "generateContent"}.get(dialect, dialect)
    sent = json.loads(b"".join(bytes(part) for part in DIALECTS[dialect].read_request(endpoint, body).encode(b'"m"')))
    (name,) = {"messages", "input", "contents"} & shaped.keys()
    inner = {"messages": "content", "contents": "parts", "input": None}[name]
    kept = sent[name] if inner is None else [one for turn in sent[name][:-1] for one in turn[inner]]
    signatures = {"anthropic": ("signature", "data"), "responses": ("encrypted_content",), "gemini": ("thoughtSignature",)}[dialect]
    kinds = {"anthropic": ["thinking", "redacted_thinking"], "responses": ["reasoning"], "gemini": None}[dialect]
    came = iter([*told, {"role": "user", "content": "hi"}] if inner is None else told)
    for one in kept:  # in its order, each as it came but for a proof
        bare = {key: value for key, value in one.items() if key not in signatures} if isinstance(one, dict) else one
        assert any(
            bare == ({k: v for k, v in other.items() if k not in signatures} if isinstance(other, dict) else other) for other in came
        )
        if isinstance(one, dict) and (kinds is None or one.get("type") in kinds):
            member = "data" if one.get("type") == "redacted_thinking" else signatures[0]
            proof = one.get(member)
            is_read = dialect != "anthropic" or all(isinstance(one.get(key), str | None) for key in ("signature", "data"))
            if isinstance(proof, str) and is_read and dialect != "gemini":
                assert proof.count(".") < 3


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(["responses", "gemini"]), values, values)
def test_any_request_is_judged_or_refused_by_name(dialect: str, prompt: object, other: object) -> None:
    endpoint = {"gemini": "generateContent"}.get(dialect, dialect)
    body = encode(
        {"model": "m", {"gemini": "contents"}.get(dialect, "input"): prompt, "stream": None, "generationConfig": other, "reasoning": other}
    )
    try:
        request = DIALECTS[dialect].read_request(endpoint, body)
    except ClientError as error:
        if error.denied.param is None:
            raise
        return
    told = json.loads(b"".join(bytes(part) for part in request.encode(b'"m"')))
    assert (told["generationConfig"], told["reasoning"]) == (other, other)
    assert request.measured_input_tokens() >= 1
    DIALECTS[dialect].open_stream(endpoint, request, Naming(b'"g"', b'"m"', b'"p"'), lambda _: CostFields(cost=b"0"))


@settings(deadline=None, max_examples=200)
@given(
    st.dictionaries(st.sampled_from(["error", "response", "message", "Message", "__type", "code", "param", "detail"]), values, max_size=4),
    st.sampled_from(["error", "response", None]),
    st.dictionaries(st.sampled_from(["message", "code", "status", "type", "param", "details", "error"]), values, max_size=4),
    st.booleans(),
)
def test_any_error_body_is_read_without_failing(told, name: str | None, inner, is_listed) -> None:
    body = {**told, **({} if name is None else {name: inner})}
    for part in read_failure(encode([body] if is_listed else body)):
        assert part is None or 0 < len(part) <= 2000
