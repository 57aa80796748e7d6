"""A stream's bytes may arrive cut anywhere: what the client gets and what is put on record do not depend on it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyrouter.wire.reply import InvalidReply
from support.streams import (
    CHAT_STREAMS,
    DONE,
    FINISH,
    HOSTILE,
    LAST,
    MESSAGE_STREAMS,
    TEXT_STREAMS,
    USAGE,
    choice,
    chunk,
    cut,
    event,
    expect_events,
    open_anthropic,
    open_openai,
    outcome,
    read_events,
    run,
)

STREAMS = {
    **{f"chat: {name}": (open_openai, stream) for name, stream in CHAT_STREAMS.items()},
    **{f"chat, usage asked: {name}": (lambda: open_openai(is_usage_wanted=True), stream) for name, stream in CHAT_STREAMS.items()},
    **{f"text: {name}": (lambda: open_openai("completions"), stream) for name, stream in TEXT_STREAMS.items()},
    **{f"message: {name}": (open_anthropic, stream) for name, stream in MESSAGE_STREAMS.items()},
}
SHORT = {name: row for name, row in STREAMS.items() if len(row[1]) < 8000}


@pytest.mark.parametrize(("make", "stream"), SHORT.values(), ids=SHORT)
def test_a_stream_cut_in_two_at_any_byte_comes_out_the_same(make, stream: bytes) -> None:
    whole = outcome(make, [stream])
    assert whole[6], "every recorded stream is whole"
    for at in range(1, len(stream)):
        assert outcome(make, [stream[:at], stream[at:]]) == whole, at


@pytest.mark.parametrize(("make", "stream"), SHORT.values(), ids=SHORT)
def test_a_stream_that_comes_byte_by_byte_comes_out_the_same(make, stream: bytes) -> None:
    assert outcome(make, [stream[at : at + 1] for at in range(len(stream))]) == outcome(make, [stream])


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(sorted(STREAMS)), st.data())
def test_a_stream_cut_into_any_pieces_comes_out_the_same(name: str, data: st.DataObject) -> None:
    make, stream = STREAMS[name]
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))
    assert outcome(make, cut(stream, places)) == outcome(make, [stream])


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20) | st.sampled_from([HOSTILE, '"content":"', "data:", "[DONE]", "\\"])
deltas = st.fixed_dictionaries(
    {}, optional={"content": texts | st.none(), "role": st.just("assistant"), "reasoning_content": texts, "refusal": texts}
)
chunks = st.builds(
    lambda parts, extra: chunk(choices=[choice(delta, index) for index, delta in enumerate(parts)], **extra),
    st.lists(deltas, min_size=1, max_size=3),
    st.fixed_dictionaries({}, optional={"usage": st.sampled_from([None, USAGE]), "system_fingerprint": texts, "x": st.integers()}),
)


@st.composite
def chats(draw: st.DrawFn) -> bytes:
    """A chat's stream in one upstream's style."""
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    border = draw(st.sampled_from(["\n\n", "\r\n\r\n"]))
    ascii_only = draw(st.booleans())
    values = [*draw(st.lists(chunks, min_size=1, max_size=6)), FINISH, *draw(st.sampled_from([[], [LAST]]))]
    comments = st.sampled_from([b"", b"", b": keep-alive" + border.encode()])
    events = [draw(comments) + event(value, separators, border, ascii_only=ascii_only) for value in values]
    return b"".join(events) + draw(st.sampled_from([b"", b"data: [DONE]" + border.encode()]))


@settings(deadline=None, max_examples=150)
@given(chats(), st.booleans(), st.data())
def test_any_chat_reaches_the_client_as_the_contract_says(stream: bytes, is_usage_wanted, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    out, rewriter = run(lambda: open_openai(is_usage_wanted=is_usage_wanted), cut(stream, places))
    got, expected = read_events(out), expect_events(stream, is_usage_wanted=is_usage_wanted)
    assert rewriter.is_done
    assert out.endswith(DONE)
    if is_usage_wanted:
        told = got[-2]["usage"]
        assert all(isinstance(told[name], int) for name in ("prompt_tokens", "completion_tokens", "total_tokens", "cost"))
        if rewriter.facts.usage is not None:
            assert {name: told[name] for name in USAGE} == expected[-2].pop("usage")
            assert told["cost"] == 100 * 1000 + 10
            got[-2].pop("usage")
        else:
            got = [*got[:-2], got[-1]]
    assert got == expected
    assert out.count(b": keep-alive") == stream.count(b": keep-alive")


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.binary(max_size=30)
        | st.sampled_from(
            [b"data: ", b"\n\n", b"\r\n\r\n", b"{", b"}", b'"choices":[', b"]", event(chunk("x")), b"data: [DONE]\n\n", b"\xff"]
        )
        | st.sampled_from([b'{"type":"', b"message_start", b'"', b"data: null\n\n", b'data: {"type":"error"}\n\n', b"9" * 400, b"1e999"]),
        max_size=12,
    ),
    st.sampled_from([open_openai, open_anthropic]),
)
def test_garbage_is_an_invalid_reply_and_never_anything_else(pieces: list[bytes], make) -> None:
    try:
        run(make, pieces)
    except InvalidReply:
        return
