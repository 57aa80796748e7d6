"""Byte for byte: what the client wrote reaches the upstream, what the upstream wrote reaches the client, but for the named members."""

import gzip
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from support.served import Served
from support.upstream import Answer, ScriptedUpstream

Ask = Callable[..., httpx.Response]

# Everything here means something to somebody: spelling of numbers, order, escapes, spaces, names that nobody knows.
ODD = (
    '"zeta" :1.0,\n\t"alpha": 1 , "big":123456789012345678901234567890,"exact":0.1000000000000000055511151231257827,'
    '"exp":1E+2,"small":-0.0e-7,"tiny":1e-400,  "esc":"\\u00e9\\/\\ud83d\\ude00\\u0000\\"\\\\","raw":"é😀\u2028 \U0010ffff",'
    '"nested":{"model":"not this","id":"nor this","b":{},"a":[ ],"dup":1,"dup":2,"\\u006dodel":3},"":null,"Model":"nor that",'
    '"text":"\\"model\\":\\"gpt-4o\\",\\"id\\":\\"chatcmpl-1\\",\\"usage\\":{ data: [DONE]"'
)
CHAT_ODD = '"messages":[ {"content":"Hi" ,"role":"user","name\\u0021":[1,1.0,1.00]} ] ,' + ODD


@pytest.mark.parametrize(
    ("before", "between", "after"),
    [
        ('{"model":', ",", "}"),
        ('{ "model" : ', " , ", " }"),
        ("{\r\n\t" + CHAT_ODD + ' , "model"\t:\n', "", "\n}\n"),
        ('{"temperature":0.70,"model":', ',"top_p":1,', "}"),
        (" \t\r\n{" + CHAT_ODD + ',"model": ', ' ,"seed":9007199254740993', "}  "),
    ],
)
def test_a_request_reaches_the_upstream_as_it_was_written_but_for_the_model(
    ask: Ask, upstream: ScriptedUpstream, before: str, between: str, after: str
) -> None:
    text = f"{before}<MODEL>{between}{'' if CHAT_ODD in before else CHAT_ODD}{after}"
    for path in ("chat/completions", "messages"):
        public, own = ("openai/gpt-4o", "gpt-4o") if path != "messages" else ("anthropic/claude-sonnet-5", "claude-sonnet-5")
        reply = ask(f"/v1/{path}", text.replace("<MODEL>", f'"{public}"').encode())
        assert reply.status_code == 200, reply.text
        assert upstream.received[-1].body == text.replace("<MODEL>", f'"{own}"').encode()
        assert upstream.received[-1].headers["content-length"] == str(len(upstream.received[-1].body))


def test_the_models_name_may_be_spelt_with_escapes(ask: Ask, upstream: ScriptedUpstream) -> None:
    assert ask("/v1/chat/completions", b'{"m\\u006fdel":"openai\\/gpt\\u002d4o","messages":[],"n":1.0}').status_code == 200
    sent = upstream.received[0].body
    assert json.loads(sent) == {"model": "gpt-4o", "messages": [], "n": 1.0}
    assert b"1.0" in sent


def test_a_stream_asks_for_usage_behind_all_that_the_client_wrote(ask: Ask, upstream: ScriptedUpstream) -> None:
    text = '{ "stream":true ,"model": "%s" ,' + CHAT_ODD + " \n}\n"
    upstream.handle = lambda _: stream_of([event_of("Hi"), event_of("", finish="stop"), b"data: [DONE]\n\n"])
    assert ask("/v1/chat/completions", (text % "openai/gpt-4o").encode()).status_code == 200
    sent = upstream.received[0].body.decode()
    added = ',"stream_options":{"include_usage":true}'
    assert sent.count(added) == 1
    assert sent.replace(added, "") == text % "gpt-4o"

    told = '{"model":"%s","messages":[],"stream":true,"stream_options": {"include_usage":true,"x":1.0} }'
    ask("/v1/chat/completions", (told % "openai/gpt-4o").encode())
    assert upstream.received[1].body.decode() == told % "gpt-4o"


def test_the_gateways_own_members_are_cut_out_and_the_rest_stays(ask: Ask, upstream: ScriptedUpstream) -> None:
    text = '{"messages":[] ,%s "seed": 1.0 ,"model":"%s"%s, "big":123456789012345678901234567890}'
    own = '"provider":{"order":["openai"],"x":{"y":[]}},', ' ,"session_id" : "s"'
    assert ask("/v1/chat/completions", (text % (own[0], "openai/gpt-4o", own[1])).encode()).status_code == 200
    sent = upstream.received[0].body
    assert list(json.loads(sent)) == ["messages", "seed", "model", "big"]
    assert b'"seed": 1.0' in sent
    assert b"123456789012345678901234567890" in sent


def test_of_a_repeated_member_the_last_is_judged_and_the_only_one_sent(ask: Ask, upstream: ScriptedUpstream) -> None:
    body = b'{"model":"nobody/nothing","messages":[],"model":"openai/gpt-4o","n":2,"n":1.0}'
    assert ask("/v1/chat/completions", body).status_code == 200
    sent = upstream.received[0].body
    assert (sent.count(b'"model"'), sent.count(b'"n"')) == (1, 1)
    assert json.loads(sent, parse_float=str) == {"model": "gpt-4o", "messages": [], "n": "1.0"}


USAGE = (
    '{ "prompt_tokens":100,"completion_tokens" : 10, "total_tokens":110,"queue_time":0.010,'
    '"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0} %s}'
)
COST = (
    ',"cost":0.00035,"is_byok":false,"cost_details":{"upstream_inference_cost":0,"upstream_inference_input_cost":0,'
    '"upstream_inference_output_cost":0}'
)
CHOICE = (
    '{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"\\u00e9😀 \\"id\\":\\"chatcmpl-1\\"",'
    '"tool_calls":[{"id":"chatcmpl-2","type":"function"}],"annotations":[ ]},"logprobs":null}'
)
REPLIES = {
    "compact": '{"id":%s,"object":"chat.completion","created":1700000000.0,"model":%s,"choices":[' + CHOICE + '],"usage":%s%s}',
    "spaced": '{"id": %s, "object": "chat.completion", "model": %s, "choices": [' + CHOICE + '], "usage": %s%s}',
    "odd": '\n{ "id" : %s\t,"model":\n%s , "choices" : [ ' + CHOICE + ' ] ,"usage" :  %s ,' + ODD + " %s}\n",
    "long": '{"id":%s,"model":%s,"pad":"' + "x" * 70_000 + '","choices":[' + CHOICE + '],"usage":%s%s}',
    "repeated below": '{"id" : %s,"model" : %s,"choices":[{"id":"chatcmpl-1","model":"gpt-4o-x","message":{}}],"usage" : %s%s}',
}


@pytest.mark.parametrize("form", REPLIES)
def test_a_reply_reaches_the_client_as_it_was_written_but_for_the_named_members(ask: Ask, upstream: ScriptedUpstream, form: str) -> None:
    template = REPLIES[form]
    sent = template % ('"chatcmpl-1"', '"gpt-4o-x"', USAGE % "", "")
    upstream.handle = lambda _: Answer(body=sent.encode())
    reply = ask("/v1/chat/completions", {"model": "openai/gpt-4o", "messages": []})
    assert reply.status_code == 200, reply.text
    identity = reply.headers["x-generation-id"]
    added = ',"provider":"OpenAI","system_fingerprint":null'
    assert reply.content.decode() == template % (f'"{identity}"', '"openai/gpt-4o"', USAGE % COST, added)


def test_an_embedding_reaches_the_client_as_it_was_written(ask: Ask, upstream: ScriptedUpstream) -> None:
    vector = "[1.0,-0.0, 1e-7,0.10000000000000001,\n 12345678901234567890]"
    sent = f'{{"object":"list","data":[{{"index":0,"embedding":{vector},"object":"embedding"}}],"model":"m-1"'
    sent += ',"usage":{"prompt_tokens":4,"total_tokens":4}}'
    upstream.handle = lambda _: Answer(body=sent.encode())
    reply = ask("/v1/embeddings", {"model": "openai/text-embedding-3-small", "input": "a"})
    assert f'"embedding":{vector},' in reply.text
    assert reply.text.startswith('{"object":"list","data":[{"index":0,"embedding":')


def test_a_message_reaches_the_client_as_it_was_written_with_the_provider_behind_it(ask: Ask, upstream: ScriptedUpstream) -> None:
    sent = (
        '\n{ "id" : "msg_1","model":"claude-x", "content" : [ {"type":"text","text":"\\u00e9😀"} ] ,"stop_reason":"end_turn",'
        '"usage":{"input_tokens":1,"output_tokens":2.0e0,"x":1.0},' + ODD + "%s }\n"
    )
    upstream.handle = lambda _: Answer(body=(sent % "").encode())
    reply = ask("/v1/messages", {"model": "anthropic/claude-sonnet-5", "max_tokens": 9, "messages": []})
    assert reply.content.decode().replace(',"provider":"Anthropic"', "") == sent % ""
    assert reply.json()["provider"] == "Anthropic"
    taken = sent % ',"provider":"mine"'
    upstream.handle = lambda _: Answer(body=taken.encode())
    assert ask("/v1/messages", {"model": "anthropic/claude-sonnet-5", "max_tokens": 9, "messages": []}).content == taken.encode()


def event_of(text: str, *, finish: str | None = None, end: str = "\n\n", form: str = "%s") -> bytes:
    """One event of a chat stream as no SDK would write it."""
    choice = f'[{{"index":0,"delta":{{"content":{json.dumps(text)} , "x":1.0}},"finish_reason":{json.dumps(finish)}}}]'
    data = '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1.0,"model":"gpt-4o-x","choices":%s,"y":12345678901234567890}'
    return (form % f"data: {data % choice}{end}").encode()


def stream_of(events: list[bytes], *, size: int = 1 << 20) -> Answer:
    """The events in writes of at most `size` bytes each."""
    whole = b"".join(events)

    async def give() -> AsyncIterator[bytes]:
        for at in range(0, len(whole), size):
            yield whole[at : at + size]

    return Answer(headers={"content-type": "text/event-stream; charset=utf-8"}, body=give)


STREAMS = {
    "plain": [event_of("Hi"), event_of(" there"), event_of("", finish="stop"), b"data: [DONE]\n\n"],
    "crlf": [
        event_of("Hi", end="\r\n\r\n"),
        event_of("!", end="\r\n\r\n"),
        event_of("", finish="stop", end="\r\n\r\n"),
        b"data: [DONE]\r\n\r\n",
    ],
    "text that looks like frames": [
        event_of("Hi"),
        event_of('data: [DONE]\n\n data: {"id":"chatcmpl-1","model":"gpt-4o-x"}'),
        event_of('"usage":{"prompt_tokens":1} "error" "finish_reason":"stop"'),
        event_of("é😀\u2028\u0000"),
        event_of("", finish="stop"),
        b"data: [DONE]\n\n",
    ],
    "comments, names, ids and retries": [
        b": warming up\n\n",
        event_of("Hi", form="id: 7\nretry: 10\n%s"),
        b": still here\n\n",
        event_of("!", form="event: message\n%s"),
        event_of("", finish="stop"),
        b"data: [DONE]\n\n",
    ],
    "no space behind the colon": [
        event_of("Hi").replace(b"data: ", b"data:"),
        event_of("!").replace(b"data: ", b"data:"),
        event_of("", finish="stop").replace(b"data: ", b"data:"),
        b"data:[DONE]\n\n",
    ],
    "spaces within": [
        event_of("Hi").replace(b'"id":', b'"id" : ').replace(b'"model":', b'"model" :'),
        event_of("!").replace(b'"id":', b'"id" : ').replace(b'"model":', b'"model" :'),
        event_of("", finish="stop"),
        b"data: [DONE]\n\n",
    ],
}


@pytest.mark.parametrize("size", [1 << 20, 1, 7, 130])
@pytest.mark.parametrize("form", STREAMS)
def test_each_event_of_a_stream_is_passed_on_as_it_was_written(ask: Ask, upstream: ScriptedUpstream, form: str, size: int) -> None:
    events = STREAMS[form]
    upstream.handle = lambda _: stream_of(events, size=size)
    reply = ask("/v1/chat/completions", {"model": "openai/gpt-4o", "messages": [], "stream": True})
    assert reply.status_code == 200, reply.text
    identity = reply.headers["x-generation-id"].encode()
    expected, is_first = b"", True
    for event in events[:-1]:
        renamed = event.replace(b'"chatcmpl-1"', b'"%s"' % identity).replace(b'"gpt-4o-x"', b'"openai/gpt-4o"')
        if is_first and b"data:" in renamed:
            end = renamed.rindex(b"}") + 1
            renamed, is_first = renamed[: end - 1] + b',"provider":"OpenAI"' + renamed[end - 1 :], False
        expected += renamed
    assert reply.content == expected + b"data: [DONE]\n\n"


@pytest.mark.parametrize("size", [1 << 20, 1, 7, 130])
def test_a_stream_of_a_message_is_passed_on_untouched(ask: Ask, upstream: ScriptedUpstream, size: int) -> None:
    events = [
        (
            b'event: message_start\ndata: {"type":"message_start", "message":{"id":"msg_1",'
            b'"usage":{"input_tokens":9,"output_tokens":1}, "n":1.0e0}  }\n\n'
        ),
        b": a comment\n\n",
        b'event: ping\ndata: {"type": "ping"}\n\n',
        b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n',
        (
            'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",'
            '"text":"é😀\\n\\nmessage_stop error"},"x":1.0}\n\n'
        ).encode(),
        b'event: vendor_news\r\ndata: {"type":"vendor_news","message":"message_stop","delta":[],"n":12345678901234567890}\r\n\r\n',
        b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n',
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}}\n\n',
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    ]
    upstream.handle = lambda _: stream_of(events, size=size)
    reply = ask("/v1/messages", {"model": "anthropic/claude-sonnet-5", "max_tokens": 9, "messages": [], "stream": True})
    assert reply.content == b"".join(events)


def test_a_thousand_events_are_a_thousand_events(ask: Ask, served: Served) -> None:
    events = [event_of(f"w{number} ") for number in range(1000)]
    served.upstream.handle = lambda _: stream_of([*events, event_of("", finish="stop"), b"data: [DONE]\n\n"], size=4096)
    reply = ask("/v1/chat/completions", {"model": "openai/gpt-4o", "messages": [], "stream": True})
    found = [json.loads(event[6:]) for event in reply.content.split(b"\n\n")[:-2]]
    assert [event["choices"][0]["delta"]["content"] for event in found] == [*(f"w{number} " for number in range(1000)), ""]
    assert {event["id"] for event in found} == {reply.headers["x-generation-id"]}


@pytest.mark.parametrize(
    "body",
    [b'{"model":"openai/gpt-4o","messages":["\xff"]}', b'\xef\xbb\xbf{"model":"openai/gpt-4o","messages":[]}', b"[]", b'""', b"", b"nul"],
)
def test_what_is_not_a_json_object_in_utf8_is_sent_nowhere(ask: Ask, upstream: ScriptedUpstream, body: bytes) -> None:
    for path in ("chat/completions", "completions", "embeddings", "messages"):
        reply = ask(f"/v1/{path}", body)
        assert reply.status_code == 400, (path, reply.text)
    assert upstream.received == []


def test_a_compressed_reply_is_the_same_reply(ask: Ask, upstream: ScriptedUpstream) -> None:
    sent: Any = REPLIES["odd"] % ('"chatcmpl-1"', '"gpt-4o-x"', USAGE % "", "")
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    upstream.handle = lambda _: Answer(headers=headers, body=gzip.compress(sent.encode()))
    reply = ask("/v1/chat/completions", {"model": "openai/gpt-4o", "messages": []})
    assert reply.status_code == 200, reply.text
    assert reply.json()["raw"] == "é😀\u2028 \U0010ffff"
