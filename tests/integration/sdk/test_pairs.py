"""Any client to any provider, through the official SDKs: what is said arrives, whole and streamed, and is counted alike everywhere."""

import pytest

from anyrouter.wire.translation.registry import CODECS
from anyrouter.wire.translation.translation import can_translate
from support.clients.talk import Ending
from support.pairs import CLIENTS, HOW, INPUT_USD, LIVE, OUTPUT_USD, PAIRS, PASSED_THROUGH, STREAMED, VENDORS, WHOLE, Pair, World

HOSTILE = 'Grüße ☀ 🦊 "quoted" \\ back\\slash \n\n\tdata: {"x":1}\n\nevent: error\r\n </s> \u2028 \x7f [DONE]'
SPOKEN = "Hello! This is a simulated answer from AnyRouter's sandbox, given in the place of"


def test_the_table_has_every_client_and_every_upstream() -> None:
    speaking = {name for name, codec in CODECS.items() if codec.decode_request is not None}
    asked = {name for name, codec in CODECS.items() if codec.encode_request is not None}
    assert set(CLIENTS) == speaking
    assert set(VENDORS) == asked
    assert [pair for pair in PAIRS if not (pair in PASSED_THROUGH or can_translate(*pair))] == []
    assert len(PAIRS) == len(CLIENTS) * len(VENDORS)


def test_whole_and_streamed_say_the_same(pair: Pair) -> None:
    whole, streamed = pair.say(WHOLE, "chat"), pair.say(STREAMED, "chat")
    assert whole.text.startswith(SPOKEN)
    assert streamed.text == whole.text
    assert streamed.pieces > 10
    for said in (whole, streamed):
        assert (said.id == said.generation_id, said.model == pair.model("chat")) == pair.names
        assert pair.world.generation(said.id, pair.environment)["id"] == said.generation_id
        assert said.ending == pair.client.words[Ending.STOP]
        assert (said.calls, said.thoughts, said.refusal, said.warnings) == ((), "", None, [])


@pytest.mark.parametrize("how", HOW)
def test_texts_survive_both_ways(pair: Pair, how: str) -> None:
    assert pair.say(how, "echo", text=HOSTILE).text == HOSTILE


@pytest.mark.parametrize("how", HOW)
def test_usage_is_the_same_in_the_reply_and_in_the_ledger(pair: Pair, how: str) -> None:
    said = pair.say(how, "chat", text="x" * 400)
    told = pair.generation(said)
    assert (said.input_tokens, said.output_tokens) == (100, (len(said.text)) // 4)
    assert (told["tokens_prompt"], told["tokens_completion"]) == (said.input_tokens, said.output_tokens)
    assert (told["native_tokens_prompt"], told["native_tokens_completion"]) == (said.input_tokens, said.output_tokens)
    assert (told["usage_source"], told["streamed"], told["state"]) == ("exact", how == STREAMED, "settled")
    assert (told["model"], told["finish_reason"]) == (pair.model("chat"), "stop")
    cost = told["total_cost"] if pair.environment == LIVE else told["shadow_cost"]
    assert cost == pytest.approx(said.input_tokens * INPUT_USD + said.output_tokens * OUTPUT_USD, abs=1e-12)


@pytest.mark.parametrize("how", HOW)
def test_usage_that_the_upstream_does_not_tell_is_estimated_alike(translated: Pair, how: str) -> None:
    said = translated.say(how, "no-usage", text="x" * 400)
    told = translated.generation(said)
    assert told["usage_source"] == "estimated"
    assert (told["tokens_prompt"], told["tokens_completion"]) == (said.input_tokens, said.output_tokens)
    assert said.input_tokens == pytest.approx(100, abs=5)
    assert said.output_tokens == pytest.approx(len(said.text) // 4, abs=3)


@pytest.mark.parametrize("how", HOW)
def test_a_system_prompt_reaches_the_model(pair: Pair, how: str) -> None:
    said = pair.say(how, "echo", text="x" * 40, system="y" * 80)
    assert (said.text, said.input_tokens) == ("x" * 40, 30)


@pytest.mark.parametrize("how", HOW)
def test_a_conversation_goes_on(pair: Pair, how: str) -> None:
    first = pair.say(how, "echo", text="x" * 40, system="y" * 80)
    second = pair.say(how, "echo", text="z" * 60, system="y" * 80, before=first.turns)
    assert (second.text, second.input_tokens) == ("z" * 60, 20 + 10 + 10 + 15)


@pytest.mark.parametrize("how", HOW)
def test_an_answer_that_is_too_long_says_so_in_the_clients_word(pair: Pair, how: str) -> None:
    said = pair.say(how, "chat", max_tokens=16)
    assert 0 < len(said.text) < len(SPOKEN)
    assert (said.ending, said.output_tokens) == (pair.client.words[Ending.LENGTH], 16)
    assert pair.generation(said)["finish_reason"] == "length"


@pytest.mark.parametrize("how", HOW)
def test_a_stop_sequence_stops(pair: Pair, how: str) -> None:
    stop = ("nothing like it", "simulated")
    if pair.client.dialect == "responses":  # which has none
        with pytest.raises(NotImplementedError):
            pair.say(how, "chat", stop=stop)
        return
    said = pair.say(how, "chat", stop=stop)
    if pair.upstream == "responses":
        assert said.text.startswith(SPOKEN)
        if how == WHOLE or pair.client.shows_stream_warnings:
            assert [warning["param"] for warning in said.warnings] == ["stop"]
        return
    assert said.text == "Hello! This is a "
    is_told = pair.upstream in {"anthropic", "bedrock"}  # the others do not say which of the two ways to stop it was
    assert said.ending == pair.client.words[Ending.STOP_SEQUENCE if is_told else Ending.STOP]


@pytest.mark.parametrize("how", HOW)
def test_a_filter_that_breaks_off_says_so_in_the_clients_word(pair: Pair, how: str) -> None:
    said = pair.say(how, "content-filter")
    assert said.text == "Hello! This is a"
    assert said.ending == pair.client.words[Ending.FILTER]
    assert pair.generation(said)["finish_reason"] == "content_filter"


@pytest.mark.parametrize("how", HOW)
def test_a_refusal_is_seen_as_one(pair: Pair, how: str) -> None:
    said = pair.say(how, "refusal")
    is_worded = pair.upstream in {"openai", "responses", "bedrock"}
    assert ("can't help" in f"{said.text}{said.refusal}") == is_worded
    is_openais = pair.upstream in {"openai", "responses"}
    if is_openais and pair.client.dialect in {"openai", "responses"}:
        assert said.refusal
        assert said.ending == pair.client.words[Ending.STOP]
    elif is_openais and pair.client.dialect == "gemini":  # it has no word for a model that declines by itself
        assert said.ending == pair.client.words[Ending.STOP]
    elif pair.upstream == "gemini" and pair.client.dialect == "gemini":  # no candidate, but why the prompt was blocked
        assert said.ending is None
    else:
        assert said.ending == pair.client.words[Ending.FILTER]


def test_a_long_stream_is_whole(pair: Pair) -> None:
    said = pair.say(STREAMED, "long", max_tokens=400)
    assert (len(said.text), said.output_tokens) == (1603, 400)
    assert said.pieces > 200


@pytest.mark.parametrize("client", CLIENTS)
def test_a_question_counts_the_same_at_every_upstream(world: World, client: str) -> None:
    counts = set()
    for upstream in VENDORS:
        pair = world.pair(client, upstream)
        for how in HOW:
            said = pair.say(how, "chat", text="How are you today, gateway?", system="Be brief and kind.")
            counts.add((said.input_tokens, said.output_tokens, said.reasoning_tokens))
    assert len(counts) == 1
