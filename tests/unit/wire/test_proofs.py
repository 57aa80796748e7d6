"""What is passed through as it came holds no other provider's proof: an upstream would refuse the conversation for it."""

import base64
import json
from typing import Any

import pytest

from anyrouter.wire.dialect import DIALECTS
from anyrouter.wire.form.reasoning import ANTHROPIC_FORMAT, GEMINI_FORMAT, OPENAI_FORMAT, UNPROVED, seal
from anyrouter.wire.translation.gemini.signatures import write_signature
from anyrouter.wire.translation.translation import decode_request
from support.passthrough import GOLDEN, encode

SEALED = seal("c2VjcmV0", GEMINI_FORMAT, "call_1")
OWN = seal("b3du", ANTHROPIC_FORMAT)
THINKING = {"type": "thinking", "thinking": "hm", "signature": "b3du"}
TEXT = {"type": "text", "text": "1.50"}
USER = {"role": "user", "content": "hi"}
FOREIGN_SIGNATURE = write_signature("c2VjcmV0", ANTHROPIC_FORMAT)
OWN_SEALED_SIGNATURE = base64.b64encode(seal("b3du", GEMINI_FORMAT).encode()).decode()


def passed(dialect: str, body: bytes) -> bytes:
    if dialect == "gemini":
        read = DIALECTS["gemini"].read_named_request
        assert read is not None
        return b"".join(bytes(part) for part in read("generateContent", body, "m").encode(b'"m"'))
    endpoint = {"anthropic": "messages"}.get(dialect, dialect)
    return b"".join(bytes(part) for part in DIALECTS[dialect].read_request(endpoint, body).encode(b'"m"'))


def messages(*content: object) -> list[object]:
    body = {"model": "m", "messages": [USER, {"role": "assistant", "content": list(content)}, USER]}
    return json.loads(passed("anthropic", encode(body)))["messages"]


def items(*told: object) -> list[object]:
    return json.loads(passed("responses", encode({"model": "m", "store": False, "input": [*told, USER]})))["input"]


def parts(*told: object) -> object:
    return json.loads(passed("gemini", encode({"contents": [{"role": "model", "parts": list(told)}, {"parts": [{"text": "hi"}]}]})))[
        "contents"
    ]


@pytest.mark.parametrize(
    "block",
    [
        {**THINKING, "signature": SEALED},
        {**THINKING, "signature": seal("x", OPENAI_FORMAT, "rs_1")},
        {**THINKING, "signature": seal("x", None)},
        {**THINKING, "signature": UNPROVED},
        {"type": "redacted_thinking", "data": SEALED},
    ],
)
def test_thinking_that_another_proved_does_not_reach_anthropic(block: dict[str, object]) -> None:
    assert messages(THINKING, block, TEXT) == [USER, {"role": "assistant", "content": [THINKING, TEXT]}, USER]
    assert messages(block) == [USER, USER]


def test_a_proof_of_anthropics_own_is_opened() -> None:
    assert messages({**THINKING, "signature": OWN}, {"type": "redacted_thinking", "data": OWN}) == [
        USER,
        {"role": "assistant", "content": [THINKING, {"type": "redacted_thinking", "data": "b3du"}]},
        USER,
    ]


@pytest.mark.parametrize(
    "block",
    [
        {"type": "text", "text": SEALED},
        {"type": "tool_use", "id": "x", "name": "f", "input": {"signature": SEALED}},
        {"type": "tool_result", "tool_use_id": "x", "content": [{"type": "text", "text": SEALED}]},
        {"type": "thinking", "thinking": SEALED, "signature": "b3du"},
        {"type": "new", "signature": SEALED},
        {"type": "thinking", "signature": [SEALED]},
        {"type": 5, "data": SEALED},
        SEALED,
        [SEALED],
    ],
)
def test_the_same_letters_elsewhere_are_the_clients_own(block: object) -> None:
    assert messages(block, TEXT) == [USER, {"role": "assistant", "content": [block, TEXT]}, USER]


@pytest.mark.parametrize("told", [SEALED, 5, {"x": SEALED}, [5, SEALED, {"content": SEALED}, {"content": {"x": SEALED}}]])
def test_messages_of_another_shape_are_the_upstreams_to_judge(told: object) -> None:
    body = encode({"model": "m", "messages": told})
    assert passed("anthropic", body) == body


def test_everything_else_of_a_cleaned_conversation_keeps_its_bytes() -> None:
    body = (
        b'{"model":"m", "messages":[ {"role":"user", "content":"1.50 \xc3\xbc \\u00fc"} ,'
        b'{"role":"assistant","x":1e0,"content":[ {"type":"text" , "text":"a"},{"type":"thinking","signature":"%s"}]}],"y":2.0}'
    ) % SEALED.encode()
    assert passed("anthropic", body) == (
        b'{"model":"m", "messages":[{"role":"user", "content":"1.50 \xc3\xbc \\u00fc"},'
        b'{"role":"assistant","x":1e0,"content":[{"type":"text" , "text":"a"}]}],"y":2.0}'
    )


def test_tokens_are_counted_of_the_same_conversation() -> None:
    body = encode({"model": "m", "messages": [USER, {"role": "assistant", "content": [{**THINKING, "signature": SEALED}, TEXT]}]})
    request = DIALECTS["anthropic"].read_request("messages/count_tokens", body)
    assert SEALED.encode() not in b"".join(request.encode(b'"m"'))


@pytest.mark.parametrize(
    "item",
    [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": SEALED},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}], "encrypted_content": seal("x", None)},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "content": [], "encrypted_content": None},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": ""},
        {
            "type": "reasoning",
            "id": "rs_01a20d2facb2e31aa42fb9771198f07f_0",
            "summary": [],
            "content": [{"type": "reasoning_text", "text": "read by everybody, made by a translation"}],
        },
    ],
)
def test_reasoning_that_another_proved_or_that_nobody_keeps_does_not_reach_openai(item: dict[str, object]) -> None:
    assert items(item) == [USER]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAB"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": f'"reasoning" {SEALED}'}]},
        {"type": "function_call", "call_id": "reasoning", "name": "f", "arguments": "{}"},
        {"type": "new", "id": "reasoning", "encrypted_content": SEALED},
        {"type": ["reasoning"], "id": "rs_1"},
        "reasoning",
    ],
)
def test_other_items_are_passed_on(item: object) -> None:
    assert items(item) == [item, USER]


def test_a_proof_of_openais_own_is_opened() -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": []}
    assert items({**item, "encrypted_content": seal("gAAAAB", OPENAI_FORMAT)}) == [{**item, "encrypted_content": "gAAAAB"}, USER]


def test_an_input_of_nothing_else_is_the_upstreams_to_judge() -> None:
    body = encode({"model": "m", "store": False, "input": [{"type": "reasoning", "id": "rs_1", "summary": []}]})
    assert passed("responses", body) == body


@pytest.mark.parametrize("name", ["thoughtSignature", "thought_signature"])
def test_thoughts_that_another_proved_do_not_reach_gemini(name: str) -> None:
    user, text = {"parts": [{"text": "hi"}]}, {"text": "1.50"}
    for thought in (
        {"text": "hm", "thought": True, name: FOREIGN_SIGNATURE},
        {"thought": True, name: FOREIGN_SIGNATURE},
        {"text": "", name: FOREIGN_SIGNATURE},
        {name: FOREIGN_SIGNATURE},
    ):
        assert parts(thought, text) == [{"role": "model", "parts": [text]}, user]
        assert parts(thought) == [user]
    call = {"functionCall": {"name": "f", "args": {"x": 1.5}}}
    assert parts({**call, name: FOREIGN_SIGNATURE}, {**text, name: FOREIGN_SIGNATURE}) == [{"role": "model", "parts": [call, text]}, user]
    assert parts({**call, name: OWN_SEALED_SIGNATURE}) == [{"role": "model", "parts": [{**call, name: "b3du"}]}, user]
    assert parts({**call, name: "b3du"}, {"text": FOREIGN_SIGNATURE}) == [
        {"role": "model", "parts": [{**call, name: "b3du"}, {"text": FOREIGN_SIGNATURE}]},
        user,
    ]


def test_a_single_content_or_part_stands_for_a_list_of_one() -> None:
    signed = {"functionCall": {"name": "f"}, "thoughtSignature": FOREIGN_SIGNATURE}
    body = encode({"contents": {"role": "model", "parts": signed}})
    assert json.loads(passed("gemini", body)) == {"contents": {"role": "model", "parts": {"functionCall": {"name": "f"}}}}


@pytest.mark.parametrize(
    "told",
    [
        FOREIGN_SIGNATURE,
        5,
        [5, {"parts": FOREIGN_SIGNATURE}, {"parts": [[FOREIGN_SIGNATURE], {"text": 5, "thoughtSignature": FOREIGN_SIGNATURE}]}],
    ],
)
def test_contents_of_another_shape_are_the_upstreams_to_judge(told: object) -> None:
    body = encode({"contents": told})
    assert passed("gemini", body) == body


_REFUSED = {"background", "conversation", "item", "stored", "refused"}
CASES = [
    (dialect, path)
    for dialect in ("anthropic", "gemini", "responses")
    for path in sorted((GOLDEN / dialect).glob("request_*.json"))
    if _REFUSED.isdisjoint(path.stem.split("_")) or (dialect, path.stem) == ("gemini", "request_conversation")
]


def _is_kept(item: dict[str, object]) -> bool:
    return item.get("type") != "reasoning" or bool(item.get("encrypted_content") or item.get("content"))


@pytest.mark.parametrize(("dialect", "path"), CASES, ids=lambda value: getattr(value, "stem", value))
def test_no_recorded_conversation_is_passed_on_with_a_foreign_proof_and_a_translation_still_gets_all(dialect: str, path: Any) -> None:
    told = json.loads(path.read_bytes())
    body = encode(told)
    sent = passed(dialect, body)
    assert b'"anyrouter.' not in sent
    assert b"YW55cm91dGVy" not in sent
    if b'"anyrouter.' not in body and b"YW55cm91dGVy" not in body:
        kept, name = json.loads(sent), {"anthropic": "messages", "gemini": "contents", "responses": "input"}[dialect]
        assert kept[name] == (list(filter(_is_kept, told[name])) if isinstance(told[name], list) else told[name])
    endpoint = {"anthropic": "messages", "gemini": "generateContent"}.get(dialect, dialect)
    request = DIALECTS[dialect].read_request(endpoint, encode({**told, "model": "m"}))
    assert not {"messages", "contents", "input"} & request.replace.keys()
    assert decode_request(dialect, request).form.messages
